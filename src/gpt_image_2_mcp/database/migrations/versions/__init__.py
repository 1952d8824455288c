"""One file a version of the database; Alembic loads each by its path."""
