"""Recovery at the start of the server: settles what killed processes left in the database and in output folders."""

import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import anyio
import anyio.to_thread

from ..database.url import PostgresUrl
from ..errors import GptImageError
from ..persistence.unit_of_work import Repositories
from ..persistence.writer_thread import WriterThread
from ..telemetry import count_job

if TYPE_CHECKING:
    from ..catalogue.job_table import JobRow
    from ..generation.output_dirs import OutputDirs
    from ..parameters.models import PaidRequest

logger = logging.getLogger(__name__)

ModelFor: TypeAlias = "Callable[[PaidRequest], str]"

MARGIN_S = 0.2
"""Seconds after the end of a lease at which it is looked at again."""
EVERY_S = 60.0
"""Seconds after which a server for several people looks again for processes that have ended."""

NEWEST = 100
"""Pictures whose records are looked for after a kill: a process that was killed has just written their rows."""


async def recover(writer: WriterThread, output_dirs: "OutputDirs", closing: anyio.Event) -> None:
    """Settle charges and jobs of killed processes, recover their half-written pictures, and log a sentence for each.

    Pictures that they had saved and not recorded are added to the catalogue. What waits in the spool is written first.
    The records of the newest pictures are written if they are missing.

    On a database server it shows only some time after a kill that a process is gone. If there is a process of which it
    does not show yet, all of this is done once more when it does, unless `closing` is set before.

    Raises nothing: a failure is logged, and the server goes on without recovery.
    """
    try:
        again_in = await _recover(writer, output_dirs)
        if again_in is not None:
            with anyio.move_on_after(again_in + MARGIN_S) as pause:
                await closing.wait()
            if pause.cancelled_caught:
                await _recover(writer, output_dirs)
    except Exception:
        logger.exception("what killed processes left behind could not be recovered")


@asynccontextmanager
async def recovering(everyone: WriterThread, model_for: ModelFor) -> AsyncGenerator[None]:
    """Settle charges and jobs of killed processes for all people of a database server, again and again.

    What such a process had on its disk is not looked for: its folder may be on another computer. `model_for` gives the
    model of a request.
    """
    closing = anyio.Event()
    failure: Exception | None = None

    async def look_again() -> None:
        while not closing.is_set():
            with anyio.move_on_after(await _recover_rows(everyone, model_for)):
                await closing.wait()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(look_again)
        try:
            yield
        except Exception as error:  # noqa: BLE001 - the task group would wrap it in an ExceptionGroup: raised below
            failure = error
        finally:
            closing.set()
    if failure is not None:
        raise failure


async def recover_rows(everyone: WriterThread, model_for: ModelFor) -> None:
    """Settle charges and jobs of killed processes for all people once; raises DatabaseUnusable."""
    sentences, lost = await everyone.run(Repositories.recover)
    for sentence in sentences:
        logger.warning("%s", sentence)
    if not lost:
        return
    # Little of the program is loaded in a server that nobody has asked yet.
    from ..jobs.serialization import is_readable, request_of

    for row in lost:
        logger.warning("%s was under way when its process was ended: it may have been billed", row.id)
        if is_readable(row):
            request = request_of(row)
            count_job(tool=row.tool, model=model_for(request), quality=request.quality, outcome="lost", pictures=0)


async def _recover_rows(everyone: WriterThread, model_for: ModelFor) -> float:
    """Recover once; gives the seconds after which to do so again. Raises nothing."""
    try:
        await recover_rows(everyone, model_for)
        again_in = await everyone.run(Repositories.recover_again_in)
    except GptImageError as error:
        logger.warning("what killed processes left behind could not be recovered: %s", error)
    except Exception:
        logger.exception("what killed processes left behind could not be recovered")
    else:
        return EVERY_S if again_in is None else min(again_in + MARGIN_S, EVERY_S)
    return EVERY_S


async def _recover(writer: WriterThread, output_dirs: "OutputDirs") -> float | None:
    """Recover once; gives the seconds after which to do so again, None if all is known."""
    from ..generation.recorder import restore_records
    from ..jobs.loss import describe_loss

    again_in: float | None = None
    found: list[str] = []
    lost: Sequence[JobRow] = []
    if writer.repositories.spool is not None and not writer.repositories.spool.is_empty:
        # What the writer thread does first: it writes what waits there into the database.
        await writer.run(Repositories.prepare)
    if await anyio.to_thread.run_sync(writer.repositories.has_dead_owners):
        try:
            found, lost = await writer.run(Repositories.recover)
            again_in = await writer.run(Repositories.recover_again_in)
        except GptImageError as error:
            found = [*found, str(error)]
        else:
            newest = await writer.read(lambda unit: unit.pictures.newest(NEWEST))
            await anyio.to_thread.run_sync(restore_records, newest, output_dirs.policy)
        for sentence in found:
            logger.warning("%s", sentence)
    for sentence in await output_dirs.recover([row.folder for row in lost]):
        logger.warning("%s", sentence)
    for row in lost:
        await _record_saved(writer, output_dirs, row)
        logger.warning("%s", await describe_loss(writer, row))
    return again_in


async def _record_saved(writer: WriterThread, output_dirs: "OutputDirs", row: "JobRow") -> None:
    """Add the pictures that a lost job had saved to the catalogue, and write their records.

    Not with a database server: there the process may only sleep, and will record them with all that it knows.
    """
    if isinstance(writer.repositories.database, PostgresUrl):
        return
    from ..generation.record_builder import find_lost_pictures
    from ..generation.recorder import restore_records

    policy = output_dirs.policy
    find = partial(find_lost_pictures, row, policy, sandbox=output_dirs.is_sandbox)
    try:
        pictures = await output_dirs.in_time(row.folder, find)
        if pictures:
            await writer.in_transaction(lambda unit: [unit.pictures.add(picture) for picture in pictures])
            await anyio.to_thread.run_sync(restore_records, pictures, policy)
    except (OSError, KeyError, ValueError, GptImageError) as error:
        logger.warning("the pictures of %s cannot be listed: %s", row.id, error)
