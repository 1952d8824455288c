"""The batches that a replica of a server was making when it ended: another replica makes the lines that were not sent.

A line is sent only by the replica that has its batch, which the transaction looks at that writes that it is sent (see
`jobs.shared_lines`). So a replica that only slept while its batch was taken over sends no further line of it.
"""

import logging
from collections.abc import Collection
from typing import TYPE_CHECKING

import anyio

from ..database.retry import retry_undone
from ..errors import GptImageError
from ..persistence.unit_of_work import Repositories, UnitOfWork
from .desk import Desk
from .handover import line_of
from .lines import Line

if TYPE_CHECKING:
    from ..catalogue.batch_table import BatchRow

logger = logging.getLogger(__name__)

LOOK_S = 2.0
"""Seconds between two looks for lines that another replica has sent and still waits for."""


async def release(desk: Desk, ids: Collection[str]) -> None:
    """Let any replica make what is not sent of these batches; if that cannot be written, it can when this one is gone.

    Raises nothing.
    """

    @retry_undone
    def write(repositories: Repositories) -> None:
        from ..catalogue.queue_table import RELEASED

        with repositories.unit_of_work() as unit:
            for batch_id in ids:
                unit.batches.take_over(batch_id, RELEASED, from_owner=repositories.catalogue_store.owner)

    try:
        await desk.writer.run(write)
    except GptImageError as error:
        logger.warning("batches are passed on when the lease of this process is over: %s", error)


async def take_left(desk: Desk, row: "BatchRow") -> list[Line] | None:
    """Make this process the one that makes a batch, and give the lines that were not sent.

    None if its replica is there, or another one was faster. Raises DatabaseUnusable.
    """

    @retry_undone
    def take(repositories: Repositories) -> list[Line] | None:
        store = repositories.catalogue_store
        if row.owner not in store.dead_owners({row.owner}):
            return None
        with repositories.unit_of_work() as unit:
            # Waits for what is just being sent; after it, the replica before sends nothing more.
            if not unit.batches.take_over(row.id, store.owner, from_owner=row.owner):
                return None
            return _not_sent(unit, row)

    return await desk.writer.run(take)


def _not_sent(unit: UnitOfWork, row: "BatchRow") -> list[Line]:
    batch = unit.batches.get(row.id)
    if batch is None or batch.is_cancelled:
        return []
    begun = unit.batches.states(row)
    return [line_of(line) for line in unit.batches.lines(row.id) if line.number not in begun]


async def end(desk: Desk, row: "BatchRow") -> None:
    """Note that a batch is over, when the lines are that a replica before this one has sent.

    Does nothing if another replica has it. Raises DatabaseUnusable.
    """

    @retry_undone
    def write(repositories: Repositories) -> bool:
        store = repositories.catalogue_store
        with repositories.unit_of_work() as unit:
            if unit.batches.held(row.id, store.owner) is None:
                return True
            senders = unit.batches.senders(row) - {store.owner}
            if senders - store.dead_owners(senders):
                return False
            unit.batches.end(row.id)
            if desk.store.is_replica:
                unit.batches.forget_handovers(row.id)
        return True

    while True:
        if await desk.writer.run(write):
            return
        await anyio.sleep(LOOK_S)
