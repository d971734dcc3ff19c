"""Notices that the file of a database is another one than before, or none.

SQLite goes on with the file that it has opened, wherever that is by now: what it commits there is lost for everybody who
looks for it under the name, and for us as well from the next start on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from jobrunr.errors import StorageSetupError

_FILE = "jobrunr file"
"""Under which SQLAlchemy keeps with a connection which file it has opened."""


def watch_file(engine: Engine, path: Path) -> None:
    """Refuse connections of an engine whose file is not the one under its name any more. If it comes back, they are good.

    Raises:
        StorageSetupError: from then on, when a connection is wanted.
    """

    @event.listens_for(engine, "connect")
    def remember(connection: object, record: Any) -> None:
        record.info[_FILE] = _identity(path)

    @event.listens_for(engine, "checkout")
    def compare(connection: object, record: Any, proxy: object) -> None:
        identity = _identity(path)
        if identity != record.info[_FILE]:
            what = "removed" if identity is None else "replaced by another one"
            raise StorageSetupError(
                f"The file {path} was {what} while it was in use; what is written to it now would be lost. "
                "Put it back. Or stop all processes that use it, replace it together with its -wal and -shm files, and "
                "start them again."
            )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
