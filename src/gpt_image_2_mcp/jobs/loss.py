"""What is told of a job whose process ended while its request was under way."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..billing.prices import dollars
from ..database.url import PostgresUrl
from ..errors import USAGE_URL, GptImageError
from ..persistence.unit_of_work import Repositories
from ..persistence.writer_thread import WriterThread
from ..storage.local_folder import saved_files
from ..storage.time_limit import run_in_time_async

if TYPE_CHECKING:
    from ..catalogue.job_table import JobRow


async def describe_loss(writer: WriterThread, row: "JobRow") -> str:
    """What became of a lost job: what it may have cost, and which of its pictures were saved."""

    def cost(repositories: Repositories) -> tuple[Decimal | None, bool, bool]:
        try:
            usd = repositories.ledger.job_cost(row.id)
        except GptImageError:
            usd = None
        return usd, isinstance(repositories.database, PostgresUrl), repositories.is_of_one_of_several

    usd, is_shared, is_of_replica = await writer.run(cost)
    asleep = ""
    if is_shared:
        asleep = (
            " If its computer only sleeps or has lost the database, the picture may still come: call get_image_job"
            " again before you pay once more."
        )
    price = f"about {dollars(usd)}, " if usd else ""
    if is_of_replica:
        # It may be on the disk of another one.
        return _text(row, price, "What was saved of it is listed as soon as that server runs again.", asleep)
    try:
        # Not in the writer thread: a folder that does not answer would hold up everything else.
        there = await run_in_time_async(row.folder, partial(saved_text, row))
    except OSError as error:
        there = f"Its folder {row.folder} cannot be looked through ({error.strerror})."
    return _text(row, price, there, asleep)


def _text(row: "JobRow", price: str, there: str, asleep: str) -> str:
    return (
        f"{row.id} was under way when the server's process was ended, so its answer is lost. It may have been billed,"
        f" {price}and was not sent again. {there} Look at {USAGE_URL}, then decide whether to ask for it once more."
        f"{asleep}"
    )


def saved_text(row: "JobRow") -> str:
    """Which pictures of a lost job are in its folder."""
    try:
        found = _files_text(saved_files(row.folder, row.stem))
    except FileNotFoundError:
        found = ""
    there = f"Saved before that: {found}." if found else f"Nothing of it is in {row.folder}."
    # A picture whose process was killed before it got its name is found by `storage/recovery.py`, under a name that has
    # its time and nothing of its job.
    rescued = _files_text(row.folder.glob("*-rescued.*"), since=row.created)
    return f"{there} Rescued there, and perhaps of this job: {rescued}." if rescued else there


def _files_text(paths: Iterable[Path], since: datetime | None = None) -> str:
    made = [path for path in paths if path.is_file() and (since is None or path.stat().st_mtime >= since.timestamp())]
    return ", ".join(sorted(map(str, made)))
