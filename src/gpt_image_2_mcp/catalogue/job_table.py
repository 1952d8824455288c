"""The statements on the `jobs` table: what other processes and later runs of the server can know of a job."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

import sqlalchemy as sa

from ..database.schema import jobs
from .picture_table import from_microseconds, to_microseconds

JobState = Literal["queued", "sent", "done", "failed", "lost"]
"""A job is queued and then sent; it ends done, failed, or lost with the process that had sent it."""

RETENTION: Final = timedelta(days=30)
"""How long a job is remembered after its end; its pictures are in the catalogue for good."""


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job as it is written down."""

    id: str
    key: str
    tool: str
    request: Mapping[str, Any]
    folder: Path
    stem: str
    """How the names of its pictures begin."""
    owner: str
    state: JobState
    created: datetime
    ended: datetime | None = None
    given_up: bool = False
    fetched: bool = False
    outcome: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class JobTable:
    """The table within one transaction, which begins at `now`."""

    connection: sa.Connection
    now: datetime

    def save(self, row: JobRow, *, is_new: bool = False) -> None:
        """Write a job down, whatever was written of it before, if anything was."""
        if not is_new:
            self.delete(row.id)
        self.connection.execute(sa.insert(jobs), _to_row(row))

    def end(self, job_id: str, state: JobState, outcome: Mapping[str, Any], *, fetched: bool) -> None:
        """Say how a job ended, and whether its answer was taken at once; those of long ago are forgotten."""
        self.connection.execute(sa.delete(jobs).where(jobs.c.ended_us < to_microseconds(self.now - RETENTION)))
        self._update(
            job_id,
            state=state,
            outcome=dict(outcome),
            ended_us=to_microseconds(self.now),
            fetched=fetched,
            given_up=not fetched,
        )

    def mark_fetched(self, job_id: str) -> None:
        """Say that somebody has the answer."""
        self._update(job_id, fetched=True)

    def mark_given_up(self, job_id: str, *, fetched: bool) -> None:
        """Say that the first caller waits no longer, and whether somebody else has the answer."""
        self._update(job_id, given_up=True, fetched=fetched)

    def mark_lost(self, job_id: str) -> None:
        """Say that the process that had sent it is gone."""
        self._update(job_id, state="lost", ended_us=to_microseconds(self.now), given_up=True)

    def delete(self, job_id: str) -> None:
        """Forget a job of which nothing was sent."""
        self.connection.execute(sa.delete(jobs).where(jobs.c.id == job_id))

    def get(self, job_id: str) -> JobRow | None:
        """The job of this id."""
        return next(iter(self._select(sa.select(jobs).where(jobs.c.id == job_id))), None)

    def unfetched(self, key: str, *, ended_after: datetime) -> list[JobRow]:
        """Jobs that did the same and whose answer nobody has, the newest first; ended after a time, or not yet."""
        return self._select(_unfetched, key=key, after=to_microseconds(ended_after))

    def recent(self, limit: int) -> list[JobRow]:
        """The newest jobs."""
        return self._select(sa.select(jobs).order_by(jobs.c.created_us.desc()).limit(limit))

    def unfinished(self) -> list[JobRow]:
        """Jobs that have not ended, of every process."""
        return self._select(sa.select(jobs).where(jobs.c.state.in_(("queued", "sent"))).order_by(jobs.c.created_us))

    def _update(self, job_id: str, **values: Any) -> None:
        self.connection.execute(sa.update(jobs).where(jobs.c.id == job_id).values(**values))

    def _select(self, query: sa.Select[Any], **values: Any) -> list[JobRow]:
        return [_from_row(dict(row)) for row in self.connection.execute(query, values).mappings()]


_unfetched: Final = (
    sa.select(jobs)
    .where(jobs.c.key == sa.bindparam("key"), sa.not_(jobs.c.fetched))
    .where(sa.or_(jobs.c.ended_us.is_(None), jobs.c.ended_us > sa.bindparam("after")))
    .order_by(jobs.c.created_us.desc())
)
"""Made once, since every paid call asks for it."""


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


def _from_row(row: dict[str, Any]) -> JobRow:
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
