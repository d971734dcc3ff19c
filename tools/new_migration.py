"""Begin a revision of the tables, behind the newest one.

python tools/new_migration.py "keep the tenant of a job"
"""

from __future__ import annotations

import sys
from pathlib import Path

from alembic import command
from alembic.config import Config

from jobrunr.storage.sql import migrations
from jobrunr.storage.sql.migrations.revisions import HEAD


def main(message: str) -> str | None:
    """Write the file; what is returned is the complaint."""
    if not message:
        return 'Say what it does: make migration NAME="keep the tenant of a job"'
    revision = f"{int(HEAD) + 1:04}"
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    command.revision(config, message=message, rev_id=revision, head=HEAD)
    print(f'Now write its upgrade, and add "{revision}" to REVISIONS in migrations/revisions.py.')
    return None


if __name__ == "__main__":
    sys.exit(main(" ".join(sys.argv[1:])))
