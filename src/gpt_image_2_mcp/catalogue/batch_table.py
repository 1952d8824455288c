"""`BatchTable`: the SQL statements on the tables of batches and their lines.

How a line ended is in the `jobs` table, where the transaction that lists its pictures writes it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import sqlalchemy as sa

from ..database.database import as_everyone
from ..database.schema import batch_lines, batches, jobs, pictures
from .job_table import RETENTION
from .picture_record import Picture
from .picture_table import PictureTable, from_microseconds, to_microseconds

BatchState = Literal["preparing", "open", "ended"]
"""A batch is prepared, which costs nothing; it is open while a line may still end; it ends when none can."""

KEPT: Final = RETENTION + timedelta(days=2)
"""How long a batch is kept after its end: as long as the ends of its lines."""

CLOCKS: Final = timedelta(days=1)
"""By which the clocks of the computers that work on a batch may differ, and their days."""


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A row of the table: one batch."""

    id: str
    key: str
    owner: str
    state: BatchState
    is_cheap: bool
    created: datetime
    total: int
    is_cancelled: bool = False
    ended: datetime | None = None
    details: Mapping[str, Any] | None = None
    parts: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class LineRow:
    """A row of the table: one line of a batch."""

    number: int
    name: str
    tool: str
    request: Mapping[str, Any]
    sent: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class LineEnd:
    """How a line ended."""

    state: Literal["done", "failed"]
    outcome: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BatchTable:
    """The tables within one transaction, which began at `now`."""

    connection: sa.Connection
    now: datetime

    def insert(self, row: BatchRow, lines: Sequence[LineRow]) -> None:
        """Insert a batch with its lines, and delete those that ended long ago."""
        old = batches.c.ended_us < to_microseconds(self.now - KEPT)
        with as_everyone(self.connection):
            ids = sa.select(batches.c.id).where(old)
            self.connection.execute(sa.delete(batch_lines).where(batch_lines.c.batch_id.in_(ids)))
            self.connection.execute(sa.delete(batches).where(old))
        values = {
            "id": row.id,
            "key": row.key,
            "owner": row.owner,
            "state": row.state,
            "cheap": row.is_cheap,
            "cancelled": row.is_cancelled,
            "created_us": to_microseconds(row.created),
            "ended_us": None,
            "total": row.total,
            "details": dict(row.details or {}),
            "parts": list(row.parts),
        }
        self.connection.execute(sa.insert(batches), values)
        self.connection.execute(
            sa.insert(batch_lines),
            [
                {
                    "batch_id": row.id,
                    "number": line.number,
                    "name": line.name,
                    "tool": line.tool,
                    "request": dict(line.request),
                    "sent": sa.null() if line.sent is None else dict(line.sent),
                }
                for line in lines
            ],
        )

    def get(self, batch_id: str) -> BatchRow | None:
        """The batch of this id, if there is one."""
        return next(iter(self._select(batches.c.id == batch_id)), None)

    def wait_for_same(self, key: str) -> None:
        """Wait until no other transaction is about to insert a batch of the call `key`, and keep others waiting.

        On SQLite, a transaction that writes is alone in any case.
        """
        if self.connection.dialect.name == "postgresql":
            self.connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 2))"), {"key": key})

    def newest_of(self, key: str, *, after: datetime) -> BatchRow | None:
        """The newest batch of the call `key` that is not over, or was made after a time."""
        is_near = sa.or_(batches.c.state != "ended", batches.c.created_us > to_microseconds(after))
        return next(iter(self._select(batches.c.key == key, is_near)), None)

    def not_over(self, *, cheap: bool) -> list[BatchRow]:
        """The batches that are not over: cheap ones, or those that are made now."""
        return self._select(batches.c.state != "ended", batches.c.cheap.is_(cheap))

    def recent(self, limit: int) -> list[BatchRow]:
        """The newest batches, at most `limit`."""
        return self._select(limit=limit)

    def update(self, batch_id: str, **values: Any) -> None:
        """Change columns of a batch."""
        self.connection.execute(sa.update(batches).where(batches.c.id == batch_id).values(**values))

    def end(self, batch_id: str) -> None:
        """Note that no line of a batch can end any more."""
        self.update(batch_id, state="ended", ended_us=to_microseconds(self.now))

    def take_over(self, batch_id: str, owner: str, *, from_owner: str) -> bool:
        """Make `owner` the process that works on a batch; False if another one was faster."""
        mine = sa.update(batches).where(batches.c.id == batch_id, batches.c.owner == from_owner)
        return self.connection.execute(mine.values(owner=owner)).rowcount > 0

    def held(self, batch_id: str, owner: str) -> BatchRow | None:
        """The batch, if `owner` works on it; until the end of the transaction, no other process takes it over."""
        query = sa.select(batches).where(batches.c.id == batch_id).with_for_update(read=True)
        found = [_from_row(dict(row)) for row in self.connection.execute(query).mappings()]
        return next((row for row in found if row.owner == owner), None)

    def lines(self, batch_id: str) -> list[LineRow]:
        """The lines of a batch, in order."""
        query = sa.select(batch_lines).where(batch_lines.c.batch_id == batch_id).order_by(batch_lines.c.number)
        return [
            LineRow(row["number"], row["name"], row["tool"], row["request"], row["sent"])
            for row in self.connection.execute(query).mappings()
        ]

    def note_sent(self, batch_id: str, sent: Mapping[int, Mapping[str, Any]]) -> None:
        """Write what is known of lines that are about to be submitted, by their numbers."""
        here = (batch_lines.c.batch_id == batch_id, batch_lines.c.number == sa.bindparam("its"))
        query = sa.update(batch_lines).where(*here).values(sent=sa.bindparam("what", type_=sa.JSON()))
        rows = [{"its": number, "what": dict(what)} for number, what in sent.items()]
        if rows:
            self.connection.execute(query, rows)

    def forget_handovers(self, batch_id: str) -> None:
        """Forget what another replica would need to make the lines of a batch."""
        here = (batch_lines.c.batch_id == batch_id, batch_lines.c.sent.is_not(None))
        self.connection.execute(sa.update(batch_lines).where(*here).values(sent=sa.null()))

    def ends(self, batch: BatchRow) -> dict[int, LineEnd]:
        """How the lines that are over have ended, by their numbers."""
        query = sa.select(jobs.c.id, jobs.c.state, jobs.c.outcome)
        query = query.where(*_of_batch(batch, jobs.c.id, jobs.c.created_us), jobs.c.state.in_(("done", "failed")))
        return {
            int(row.id.rpartition("-")[2]): LineEnd(row.state, row.outcome or {})
            for row in self.connection.execute(query)
        }

    def states(self, batch: BatchRow) -> dict[int, tuple[str, str]]:
        """The states of the lines that were sent, and the processes that sent them, by their numbers."""
        query = sa.select(jobs.c.id, jobs.c.state, jobs.c.owner)
        query = query.where(*_of_batch(batch, jobs.c.id, jobs.c.created_us))
        return {int(row.id.rpartition("-")[2]): (row.state, row.owner) for row in self.connection.execute(query)}

    def senders(self, batch: BatchRow) -> set[str]:
        """The processes that have sent lines of which it is not known that they have ended."""
        here = _of_batch(batch, jobs.c.id, jobs.c.created_us)
        return set(self.connection.scalars(sa.select(jobs.c.owner).distinct().where(*here, jobs.c.state == "sent")))

    def newest_pictures(self, batch: BatchRow, limit: int) -> list[Picture]:
        """The pictures of a batch that were saved last, the newest last."""
        query = sa.select(pictures).where(*_of_batch(batch, pictures.c.job_id, pictures.c.number))
        query = query.order_by(pictures.c.number.desc())
        found, _ = PictureTable(self.connection).page(query, limit)
        return found[::-1]

    def _select(self, *conditions: sa.ColumnElement[bool], limit: int | None = None) -> list[BatchRow]:
        query = sa.select(batches).where(*conditions).order_by(batches.c.created_us.desc()).limit(limit)
        return [_from_row(dict(row)) for row in self.connection.execute(query).mappings()]


def _of_batch(
    batch: BatchRow, job_id: sa.ColumnElement[str], made_us: sa.ColumnElement[int]
) -> tuple[sa.ColumnElement[bool], ...]:
    """The conditions of rows that belong to lines of a batch: the second one spares looking at all that is older."""
    return job_id.startswith(f"{batch.id}-", autoescape=True), made_us >= to_microseconds(batch.created - CLOCKS)


def _from_row(row: dict[str, Any]) -> BatchRow:
    ended: int | None = row["ended_us"]
    return BatchRow(
        id=row["id"],
        key=row["key"],
        owner=row["owner"],
        state=row["state"],
        is_cheap=row["cheap"],
        is_cancelled=row["cancelled"],
        created=from_microseconds(row["created_us"]),
        ended=None if ended is None else from_microseconds(ended),
        total=row["total"],
        details=row["details"],
        parts=row["parts"],
    )
