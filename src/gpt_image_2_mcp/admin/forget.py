"""Forgets a person: their pictures, sessions, jobs and files, and their name.

What was spent stays, without the name: the ledger's rows become those of `FORGOTTEN`, so that the sums of the team and
its budget stay right, and the lines of the audit have a number in place of the name, which nothing explains any more.
"""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from ..database.people import EVERYONE
from ..database.store import Store
from ..errors import BadRequest, shown
from ..picture_store.keys import forgotten_key, person_part
from ..picture_store.store import PictureStore

FORGOTTEN: Final = "forgotten"
"""Whose the charges of forgotten people are. No person has this key: that of every person has a `|` in it."""

_TABLES: Final = ("outbox", "stored_files", "batch_lines", "batches", "jobs", "sessions", "pictures", "desks")
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


def forget_files(store: Store, person: str, pictures: PictureStore, people: Path) -> int:
    """Delete a person's objects in the picture store, and their folder in `people` on this computer; gives how many.

    It comes before `forget_rows`, since the rows say which objects there are. Doing it again goes on where it ended.

    Raises:
        BadRequest: something that is paid for is under way.
        StoreUnusable: the picture store cannot be reached.

    """
    with store.of(person).database.reading() as connection:
        _check_idle(connection, person)
        keys: list[str] = [*connection.scalars(sa.text("SELECT key FROM stored_files WHERE NOT on_disk_only"))]
    # What a killed process has put there is in no row. The store's clock may be ahead.
    now = datetime.now(UTC) + timedelta(days=1)
    for kind in ("pictures", "uploads", "shown"):
        keys += pictures.older(f"{kind}/{person_part(person)}/", now)
    keys = list(dict.fromkeys(keys))
    for key in keys:
        pictures.delete(key)
    shutil.rmtree(people / person_part(person), ignore_errors=True)
    # For the other replicas, which remove what they have on their disks.
    pictures.put(forgotten_key(person, datetime.now(UTC)), b"1")
    return len(keys)


def forget_rows(store: Store, person: str) -> None:
    """Delete the rows of a person, and their name where rows stay. Doing it again does nothing.

    Raises:
        BadRequest: something that is paid for is under way.

    """
    with store.of(person).database.transaction() as connection:
        _check_idle(connection, person)
        for table in _TABLES:
            connection.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608 - a name of this module; the fence says whose
    with store.of(EVERYONE).database.transaction() as connection:
        renamed = sa.text("UPDATE charges SET person = :forgotten WHERE person = :person")
        connection.execute(renamed, {"forgotten": FORGOTTEN, "person": person})
        connection.execute(sa.text("DELETE FROM audit_people WHERE person = :person"), {"person": person})


def _check_idle(connection: sa.Connection, person: str) -> None:
    running = "SELECT count(*) FROM charges WHERE state IN ('reserved', 'sent')"
    if count := connection.scalar(sa.text(running)):
        requests = "1 request" if count == 1 else f"{count} requests"
        raise BadRequest(
            f"{shown(person)} has {requests} under way, whose pictures would come after this. Wait until that has"
            " ended, and try again."
        )


def _count(connection: sa.Connection, table: str) -> int:
    return connection.scalar(sa.text(f"SELECT count(*) FROM {table}")) or 0  # noqa: S608 - a name of this module
