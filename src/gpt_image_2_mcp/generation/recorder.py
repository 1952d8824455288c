"""Records what a job spent and made: in the database and beside the pictures, before the answer leaves.

There are three moments. `record_sent` is called before the request's first byte, so that a kill after it leaves a trace
of what may be billed. At the end, `record_result` or `record_failure` writes everything about the job in one
transaction over ledger and catalogue (`JobEnd`). While the database cannot be written, both wait in the spool, and
`replay` writes them later: that a request is sent waits there as the end of a job whose outcome is unknown, which the
true end then replaces. If the end cannot be written for another reason, the charge is settled alone.

Every function that takes `Repositories` runs in the writer thread.
"""

import importlib
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from ..catalogue.picture_record import Picture
from ..catalogue.session import BeginSession
from ..catalogue.sidecar import restore_sidecar, write_sidecar
from ..database.retry import retry_undone
from ..errors import ApiError, BadRequest, GptImageError
from ..images import EXTENSION
from ..inputs import InputImage
from ..inputs.inputs import Inputs
from ..jobs.job import Job
from ..jobs.order import Order
from ..jobs.report import Report
from ..jobs.store import JobStore, write_fetched
from ..paths.policy import WritePolicy
from ..persistence.unit_of_work import Repositories
from ..persistence.writer_thread import WriterThread
from ..storage.local_folder import save_beside
from ..storage.time_limit import run_in_time, run_in_time_async
from .charge_ends import Audit, charge_end, count, named_cost, noted
from .charges import Charge
from .record_builder import records_of

if TYPE_CHECKING:
    from ..catalogue.stored_file_table import StoredFile
    from ..picture_store.keeper import PictureKeeper
    from .job_end import JobEnd

logger = logging.getLogger(__name__)

NOT_LISTED = "The picture is saved, but it could not be written into the catalogue or its session"
"""The beginning of the warning in the report, if the transaction at the end failed for good."""

WAITING = "The picture is saved; it is not in the catalogue yet, and is added as soon as the database can be written"
"""The same if it waits in the spool."""

WAITING_IN_MEMORY = (
    "The picture is saved; it is not in the catalogue yet, and is added as soon as the database can be written while"
    " this server runs, and later by `gpt-image-2-mcp library rebuild FOLDER`"
)
"""The same if the disk of the spool cannot be written either."""


