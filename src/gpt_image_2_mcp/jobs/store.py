"""The jobs of all processes, as rows of the `jobs` table: what outlives the process that works on a job.

A job gets its row when its id is handed out, or else before the first byte of its first request: from then on it may
be billed, and must be findable however this process ends. Before that, no other process can know of it.

If a process is killed, its rows stay as they were. A process that reads them sees by the other's liveness file or lease
that it is gone: a job that it had sent is lost then, and one that it had not sent counts as never asked for. That a job
is lost is judged at every read, and never final: the other process may only have been cut off or asleep.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from ..database.retry import retry_undone
from ..errors import (
    ApiError,
    CannotSave,
    DatabaseUnusable,
    GptImageError,
    JobLost,
    JobStopped,
    JobTaken,
    ModerationRefused,
)
from ..persistence.unit_of_work import Repositories, UnitOfWork
from ..persistence.writer_thread import WriterThread
from .current_rows import current
from .job import Delivery, Job
from .loss import describe_loss
from .repeated import JOINABLE_S, joined_row
from .serialization import STOPPED, stored_request
from .shared_lines import claim_line, held_batch

if TYPE_CHECKING:
    from ..catalogue.job_table import JobRow, JobState

logger = logging.getLogger(__name__)

AWAY_S = 30.0
"""Seconds for which a job of a replica waits for a database that is away."""
AGAIN_S = 0.5


class JobStore:
    """The repository of jobs.

    The `mark_` methods and `forget` submit their change to the writer thread and do not wait for it; a failure is
    logged. The thread does everything in the order of submission, so what is read afterwards includes the change. The
    other methods that return something wait for the thread, and raise `DatabaseUnusable`. `write_sent`,
    `sent_row` and `ended_row` are called in the writer thread.
    """

    def __init__(self, writer: WriterThread, redact: Callable[[str], str], *, is_replica: bool = False) -> None:
        """Use the database through `writer`; `redact` takes secrets out of a text.

        `is_replica` says that other processes can make what this one has in its queue.
        """
        self._writer = writer
        self._redact = redact
        self.is_replica = is_replica
        self.answers_are_confirmed = False
        """Whether `JobRunner.confirm` is called for each answer that has left the process.

        If so, an outcome counts as fetched only then: a process that ends before has told its client nothing, and the
        same call again gets the picture from the next one.
        """

    def mark_handed_out(self, job: Job) -> None:
        """Note that the caller was given the job's id or stopped waiting, so that other processes may take it over.

        A job that is still queued gets its row here.
        """

        @retry_undone
        def write(repositories: Repositories) -> None:
            with repositories.unit_of_work() as unit:
                if unit.jobs.get(job.id) is not None:
                    unit.jobs.mark_given_up(job.id, fetched=job.delivery is Delivery.FETCHED)
                elif not job.finished.is_set():
                    self._put(repositories, unit, job, "queued")

        self._writer.submit(write)

    def _delivered(self, job: Job) -> dict[str, bool]:
        is_direct = job.delivery is Delivery.DIRECT
        return {"fetched": is_direct and not self.answers_are_confirmed, "given_up": not is_direct}

    def mark_fetched(self, job_id: str) -> None:
        """Note that the outcome was fetched, so that the same call again is a new job in every process.

        If the database cannot be written, this waits in the spool, behind the job's end.
        """

        def write(repositories: Repositories) -> None:
            try:
                repositories.replay()
                write_fetched(repositories, job_id)
            except GptImageError:
                if not repositories.spool:
                    raise
                repositories.spool.append({"fetched": job_id})
            else:
                if repositories.spool and repositories.substituted:
                    repositories.spool.append({"fetched": job_id})

        self._writer.submit(write)

    def mark_failed(self, job: Job, error: Exception) -> None:
        """Note what a job failed with whose id was handed out."""

        @retry_undone
        def write(repositories: Repositories) -> None:
            with repositories.unit_of_work() as unit:
                if not self._is_elsewhere(repositories, unit, job):
                    unit.jobs.end(job.id, "failed", self._outcome_of(error), **self._delivered(job))

        self._writer.submit(write)

    async def write_failure(self, job: Job, error: Exception) -> None:
        """Write what a line of a batch failed with before anything was sent for it; one that has a row keeps it."""
        await self._writer.run(partial(self.write_failures, failed=[(job, error)]))

    @retry_undone
    def write_failures(self, repositories: Repositories, failed: Sequence[tuple[Job, Exception]]) -> None:
        """The same for several, in the writer thread."""
        with repositories.unit_of_work() as unit:
            owner = repositories.catalogue_store.owner
            for job, error in failed:
                if job.is_shared_line and held_batch(unit, job.id, owner) is None:
                    continue
                if row := self.ended_row(repositories, job, error):
                    unit.jobs.catch_up(row)

    def forget(self, job: Job) -> None:
        """Remove the row of a job that was stopped before anything was sent."""

        @retry_undone
        def write(repositories: Repositories) -> None:
            with repositories.unit_of_work() as unit:
                if not self._is_elsewhere(repositories, unit, job):
                    unit.jobs.delete(job.id)

        self._writer.submit(write)

    async def claim(self, job: Job) -> None:
        """Write the row of a job that other processes may have, before anything is done for it.

        With it is written what another replica needs to make it.

        Raises:
            JobTaken: another process has it.
            BatchTaken: another replica has the batch of a line.
            DatabaseUnusable: the database cannot be written, so another process could have it as well.

        """
        # Nothing is paid yet, so a call to a server can wait until its database has restarted.
        until = anyio.current_time() + (AWAY_S if self.is_replica else 0)
        while True:
            try:
                return await self._writer.run(retry_undone(partial(self._claim, job=job, state="queued")))
            except DatabaseUnusable:
                if anyio.current_time() >= until:
                    raise
                await anyio.sleep(AGAIN_S)

    async def pass_on(self, job: Job) -> None:
        """Let another replica make a job that was not sent. If that cannot be written, it can when this process ends.

        Raises nothing.
        """

        @retry_undone
        def write(repositories: Repositories) -> None:
            with repositories.unit_of_work() as unit:
                unit.queue.release(job.id, repositories.catalogue_store.owner)

        try:
            await self._writer.run(write)
        except GptImageError as error:
            logger.warning("%s is passed on when the lease of this process is over: %s", job.id, error)

    async def cancel(self, job: Job) -> bool:
        """Stop a job that another replica has in its queue; False if it was sent, or there are no replicas."""

        @retry_undone
        def write(repositories: Repositories) -> bool:
            with repositories.unit_of_work() as unit:
                return unit.queue.cancel(job.id, {**STOPPED, "error": str(JobStopped())})

        return self.is_replica and await self._writer.run(write)

    async def get(self, job_id: str) -> "JobRow | None":
        """The row of a job; its state is lost if its process is gone."""

        @retry_undone
        def read(repositories: Repositories) -> "JobRow | None":
            with repositories.unit_of_work(read_only=True) as unit:
                row = unit.jobs.get(job_id)
                return next(iter(current(repositories, unit, [row] if row else [])), None)

        return await self._writer.run(read)

    async def find_repeated(self, call: Job, key: str, *, within_s: float, besides: Collection[str]) -> "JobRow | None":
        """The newest job whose outcome no caller has got, and that is not too old; none with one of the ids `besides`.

        The same call joins it if it is given up; see `joined_row`.
        """

        @retry_undone
        def read(repositories: Repositories) -> "JobRow | None":
            if not repositories.keeps_history:
                return None
            after = datetime.now(UTC) - timedelta(seconds=within_s)
            with repositories.unit_of_work(read_only=True) as unit:
                rows = current(repositories, unit, unit.jobs.unfetched(key, ended_after=after))
                same = unit.queue.of_wish(call.wish, [row.id for row in rows])
            rows = [row for row in rows if row.id not in besides]
            silent = repositories.catalogue_store.silent_owners({row.owner for row in rows if not row.given_up})
            return joined_row(rows, silent=silent, same_request=same, is_replica=self.is_replica)

        return await self._writer.run(read)

    async def recent(self, limit: int) -> "Sequence[JobRow]":
        """The rows of the newest jobs of all processes."""

        @retry_undone
        def read(repositories: Repositories) -> "Sequence[JobRow]":
            with repositories.unit_of_work(read_only=True) as unit:
                return current(repositories, unit, unit.jobs.recent(limit))

        return await self._writer.run(read)

    async def describe_loss(self, row: "JobRow") -> JobLost:
        """The error for a lost job; see `loss.describe_loss`."""
        return JobLost(await describe_loss(self._writer, row))

    def write_sent(self, repositories: Repositories, job: Job) -> None:
        """Write the row of a job that may be billed from now on; raises as `claim` if other processes may have it."""
        if job.may_be_elsewhere:
            # This process may have been taken for dead since its `claim`.
            self._claim(repositories, job, "sent")
            return
        with repositories.unit_of_work() as unit:
            self._put(repositories, unit, job, "sent")

    def ended_row(self, repositories: Repositories, job: Job, error: Exception | None = None) -> "JobRow | None":
        """The row of a job that has ended, failed with `error` or done; None if its inputs were never read.

        The outcome of a job that is done is not in it: it is known when its turn has a position. The outcome counts as
        fetched if the call that started the job still waits, and so returns it.
        """
        row = self._row(repositories, job, "failed" if error else "done")
        if row is None:
            return None
        outcome = self._outcome_of(error) if error else None
        return replace(row, ended=datetime.now(UTC), outcome=outcome, **self._delivered(job))

    def sent_row(self, repositories: Repositories, job: Job) -> "JobRow | None":
        """The row of a job that may be billed from now on; None if its inputs were never read."""
        return self._row(repositories, job, "sent")

    def _outcome_of(self, error: Exception) -> dict[str, Any]:
        is_known = isinstance(error, GptImageError)
        # By these, a batch knows which of its lines may be sent again.
        is_billed = isinstance(error, CannotSave) or (isinstance(error, ApiError) and error.may_be_billed)
        facts = {"refused": True} if isinstance(error, ModerationRefused) else {"billed": True} if is_billed else {}
        text = self._redact(str(error)) if is_known else f"an error in this program ({type(error).__name__})"
        return facts | {"error": text}

    def _put(self, repositories: Repositories, unit: UnitOfWork, job: Job, state: "JobState") -> None:
        row = self._row(repositories, job, state)
        # Without a row its inputs are not read yet: it is written when they are, by `JobRunner`.
        if row is not None:
            unit.jobs.save(row, is_new=not job.has_row)
            job.has_row = True

    def _claim(self, repositories: Repositories, job: Job, state: "JobState") -> None:
        store = repositories.catalogue_store
        if repositories.substituted is not None:
            # The table is in the memory of this process.
            raise repositories.substituted
        row = self._row(repositories, job, state)
        with repositories.unit_of_work() as unit:
            if row is None:
                return
            if job.is_shared_line:
                claim_line(unit, row, is_sent=state == "sent")
                job.has_row = job.has_row or state == "sent"
                return
            if state == "queued" and job.wish and not job.is_taken_over:
                if job.is_answer:
                    other = unit.queue.same_answer(job.wish, besides=job.id)
                else:
                    within = timedelta(seconds=JOINABLE_S)
                    other = unit.queue.same_wish(row.key, job.wish, besides=job.id, within=within)
                if other:
                    raise JobTaken(other)
            shared = job.shared(is_sent=state == "sent") if self.is_replica else None
            if not unit.jobs.claim(row, lambda owner: bool(store.dead_owners({owner})), shared):
                raise JobTaken(job.id)
            job.has_row = True

    @staticmethod
    def _is_elsewhere(repositories: Repositories, unit: UnitOfWork, job: Job) -> bool:
        """Whether the row of a job that other processes may have is that of another one."""
        row = unit.jobs.get(job.id) if job.may_be_elsewhere else None
        return row is not None and row.owner != repositories.catalogue_store.owner

    def _row(self, repositories: Repositories, job: Job, state: "JobState") -> "JobRow | None":
        from ..catalogue.job_table import JobRow

        if job.key is None:
            return None
        return JobRow(
            id=job.id,
            key=job.key,
            tool=job.tool,
            request=stored_request(job.request, self._redact),
            folder=job.files.folder,
            stem=job.files.stem,
            owner=repositories.catalogue_store.owner,
            state=state,
            created=job.created,
            given_up=job.delivery is not Delivery.DIRECT,
            fetched=job.delivery is Delivery.FETCHED,
        )


@retry_undone
def write_fetched(repositories: Repositories, job_id: str) -> None:
    """Write that a job's outcome was fetched."""
    with repositories.unit_of_work() as unit:
        unit.jobs.mark_fetched(job_id)
