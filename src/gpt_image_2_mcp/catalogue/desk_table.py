"""`DeskTable`: the SQL statements on the `desks` table: what `last` and numbers of pictures mean to a person.

On a server for several people, one replica answers a call and another one the next. The table is on PostgreSQL alone:
elsewhere, one process has this in memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

_LOAD: Final = sa.text("SELECT last, answer, sheet, changed, clock_timestamp() - changed AS age FROM desks").columns(
    answer=sa.JSON, sheet=sa.JSON
)
_SAVE: Final = sa.text(
    "INSERT INTO desks (last, answer, sheet, changed) VALUES (:last, :answer, :sheet, clock_timestamp())"
    " ON CONFLICT (person) DO UPDATE SET last = excluded.last, answer = excluded.answer, sheet = excluded.sheet,"
    " changed = excluded.changed RETURNING changed"
).bindparams(sa.bindparam("answer", type_=sa.JSON), sa.bindparam("sheet", type_=sa.JSON))


@dataclass(frozen=True, slots=True)
class DeskRow:
    """The row of a person."""

    last: str | None
    answer: list[str]
    sheet: Mapping[str, str]
    changed: datetime
    """When it was written, by the clock of the database server."""
    age: timedelta
    """How long ago that was."""


@dataclass(frozen=True, slots=True)
class DeskTable:
    """The `desks` table within one transaction of a person."""

    connection: sa.Connection

    def load(self) -> DeskRow | None:
        """The person's row, if there is one."""
        row = self.connection.execute(_LOAD).mappings().first()
        return None if row is None else DeskRow(**row)

    def save(self, remembered: Mapping[str, Any]) -> datetime:
        """Write the person's row from its columns `last`, `answer` and `sheet`; returns `DeskRow.changed`."""
        return self.connection.execute(_SAVE, dict(remembered)).scalar_one()
