"""Which earlier job a repeated call joins: one of this process, or by its row one of any."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import TYPE_CHECKING

import anyio

from ..parameters.models import identity
from .current_rows import is_final
from .job import Delivery, Job

if TYPE_CHECKING:
    from ..catalogue.job_table import JobRow

JOINABLE_S = 600.0
"""Seconds after its end for which a job that was handed out and not fetched is joined by the same call."""
SILENT_TIMEOUT_S = 20.0
"""Seconds after which a call that is still waiting is joined by the same call.

Some clients time out without saying so, and repeat the call. The time-outs that are known are of 60 s and more, while
two calls that are meant to make two pictures start together.
"""
LEAVES_WITHIN = timedelta(seconds=5)
"""How long an answer may be on its way out of another replica; after that, it has not left."""


async def find_earlier(call: Job, key: str, jobs: Mapping[str, Job]) -> Job | None:
    """The job among `jobs` of this process that an identical call joins: no call has returned its outcome."""
    # An earlier call with these arguments may still be reading its inputs, and have no key yet. Only earlier calls
    # are waited for: otherwise two calls could wait for each other.
    arguments = identity(call.request)
    for job in takewhile(lambda job: job is not call, list(jobs.values())):
        if _is_joinable(job, call) and job.tool == call.tool and identity(job.request) == arguments:
            await job.prepared.wait()
    others = [job for job in reversed(list(jobs.values())) if job is not call and _is_joinable(job, call)]
    # What one answer of the person asked for is one job, also if an address has other bytes by now.
    answered = (job.working_job for job in others if call.is_answer and job.wish == call.wish and job.prepared.is_set())
    return next(answered, None) or next((job for job in others if job.key == key), None)


def _is_joinable(job: Job, call: Job) -> bool:
    """Whether a call may join this job if it is the same: no call has returned its outcome, or is about to."""
    if job.scope.cancel_called:
        return False
    if job.wish is not None and job.wish == call.wish and (call.is_answer or not job.is_read):
        # The same request, which its client has sent once, or the same answer of the person.
        return not job.status.abandoned and anyio.current_time() - job.ended_at < JOINABLE_S
    if job.delivery is Delivery.DIRECT:
        return not job.finished.is_set() and call.started_at - job.started_at > SILENT_TIMEOUT_S
    return job.delivery is Delivery.HANDED_OUT and anyio.current_time() - job.ended_at < JOINABLE_S


def joined_row(
    rows: "Sequence[JobRow]", *, silent: Collection[str], same_request: Collection[str], is_replica: bool
) -> "JobRow | None":
    """The row among those of identical jobs, the newest first, that a call joins or may join soon.

    It joins one that is given up: its call was cancelled or handed its id, or has an answer that has not come to the
    client. One that is not may be given up at any moment. One of a process that was just killed (its owner is `silent`)
    counts as given up before it counts as lost: its call was broken off, and what is repeated at once may have been
    paid. On a server, where answers cross each other, only the same request joins it while its answer leaves.
    """
    now = datetime.now(UTC)

    def is_given_up(row: "JobRow") -> bool:
        if row.given_up or row.owner in silent:
            return True
        if not is_replica:
            return is_final(row)
        if row.ended is not None:
            return row.id in same_request or now - row.ended > LEAVES_WITHIN
        return row.id in same_request or (now - row.created).total_seconds() > SILENT_TIMEOUT_S

    others = [replace(row, given_up=is_given_up(row)) for row in rows]
    if is_replica:
        others = [row for row in others if row.given_up or not is_final(row)]
    return next((row for row in others if row.given_up), next(iter(others), None))
