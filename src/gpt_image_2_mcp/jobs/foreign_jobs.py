"""The jobs of other processes, and of earlier runs of the server, as far as this process can take part in them.

Every MCP client starts a server of its own, and a client that is restarted starts another one, while the user asks for
the same job ids. This process cannot influence such a job. It can only read its row again and again until the job has
ended, and then return the stored outcome.
"""

import logging
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import anyio
import anyio.abc

from ..errors import DatabaseUnusable, GptImageError, JobStopped, ShuttingDown
from .job import Delivery, Job
from .serialization import delivery_of, job_of, outcome_of
from .store import JobStore

if TYPE_CHECKING:
    from ..catalogue.job_table import JobRow

logger = logging.getLogger(__name__)

POLL_S = 0.5
"""Seconds between two reads of the row of a job that is under way."""
NOTICED_S = 3.0
"""The longest wait for a process that makes the same picture to notice that its client is gone.

A client that restarts its server may ask the new one sooner than the old one has noticed.
"""
AWAY_S = 60.0
"""Seconds for which a database that cannot be read ends no wait: a restart or a failover takes that long at most."""


class ForeignJobs:
    """Finds foreign jobs by their rows, and follows those that are under way until they end."""

    def __init__(self, tasks: anyio.abc.TaskGroup, store: JobStore) -> None:
        """Follow jobs in `tasks`, by their rows in `store`."""
        self._tasks = tasks
        self._store = store
        self._followed: dict[str, Job] = {}
        """The foreign jobs under way that were asked about here: all calls that wait for one share its `Job`."""
        self._closing = False

    async def find(self, job_id: str) -> Job | None:
        """The foreign job of an id, followed if it is under way; None if there is none.

        Raises:
            ShuttingDown: it is under way, and this process is about to end.
            DatabaseUnusable: the rows cannot be read.

        """
        if job_id in self._followed:
            return self._followed[job_id]
        row = await self._store.get(job_id)
        return None if row is None else await self._follow(row)

    async def find_repeated(self, call: Job, key: str, *, within_s: float, besides: Collection[str]) -> Job | None:
        """The foreign job that an identical call joins: given up, not fetched, and ended at most `within_s` ago.

        It is none of the jobs with the ids `besides`, which the caller knows.
        None as well if the database cannot be read: a picture is made anew then. Raises ShuttingDown as `find` does.
        """
        until = anyio.current_time() + NOTICED_S
        try:
            # Also for a job that is followed: only its row says whether another process has fetched it since.
            row = await self._store.find_repeated(call, key, within_s=within_s, besides=besides)
            while row is not None and not row.given_up and anyio.current_time() < until:
                await anyio.sleep(POLL_S)
                row = await self._store.find_repeated(call, key, within_s=within_s, besides=besides)
        except GptImageError as error:
            logger.warning("earlier jobs are not known: %s", error)
            return None
        return await self._follow(row) if row is not None and row.given_up else None

    async def cancel(self, job: Job) -> bool:
        """Stop a foreign job that another replica has not sent; False if it is sent or has ended, which it shows then.

        Raises DatabaseUnusable.
        """
        if job.state != "queued":
            return False
        was_stopped = await self._store.cancel(job)
        if not was_stopped:
            await self._read(job)
        return was_stopped

    async def recent(self, limit: int) -> Sequence[Job]:
        """The newest jobs that have rows, this process's own included; none if the database cannot be read."""
        try:
            return [job_of(row) for row in await self._store.recent(limit)]
        except GptImageError as error:
            logger.warning("jobs of other processes and earlier runs are not known: %s", error)
            return []

    async def close(self) -> None:
        """Follow no job any longer: calls that wait for one get `ShuttingDown`, and the job goes on where it is."""
        self._closing = True
        followed = list(self._followed.values())
        for job in followed:
            job.scope.cancel()
        for job in followed:
            await job.finished.wait()

    async def _follow(self, row: "JobRow") -> Job:
        """The job of a row, followed to its end if it is under way."""
        job = job_of(row)
        if row.state == "lost":
            job.outcome = await self._store.describe_loss(row)
        if job.outcome is not None:
            job.end()
            return job
        if self._closing:
            raise ShuttingDown
        # Another call may have begun to follow it while the row was read.
        followed = self._followed.setdefault(job.id, job)
        if followed is job:
            self._tasks.start_soon(self._poll, job)
        elif followed.delivery is Delivery.DIRECT:
            followed.delivery = delivery_of(row)
        return followed

    async def _poll(self, job: Job) -> None:
        """Read a job's row every `POLL_S` seconds until it has ended."""
        last_read = anyio.current_time()
        try:
            with job.scope:
                while job.outcome is None:
                    await anyio.sleep(POLL_S)
                    try:
                        await self._read(job)
                    except DatabaseUnusable as error:
                        logger.debug("%s cannot be read at present: %s", job.id, error)
                        if anyio.current_time() - last_read > AWAY_S:
                            raise
                    else:
                        last_read = anyio.current_time()
        except GptImageError as error:
            # The database cannot be read, so calls that wait get this error. The next call about the job reads anew.
            job.outcome = error
        finally:
            del self._followed[job.id]
            # Without an outcome the scope was cancelled, by `close`.
            job.outcome = job.outcome or ShuttingDown()
            job.end()

    async def _read(self, job: Job) -> None:
        row = await self._store.get(job.id)
        if row is None:
            # A process removes the row of a job that it stops. A dead process's job that was not sent counts as none.
            job.outcome = JobStopped()
        elif row.state == "lost":
            job.outcome = await self._store.describe_loss(row)
        else:
            job.status.sent = int(row.state == "sent")
            job.outcome = outcome_of(row)
