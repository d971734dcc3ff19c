"""Where the demo keeps its jobs: a file that nobody else has, or the one of an earlier run."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from jobrunr import JobRunrError


class DemoError(JobRunrError):
    """There is nothing to show the demo on, or no place for it."""


def check_place(database: Path) -> None:
    """Make the folder for the database, and see that what is there may be replaced.

    Raises:
        DemoError: nothing can be written there, or there is something else of this name.
    """
    folder = database.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_ours = not database.exists() or database.stat().st_size == 0 or _is_of_a_demo(database)
    except OSError as error:
        raise DemoError(f"The demo cannot keep its jobs in {folder}: {error}. Give it another folder.") from error
    if not os.access(folder, os.W_OK):
        raise DemoError(f"The demo cannot keep its jobs in {folder}, where nobody may write. Give it another folder.")
    if not is_ours:
        raise DemoError(f"{database} is not the database of an earlier demo. Move it away, or give the demo another folder.")


def _is_of_a_demo(database: Path) -> bool:
    others = "SELECT count(*) FROM jobrunr_jobs WHERE target NOT LIKE 'jobrunr.demo.%'"
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return bool(connection.execute(others).fetchone() == (0,))
    except sqlite3.Error:  # no database, or one without our tables
        return False


@contextmanager
def alone_with(database: Path) -> Iterator[None]:
    """Have the place for the duration of a block, without what an earlier run has left.

    Raises:
        DemoError: another demo runs there.
    """
    folder = os.open(database.parent, os.O_RDONLY)
    try:
        _lock(folder, database.parent)
        for ending in ("", "-wal", "-shm"):
            Path(f"{database}{ending}").unlink(missing_ok=True)
        yield
    finally:
        os.close(folder)  # and with it goes the lock


def _lock(folder: int, name: Path) -> None:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise DemoError(f"Another demo runs in {name}. Wait for it, or give this one another folder.") from error
