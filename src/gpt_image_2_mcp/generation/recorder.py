"""Records what a job spent and made: in the database and beside the pictures, before the answer leaves.

There are three moments. `record_sent` is called before the request's first byte, so that a kill after it leaves a trace
of what may be billed. At the end, `record_result` or `record_failure` writes everything about the job in one
transaction over ledger and catalogue. Only if that fails, the charge is settled alone.

Every function that takes `Repositories` runs in the writer thread.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread

from ..billing.prices import cost
from ..billing.tokens import Usage
from ..catalogue.picture_record import Picture
from ..catalogue.session import ENDED_MEANWHILE, BeginSession, tree
from ..catalogue.sidecar import write_sidecar
from ..database.retry import retry_undone
from ..errors import ApiError, BadRequest, GptImageError
from ..images import EXTENSION
from ..inputs import InputImage
from ..inputs.reader import Inputs
from ..jobs.job import Job
from ..jobs.order import Order
from ..jobs.report import Report
from ..jobs.store import JobStore
from ..paths.policy import WritePolicy
from ..persistence.unit_of_work import Repositories, WriterThread
from ..storage.local_folder import save_beside
from ..storage.time_limit import run_in_time
from .charges import Charge
from .record_builder import records_of

logger = logging.getLogger(__name__)

NO_TURN = "The session does not go on from the damaged picture: ask for the same turn again."

NOT_LISTED = "The picture is saved, but it could not be written into the catalogue or its session"
"""The beginning of the warning in the report, if the transaction at the end failed."""


@dataclass(frozen=True, slots=True)
class Recorder:
    """Records the jobs of one process."""

    writer: WriterThread
    store: JobStore
    model: str
    project: str | None
    """The name of the user's project that the server was started in, for the pictures' records."""

    async def record_sent(self, job: Job, charge: Charge, *, required: bool) -> None:
        """Record that the job may be billed from now on: its charge is `sent`, and its row too. Called before sending.

        Raises:
            GptImageError: the database could not be written, and that is `required` because a budget is set.

        """

        @retry_undone
        def write(repositories: Repositories) -> None:
            try:
                with repositories.transaction():
                    charge.mark_sent(repositories)
                    self.store.write_sent(repositories, job)
            except GptImageError:
                charge.unmark_sent()
                raise

        try:
            await self.writer.run(write)
        except GptImageError as error:
            if required:
                raise
            # Without a budget, a database that cannot be written is no reason to refuse a picture.
            logger.warning("spending and history are not recorded: %s", error)

    async def record_failure(self, job: Job, charge: Charge, error: BaseException) -> None:
        """Record that there is no picture, and whether one may be billed. A database failure is only logged."""
        # A sandbox at OPENAI_BASE_URL shows only in its answers; it bills nothing.
        is_free = isinstance(error, ApiError) and error.from_sandbox
        may_be_billed = job.status.sent > 0 and not is_free
        usd = _named_cost(error, self.model)

        @retry_undone
        def write(repositories: Repositories) -> None:
            with repositories.transaction():
                charge.fail(repositories, may_be_billed=may_be_billed, usd=usd)
                with repositories.unit_of_work() as unit:
                    self.store.write_failure(unit, job, error)

        try:
            await self.writer.run(write)
        except GptImageError as failure:
            logger.warning("spending and history could not be recorded: %s", failure)

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
            report, pictures = await self.writer.run(
                partial(
                    self._write_result, job=job, order=order, inputs=inputs, report=report, charge=charge, lost=lost
                )
            )
            if keeps_history:
                await anyio.to_thread.run_sync(partial(_write_records, pictures, policy))
        return report

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
    ) -> tuple[Report, list[Picture]]:
        pictures: list[Picture] = []
        try:
            pictures = records_of(
                report, job=job, kind=order.kind, parents=inputs.origins, model=self.model, project=self.project
            )
            return self._write_rows(repositories, job, order, report, pictures, charge, lost)
        except Exception as error:  # noqa: BLE001 - the pictures are saved: see `record_result`
            _log(error)
            # The transaction was rolled back as a whole. The charge is settled on its own, and the records beside the
            # pictures are written all the same: `library rebuild` lists the pictures from them.
            self._settle_alone(repositories, report, charge, lost)
            return replace(report, warnings=(*report.warnings, f"{NOT_LISTED} ({error}).")), pictures

    @retry_undone
    def _write_rows(
        self,
        repositories: Repositories,
        job: Job,
        order: Order,
        report: Report,
        pictures: Sequence[Picture],
        charge: Charge,
        lost: int,
    ) -> tuple[Report, list[Picture]]:
        """Write all rows in one transaction; gives the report and the pictures with their position in the session."""
        with repositories.transaction():
            _settle(repositories, report, charge, lost)
            with repositories.unit_of_work() as unit:
                # A backend may send more pictures than asked for: the first that is no damaged one is the turn, the
                # others stand beside.
                turn = next((picture.id for picture in pictures if not picture.record.is_broken), None)
                # It is there if the connection broke during the commit of an earlier try: then so is everything else.
                written = unit.pictures.get(turn) if turn else None
                if written:
                    position = written.record.position
                else:
                    position = unit.sessions.apply(order.step) if order.step and turn else None
                listed = [
                    picture.model_copy(
                        update={
                            "record": picture.record.model_copy(
                                update={"position": position if picture.id == turn else None, "made": unit.now}
                            )
                        }
                    )
                    for picture in pictures
                ]
                for picture in listed:
                    unit.pictures.add(picture)
                session = unit.sessions.get(position.session_id) if position else None
                if session:
                    report = replace(report, position=position, tree=tree(session))
                elif order.step and turn is None:
                    report = replace(report, warnings=(*report.warnings, NO_TURN))
                elif order.step:
                    # The picture is listed without a session, which ended while it was made.
                    report = replace(report, position=position, warnings=(*report.warnings, ENDED_MEANWHILE))
                self.store.write_result(unit, job, report)
        return report, listed

    @staticmethod
    def _settle_alone(repositories: Repositories, report: Report, charge: Charge, lost: int) -> None:
        """Settle the charge in a transaction of its own."""
        try:
            retry_undone(_settle)(repositories, report, charge, lost)
        except Exception as error:  # noqa: BLE001 - the picture is there all the same
            _log(error)


def _settle(repositories: Repositories, report: Report, charge: Charge, lost: int) -> None:
    """Settle the charge, or release it if a sandbox answered."""
    if report.sandbox:
        charge.fail(repositories, may_be_billed=False)
    else:
        charge.settle(
            repositories,
            usage=report.usage,
            usd=report.cost,
            request_id=report.request_id,
            lost=lost,
            n=report.requested["n"],
        )


def _named_cost(error: BaseException, model: str) -> Decimal | None:
    """The cost in dollars of an answer without a usable picture; None if it named no usage, or has no known price."""
    usage = error.usage if isinstance(error, GptImageError) else None
    try:
        return cost(model, usage) if isinstance(usage, Usage) else None
    except Exception:
        # The charge then counts at its estimate, which is better than not at all.
        logger.exception("the cost of an answer could not be computed")
        return None


def _keep_original(image: InputImage, *, folder: Path, policy: WritePolicy) -> Path | None:
    """Save a copy of a session's original that is no file of the user, so that turn 0 can be edited again later."""
    name = f"{image.sha256}.{EXTENSION[image.format]}"
    try:
        return save_beside(image.data, name, folder=folder, policy=policy)
    except (OSError, BadRequest) as error:
        logger.warning("the session's original %s could not be saved: %s", image.source, error)
        return None


def _write_records(pictures: Sequence[Picture], policy: WritePolicy) -> None:
    for picture in pictures:
        try:
            run_in_time(picture.path.parent, partial(write_sidecar, picture, policy))
        except (OSError, BadRequest) as error:
            logger.warning("the record of %s could not be written: %s", picture.path, error)


def _log(error: Exception) -> None:
    is_known = isinstance(error, GptImageError)
    logger.warning("the result could not be recorded: %s", error, exc_info=None if is_known else error)
