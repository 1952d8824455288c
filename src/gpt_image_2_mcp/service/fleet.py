"""`Fleet`: the replicas of a server, which share a PostgreSQL database, make what one of them leaves in its queue.

A replica that ends passes on what it has not sent (`Fleet.hand_over`), and one that was killed is seen by its lease to
be gone. Every other one looks for such jobs, and takes as many over as it can begin soon; so the queue goes to those
that have time. What was sent is never taken over: it may be billed.
"""

import logging
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio
import anyio.to_thread

from ..catalogue.queue_table import RELEASED, QueuedJob
from ..database.retry import retry_undone
from ..errors import GptImageError
from ..openai_api.rate_limiter import RateLimiter
from ..persistence.unit_of_work import Repositories
from ..persistence.writer_thread import WriterThread
from .own_disk import OwnDisk
from .recovery import ModelFor, recover_rows

if TYPE_CHECKING:
    from ..jobs.job import Job
    from .images import ImageService

logger = logging.getLogger(__name__)

LOOK_S: Final = 2.0
"""Seconds between two looks for jobs that other replicas have left."""
BATCHES_S: Final = 30.0
"""Seconds between two looks for cheap batches that no replica follows."""

DISK_S: Final = 30.0
"""Seconds between two looks for what waits on this disk for the database."""

ServiceOf: TypeAlias = "Callable[[str], AbstractAsyncContextManager[ImageService]]"
"""Gives the service of a person, which stays open while it works."""


class Fleet:
    """This replica among the others."""

    def __init__(
        self,
        everyone: WriterThread,
        limiter: RateLimiter,
        service_of: ServiceOf,
        *,
        places: int,
        model_for: ModelFor,
        disk: OwnDisk | None = None,
    ) -> None:
        """Look through the work of all people by `everyone`, and take jobs over while fewer than `places` wait.

        `model_for` gives the model of a request. `disk` is this replica's own, on which killed processes may have left
        something.
        """
        self._disk = disk
        self._model_for = model_for
        self._everyone = everyone
        self._limiter = limiter
        self._service_of = service_of
        self._places = places
        self._taken: list[Job] = []
        """The jobs that were taken over and are not sent yet."""
        self._is_ending = False

    async def run(self) -> None:
        """Take over what other replicas leave, again and again; raises nothing but a cancellation."""
        followed_at = waiting_at = -BATCHES_S
        while not self._is_ending:
            await anyio.sleep(LOOK_S)
            try:
                await self.look()
                await self.make_batches()
                is_time = anyio.current_time() - waiting_at > DISK_S
                waiting_at = anyio.current_time() if is_time else waiting_at
                await self.put_in_order(waiting=is_time)
                if anyio.current_time() - followed_at > BATCHES_S:
                    followed_at = anyio.current_time()
                    await self.follow_batches()
            except GptImageError as error:
                logger.info("jobs of other replicas cannot be looked for now: %s", error)
            except Exception:
                logger.exception("jobs of other replicas cannot be looked for now by an error in this program")

    async def look(self) -> None:
        """Take over what there is room for; raises DatabaseUnusable."""
        gone = await self._everyone.run(_gone_owners)
        if not gone:
            return
        # Money that a replica has set aside before it was killed is free again before the job reserves it anew.
        await recover_rows(self._everyone, self._model_for)
        while not self._is_ending and self._has_room:
            queued = await self._everyone.run(partial(_claim, gone=gone))
            if queued is None:
                return
            await self._begin(queued)

    async def put_in_order(self, *, waiting: bool = True) -> None:
        """Put in order what killed processes have left on this disk, and with `waiting` what waits for the database.

        Raises DatabaseUnusable.
        """
        if self._disk is None or self._is_ending:
            return
        gone = await anyio.to_thread.run_sync(self._disk.gone)
        people = set[str]()
        if waiting or gone:
            people.update(await anyio.to_thread.run_sync(self._disk.people_with_waiting))
        if gone:
            people |= await self._everyone.run(partial(_people_with_lost, gone=gone))
        done = [await self._put_in_order(person, gone) for person in sorted(people)]
        if gone and all(done) and not await anyio.to_thread.run_sync(self._disk.people_with_waiting):
            under_way = await self._everyone.run(partial(_under_way, gone=gone))
            await anyio.to_thread.run_sync(self._disk.forget, gone - under_way)

    async def _put_in_order(self, person: str, gone: set[str]) -> bool:
        """Do it for one person; False if it has to be done once more, which holds up nobody else."""
        try:
            async with self._service_of(person) as service:
                if service.leftovers is not None:
                    await service.leftovers.put_in_order(gone)
        except Exception:
            logger.exception("what a killed process has left of a person cannot be put in order yet")
            return False
        return True

    async def make_batches(self) -> None:
        """Go on with the batches that other replicas were making and have left; raises DatabaseUnusable."""
        people = await self._everyone.run(_people_with_left_batches)
        if people:
            # Of the lines that a killed replica has not sent, the money is free again before it is reserved anew.
            await recover_rows(self._everyone, self._model_for)
        for person in people:
            if not self._is_ending:
                async with self._service_of(person) as service:
                    await service.batches.go_on()

    async def follow_batches(self) -> None:
        """Follow the cheap batches that no other replica follows; raises DatabaseUnusable."""
        for person in await self._everyone.run(_people_with_batches):
            if not self._is_ending:
                async with self._service_of(person) as service:
                    await service.batches.resume()

    @property
    def _has_room(self) -> bool:
        self._taken = [job for job in self._taken if not job.status.sent and not job.finished.is_set()]
        return max(self._limiter.waiting, len(self._taken)) < self._places

    async def hand_over(self, services: "Iterable[ImageService]") -> None:
        """Take nothing over any more, and pass on what these services have not sent; returns when that is written."""
        self._is_ending = True
        async with anyio.create_task_group() as tasks:
            for service in services:
                tasks.start_soon(service.hand_over)

    async def _begin(self, queued: QueuedJob) -> None:
        from ..jobs.handover import job_of_queue

        try:
            job = job_of_queue(queued)
            async with self._service_of(queued.person) as service:
                service.take_over(job)
            self._taken.append(job)
            logger.info("%s is made here, in place of another replica", job.id)
        except Exception as error:
            logger.warning("%s cannot be made here: %s", queued.row.id, error)
            await self._everyone.run(partial(_release, job_id=queued.row.id))
            raise


