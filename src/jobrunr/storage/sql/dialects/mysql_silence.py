"""Connections whose client falls silent in a transaction, frozen, or cut off without a word: they must not keep their locks
until somebody notices.

MariaDB ends such a transaction. MySQL only knows how to end a connection, in a transaction or not, so there the connections
of a pool must not be used any more when nobody has used them for as long.
"""

from __future__ import annotations

import math
import time
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError, DisconnectionError

_ON_MARIADB, _ON_MYSQL = "idle_transaction_timeout", "wait_timeout"
"""The settings, in seconds."""

_LEAST_ON_MYSQL = 5
"""Seconds. Whoever watches for jobs there says something once a second."""

_FRESH = 0.8
"""The share of that time for which a connection of a pool may be idle, and be used again."""

_IDLE_SINCE = "jobrunr-idle-since"


def limits_of_silence(seconds: int) -> str:
    """More for a ``SET SESSION``, where a call may take so many seconds. Each server reads its own comment: MariaDB leaves
    out those for MySQL 5.7 and newer."""
    return f" /*M!100300 , {_ON_MARIADB} = {seconds} */ /*!80000 , {_ON_MYSQL} = {_on_mysql(seconds)} */"


def replace_what_was_idle(engine: Engine, seconds: int) -> None:
    """Give out no connection that MySQL has ended, or is about to."""

    @event.listens_for(engine, "checkin")
    def note(driver: Any, record: Any) -> None:
        record.info[_IDLE_SINCE] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def replace(driver: Any, record: Any, proxy: object) -> None:
        idle = time.monotonic() - record.info.pop(_IDLE_SINCE, math.inf)
        if idle > _FRESH * _on_mysql(seconds) and not is_mariadb(engine):
            raise DisconnectionError("it was idle for as long as MySQL allows")


def end_if_silent(connection: Connection, seconds: int) -> None:
    """From now on, silence ends the transaction of a connection that may be the application's."""
    setting, limit = (_ON_MARIADB, seconds) if is_mariadb(connection) else (_ON_MYSQL, _on_mysql(seconds))
    connection.info[setting] = connection.exec_driver_sql(f"SELECT @@SESSION.{setting}").scalar_one()
    connection.exec_driver_sql(f"SET SESSION {setting} = {limit}")


def be_patient_again(connection: Connection) -> None:
    """Give a connection back what `end_if_silent` has changed, after its transaction."""
    setting = _ON_MARIADB if is_mariadb(connection) else _ON_MYSQL
    if not connection.invalidated and (before := connection.info.pop(setting, None)) is not None:
        try:
            connection.exec_driver_sql(f"SET SESSION {setting} = {before}")
        except DBAPIError:
            connection.invalidate()  # nobody gets it with a setting that is not his


def is_mariadb(connection: Connection | Engine) -> bool:
    """Whether it leads to MariaDB, and not to MySQL; of an engine, once it was connected."""
    return bool(getattr(connection.dialect, "is_mariadb", False))


def _on_mysql(seconds: int) -> int:
    return max(_LEAST_ON_MYSQL, seconds)
