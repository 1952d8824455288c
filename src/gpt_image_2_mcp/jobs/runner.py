"""Paid work, detached from the request that asked for it.

A job belongs to the studio: whoever asked may give up, and the job goes on, since a request that was sent is billed
whether anyone waits for it or not. Only a job of which nothing was sent can be stopped. Somebody who gave up and asks
for the same again gets the job that is there: clients and models repeat a call that timed out.
"""

import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import takewhile
from typing import TYPE_CHECKING, Protocol

import anyio
import anyio.abc
import anyio.to_thread

from ..errors import BadRequest, GptImageError, JobLost, JobStopped, ShuttingDown, shown
from .job import Job
from .malloc import cancel_trim, trim, use_one_arena
from .order import Order
from .report import Report
from .store import JobStore, outcome_of, request_of

if TYPE_CHECKING:
    from ..catalogue.job_table import JobRow

logger = logging.getLogger(__name__)

JOINABLE_S = 600.0
"""How long a finished job whose answer nobody fetched is what the same call gets again."""
KEPT = 200
"""Finished jobs that are remembered; their reports are small, their pictures are on the disk."""
TICK_S = 3.0
"""Time between two words on the progress: clients drop a call that is silent for longer than 5 s or so."""

FIRST_TICK_S = 0.5
"""Time until the second word, when it is known whether the request is queued or sent."""


REST_S = 0.3
"""Time without a job after which memory is given back: a call that follows at once would only ask for it again."""

POLL_S = 0.5
"""Time between two looks at a job of another process."""
LISTED = 20
"""Jobs in a list."""

ProgressCallback = Callable[[float, str], Awaitable[None]]
"""Takes the progress, growing toward 100, and a message for a person."""


class Work(Protocol):
    """What is done for a job; `generation.pipeline.Pipeline` is the one in use."""

    async def prepare(self, job: Job) -> Order:
        """Read and check all that the job needs, before anything is paid; raises GptImageError."""
        ...

    async def run(self, job: Job, order: Order) -> Report:
        """Make the pictures; raises GptImageError where none came."""
        ...