@retry_undone
def _gone_owners(repositories: Repositories) -> set[str]:
    """The owners of jobs in the queue that other replicas can make now."""
    with repositories.unit_of_work(read_only=True) as unit:
        owners = unit.queue.owners()
        gone = repositories.catalogue_store.dead_owners(owners - {RELEASED})
    return gone | (owners & {RELEASED})


@retry_undone
def _people_with_lost(repositories: Repositories, *, gone: set[str]) -> set[str]:
    with repositories.unit_of_work(read_only=True) as unit:
        return unit.queue.with_lost(gone)


@retry_undone
def _under_way(repositories: Repositories, *, gone: set[str]) -> set[str]:
    with repositories.unit_of_work(read_only=True) as unit:
        return unit.queue.under_way(gone)


@retry_undone
def _people_with_batches(repositories: Repositories) -> list[str]:
    """The people whose cheap batches this replica follows, or can: a service that was closed follows none."""
    store = repositories.catalogue_store
    with repositories.unit_of_work(read_only=True) as unit:
        found = unit.queue.open_batches(cheap=True)
        free = store.dead_owners({owner for _, owner in found}) | {store.owner}
    return sorted({person for person, owner in found if owner in free})


@retry_undone
def _people_with_left_batches(repositories: Repositories) -> list[str]:
    """The people with batches that are made now, whose replica has left them."""
    with repositories.unit_of_work(read_only=True) as unit:
        found = unit.queue.open_batches(cheap=False)
        gone = repositories.catalogue_store.dead_owners({owner for _, owner in found})
    return sorted({person for person, owner in found if owner in gone})


@retry_undone
def _claim(repositories: Repositories, *, gone: set[str]) -> QueuedJob | None:
    with repositories.unit_of_work() as unit:
        unit.queue.forget_old(gone=gone)
        return unit.queue.claim(repositories.catalogue_store.owner, gone=gone)


@retry_undone
def _release(repositories: Repositories, *, job_id: str) -> None:
    with repositories.unit_of_work() as unit:
        unit.queue.release(job_id, repositories.catalogue_store.owner)
