"""Runs jobs in the background, and lets calls wait for them.

The life of a job:

1. `start` makes a task for it, which calls `JobWork.prepare`. This reads the inputs and costs nothing.
2. Now `Order.key` is known. If an earlier identical job was handed out and its outcome not fetched, or its call has
   waited for long (`repeated`), this one joins it: clients and models repeat a call that timed out, and the picture
   must not be paid for twice.
   A click joins no other job, but where another process has the same click, that one's job.
3. Otherwise the task calls `JobWork.run`, which waits for a slot of the rate limiter, sends the request, and saves.
4. The task ends with an outcome. Calls that `wait` for the job return it, or raise it.

A call can end before its job, by cancellation or because it has waited long enough. The job is handed out then
(`Delivery`): its outcome waits to be fetched. A job of a cancelled call is stopped if nothing was sent.

Everything here runs on the event loop, so nothing changes between two `await`s. The requests of a job run in threads
that cannot be cancelled (`openai_api/threads.py`); a job that is cancelled does not wait for them.
"""

import logging
import math
from dataclasses import replace

import anyio
import anyio.abc

from ..database.people import LOCAL
from ..errors import BadRequest, JobAbandoned, JobLost, JobStopped, JobTaken, NotPassedOn, ShuttingDown, shown
from .foreign_jobs import ForeignJobs
from .handover import handover_of
from .idle import IdleTrim
from .job import UNDER_WAY, Delivery, Job, check_room, without_traceback
from .order import JobWork
from .progress import ProgressCallback, wait_with_progress
from .repeated import JOINABLE_S, find_earlier
from .report import Report
from .store import JobStore

logger = logging.getLogger(__name__)

MAX_FINISHED = 200
"""Finished jobs that this process remembers. Their reports are small; their pictures are on the disk."""
LISTED = 20
"""Jobs in a list, unless this process has more of its own."""


