"""Jobs in a SQL database, through SQLAlchemy Core."""

from jobrunr.storage.sql.provider import SqlStorageProvider
from jobrunr.storage.sql.schema import migration_sql

__all__ = ["SqlStorageProvider", "migration_sql"]
