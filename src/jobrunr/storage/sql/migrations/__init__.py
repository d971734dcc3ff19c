"""How the tables come to be as they are: Alembic revisions, and the little that is to be known without Alembic."""
