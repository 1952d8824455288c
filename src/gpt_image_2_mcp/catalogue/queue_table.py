"""`QueueTable`: the queue that the replicas of a server share, on PostgreSQL: jobs of which nothing was sent yet.

A job that waits for its turn is a row of `jobs` in the state `queued`. Its `handover` is what another replica needs to
make it: the whole request, with what a row does not keep otherwise. A replica takes a job over only if its owner is
gone or has released it, which an empty `owner` says. The row of a job that is sent has no handover any more.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from .job_table import JobRow, row_of
from .picture_table import to_microseconds

RELEASED: Final = ""
"""The owner of a job that any replica may make."""

WAITS: Final = timedelta(hours=1)
"""How long a job waits for a replica. Nobody expects it any more after that, and it would be paid for."""

_OFFER: Final = sa.text("UPDATE jobs SET handover = CAST(:handover AS json) WHERE id = :id")
_RELEASE: Final = sa.text(
    "UPDATE jobs SET owner = '', given_up = true WHERE id = :id AND owner = :owner AND state = 'queued'"
)
_OFFERED: Final = sa.text("SELECT id FROM jobs WHERE id = ANY(:ids) AND handover IS NOT NULL")
_OWNERS: Final = sa.text("SELECT DISTINCT owner FROM jobs WHERE state = 'queued' AND handover IS NOT NULL")
_CLAIM: Final = sa.text(
    "UPDATE jobs SET owner = :owner, given_up = true WHERE id = ("
    "SELECT id FROM jobs AS waiting WHERE state = 'queued' AND handover IS NOT NULL AND owner = ANY(:gone)"
    # The person for whom this replica does the least comes first.
    " ORDER BY (SELECT count(*) FROM jobs AS under_way WHERE under_way.person = waiting.person"
    " AND under_way.owner = :owner AND under_way.state IN ('queued', 'sent')), created_us"
    " LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING *"
)
_FORGET: Final = sa.text(
    "DELETE FROM jobs WHERE state = 'queued' AND handover IS NOT NULL AND owner = ANY(:gone) AND created_us < :before"
)
_OPEN_BATCHES: Final = sa.text("SELECT DISTINCT person, owner FROM batches WHERE cheap AND state <> 'ended'")


@dataclass(frozen=True, slots=True)
class QueuedJob:
    """A job that this process has taken over."""

    row: JobRow
    person: str
    handover: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class QueueTable:
    """The queue within one transaction, which began at `now`."""

    connection: sa.Connection
    now: datetime

    def offer(self, job_id: str, handover: Mapping[str, Any]) -> None:
        """Add to a job's row what another replica needs to make it."""
        self.connection.execute(_OFFER, {"id": job_id, "handover": json.dumps(handover)})

    def release(self, job_id: str, owner: str) -> bool:
        """Let any replica make a job of `owner`; False if it is sent, or is not the owner's any more."""
        return self.connection.execute(_RELEASE, {"id": job_id, "owner": owner}).rowcount > 0

    def offered(self, ids: Collection[str]) -> set[str]:
        """Those of the jobs that another replica can make."""
        if not ids or self.connection.dialect.name != "postgresql":
            return set()
        return set(self.connection.scalars(_OFFERED, {"ids": list(ids)}))

    def owners(self) -> set[str]:
        """The owners of the jobs in the queue."""
        return set(self.connection.scalars(_OWNERS))

    def claim(self, owner: str, *, gone: Collection[str]) -> QueuedJob | None:
        """Make `owner` the owner of a job whose owner is `gone`; None if there is none.

        Those that other replicas are about to claim are passed over.
        """
        found = self.connection.execute(_CLAIM, {"owner": owner, "gone": list(gone)}).mappings().one_or_none()
        if found is None:
            return None
        return QueuedJob(row_of(dict(found)), found["person"], found["handover"])

    def open_batches(self) -> list[tuple[str, str]]:
        """The people with cheap batches that are open, and the owners of these."""
        return [(row.person, row.owner) for row in self.connection.execute(_OPEN_BATCHES)]

    def forget_old(self, *, gone: Collection[str]) -> int:
        """Delete the jobs that have waited for a replica for longer than `WAITS`; gives how many."""
        before = to_microseconds(self.now - WAITS)
        return self.connection.execute(_FORGET, {"gone": list(gone), "before": before}).rowcount
