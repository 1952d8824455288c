"""Runs jobs in the background, and lets calls wait for them.

The life of a job:

1. `start` makes a task for it, which calls `JobWork.prepare`. This reads the inputs and costs nothing.
2. Now `Order.key` is known. If an earlier identical job was handed out and its outcome not fetched, or its call has
   waited for longer than `SILENT_TIMEOUT_S`, this one joins it: clients and models repeat a call that timed out, and
   the picture must not be paid for twice.
   A click joins no other job, but where another process has the same click, that one's job.
3. Otherwise the task calls `JobWork.run`, which waits for a slot of the rate limiter, sends the request, and saves.
4. The task ends with an outcome. Calls that `wait` for the job return it, or raise it.

A call can end before its job, by cancellation or because it has waited long enough. The job is handed out then
(`Delivery`): it goes on if anything was sent, since that is billed in any case, and its outcome waits to be fetched. A
job of a cancelled call is stopped if nothing was sent.

Everything here runs on the event loop, so nothing changes between two `await`s. The requests of a job run in threads
that cannot be cancelled (`openai_api/threads.py`); a job that is cancelled does not wait for them.
"""

import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import takewhile

import anyio
import anyio.abc
import anyio.to_thread

from ..errors import BadRequest, ClickTaken, JobAbandoned, JobLost, JobStopped, ShuttingDown, shown
from ..malloc import trim, use_one_arena
from ..parameters.models import identity
from .foreign_jobs import ForeignJobs
from .job import UNDER_WAY, Delivery, Job, check_room, without_traceback
from .order import JobWork
from .report import Report
from .store import JobStore

logger = logging.getLogger(__name__)

JOINABLE_S = 600.0
"""Seconds after its end for which a job that was handed out and not fetched is joined by the same call."""
SILENT_TIMEOUT_S = 20.0
"""Seconds after which a call that is still waiting is joined by the same call.

Some clients time out without saying so, and repeat the call. The time-outs that are known are of 60 s and more, while
two calls that are meant to make two pictures start together.
"""
MAX_FINISHED = 200
"""Finished jobs that this process remembers. Their reports are small; their pictures are on the disk."""
LISTED = 20
"""Jobs in a list, unless this process has more of its own."""
FIRST_PROGRESS_S = 0.5
"""Seconds from the first progress message to the second, when it is known whether the request is queued or sent."""
PROGRESS_S = 3.0
"""Seconds between later progress messages: clients drop a call that is silent for longer than 5 s or so."""
IDLE_S = 0.3
"""Seconds without a job after which memory is given back; a call that follows at once would only ask for it again."""

ProgressCallback = Callable[[float, str], Awaitable[None]]
"""Receives the progress, which grows toward 100, and a message for the user."""


