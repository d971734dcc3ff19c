"""Databases of their own for tests of recurring jobs."""

from __future__ import annotations

from tests.processes.conftest import Fleet, fleet, mariadb, postgresql, sqlite, url

__all__ = ["Fleet", "fleet", "mariadb", "postgresql", "sqlite", "url"]
