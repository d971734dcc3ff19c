"""The databases of the storage tests, whose users may do more or less here."""

from __future__ import annotations

from tests.storage.conftest import mariadb, postgresql

__all__ = ["mariadb", "postgresql"]
