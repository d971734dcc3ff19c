"""The names of our tables: what may be a prefix or a schema."""

from __future__ import annotations

import re

from jobrunr.errors import StorageSetupError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,30}")


def check_table_prefix(prefix: str) -> str:
    """Return a prefix that is acceptable; the empty one is.

    Raises:
        StorageSetupError: it is not.
    """
    return prefix if prefix == "" else _check("table prefix", prefix)


def check_schema(schema: str | None) -> str | None:
    """Return a schema's name that is acceptable; None for the schema that the connection has.

    Raises:
        StorageSetupError: it is not.
    """
    return None if schema is None else _check("schema", schema)


def _check(what: str, name: str) -> str:
    if not _NAME.fullmatch(name):
        raise StorageSetupError(
            f"The {what} cannot be {name!r}; it is a letter or _, and up to 30 more letters, digits and _ (A-Z, a-z, 0-9)."
        )
    return name