@dataclass(frozen=True, slots=True)
class Recorder:
    """Records the jobs of one process."""

    writer: WriterThread
    store: JobStore
    project: str | None
    """The name of the user's project that the server was started in, for the pictures' records."""
    policy: Callable[[], WritePolicy]
    """Gives the policy that checks the folders of the pictures again before something is written beside them."""
    audit: Audit = "off"
    keeper: "PictureKeeper | None" = None
    """On a server, what puts the pictures where other replicas find them, before they are in the catalogue."""

    async def record_sent(self, job: Job, charge: Charge, *, required: bool) -> None:
        """Record that the job may be billed from now on: its charge is `sent`, and its row too. Called before sending.

        Raises:
            GptImageError: the database could not be written, and that is `required` because a budget is set, or a click
                asked for the job, which other processes may have too.
            JobError: a click asked for it, and another process has it.

        """
        required = required or job.may_be_elsewhere

        @retry_undone
        def write(repositories: Repositories) -> None:
            try:
                with repositories.transaction():
                    charge.mark_sent(repositories, once=job.is_click and not repositories.keeps_history)
                    self.store.write_sent(repositories, job)
            except GptImageError:
                charge.unmark_sent()
                raise

        def write_or_wait(repositories: Repositories) -> None:
            # Before anything is paid: the program may be replaced on the disk before it is needed.
            importlib.import_module(f"{__package__}.job_end")
            try:
                write(repositories)
            except GptImageError as error:
                if not required:
                    self._wait_in_spool(repositories, self._sent(repositories, job, charge), error)
                raise

        try:
            await self.writer.run(write_or_wait)
        except GptImageError as error:
            if required:
                raise
            # Without a budget, a database that cannot be written is no reason to refuse a picture.
            logger.warning("spending and history are not recorded yet: %s", error)

    async def record_failure(self, job: Job, charge: Charge, error: BaseException) -> None:
        """Record that there is no picture, and whether one may be billed. A database failure is only logged.

        Of the job, a cancellation records nothing: it means that the process ends, and the row is found as lost later.
        """
        # A sandbox at OPENAI_BASE_URL shows only in its answers; it bills nothing.
        is_free = isinstance(error, ApiError) and error.from_sandbox
        ended = charge.failed(may_be_billed=job.status.sent > 0 and not is_free, usd=named_cost(error, job.model))
        if job.may_be_elsewhere and charge.row is None:
            # Nothing was sent, and a charge of the same job is that of another process.
            ended = None
        ended = noted(ended, job, self.audit, getattr(error, "request_id", None))

        def write(repositories: Repositories) -> None:
            from .job_end import JobEnd

            # A shared line that was not sent may be another replica's by now: `NowRun` looks, and writes it.
            if isinstance(error, Exception) and (job.status.sent or not job.is_shared_line):
                row = self.store.ended_row(repositories, job, error)
            else:
                row = None
            self._write(repositories, JobEnd(ended, row), charge)

        await self.writer.run(write)
        count(ended, job)

    @asynccontextmanager
    async def recorded_failure(self, job: Job, charge: Charge) -> AsyncGenerator[None]:
        """Record whatever ends the block other than its end, as `record_failure`; it is raised on."""
        try:
            yield
        except BaseException as error:
            await self.record_failure(job, charge, error)
            raise

    async def record_result(
        self, job: Job, order: Order, report: Report, charge: Charge, *, lost: int, policy: WritePolicy
    ) -> Report:
        """Record the cost, the pictures, their turn in the session and the job's end; gives the completed report.

        `lost` pictures of the request may be billed without having arrived. Raises nothing: the pictures are paid for
        and saved, so a failure here becomes a warning in the report.
        """
        # A cancellation waits: the pictures are paid for. Files are written in other threads than the writer's, which
        # everything else waits for.
        with anyio.CancelScope(shield=True):
            keeps_history = self.writer.repositories.keeps_history
            folder = report.images[0].path.parent
            inputs = order.inputs
            if keeps_history and isinstance(order.step, BeginSession):
                inputs = await anyio.to_thread.run_sync(
                    partial(inputs.with_kept_files, partial(_keep_original, folder=folder, policy=policy))
                )
            stored: tuple[StoredFile, ...] = ()
            if self.keeper is not None:
                kept = await self.keeper.keep(_files_of(report, order, inputs))
                stored, report = kept.files, replace(report, warnings=(*report.warnings, *kept.warnings))
            report, pictures = await self.writer.run(
                partial(
                    self._write_result,
                    job=job,
                    order=order,
                    inputs=inputs,
                    report=report,
                    charge=charge,
                    lost=lost,
                    stored=stored,
                )
            )
            # Beside the pictures in any case: `library rebuild` lists the pictures from these records.
            if keeps_history:
                await _write_records(pictures, policy)
        return report

    def replay(self, repositories: Repositories, line: dict[str, Any]) -> None:
        """Write what waited in the spool; `persistence.spool` says when.

        Raises:
            DatabaseUnusable: the database cannot be written yet.
            ValueError: the line is none that this program has written.

        """
        from .job_end import read_line

        if "fetched" in line:
            write_fetched(repositories, str(line["fetched"]))
            return
        end = retry_undone(partial(read_line(line.get("end")).write, is_late=True))(repositories)
        # A turn's record was written when its picture was saved, and may not know the position in the session.
        restore_records(end.pictures, self.policy())

    def _sent(self, repositories: Repositories, job: Job, charge: Charge) -> "JobEnd":
        """What has to be known of a job if nothing is recorded any more: it was sent, and may be billed."""
        from .job_end import JobEnd

        # Not "sent": that would belong to the process that writes it, which cannot settle it.
        ended = noted(charge.failed(may_be_billed=True), job, self.audit)
        return JobEnd(ended, self.store.sent_row(repositories, job))

    def _write_result(
        self,
        repositories: Repositories,
        *,
        job: Job,
        order: Order,
        inputs: Inputs,
        report: Report,
        charge: Charge,
        lost: int,
        stored: "tuple[StoredFile, ...]",
    ) -> tuple[Report, Sequence[Picture]]:
        from .job_end import JobEnd

        charged = noted(charge_end(report, charge, lost), job, self.audit)
        end = JobEnd(charged, step=order.step, report=report, stored=stored)
        count(charged, job)
        pictures: list[Picture] = []
        try:
            pictures = records_of(report, job=job, kind=order.kind, parents=inputs.origins, project=self.project)
            end = replace(end, job=self.store.ended_row(repositories, job), pictures=tuple(pictures))
        except Exception as error:  # noqa: BLE001 - the pictures are saved: see `record_result`
            _log(error)
            self._settle_alone(repositories, end, charge)
            return _with_warning(report, f"{NOT_LISTED} ({error})."), pictures
        end, warning = self._write(repositories, end, charge)
        return _with_warning(end.report or report, warning), end.pictures

    def _write(self, repositories: Repositories, end: "JobEnd", charge: Charge) -> "tuple[JobEnd, str | None]":
        """Write the end of a job, or have it wait in the spool; gives it completed, and a warning if it is not written.

        Raises nothing: a failure is logged.
        """
        try:
            if repositories.substituted is None:
                # The turn before this one may wait there.
                repositories.replay()
                return retry_undone(end.write)(repositories, charge=charge.row), None
            failure: Exception = repositories.substituted
        except Exception as error:  # noqa: BLE001 - the pictures are saved: see `record_result`
            failure = error
        _log(failure)
        warning = self._wait_in_spool(repositories, end, failure)
        if warning is None:
            self._settle_alone(repositories, end, charge)
            warning = f"{NOT_LISTED} ({failure})."
        if repositories.catalogue_is_in_memory:
            return end.write_catalogue(repositories), warning if repositories.keeps_history else None
        return end.foreseen(), warning

    @staticmethod
    def _wait_in_spool(repositories: Repositories, end: "JobEnd", failure: Exception) -> str | None:
        """Have the end of a job wait in the spool; gives the warning that says so, None if it does not wait."""
        from .job_end import JobEnd

        # Another failure than of the database would come again.
        if repositories.spool is None or not isinstance(failure, GptImageError):
            return None
        try:
            # Without history, only the money is written on the disk.
            line = (end if repositories.keeps_history else JobEnd(end.charge)).as_line()
            is_on_disk = repositories.spool.append(line)
        except Exception as error:  # noqa: BLE001 - the pictures are saved: see `record_result`
            _log(error)
            return None
        return f"{WAITING if is_on_disk else WAITING_IN_MEMORY} ({failure})"

    @staticmethod
    def _settle_alone(repositories: Repositories, end: "JobEnd", charge: Charge) -> None:
        """Settle the charge in a transaction of its own."""
        try:
            if end.charge:
                retry_undone(repositories.ledger.end)(end.charge, charge=charge.row)
        except Exception as error:  # noqa: BLE001 - the picture is there all the same
            _log(error)


