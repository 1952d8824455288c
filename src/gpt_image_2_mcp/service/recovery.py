"""Recovery at the start of the server: settles what killed processes left in the database and in output folders."""

import logging
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import anyio.to_thread

from ..errors import GptImageError
from ..generation.output_dirs import OutputDirs
from ..jobs.store import describe_loss
from ..persistence.unit_of_work import Repositories, WriterThread

if TYPE_CHECKING:
    from ..catalogue.job_table import JobRow

logger = logging.getLogger(__name__)


async def recover(writer: WriterThread, output_dirs: OutputDirs) -> None:
    """Settle charges and jobs of killed processes, recover their half-written pictures, and log a sentence for each.

    Raises nothing: a failure is logged, and the server goes on without recovery.
    """
    try:
        await _recover(writer, output_dirs)
    except Exception:
        logger.exception("what killed processes left behind could not be recovered")


async def _recover(writer: WriterThread, output_dirs: OutputDirs) -> None:
    lost: Sequence[JobRow] = []
    if await anyio.to_thread.run_sync(writer.repositories.has_dead_owners):
        try:
            found, lost = await writer.run(Repositories.recover)
        except GptImageError as error:
            found = [str(error)]
        for sentence in found:
            logger.warning("%s", sentence)
    for sentence in await anyio.to_thread.run_sync(output_dirs.recover, [row.folder for row in lost]):
        logger.warning("%s", sentence)
    for row in lost:
        logger.warning("%s", await writer.run(partial(describe_loss, row=row)))
