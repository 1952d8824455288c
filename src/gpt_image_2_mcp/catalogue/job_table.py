"""`JobTable`: the SQL statements on the `jobs` table.

The rows are what other processes, and later runs of the server, can know about a job.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

import sqlalchemy as sa

from ..database.database import person_of
from ..database.schema import jobs
from .picture_table import from_microseconds, to_microseconds

JobState = Literal["queued", "sent", "done", "failed", "lost"]
"""A job is queued, then sent; at the end it is done, failed, or lost if its process ended after sending."""

LINES: Final = "batch-"
"""How the ids of the lines of batches begin: they are listed with their batch."""

RETENTION: Final = timedelta(days=30)
"""How long a job is kept after its end; its pictures stay in the catalogue."""

SHARED: Final = (("handover", sa.JSON(none_as_null=True)), ("wish", sa.Text()))
"""The columns that the table has on PostgreSQL alone, for the replicas of a server; see `QueueTable`."""


@dataclass(frozen=True, slots=True)
class JobRow:
    """A row of the table: one job."""

    id: str
    key: str
    tool: str
    request: Mapping[str, Any]
    folder: Path
    stem: str
    """The start of the file names of its pictures."""
    owner: str
    state: JobState
    created: datetime
    ended: datetime | None = None
    given_up: bool = False
    fetched: bool = False
    outcome: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class JobTable:
    """The `jobs` table within one transaction, which began at `now`."""

    connection: sa.Connection
    now: datetime

    def save(self, row: JobRow, *, is_new: bool = False) -> None:
        """Write a job's row, in place of an older one; with `is_new` there is none, and the job is only inserted."""
        if not is_new:
            self.delete(row.id)
        self.connection.execute(_insert, _to_row(row))

    def claim(self, row: JobRow, is_dead: Callable[[str], bool], shared: Mapping[str, Any] | None = None) -> bool:
        """Write a job's row if its owner has it or may have it; False if another process has it.

        `is_dead` tells of an owner whether its process is gone. What such a process had not sent may be taken over.
        `shared` has values for columns of `SHARED`. Where two processes insert the row at once, PostgreSQL undoes one
        of the transactions, which then sees the row.
        """
        # Locked: the other process may send it at this moment.
        query = sa.select(jobs).where(jobs.c.id == row.id).with_for_update()
        found = next(iter(self._select(query)), None)
        if found is None:
            self.connection.execute(_insert_shared if shared else _insert, {**_to_row(row), **(shared or {})})
            return True
        has_ended = found.state in ("done", "failed")
        if has_ended or (found.owner != row.owner and (found.state != "queued" or not is_dead(found.owner))):
            return False
        values = {**_to_row(row), **(shared or {})}
        self.connection.execute(_update_shared if shared else _update, {"of": row.id, **values})
        return True

    def end(self, job_id: str, state: JobState, outcome: Mapping[str, Any], *, fetched: bool, given_up: bool) -> None:
        """Record how a job ended, and whether its caller got the answer at once; delete jobs beyond `RETENTION`.

        On a server for several people, those are deleted for all at once, by `Repositories.recover`.
        """
        if person_of(self.connection) is None:
            self.delete_old()
        self._update(
            job_id,
            state=state,
            outcome=dict(outcome),
            ended_us=to_microseconds(self.now),
            fetched=fetched,
            given_up=given_up,
        )

    def catch_up(self, row: JobRow) -> None:
        """Write that a job was sent or how it ended, and insert its row if that could not be written before.

        A row that knows it already stays as it is: an earlier try has written it, and it may have been fetched since.
        So does one of another process, but for a batch's line, which passes from process to process.
        """
        found = self.get(row.id)
        if found is not None and found.owner != row.owner and not row.id.startswith(LINES):
            return
        if found is None or (found.state == "queued" and row.state == "sent"):
            self.save(row, is_new=found is None)
        elif row.state in ("done", "failed") and found.state not in ("done", "failed"):
            self.end(row.id, row.state, row.outcome or {}, fetched=row.fetched, given_up=row.given_up)

    def mark_fetched(self, job_id: str) -> None:
        """Record that a caller has got the answer."""
        self._update(job_id, fetched=True)

    def mark_given_up(self, job_id: str, *, fetched: bool) -> None:
        """Record that the first caller has stopped waiting, and whether another one has got the answer."""
        self._update(job_id, given_up=True, fetched=fetched)

    def mark_lost(self, job_id: str) -> bool:
        """Record that the job's process ended after it had sent the request; False if the job has ended meanwhile."""
        query = sa.update(jobs).where(jobs.c.id == job_id, jobs.c.state == "sent")
        lost = {"state": "lost", "ended_us": to_microseconds(self.now), "given_up": True}
        return self.connection.execute(query.values(**lost)).rowcount > 0

    def lost_of(self, owners: Collection[str]) -> list[JobRow]:
        """The lost jobs of these processes, the oldest first."""
        query = sa.select(jobs).where(jobs.c.state == "lost", jobs.c.owner.in_(owners))
        return self._select(query.order_by(jobs.c.created_us))

    def delete_old(self) -> None:
        """Delete the jobs that have ended before `RETENTION`."""
        self.connection.execute(_delete_old, {"before": to_microseconds(self.now - RETENTION)})

    def delete_queued(self, job_id: str) -> None:
        """Delete a job if it was not sent meanwhile, and no other replica can make it."""
        query = sa.delete(jobs).where(jobs.c.id == job_id, jobs.c.state == "queued")
        if self.connection.dialect.name == "postgresql":
            query = query.where(sa.text("handover IS NULL"))
        self.connection.execute(query)

    def delete(self, job_id: str) -> None:
        """Delete a job."""
        self.connection.execute(sa.delete(jobs).where(jobs.c.id == job_id))

    def get(self, job_id: str) -> JobRow | None:
        """The job of this id, if there is one."""
        return next(iter(self._select(_by_id, of=job_id)), None)

    def unfetched(self, key: str, *, ended_after: datetime) -> list[JobRow]:
        """Jobs of the call `key` whose answer no caller has got: running, or ended after a time; newest first."""
        return self._select(_unfetched, key=key, after=to_microseconds(ended_after))

    def recent(self, limit: int) -> list[JobRow]:
        """The newest jobs, at most `limit`, without the lines of batches."""
        own = sa.not_(jobs.c.id.startswith(LINES))
        return self._select(sa.select(jobs).where(own).order_by(jobs.c.created_us.desc()).limit(limit))

    def folders(self) -> list[Path]:
        """The output folders of all jobs, the failed ones too."""
        return [Path(folder) for folder in self.connection.scalars(sa.select(jobs.c.folder).distinct())]

    def unfinished(self) -> list[JobRow]:
        """The jobs of all processes that have not ended, the oldest first."""
        return self._select(sa.select(jobs).where(jobs.c.state.in_(("queued", "sent"))).order_by(jobs.c.created_us))

    def _update(self, job_id: str, **values: Any) -> None:
        self.connection.execute(_update, {"of": job_id, **values})

    def _select(self, query: sa.Select[Any], **values: Any) -> list[JobRow]:
        return [row_of(dict(row)) for row in self.connection.execute(query, values).mappings()]


