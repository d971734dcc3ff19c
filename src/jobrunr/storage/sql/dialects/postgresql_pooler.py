"""Connection poolers, as PgBouncer is one, between us and PostgreSQL.

One that lends a connection of the database for a transaction only keeps nothing that belongs to a session: what is set there
stays for strangers, a lock that is taken there is theirs, LISTEN hears nothing, and a prepared statement is not there the
next time. So behind a pooler we use none of these. How it lends cannot be seen, so this goes for all of them.
"""

from __future__ import annotations

from typing import Any


def is_pooled(driver: Any) -> bool:
    """Whether a connection of psycopg leads to a pooler: it has introduced itself with another number than the database."""
    (backend,) = driver.execute("SELECT pg_backend_pid()").fetchone()
    return bool(backend != driver.info.backend_pid)
