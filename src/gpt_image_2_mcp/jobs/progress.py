"""The progress of a job that a call waits for."""

import math
from collections.abc import Awaitable, Callable

import anyio

from .job import Job

FIRST_PROGRESS_S = 0.5
"""Seconds from the first progress message to the second, when it is known whether the request is queued or sent."""
PROGRESS_S = 3.0
"""Seconds between later progress messages: clients drop a call that is silent for longer than 5 s or so."""

ProgressCallback = Callable[[float, str], Awaitable[None]]
"""Receives the progress, which grows toward 100, and a message for the user."""


async def wait_with_progress(job: Job, on_progress: ProgressCallback | None) -> None:
    """Wait for the end of a job, and report progress at once, after `FIRST_PROGRESS_S`, and every `PROGRESS_S`."""
    began, pause = anyio.current_time(), FIRST_PROGRESS_S
    while not job.answerable.is_set():
        if on_progress is not None:
            # Half of 100 at the expected end, always growing, and never 100: MCP wants progress that grows, and
            # how long the picture really takes is not known.
            passed = anyio.current_time() - began + FIRST_PROGRESS_S
            fraction = passed / (passed + max(job.expected_s, 1.0))
            await on_progress(100 * fraction, job.working_job.progress_text())
        with anyio.move_on_after(pause if on_progress else math.inf):
            await job.answerable.wait()
        pause = PROGRESS_S