_unfetched: Final = (
    sa.select(jobs)
    .where(jobs.c.key == sa.bindparam("key"), sa.not_(jobs.c.fetched))
    .where(sa.or_(jobs.c.ended_us.is_(None), jobs.c.ended_us > sa.bindparam("after")))
    .order_by(jobs.c.created_us.desc())
)
_by_id: Final = sa.select(jobs).where(jobs.c.id == sa.bindparam("of"))
_shared: Final = sa.table(
    "jobs",
    *(sa.column(column.name, column.type) for column in jobs.c),
    *(sa.column(name, kind) for name, kind in SHARED),
)
_insert: Final = sa.insert(jobs)
_insert_shared: Final = sa.insert(_shared)
_update: Final = sa.update(jobs).where(jobs.c.id == sa.bindparam("of"))
_update_shared: Final = sa.update(_shared).where(_shared.c.id == sa.bindparam("of"))
_delete_old: Final = sa.delete(jobs).where(jobs.c.ended_us < sa.bindparam("before"))
"""All built once, at import, since every paid call runs them."""


def _to_row(row: JobRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "key": row.key,
        "tool": row.tool,
        "request": dict(row.request),
        "folder": str(row.folder),
        "stem": row.stem,
        "owner": row.owner,
        "state": row.state,
        "created_us": to_microseconds(row.created),
        "ended_us": None if row.ended is None else to_microseconds(row.ended),
        "given_up": row.given_up,
        "fetched": row.fetched,
        "outcome": None if row.outcome is None else dict(row.outcome),
    }


def row_of(row: dict[str, Any]) -> JobRow:
    """The row that a statement gave."""
    ended: int | None = row["ended_us"]
    return JobRow(
        id=row["id"],
        key=row["key"],
        tool=row["tool"],
        request=row["request"],
        folder=Path(row["folder"]),
        stem=row["stem"],
        owner=row["owner"],
        state=row["state"],
        created=from_microseconds(row["created_us"]),
        ended=None if ended is None else from_microseconds(ended),
        given_up=row["given_up"],
        fetched=row["fetched"],
        outcome=row["outcome"],
    )
