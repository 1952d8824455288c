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

ANSWERS_COUNT: Final = timedelta(minutes=20)
"""After that, no answer of a person to a question can come back: its seal ends after ten minutes."""

_RELEASE: Final = sa.text(
    "UPDATE jobs SET owner = '', given_up = true WHERE id = :id AND owner = :owner AND state = 'queued'"
)
_CANCEL: Final = sa.text(
    "UPDATE jobs SET state = 'failed', outcome = CAST(:outcome AS json), ended_us = :now, given_up = true,"
    " fetched = true, handover = NULL WHERE id = :id AND state = 'queued' AND handover IS NOT NULL"
)
_OFFERED: Final = sa.text("SELECT id FROM jobs WHERE id = ANY(:ids) AND handover IS NOT NULL")
_ALONE: Final = sa.text(
    "SELECT pg_advisory_xact_lock("
    "hashtext(coalesce(current_setting('gpt_image_2.person', true), '') || :key), hashtext(:wish))"
)
_SAME_WISH: Final = sa.text(
    "SELECT id FROM jobs WHERE key = :key AND wish = :wish AND id <> :besides"
    " AND (ended_us IS NULL OR (ended_us > :after AND NOT fetched)) ORDER BY created_us DESC LIMIT 1"
)
_SAME_ANSWER: Final = sa.text(
    "SELECT id FROM jobs WHERE wish = :wish AND id <> :besides AND created_us > :after ORDER BY created_us LIMIT 1"
)
_OF_WISH: Final = sa.text("SELECT id FROM jobs WHERE id = ANY(:ids) AND wish = :wish")
_OWNERS: Final = sa.text("SELECT DISTINCT owner FROM jobs WHERE state = 'queued' AND handover IS NOT NULL")
_WITH_LOST: Final = sa.text("SELECT DISTINCT person FROM jobs WHERE owner = ANY(:owners) AND state = 'lost'")
_UNDER_WAY: Final = sa.text(
    "SELECT DISTINCT owner FROM jobs WHERE owner = ANY(:owners) AND state IN ('queued', 'sent')"
)
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
_OPEN_BATCHES: Final = sa.text(
    "SELECT DISTINCT person, owner FROM batches WHERE cheap = :cheap AND state IN ('preparing', 'open')"
)


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

    def release(self, job_id: str, owner: str) -> bool:
        """Let any replica make a job of `owner`; False if it is sent, or is not the owner's any more."""
        return self.connection.execute(_RELEASE, {"id": job_id, "owner": owner}).rowcount > 0

    def cancel(self, job_id: str, outcome: Mapping[str, Any]) -> bool:
        """End a job of any replica, which looks before it sends; False if it is sent, or is its owner's alone."""
        values = {"id": job_id, "outcome": json.dumps(outcome), "now": to_microseconds(self.now)}
        return self.connection.execute(_CANCEL, values).rowcount > 0

    def offered(self, ids: Collection[str]) -> set[str]:
        """Those of the jobs that another replica can make."""
        if not ids or self.connection.dialect.name != "postgresql":
            return set()
        return set(self.connection.scalars(_OFFERED, {"ids": list(ids)}))

    def same_wish(self, key: str, wish: str, *, besides: str, within: timedelta) -> str | None:
        """The id of the job of the same request, which has come to another replica before.

        It is not answered yet, and has ended within a time if it has. Until the end of this transaction, no other one
        asks for the same.
        """
        self.connection.execute(_ALONE, {"key": key, "wish": wish})
        values = {"key": key, "wish": wish, "besides": besides, "after": to_microseconds(self.now - within)}
        found: str | None = self.connection.scalar(_SAME_WISH, values)
        return found

    def same_answer(self, wish: str, *, besides: str) -> str | None:
        """The id of the job that was begun with the same answer of a person, whatever has become of it.

        Until the end of this transaction, no other one asks for the same.
        """
        self.connection.execute(_ALONE, {"key": "", "wish": wish})
        values = {"wish": wish, "besides": besides, "after": to_microseconds(self.now - ANSWERS_COUNT)}
        found: str | None = self.connection.scalar(_SAME_ANSWER, values)
        return found

    def of_wish(self, wish: str | None, ids: Collection[str]) -> set[str]:
        """Those of the jobs that are of the same request."""
        if not ids or wish is None or self.connection.dialect.name != "postgresql":
            return set()
        return set(self.connection.scalars(_OF_WISH, {"ids": list(ids), "wish": wish}))

    def owners(self) -> set[str]:
        """The owners of the jobs in the queue."""
        return set(self.connection.scalars(_OWNERS))

    def with_lost(self, owners: Collection[str]) -> set[str]:
        """The people of whom these processes have lost a job."""
        return set(self.connection.scalars(_WITH_LOST, {"owners": list(owners)}))

    def under_way(self, owners: Collection[str]) -> set[str]:
        """Those of the processes that have jobs which are not known to have ended."""
        return set(self.connection.scalars(_UNDER_WAY, {"owners": list(owners)}))

    def claim(self, owner: str, *, gone: Collection[str]) -> QueuedJob | None:
        """Make `owner` the owner of a job whose owner is `gone`; None if there is none.

        Those that other replicas are about to claim are passed over.
        """
        found = self.connection.execute(_CLAIM, {"owner": owner, "gone": list(gone)}).mappings().one_or_none()
        if found is None:
            return None
        return QueuedJob(row_of(dict(found)), found["person"], found["handover"])

    def open_batches(self, *, cheap: bool) -> list[tuple[str, str]]:
        """The people with batches that are open, cheap ones or those that are made now, and the owners of these."""
        return [(row.person, row.owner) for row in self.connection.execute(_OPEN_BATCHES, {"cheap": cheap})]

    def forget_old(self, *, gone: Collection[str]) -> int:
        """Delete the jobs that have waited for a replica for longer than `WAITS`; gives how many."""
        before = to_microseconds(self.now - WAITS)
        return self.connection.execute(_FORGET, {"gone": list(gone), "before": before}).rowcount