class JobRunner:
    """The jobs of this process; those of other processes are found through `ForeignJobs`."""

    def __init__(self, tasks: anyio.abc.TaskGroup, store: JobStore, work: JobWork, *, person: str = LOCAL) -> None:
        """Run jobs of `person` in `tasks`, a task group that outlives every call."""
        self.person = person
        self._tasks = tasks
        self._store = store
        self._foreign = ForeignJobs(tasks, store)
        self._work = work
        self._jobs: dict[str, Job] = {}
        """The jobs of this process by id, in the order in which they were started."""
        self._told: set[str] = set()
        """The ids of the handed-out jobs whose outcome a call of this process has returned."""
        self._closing = False
        self._idle = IdleTrim()

    def start(self, job: Job) -> Job:
        """Start a job in the background, and return it; one that has its id is returned instead, but for a line.

        Raises ShuttingDown after `close` was called, and what `check_room` raises.
        """
        if job.id in self._jobs and not job.is_shared_line:
            return self._jobs[job.id]
        if self._closing:
            raise ShuttingDown
        check_room(self._jobs.values())
        self._idle.cancel()
        job.status.person = self.person
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
                await wait_with_progress(job, on_progress)
        except BaseException:
            # Cancelled, or the client cannot be reached with progress any more.
            if is_caller:
                self.give_up(job)
            raise
        # Only now: the call may have joined another job while it waited.
        working_job = job.working_job
        if working_job.is_passed_on:
            return None
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

    async def cancel(self, job: Job) -> bool:
        """Stop a job as `stop` does, and on a server one that waits in the queue of another replica; see there.

        Raises DatabaseUnusable: it is of another one, which cannot be told.
        """
        working_job = job.working_job
        return await self._foreign.cancel(working_job) if working_job.is_foreign else self.stop(job)

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

    async def hand_over(self) -> None:
        """Start nothing any more, and let other replicas make what is not sent; what was sent goes on.

        Returns when all of that is written; the calls that wait for these jobs are answered with their ids. A job whose
        inputs are still read is passed on when that is done.
        """
        self._closing = True
        leaving = [job for job in self._jobs.values() if job.joined is None and job.state in ("preparing", "queued")]
        for job in leaving:
            if job.is_line:
                self.stop(job)
                continue
            job.passes_on = True
            if job.state == "queued":
                job.scope.cancel()
        for job in leaving:
            await job.finished.wait()

    async def close(self, grace_s: float) -> None:
        """Start nothing any more, stop what was not sent, and wait up to `grace_s` seconds for the rest to be saved."""
        self._closing = True
        self._idle.cancel()
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

    async def _run(self, job: Job) -> None:
        """Do a job's work, and leave its outcome in it; raises nothing but a cancellation of the whole process."""
        try:
            with job.scope:
                job.outcome = await self._outcome_of(job)
        except Exception as error:  # noqa: BLE001 - kept for the calls that wait: raised here, it would end the server
            job.outcome = without_traceback(error)
            if job.delivery is Delivery.HANDED_OUT:
                self._store.mark_failed(job, error)
        finally:
            job.prepared.set()
            if job.scope.cancel_called and job.outcome is None:
                await self._end_unsent(job)
            if job.delivery is not Delivery.DIRECT and isinstance(job.outcome, Report):
                # It may be long until the outcome is fetched, and previews can be made from the files then.
                job.outcome = replace(job.outcome, previews={})
            job.end()
            logger.info("%s (%s) ended: %s", job.id, job.tool, job.state)
            if not self._closing:
                self._tasks.start_soon(self._idle.when_idle, self._jobs.values())

    async def _outcome_of(self, job: Job) -> Report | Exception:
        """Do a job's work, or wait for the same job in another process; raises what it fails with."""
        while True:
            try:
                return await self._work_on(job)
            except JobTaken as taken:
                # What comes of it there is the outcome here.
                job.joined, job.key = await self._foreign.find(taken.job_id), None
                taken_id = taken.job_id
                if job.joined is None and taken_id == job.id:
                    raise
            outcome = await job.joined.answered() if job.joined else JobStopped()
            if taken_id == job.id or not isinstance(outcome, JobStopped) or await self._store.get(taken_id):
                return outcome
            # The other one's call ended before anything was sent, and this one still waits for the picture.
            job.joined = None

    async def _work_on(self, job: Job) -> Report | Exception:
        """Do a job's work, or wait for the earlier job that it joins; raises JobTaken as `JobStore.claim` does."""
        order = await self._work.prepare(job)
        if not job.is_taken_over:
            job.joined = None if job.is_click else await self._find_repeated(job, order.key)
            job.key = None if job.joined else order.key
        if not job.joined and self._store.is_replica and not job.is_line:
            job.handover = handover_of(job, order)
        if not job.joined and job.may_be_elsewhere:
            await self._store.claim(job)
        job.prepared.set()
        if job.joined:
            return await job.joined.answered()
        if job.delivery is Delivery.HANDED_OUT and not job.may_be_elsewhere:
            # It was handed out during `prepare`, without the key that a row needs.
            self._store.mark_handed_out(job)
        if job.passes_on:
            job.scope.cancel()
        return await self._work.run(job, order)

    async def _end_unsent(self, job: Job) -> None:
        """End a job that was stopped, or that another replica makes."""
        with anyio.CancelScope(shield=True):
            if job.passes_on and job.handover is not None and job.key:
                await self._store.pass_on(job)
                # From now on it is found as one of another process.
                job.is_passed_on = True
                self._jobs.pop(job.id, None)
            elif job.passes_on:
                job.outcome = NotPassedOn()
                self._store.mark_failed(job, job.outcome)
            else:
                job.outcome = JobStopped()
                if job.key:
                    self._store.forget(job)

    async def _find_repeated(self, call: Job, key: str) -> Job | None:
        """The earlier job that an identical call joins: one whose outcome no call has returned, or is about to."""
        if job := await find_earlier(call, key, self._jobs):
            if job.delivery is Delivery.DIRECT and not (call.is_answer and job.finished.is_set()):
                # Its own call is taken for given up. If it still waits, both are answered.
                job.delivery = Delivery.HANDED_OUT
                self._store.mark_handed_out(job)
            return job
        found = await self._foreign.find_repeated(call, key, within_s=JOINABLE_S, besides=self._jobs.keys())
        return None if found is None or found.id in self._told else found

    def _forget_old(self) -> None:
        finished = [job for job in self._jobs.values() if job.finished.is_set()]
        for job in finished[: max(len(finished) - MAX_FINISHED, 0)]:
            del self._jobs[job.id]
