"""Which revisions there are.

Known without Alembic, whose import takes longer than everything else at the start of a process whose tables are in order.
"""

from __future__ import annotations

REVISIONS = ("0001", "0002", "0003")
"""All revisions, the oldest first. A test holds this against the folder ``versions``."""

HEAD = REVISIONS[-1]

VERSION_TABLE = "alembic_version"
"""Behind the table prefix: where Alembic notes the revision."""
