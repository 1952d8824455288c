"""Which earlier job of this process a repeated call joins."""

from collections.abc import Mapping
from itertools import takewhile

import anyio

from ..parameters.models import identity
from .job import Delivery, Job

JOINABLE_S = 600.0
"""Seconds after its end for which a job that was handed out and not fetched is joined by the same call."""
SILENT_TIMEOUT_S = 20.0
"""Seconds after which a call that is still waiting is joined by the same call.

Some clients time out without saying so, and repeat the call. The time-outs that are known are of 60 s and more, while
two calls that are meant to make two pictures start together.
"""


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