class JobRunner:
    """The jobs of this process; those of other processes are found through `ForeignJobs`."""

    def __init__(self, tasks: anyio.abc.TaskGroup, store: JobStore, work: JobWork) -> None:
        """Run jobs in `tasks`, a task group that outlives every call."""
        self._tasks = tasks
        self._store = store
        self._foreign = ForeignJobs(tasks, store)
        self._work = work
        self._jobs: dict[str, Job] = {}
        """The jobs of this process by id, in the order in which they were started."""
        self._told: set[str] = set()
        """The ids of the handed-out jobs whose outcome a call of this process has returned."""
        self._closing = False
        self._idle_wait = anyio.CancelScope()
        """Around the pause after which `_trim_when_idle` gives memory back; cancelled when a job starts."""
        use_one_arena()

    def start(self, job: Job) -> Job:
        """Start a job in the background, and return it; one that was started with its id is returned instead.

        Raises ShuttingDown after `close` was called, and what `check_room` raises.
        """
        if job.id in self._jobs:
            return self._jobs[job.id]
        if self._closing:
            raise ShuttingDown
        check_room(self._jobs.values())
        self._idle_wait.cancel()
        self._jobs[job.id] = job
        self._tasks.start_soon(self._run, job)
        self._forget_old()
        return job

    @property
    def is_working(self) -> bool:
        """Whether a job of this process is not finished."""
        return any(not job.finished.is_set() for job in self._jobs.values())

    async def find(self, job_id: str) -> Job:
        """Find a job by its id, of this process or of another one.

        Raises:
            BadRequest: there is none.
            ShuttingDown: another process works on it, and this one is about to end.
            DatabaseUnusable: it is none of this process, and the others cannot be read.

        """
        job_id = job_id.strip()
        job = self._jobs.get(job_id)
        if job is None:
            job = await self._foreign.find(job_id)
        elif job.joined is not None and isinstance(job.outcome, JobLost):
            # That another process's job is lost may have changed since: it is looked at again.
            job = await self._foreign.find(job.joined.id) or job
        if job is None:
            raise BadRequest(
                f"There is no job {shown(job_id)}. get_image_job without a job_id lists the recent ones, and"
                " list_images finds every picture that was made."
            )
        return job

    async def recent(self) -> list[Job]:
        """The newest jobs of all processes: those under way first, and the newest of each kind first.

        A job of this process is among them once its inputs were read, or its id was handed out.
        """
        own = [job for job in self._jobs.values() if job.is_listed]
        known = {job.id for job in own}
        foreign = [job for job in await self._foreign.recent(LISTED) if job.id not in known]
        newest = sorted(own + foreign, key=lambda job: job.created, reverse=True)[: max(LISTED, len(own))]
        return sorted(newest, key=lambda job: job.state not in UNDER_WAY)

    async def wait(
        self,
        job: Job,
        *,
        until: float = math.inf,
        on_progress: ProgressCallback | None = None,
        is_caller: bool = True,
    ) -> Report | None:
        """Wait for a job's report; None if it is not there by `until`, a time of `anyio.current_time`.

        `is_caller` says that the call which started the job waits. If that call is cancelled here, the job is handed
        out, and stopped if nothing was sent. Other calls that wait for the job have no influence on it.

        Raises:
            GptImageError: what the job failed with.

        """
        try:
            with anyio.move_on_at(until):
                await self._wait_with_progress(job, on_progress)
        except BaseException:
            # Cancelled, or the client cannot be reached with progress any more.
            if is_caller:
                self.give_up(job)
            raise
        # Only now: the call may have joined another job while it waited.
        working_job = job.working_job
        if not job.answerable.is_set():
            if is_caller and working_job.delivery is Delivery.DIRECT:
                working_job.delivery = Delivery.HANDED_OUT
                self._store.mark_handed_out(working_job)
            return None
        if working_job.delivery is Delivery.HANDED_OUT:
            working_job.delivery = Delivery.FETCHED
            # Here it is told once. Other processes may tell it again until the answer counts as read.
            self._told.add(working_job.id)
            if not self._store.answers_are_confirmed:
                self._store.mark_fetched(working_job.id)
        if not isinstance(job.outcome, Report):
            raise job.outcome or (JobAbandoned(job.id) if job.status.abandoned else JobStopped())
        report = job.outcome
        # Previews are not kept after the first answer; a later one has them made from the files.
        job.outcome = working_job.outcome = replace(report, previews={})
        return report

    def give_up(self, job: Job) -> None:
        """Note that the call which started a job does not wait for it: it is stopped, or handed out if it was sent."""
        working_job = job.working_job
        if working_job.delivery is Delivery.DIRECT:
            working_job.delivery = Delivery.HANDED_OUT
            self.stop(job)
            if working_job.status.sent:
                self._store.mark_handed_out(working_job)

    def confirm_answers(self) -> None:
        """From now on, an outcome counts as fetched when `confirm` is called; before, when `wait` returns it."""
        self._store.answers_are_confirmed = True

    def confirm(self, job: Job) -> None:
        """Note that the answer to a call that waited for a job has left the process, if it was the job's outcome."""
        working_job = job.working_job
        if working_job.finished.is_set() and working_job.delivery is not Delivery.HANDED_OUT:
            working_job.is_read = True
            self._store.mark_fetched(working_job.id)

    def take_back(self, job: Job) -> bool:
        """Let the same call join a job that has ended, whose answer the client did not read; False if it goes on."""
        working_job = job.working_job
        if not working_job.finished.is_set():
            return False
        working_job.delivery, working_job.is_read = Delivery.HANDED_OUT, False
        self._told.discard(working_job.id)
        self._store.mark_handed_out(working_job)
        return True

    def stop(self, job: Job) -> bool:
        """Stop a job of which nothing was sent; False if it is too late, or another process works on it."""
        working_job = job.working_job
        if working_job.state in ("preparing", "queued") and not working_job.is_foreign:
            working_job.scope.cancel()
        return working_job.scope.cancel_called

    def abandon(self, job: Job) -> bool:
        """Let no call wait for a job that was sent, and give up its slots; False if it is in another state.

        It goes on in the background: its picture is saved and recorded if it still comes. The same call again is a new
        job.
        """
        working_job = job.working_job
        if working_job.state != "rendering" or working_job.is_foreign:
            return False
        working_job.delivery = Delivery.FETCHED
        self._store.mark_handed_out(working_job)
        working_job.status.abandon()
        working_job.answerable.set()
        return True

    async def close(self, grace_s: float) -> None:
        """Start nothing any more, stop what was not sent, and wait up to `grace_s` seconds for the rest to be saved."""
        self._closing = True
        self._idle_wait.cancel()
        unfinished = [job for job in self._jobs.values() if not job.finished.is_set()]
        for job in unfinished:
            self.stop(job)
        paid = [job for job in unfinished if job.joined is None and not job.scope.cancel_called]
        if paid:
            logger.warning("waiting up to %g s for %d paid request(s) to be answered and saved", grace_s, len(paid))
        with anyio.move_on_after(grace_s) as waiting:
            await self._foreign.close()
            for job in unfinished:
                await job.finished.wait()
        if self._store.answers_are_confirmed:
            # A server that the client starts now must not take this one, which is about to end, for one that answers.
            for job in self._jobs.values():
                if job.key and job.finished.is_set() and not job.is_read:
                    self.take_back(job)
        for job in paid:
            if job.finished.is_set():
                # The client may be gone, and the next start tells what became of its work.
                logger.warning("%s", job.end_text)
        if waiting.cancelled_caught:
            logger.warning("gave up waiting: pictures that were paid for may be lost")
            self._tasks.cancel_scope.cancel()

    async def _wait_with_progress(self, job: Job, on_progress: ProgressCallback | None) -> None:
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

    async def _run(self, job: Job) -> None:
        """Do a job's work, and leave its outcome in it; raises nothing but a cancellation of the whole process."""
        try:
            with job.scope:
                try:
                    job.outcome = await self._work_on(job)
                except ClickTaken:
                    # Another process has the same click: what comes of it there is the outcome here.
                    job.joined, job.key = await self._foreign.find(job.id), None
                    if job.joined is None:
                        raise
                    job.outcome = await job.joined.answered()
        except Exception as error:  # noqa: BLE001 - kept for the calls that wait: raised here, it would end the server
            job.outcome = without_traceback(error)
            if job.delivery is Delivery.HANDED_OUT:
                self._store.mark_failed(job, error)
        finally:
            job.prepared.set()
            if job.scope.cancel_called and job.outcome is None:
                job.outcome = JobStopped()
                if job.key:
                    self._store.forget(job)
            if job.delivery is not Delivery.DIRECT and isinstance(job.outcome, Report):
                # It may be long until the outcome is fetched, and previews can be made from the files then.
                job.outcome = replace(job.outcome, previews={})
            job.end()
            logger.info("%s (%s) ended: %s", job.id, job.tool, job.state)
            self._tasks.start_soon(self._trim_when_idle)

    async def _work_on(self, job: Job) -> Report | Exception:
        """Do a job's work, or wait for the earlier job that it joins; raises ClickTaken as `JobStore.claim` does."""
        order = await self._work.prepare(job)
        job.joined = None if job.is_click else await self._find_repeated(job, order.key)
        job.key = None if job.joined else order.key
        if job.is_click:
            await self._store.claim(job)
        job.prepared.set()
        if job.joined:
            return await job.joined.answered()
        if job.delivery is Delivery.HANDED_OUT and not job.is_click:
            # It was handed out during `prepare`, without the key that a row needs.
            self._store.mark_handed_out(job)
        return await self._work.run(job, order)

    async def _find_repeated(self, call: Job, key: str) -> Job | None:
        """The earlier job that an identical call joins: one whose outcome no call has returned, or is about to."""
        # An earlier call with these arguments may still be reading its inputs, and have no key yet. Only earlier calls
        # are waited for: otherwise two calls could wait for each other.
        arguments = identity(call.request)
        for job in takewhile(lambda job: job is not call, list(self._jobs.values())):
            if _is_joinable(job, call) and job.tool == call.tool and identity(job.request) == arguments:
                await job.prepared.wait()
        for job in reversed(self._jobs.values()):
            if job.key == key and _is_joinable(job, call):
                if job.delivery is Delivery.DIRECT:
                    # Its own call is taken for given up. If it still waits, both are answered.
                    job.delivery = Delivery.HANDED_OUT
                    self._store.mark_handed_out(job)
                return job
        found = await self._foreign.find_repeated(key, within_s=JOINABLE_S, besides=self._jobs.keys())
        return None if found is None or found.id in self._told else found

    async def _trim_when_idle(self) -> None:
        """Give memory back to the system if no job starts within `IDLE_S` seconds and none is under way."""
        if self._closing:
            return
        self._idle_wait.cancel()
        with anyio.CancelScope() as self._idle_wait:
            await anyio.sleep(IDLE_S)
            if all(job.finished.is_set() for job in self._jobs.values()):
                await anyio.to_thread.run_sync(trim)

    def _forget_old(self) -> None:
        finished = [job for job in self._jobs.values() if job.finished.is_set()]
        for job in finished[: max(len(finished) - MAX_FINISHED, 0)]:
            del self._jobs[job.id]


def _is_joinable(job: Job, call: Job) -> bool:
    """Whether a call may join this job if it is the same: no call has returned its outcome, or is about to."""
    if job.scope.cancel_called:
        return False
    if job.delivery is Delivery.DIRECT:
        return not job.finished.is_set() and call.started_at - job.started_at > SILENT_TIMEOUT_S
    return job.delivery is Delivery.HANDED_OUT and anyio.current_time() - job.ended_at < JOINABLE_S
