"""Alembic's revisions, which bring an older database up to date, and the function that runs them.

Importing this imports Alembic, which takes some tenths of a second: `upgrade.create_or_upgrade` does so for an older
database only, since a new one is made from `schema.metadata`.

How the tables are changed: change them in `schema.py` and raise `schema.VERSION`; write the file of the same number in
`versions/`, whose `upgrade()` makes the same change with `alembic.op` in SQLite and in PostgreSQL. A revision states
the tables as they were in its time and imports nothing from this package, so that later changes leave it as it is.
`tests/test_migrations.py` compares a migrated database with a new one.
"""

from pathlib import Path
from threading import Lock

import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

_ONE_AT_A_TIME = Lock()
"""`alembic.op`, which the revisions use, works on one connection in the whole process."""


def upgrade(connection: sa.Connection, version: int) -> None:
    """Run every revision that is later than `version`, the oldest first, inside the caller's transaction.

    The caller holds the lock of the database, and writes the new version into it: Alembic keeps no table of its own, so
    that an earlier release of this program goes on finding the version where it looks for it.
    """
    scripts = ScriptDirectory(str(Path(__file__).parent))
    later = list(scripts.iterate_revisions("head", f"{version:04}" if version else "base"))
    with _ONE_AT_A_TIME, Operations.context(MigrationContext.configure(connection)):
        for script in reversed(later):
            script.module.upgrade()