class JobRunner:
    """The jobs of one process."""

    def __init__(self, tasks: anyio.abc.TaskGroup, store: JobStore, work: Work) -> None:
        """Run jobs in `tasks`, which outlives every request; `store` knows those of other processes."""
        self._tasks = tasks
        self._store = store
        self._work = work
        self._jobs: dict[str, Job] = {}
        self._closing = False
        self._resting = anyio.CancelScope()
        use_one_arena()

    def start(self, job: Job) -> Job:
        """Begin a job; raises ShuttingDown."""
        if self._closing:
            raise ShuttingDown
        self._resting.cancel()
        cancel_trim()
        self._jobs[job.id] = job
        self._tasks.start_soon(self._run, job)
        self._forget_old()
        return job

    async def find(self, job_id: str) -> Job:
        """Find a job, of this process or of another one.

        Raises:
            BadRequest: there is none of this id.

        """
        job_id = job_id.strip()
        job = self._jobs.get(job_id)
        if job is not None:
            return job
        row = await self._store.get(job_id)
        if row is None:
            raise BadRequest(
                f"There is no job {shown(job_id)}. get_image_job without a job_id lists the recent ones, and"
                " list_images finds every picture that was made."
            )
        return await self._adopted(row)

    async def recent(self) -> list[Job]:
        """Jobs that did something, of all processes, the newest first."""
        own = [job for job in self._jobs.values() if (job.key or job.given_up) and job.joined is None]
        known = {job.id for job in own}
        try:
            kept = [_job_of(row) for row in await self._store.recent(LISTED) if row.id not in known]
        except GptImageError as error:
            logger.warning("jobs of other processes and earlier runs are not known: %s", error)
            kept = []
        return sorted(own + kept, key=lambda job: job.created, reverse=True)[: max(LISTED, len(own))]

    async def wait(
        self, job: Job, *, until: float = math.inf, on_progress: ProgressCallback | None = None, is_caller: bool = True
    ) -> Report | None:
        """Give a job's report, or None where it is not there by `until` (of `anyio.current_time()`).

        An `asker` who is cancelled here has given up what it asked for: the job goes on, unless nothing of it was
        sent. Whoever else waits has no say.

        Raises:
            GptImageError: what the job failed with.

        """
        try:
            with anyio.move_on_at(until):
                await self._follow(job, on_progress)
        except BaseException:
            if is_caller and not job.working_job.given_up:
                job.working_job.given_up = True
                self.stop(job)
                if job.working_job.status.sent:
                    self._store.mark_handed_out(job.working_job)
            raise
        real = job.working_job
        if not job.finished.is_set():
            if is_caller and not real.given_up:
                real.given_up = True
                self._store.mark_handed_out(real)
            return None
        if real.given_up and not real.fetched:
            self._store.mark_fetched(real.id)
        real.fetched = True
        if not isinstance(job.outcome, Report):
            raise job.outcome or JobStopped
        report = job.outcome
        # A picture's bytes are not kept after the answer; whoever asks again has them made from the file.
        job.outcome = real.outcome = replace(report, previews={})
        return report

    def stop(self, job: Job) -> bool:
        """Stop a job of which nothing was sent; False where it is too late for that."""
        real = job.working_job
        if real.state in ("preparing", "queued") and not real.is_foreign:
            real.scope.cancel()
        return real.scope.cancel_called

    async def close(self, grace_s: float) -> None:
        """Take nothing new, stop what was not sent, and wait for the rest to be saved, for so long at most."""
        self._closing = True
        self._resting.cancel()
        under_way = [job for job in self._jobs.values() if not job.finished.is_set()]
        for job in under_way:
            self.stop(job)
            if job.is_foreign:
                # It goes on where it is.
                job.scope.cancel()
        sent = [job for job in under_way if job.joined is None and not job.scope.cancel_called]
        if sent:
            logger.warning("waiting up to %g s for %d paid request(s) to be answered and saved", grace_s, len(sent))
        with anyio.move_on_after(grace_s) as waiting:
            for job in under_way:
                await job.finished.wait()
        if waiting.cancelled_caught:
            logger.warning("gave up waiting: pictures that were paid for may be lost")
            self._tasks.cancel_scope.cancel()

    async def _follow(self, job: Job, on_progress: ProgressCallback | None) -> None:
        """Wait for the end, with a word every `TICK_S` seconds."""
        began, pause = anyio.current_time(), FIRST_TICK_S
        while not job.finished.is_set():
            if on_progress is not None:
                # Half of the way when it is expected, always growing, and never there too soon.
                passed = anyio.current_time() - began + FIRST_TICK_S
                await on_progress(100 * passed / (passed + max(job.expected_s, 1.0)), job.working_job.progress_text())
            with anyio.move_on_after(pause if on_progress else math.inf):
                await job.finished.wait()
            pause = TICK_S

    async def _run(self, job: Job) -> None:
        try:
            with job.scope:
                order = await self._work.prepare(job)
                job.joined = await self._joinable(job, order.key)
                if job.joined is None:
                    job.key = order.key
                job.prepared.set()
                if job.joined is not None:
                    await job.joined.finished.wait()
                    job.outcome = job.joined.outcome
                else:
                    if job.given_up:
                        self._store.mark_handed_out(job)
                    job.outcome = await self._work.run(job, order)
        except Exception as error:  # noqa: BLE001 - kept for whoever waits: raised here, it would end the server
            job.outcome = without_traceback(error)
            if job.given_up:
                self._store.mark_failed(job, error)
        finally:
            job.prepared.set()
            if job.scope.cancel_called and job.outcome is None:
                job.outcome = JobStopped()
                if job.key:
                    self._store.forget(job.id)
            if job.given_up and isinstance(job.outcome, Report):
                # Whoever fetches it has the small pictures made from the files.
                job.outcome = replace(job.outcome, previews={})
            job.ended_at = anyio.current_time()
            logger.info("%s (%s) ended: %s", job.id, job.tool, job.state)
            job.finished.set()
            self._tasks.start_soon(self._rest)

    async def _rest(self) -> None:
        """Give memory back if nothing is under way for a moment."""
        if self._closing:
            return
        self._resting.cancel()
        with anyio.CancelScope() as self._resting:
            await anyio.sleep(REST_S)
            if all(job.finished.is_set() for job in self._jobs.values()):
                await anyio.to_thread.run_sync(trim)

    async def _joinable(self, call: Job, key: str) -> Job | None:
        """The job that a repeated call gets: one whose first caller gave up and whose answer nobody has."""
        # Only those from before, so that nobody waits for each other.
        for job in takewhile(lambda job: job is not call, list(self._jobs.values())):
            if job.given_up and job.tool == call.tool and job.request == call.request:
                # What it reads is perhaps not known yet.
                await job.prepared.wait()
        for job in reversed(self._jobs.values()):
            if job.key != key or not job.given_up or job.fetched or job.scope.cancel_called:
                continue
            if job.is_foreign and job.finished.is_set():
                # A third process may have fetched its answer meanwhile: the row tells.
                continue
            if anyio.current_time() - job.ended_at < JOINABLE_S:
                return job
        try:
            row = await self._store.find_repeated(key, within_s=JOINABLE_S)
        except GptImageError as error:
            logger.warning("earlier jobs are not known: %s", error)
            return None
        return None if row is None else await self._adopted(row)

    async def _adopted(self, row: "JobRow") -> Job:
        """A job of another process, followed to its end."""
        job = _job_of(row)
        if row.state == "lost":
            job.outcome = await self._store.describe_loss(row)
        if job.outcome is None and self._closing:
            raise ShuttingDown
        known = self._jobs.setdefault(job.id, job)
        known.given_up |= job.given_up
        if known is not job:
            # Somebody else asked for it in the meantime.
            return known
        if job.outcome is None:
            self._tasks.start_soon(self._watch, job)
        else:
            job.ended_at = anyio.current_time()
            job.finished.set()
        return job

    async def _watch(self, job: Job) -> None:
        """Follow a job that another process does."""
        try:
            with job.scope:
                while job.outcome is None:
                    await anyio.sleep(POLL_S)
                    await self._look(job)
        except GptImageError as error:
            # The database cannot be read: whoever asks again has it looked at again.
            job.outcome = error
            del self._jobs[job.id]
        finally:
            job.outcome = job.outcome or ShuttingDown()
            job.ended_at = anyio.current_time()
            job.finished.set()

    async def _look(self, job: Job) -> None:
        row = await self._store.get(job.id)
        if row is None:
            job.outcome = JobStopped()
        elif row.state == "lost":
            job.outcome = await self._store.describe_loss(row)
        else:
            job.status.sent = int(row.state == "sent")
            job.outcome = outcome_of(row)

    def _forget_old(self) -> None:
        finished = [job for job in self._jobs.values() if job.finished.is_set()]
        for job in finished[: max(len(finished) - KEPT, 0)]:
            del self._jobs[job.id]


def without_traceback(error: Exception) -> Exception:
    """A failure without where it came from, which would keep the answer's bytes as long as the job is remembered."""
    if isinstance(error, GptImageError):
        error.__cause__ = error.__context__ = error.__traceback__ = None
    return error


def _job_of(row: "JobRow") -> Job:
    """A job as it was written down; `outcome` is None where it has none or was lost."""
    job = Job(row.tool, request_of(row), 0.0, row.id, row.created, key=row.key, is_foreign=True)
    job.started_at -= (datetime.now(UTC) - row.created).total_seconds()
    job.given_up, job.fetched, job.outcome = row.given_up, row.fetched, outcome_of(row)
    job.status.sent = int(row.state == "sent")
    if row.state == "lost":
        job.outcome = JobLost("")
    job.prepared.set()
    return job