def _files_of(report: Report, order: Order, inputs: Inputs) -> list[tuple[Path, str]]:
    """The pictures of a job, and the originals of a session that begins and is made from others, with their hashes."""
    originals = inputs.images if isinstance(order.step, BeginSession) else ()
    return [
        *((image.path, image.sha256) for image in report.images),
        *((image.path, image.sha256) for image in originals if image.path and image.id is None),
    ]


def _with_warning(report: Report, warning: str | None) -> Report:
    return replace(report, warnings=(*report.warnings, warning)) if warning else report


def _keep_original(image: InputImage, *, folder: Path, policy: WritePolicy) -> Path | None:
    """Save a copy of a session's original that is no file of the user, so that turn 0 can be edited again later."""
    name = f"{image.sha256}.{EXTENSION[image.format]}"
    try:
        return save_beside(image.data, name, folder=folder, policy=policy)
    except (OSError, BadRequest) as error:
        logger.warning("the session's original %s could not be saved: %s", image.source, error)
        return None


async def _write_records(pictures: Sequence[Picture], policy: WritePolicy) -> None:
    for picture in pictures:
        try:
            await run_in_time_async(picture.path.parent, partial(write_sidecar, picture, policy))
        except (OSError, BadRequest) as error:
            logger.warning("the record of %s could not be written: %s", picture.path, error)


def restore_records(pictures: Sequence[Picture], policy: WritePolicy) -> None:
    """Write the records that are missing beside pictures of the catalogue. Blocks; a failure is logged."""
    for picture in pictures:
        try:
            if run_in_time(picture.path.parent, partial(restore_sidecar, picture, policy)):
                logger.info("the record of %s was written from the catalogue", picture.path)
        except (OSError, BadRequest) as error:
            logger.info("the record of %s could not be looked for: %s", picture.path, error)


def _log(error: Exception) -> None:
    is_known = isinstance(error, GptImageError)
    logger.warning("the result could not be recorded: %s", error, exc_info=None if is_known else error)
