"""Forgets a person: their pictures, sessions, jobs and files, and their name.

What was spent stays, without the name: the ledger's rows become those of `FORGOTTEN`, so that the sums of the team and
its budget stay right, and the lines of the audit have a number in place of the name, which nothing explains any more.
"""

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from ..database.people import EVERYONE
from ..database.store import Store
from ..errors import BadRequest, shown

FORGOTTEN: Final = "forgotten"
"""Whose the charges of forgotten people are. No person has this key: that of every person has a `|` in it."""

_TABLES: Final = ("batch_lines", "batches", "jobs", "sessions", "pictures", "desks")
"""The tables whose rows of the person are deleted; the words of a picture go with it."""


@dataclass(frozen=True, slots=True)
class Left:
    """How many rows of a person there were, by table."""

    rows: dict[str, int]

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.rows.values())


def rows_of(store: Store, person: str) -> Left:
    """Count the rows of a person."""
    with store.of(person).database.reading() as connection:
        return Left({table: _count(connection, table) for table in (*_TABLES, "charges")})


def forget_rows(store: Store, person: str) -> None:
    """Delete the rows of a person, and their name where rows stay. Doing it again does nothing.

    Raises:
        BadRequest: something that is paid for is under way.

    """
    with store.of(person).database.transaction() as connection:
        running = "SELECT count(*) FROM charges WHERE state IN ('reserved', 'sent')"
        if under_way := connection.scalar(sa.text(running)):
            raise BadRequest(
                f"{shown(person)} has {under_way} requests under way, whose pictures would come after this. Wait until"
                " they have ended, and try again."
            )
        for table in _TABLES:
            connection.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608 - a name of this module; the fence says whose
    with store.of(EVERYONE).database.transaction() as connection:
        renamed = sa.text("UPDATE charges SET person = :forgotten WHERE person = :person")
        connection.execute(renamed, {"forgotten": FORGOTTEN, "person": person})
        connection.execute(sa.text("DELETE FROM audit_people WHERE person = :person"), {"person": person})


def _count(connection: sa.Connection, table: str) -> int:
    return connection.scalar(sa.text(f"SELECT count(*) FROM {table}")) or 0  # noqa: S608 - a name of this module
