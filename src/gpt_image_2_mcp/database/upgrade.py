"""Creates the tables of a new database, and has an older database migrated.

The version of a database is in its table `schema_version`, as it was before Alembic came: an earlier release of this
program finds it there and refuses a database that is newer than it knows.
"""

import sqlalchemy as sa

from ..errors import DatabaseUnusable
from . import schema
from .database import Database
from .url import Address, PostgresUrl


def create_or_upgrade(database: Database) -> None:
    """Give a database the tables of `schema.VERSION`; one that has them is only read, and nothing is waited for.

    Of several processes that open an older database at the same moment, one migrates it and the others, which have
    waited for its transaction, find it migrated. If that one is killed, its transaction is rolled back, and the next
    process migrates.

    Raises:
        DatabaseUnusable: the database belongs to another program, or to a later version of this one.

    """
    with database.reading() as connection:
        is_current = _checked_version(connection, database.at) == schema.VERSION
    if not is_current:
        with database.exclusive() as connection:
            _change(connection, _checked_version(connection, database.at))


def _change(connection: sa.Connection, version: int | None) -> None:
    """Create the tables of an empty database, whose `version` is None, or migrate those of an older one."""
    if version is None:
        # Not by the revisions: importing Alembic for them would make the first call after an installation slower.
        schema.metadata.create_all(connection, checkfirst=False)
        connection.execute(sa.insert(schema.schema_version).values(version=schema.VERSION))
    elif version < schema.VERSION:
        from .migrations import upgrade

        upgrade(connection, version)
        connection.execute(sa.update(schema.schema_version).values(version=schema.VERSION))


def _checked_version(connection: sa.Connection, at: Address) -> int | None:
    """The version of this program's database at `at`, None if that is empty; raises as `create_or_upgrade` does."""
    names = set(sa.inspect(connection).get_table_names())
    if not names:
        return None
    version = _version(connection, names)
    if version is not None and version > schema.VERSION:
        raise DatabaseUnusable(
            at,
            f"is of version {version}, and this program knows versions up to {schema.VERSION}. Update gpt-image-2-mcp",
        )
    if version is None or not names.issuperset(_tables_since(version)):
        elsewhere = "Move it elsewhere, and a new one is made"
        if isinstance(at, PostgresUrl):
            elsewhere = "Name an empty one in GPT_IMAGE_2_DATABASE_URL"
        raise DatabaseUnusable(at, f"belongs to another program. {elsewhere}")
    return version


def _version(connection: sa.Connection, names: set[str]) -> int | None:
    """Read the version; None where no release of this program has written one."""
    table = schema.schema_version
    if table.name not in names or {column["name"] for column in sa.inspect(connection).get_columns(table.name)} != {
        "version"
    }:
        return None
    version: object = connection.scalar(sa.select(table))
    return version if isinstance(version, int) and version >= 0 else None


def _tables_since(version: int) -> set[str]:
    """Name the tables of today that a database of this version has already."""
    return {table.name for table in schema.metadata.sorted_tables if table.info["since"] <= version}
