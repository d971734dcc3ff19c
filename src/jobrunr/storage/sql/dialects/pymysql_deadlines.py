"""A connection of PyMySQL every call of which ends in time. PyMySQL alone limits each single packet that it waits for."""

from __future__ import annotations

import math
from typing import Any

from pymysql.connections import Connection

from jobrunr.errors import StorageSetupError
from jobrunr.storage.sql.deadlines import present_deadline, seconds_left

_STEP = 0.05
"""Seconds. A new time limit for the socket is a call to the system, which is not made for every row that comes."""
_AT_ONCE = 0.001
"""Seconds for what is late: a socket has no time limit of zero."""


class DeadlineConnection(Connection):  # type: ignore[misc]  # PyMySQL has no types
    """Waits no longer for the server than the call that it works for may take."""

    # Where PyMySQL keeps its limits, and looks at them before it reads or writes.

    @property
    def _read_timeout(self) -> float:
        return _limit(self._longest_read)

    @_read_timeout.setter
    def _read_timeout(self, seconds: float) -> None:
        self._longest_read = seconds

    @property
    def _write_timeout(self) -> float:
        return _limit(self._longest_write)

    @_write_timeout.setter
    def _write_timeout(self, seconds: float) -> None:
        self._longest_write = seconds


def connect_with_deadline(dialect: object, record: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Connection:
    """Make a connection for SQLAlchemy's event ``do_connect``.

    Raises:
        StorageSetupError: the database wants the password in a way that PyMySQL knows only with another package.
    """
    deadline = present_deadline()
    if deadline is not None:
        deadline.take_all()  # there will be no newer connection to try
    try:
        return DeadlineConnection(*args, **kwargs | {"connect_timeout": _limit(kwargs["connect_timeout"])})
    except RuntimeError as error:  # which it raises where a package is missing
        raise StorageSetupError(
            f"The database wants the password in a way that takes another package: {error}. Install it: "
            f"pip install 'pymysql[rsa]' for MySQL, 'pymysql[ed25519]' for MariaDB. MySQL does without where it offers TLS."
        ) from error


def _limit(longest: float) -> float:
    left = seconds_left(longest)
    return max(_AT_ONCE, left if left < _STEP else min(longest, math.ceil(left / _STEP) * _STEP))
