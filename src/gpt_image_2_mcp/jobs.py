"""Paid work, detached from the request that asked for it.

A job belongs to the studio: whoever asked may give up, and the job goes on, since a request that was sent is billed
whether anyone waits for it or not. Only a job of which nothing was sent can be stopped.
"""

import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio
import anyio.abc

from .errors import GptImageError
from .pacing import Standing
from .report import Report

logger = logging.getLogger(__name__)


class JobStopped(GptImageError):
    """A job was stopped before anything was sent; nothing was billed."""


@dataclass(slots=True, eq=False)
class Job:
    """One operation's paid work and what became of it."""

    id: str = field(default_factory=lambda: f"job-{secrets.token_hex(6)}")
    standing: Standing = field(default_factory=Standing)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    finished: anyio.Event = field(default_factory=anyio.Event)
    outcome: Report | Exception | None = None

    @property
    def stoppable(self) -> bool:
        """Whether nothing of it was sent yet."""
        return self.outcome is None and not self.standing.sent

    def result(self) -> Report:
        """Give the finished job's report, or raise what it failed with."""
        if isinstance(self.outcome, Report):
            return self.outcome
        raise self.outcome or JobStopped("The work was stopped before anything was sent; nothing was billed.")


Work = Callable[[Job], Awaitable[Report]]


class Jobs:
    """The jobs of one studio."""

    def __init__(self, tasks: anyio.abc.TaskGroup) -> None:
        """Run jobs in `tasks`, which outlives every request."""
        self._tasks = tasks
        self._open: set[Job] = set()

    def start(self, work: Work) -> Job:
        """Begin a job."""
        job = Job()
        self._open.add(job)
        self._tasks.start_soon(self._run, job, work)
        return job

    async def wait(self, job: Job) -> Report:
        """Give a job's report; whoever is cancelled here leaves it running, or stops it if nothing was sent.

        Raises:
            GptImageError: what the job failed with.

        """
        try:
            await job.finished.wait()
        except BaseException:
            self.stop(job)
            raise
        return job.result()

    def stop(self, job: Job) -> bool:
        """Stop a job of which nothing was sent; False where it is too late for that."""
        if job.stoppable:
            job.scope.cancel()
        return job.scope.cancel_called

    async def close(self) -> None:
        """Stop what was not sent, and wait for the rest to be saved."""
        for job in list(self._open):
            self.stop(job)
        for job in list(self._open):
            await job.finished.wait()

    async def _run(self, job: Job, work: Work) -> None:
        try:
            with job.scope:
                job.outcome = await work(job)
        except Exception as error:  # noqa: BLE001 - kept for whoever waits: raised here, it would end the server
            logger.debug("%s failed: %s", job.id, type(error).__name__)
            job.outcome = error
        finally:
            self._open.discard(job)
            job.finished.set()
