"""Presence on SQLite: a locked file for each server, in a folder beside the database."""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Collection
from pathlib import Path
from typing import Self
from uuid import UUID

from jobrunr.storage.sql.presence import SqlPresence

_log = logging.getLogger("jobrunr.storage")


class LockedFile(SqlPresence):
    """A file that is locked as long as this process lives.

    Arguments:
        path: of the file. It is made, with its folder, and removed in the end.

    Raises:
        OSError: it cannot be made, or not locked.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise
        self._held_since = time.monotonic()

    @classmethod
    def taken(cls, path: Path) -> Self | None:
        """The lock, or None where there cannot be one. A server does without it as well."""
        try:
            try:
                return cls(path)
            except FileNotFoundError:  # the last server before us has just removed the folder
                return cls(path)
        except OSError as error:
            _log.info("whether this process lives is known by its heartbeats alone: %s", error)
            return None

    @property
    def held_for(self) -> float:
        return 0.0 if self._descriptor < 0 else time.monotonic() - self._held_since

    def close(self) -> None:
        if self._descriptor >= 0:
            remove(self._path)
            self.let_go_after_fork()

    def let_go_after_fork(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)  # as long as another process has it open, the lock is held
            self._descriptor = -1


def is_free(path: Path) -> bool:
    """Whether nobody holds the lock. Not so when there is no file: somebody may have tidied up too much."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: others may be looking, too
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def remove(path: Path) -> None:
    """Remove the file of a server that is gone, and the folder behind the last."""
    try:
        path.unlink(missing_ok=True)
        path.parent.rmdir()
    except OSError:
        pass  # the folder is not empty, or already gone; and a file that stays does no harm


def absent(folder: Path, server_ids: Collection[UUID]) -> frozenset[UUID]:
    """Whose locks nobody holds."""
    return frozenset(server_id for server_id in server_ids if is_free(folder / str(server_id)))
