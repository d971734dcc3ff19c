"""Column types that mean the same on every database: a moment, an id, a short text, a long text.

They are used by the tables and by the migrations; a change here changes both, and needs a revision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, Protocol
from uuid import UUID

import msgspec
from sqlalchemy import CHAR, TEXT, Dialect, String, Text, Uuid
from sqlalchemy import types as sqltypes
from sqlalchemy.types import TypeDecorator, TypeEngine

_MYSQL = frozenset({"mysql", "mariadb"})

TABLE_OPTIONS: Mapping[str, Any] = {
    f"{name}_{option}": value for name in sorted(_MYSQL) for option, value in (("engine", "InnoDB"), ("charset", "utf8mb4"))
}
"""On MySQL and MariaDB: tables with transactions, and text in any script."""


class _Processor(Protocol):
    """What turns values on their way to the database, or back."""

    def __call__(self, value: Any) -> Any: ...


def _own_type(database: str, name: str) -> Callable[..., TypeEngine[Any]]:
    """A type that only one database has. All of them together take longer to import than the rest of this package."""
    own: Callable[..., TypeEngine[Any]] = getattr(import_module(f"sqlalchemy.dialects.{database}"), name)
    return own


class UtcTime(TypeDecorator[datetime]):
    """A moment to the microsecond: aware and in UTC in Python, whatever the database makes of it.

    A ``timestamptz`` on PostgreSQL; where there is none, UTC without saying so. SQLite has no times at all: there it is text
    of a fixed width, which sorts as the moments do and is what SQLite's own date functions read and write.
    """

    impl = sqltypes.TIMESTAMP
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return _own_type("postgresql", "TIMESTAMP")(timezone=True)
        if dialect.name in _MYSQL:
            return _own_type("mysql", "DATETIME")(fsp=6)
        if dialect.name == "sqlite":
            return TEXT()
        if dialect.name == "mssql":
            return _own_type("mssql", "DATETIME2")(6)
        if dialect.name == "oracle":
            return _own_type("oracle", "TIMESTAMP")()
        return sqltypes.TIMESTAMP()

    # The processors are made here, once for a statement, instead of the usual hooks, which cost more at every value.

    def bind_processor(self, dialect: Dialect) -> _Processor:
        if dialect.name == "postgresql":
            return _as_it_is
        return _to_text if dialect.name == "sqlite" else _to_naive

    def result_processor(self, dialect: Dialect, coltype: object) -> _Processor:
        if dialect.name == "postgresql":
            return _from_aware
        return _from_text if dialect.name == "sqlite" else _from_naive


def time_as_text(value: datetime) -> str:
    """A moment as text in UTC, without saying so: what SQLite and MySQL read.

    >>> time_as_text(datetime(2026, 1, 1, 12, tzinfo=UTC))
    '2026-01-01 12:00:00.000000'
    """
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _as_it_is(value: datetime | None) -> datetime | None:
    return value


def _to_text(value: datetime | None) -> str | None:
    return None if value is None else time_as_text(value)


def _to_naive(value: datetime | None) -> datetime | None:
    return None if value is None else value.astimezone(UTC).replace(tzinfo=None)


def _from_text(value: Any) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value).replace(tzinfo=UTC)


def _from_naive(value: Any) -> datetime | None:
    return None if value is None else value.replace(tzinfo=UTC)


def _from_aware(value: Any) -> datetime | None:
    return None if value is None else value.astimezone(UTC)


class Id(TypeDecorator[UUID]):
    """A UUID: the database's own type on PostgreSQL, 36 readable characters elsewhere."""

    impl = CHAR(36)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return Uuid()
        if dialect.name in _MYSQL:
            return _own_type("mysql", "CHAR")(36, charset="ascii", collation="ascii_bin")
        return CHAR(36)

    def bind_processor(self, dialect: Dialect) -> _Processor | None:
        return None if dialect.name == "postgresql" else _id_to_text

    def result_processor(self, dialect: Dialect, coltype: object) -> _Processor | None:
        return None if dialect.name == "postgresql" else _id_from_text


def _id_to_text(value: UUID | None) -> str | None:
    return None if value is None else str(value)


def _id_from_text(value: Any) -> UUID | None:
    return None if value is None else UUID(value)


class IdList(TypeDecorator[Sequence[UUID] | Sequence[int]]):
    """Ids as one parameter, a JSON array: the text of the statement is then the same for any number of them."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Sequence[UUID] | Sequence[int] | None, dialect: Dialect) -> str:
        return msgspec.json.encode(value).decode()


class ExactText(TypeDecorator[str]):
    """Text that equals only what is the same to the last character, trailing spaces included.

    Arguments:
        length: in characters, for what stands in an index; None for any length, JSON included. We never ask a database to
            look inside.
    """

    impl = Text
    cache_ok = True

    def __init__(self, length: int | None = None) -> None:
        super().__init__(length)
        self.length = length

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name in _MYSQL:
            # Differs because of collations: the usual ones ignore case or trailing spaces, and the two that ignore nothing
            # have different names.
            collation = "utf8mb4_nopad_bin" if getattr(dialect, "is_mariadb", False) else "utf8mb4_0900_bin"
            if self.length is None:
                return _own_type("mysql", "LONGTEXT")(charset="utf8mb4", collation=collation)
            return _own_type("mysql", "VARCHAR")(self.length, charset="utf8mb4", collation=collation)
        if dialect.name == "mssql":
            return _own_type("mssql", "NVARCHAR")(self.length, collation="Latin1_General_100_BIN2")
        return Text() if self.length is None else String(self.length)
