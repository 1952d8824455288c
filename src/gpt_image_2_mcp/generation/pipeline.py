"""Making the pictures of one job: set the money aside, send, save what comes, write everything down.

Whoever calls this has read and checked all that the request needs. From the first byte on, the job cannot be stopped:
it is billed whatever happens.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import anyio.to_thread

from ..catalogue.models import Picture, SessionPosition
from ..catalogue.session import tree
from ..errors import ApiError, BadRequest, GptImageError
from ..images import EXTENSION
from ..inputs import InputImage, Sources
from ..inputs.reader import Inputs
from ..jobs.durations import DurationHistory
from ..jobs.job import Job
from ..jobs.report import Report
from ..jobs.store import JobStore
from ..openai_api.lazy_backend import LazyBackend
from ..openai_api.threads import InFlightWrites, on_loop
from ..parameters.models import CostsRequest, PaidRequest, StartSessionRequest
from ..paths.policy import safe_prefix
from ..persistence.unit_of_work import Repositories, UnitOfWork, WriterThread
from ..settings import Settings
from ..storage.local_folder import Kind, Name, keep_beside
from .image_saver import ImageSaver
from .output_dirs import OutputDirs
from .records import records_of
from .spending import Charge, PricedRequest, Spending

logger = logging.getLogger(__name__)

NOT_LISTED = "The picture is saved, but it could not be written into the catalogue or its session"
ENDED_MEANWHILE = "The session was ended while this turn was made; its picture is saved all the same."

Placing = Callable[[UnitOfWork], SessionPosition | None]
"""Finds a picture's place in its session, in the transaction that writes the picture down."""


@dataclass(frozen=True, slots=True)
class Work:
    """One job's request and all that was read for it."""

    job: Job
    kind: Kind
    request: PaidRequest
    folder: Path
    inputs: Inputs
    placing: Placing | None = None


class Pipeline:
    """Makes pictures; one for a studio."""

    def __init__(
        self,
        settings: Settings,
        *,
        connection: LazyBackend,
        spending: Spending,
        writer: WriterThread,
        log: JobStore,
        output_dirs: OutputDirs,
        sources: Sources,
        timings: DurationHistory,
        project: str | None,
    ) -> None:
        """Work with what the studio has."""
        self._settings = settings
        self._connection = connection
        self._spending = spending
        self._writer = writer
        self._log = log
        self._output_dirs = output_dirs
        self._sources = sources
        self._timings = timings
        self._project = project
        self._in_flight = InFlightWrites()

    async def close(self) -> None:
        """Wait for what is being saved."""
        await anyio.to_thread.run_sync(self._in_flight.wait)

    async def make(self, work: Work) -> Report:
        """Make the pictures, and tell of them once they are saved.

        Raises:
            GptImageError: none came; whether one may have been billed is written down.

        """
        job, request = work.job, work.request
        charge = await self._spending.reserve(job.id, self.priced(request, work.inputs))
        saver = self._keeper(work)
        job.folder, job.stem = work.folder, saver.stem
        job.status.before_sending = partial(self._note_sent, job, charge)
        try:
            failures, notes = await self._send(job, saver, request, work.inputs)
        except BaseException as error:
            if isinstance(error, ApiError):
                error.redact(self._settings.redact)
            free = isinstance(error, ApiError) and error.from_sandbox
            may_be_billed = job.status.sent > 0 and not free
            await self._writer.run(partial(self._note_failure, job, charge, error, may_be_billed))
            raise
        report = saver.report(
            model=self._settings.model,
            prompt=request.prompt,
            options=request,
            failures=failures,
            notes=[*work.inputs.changes, *notes],
        )
        if job.status.sent_since is not None:
            self._timings.learn(request, anyio.current_time() - job.status.sent_since)
        lost = sum(isinstance(failure, ApiError) and failure.may_be_billed for failure in failures)
        return await self._write_down(work, report, partial(self._settle, charge, report, lost, request.count))

    def priced(self, request: PaidRequest | CostsRequest, inputs: Inputs | None = None) -> PricedRequest:
        """What makes the price of a request; without its pictures they are taken for dear ones."""
        return PricedRequest(
            model=self._settings.model,
            options=request,
            prompt=request.prompt,
            n=request.count,
            inputs=request.assumed_inputs() if inputs is None else inputs.sizes,
            mask=None if inputs is None else inputs.mask_size,
            partial_images=self._settings.partial_images if request.count == 1 else 0,
        )

    async def _send(
        self, job: Job, saver: ImageSaver, request: PaidRequest, inputs: Inputs
    ) -> tuple[Sequence[GptImageError], Sequence[str]]:
        backend = await self._connection.backend()
        if not inputs.images:
            await backend.images.generate(job.status, saver, prompt=request.prompt, n=request.count, options=request)
            return [], []
        return await backend.edits.edit(
            job.status,
            saver,
            prompt=request.prompt,
            n=request.count,
            options=request,
            inputs=inputs.images,
            mask=inputs.mask,
        )

    def _keeper(self, work: Work) -> ImageSaver:
        own = self._output_dirs.resolve_writable(self._output_dirs.own())
        return ImageSaver(
            name=Name.new(work.kind, safe_prefix(work.request.filename_prefix or "")),
            folders=tuple(dict.fromkeys((work.folder, own))),
            judge=self._output_dirs.resolve_writable,
            # Whether a backend reached by HTTP is a sandbox shows in its answer only.
            sandboxed={} if self._settings.sandbox else {own: own / "sandbox"},
            n=work.request.count,
            fetch=self._fetch_from(asyncio.get_running_loop()),
            partials=work.job.partials,
            hide=self._settings.redact,
            previews=self._settings.inline == "preview",
            in_flight=self._in_flight,
        )

    def _fetch_from(self, loop: asyncio.AbstractEventLoop) -> Callable[[str], bytes]:
        """What gets a picture that an answer names by its address, for whoever is in another thread."""
        also = self._backend_host()
        return lambda url: on_loop(loop, self._sources.fetch_picture(url, also_allowed=also))

    async def _note_sent(self, job: Job, charge: Charge) -> None:
        """Have it on the disk, before the first byte, that this job may be billed from now on."""

        def note(repositories: Repositories) -> None:
            with repositories.transaction():
                charge.note_sent(repositories)
                self._log.save_sent(repositories, job)

        try:
            await self._writer.run(note)
        except GptImageError as error:
            charge.take_back()
            if self._spending.budgets.any:
                raise
            # A ledger that cannot be written keeps nobody from a picture.
            logger.warning("spending and history are not recorded: %s", error)

    def _note_failure(
        self, job: Job, charge: Charge, error: BaseException, billed: bool, repositories: Repositories
    ) -> None:
        """The picture is gone, whatever can be written down."""
        try:
            with repositories.transaction():
                charge.fail(repositories, may_be_billed=billed)
                with repositories.unit_of_work() as unit:
                    self._log.write_failure(unit, job, error)
        except GptImageError as failure:
            logger.warning("spending and history could not be recorded: %s", failure)

    @staticmethod
    def _settle(charge: Charge, report: Report, lost: int, n: int, repositories: Repositories) -> None:
        if report.sandbox:
            charge.fail(repositories, may_be_billed=False)
        else:
            charge.settle(
                repositories, usage=report.usage, usd=report.cost, request_id=report.request_id, lost=lost, n=n
            )

    async def _write_down(self, work: Work, report: Report, settle: Callable[[Repositories], None]) -> Report:
        """Write down the cost, the pictures and the job's end; only a session's turn is waited for.

        The pictures are paid for and saved: whatever goes wrong from here on is told, and raises nothing.
        """

        def write(repositories: Repositories) -> Report:
            keeps = repositories.keeps_history and isinstance(work.request, StartSessionRequest)
            inputs = work.inputs.kept(partial(self._keep_original, report)) if keeps else work.inputs
            pictures: Sequence[Picture] = ()
            try:
                pictures = records_of(
                    report,
                    job=work.job,
                    kind=work.kind,
                    parents=inputs.origins,
                    model=self._settings.model,
                    project=self._project,
                    hide=self._settings.redact,
                )
                told, pictures = self._in_books(repositories, work, report, pictures, settle)
            except Exception as error:  # noqa: BLE001 - see above
                _say(error)
                _settle_alone(repositories, settle)
                told = replace(report, warnings=(*report.warnings, f"{NOT_LISTED} ({error})."))
            if repositories.keeps_history:
                for picture in pictures:
                    self._write_sidecar(picture)
            return told

        if work.placing is None:
            self._writer.after_a_pause(write)
            return report
        return await self._writer.run(write)

    def _in_books(
        self,
        repositories: Repositories,
        work: Work,
        report: Report,
        pictures: Sequence[Picture],
        settle: Callable[[Repositories], None],
    ) -> tuple[Report, Sequence[Picture]]:
        """All of it or nothing; give the report and the records with the place in the session."""
        with repositories.transaction():
            settle(repositories)
            with repositories.unit_of_work() as unit:
                place = work.placing(unit) if work.placing else None
                update = {"position": place, "made": unit.now}
                placed = [
                    picture.model_copy(update={"record": picture.record.model_copy(update=update)})
                    for picture in pictures
                ]
                for picture in placed:
                    unit.pictures.add(picture)
                session = unit.sessions.get(place.session_id) if place else None
                told = replace(report, place=place, tree=tree(session)) if session else report
                if work.placing and not session:
                    told = replace(report, warnings=(*report.warnings, ENDED_MEANWHILE))
                self._log.save_result(unit, work.job, told)
        return told, placed

    def _keep_original(self, report: Report, image: InputImage) -> Path | None:
        """Keep what a session began with and nobody has as a file, so that it can be gone back to."""
        name = f"{image.sha256}.{EXTENSION[image.format]}"
        try:
            return keep_beside(
                image.data, name, folder=report.images[0].path.parent, judge=self._output_dirs.resolve_writable
            )
        except (OSError, BadRequest) as error:
            logger.warning("%s, with which the session began, could not be kept: %s", image.source, error)
            return None

    def _write_sidecar(self, picture: Picture) -> None:
        from ..catalogue.sidecar import write_sidecar

        try:
            write_sidecar(picture, self._output_dirs.resolve_writable)
        except (OSError, BadRequest) as error:
            logger.warning("the record of %s could not be written: %s", picture.path, error)

    def _backend_host(self) -> str | None:
        if self._settings.base_url is None:
            return None
        parts = urlsplit(self._settings.base_url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def _settle_alone(repositories: Repositories, settle: Callable[[Repositories], None]) -> None:
    """The money counts, whatever became of the rest."""
    try:
        settle(repositories)
    except Exception as error:  # noqa: BLE001 - the picture is there all the same
        _say(error)


def _say(error: Exception) -> None:
    known = isinstance(error, GptImageError)
    logger.warning("not written down: %s", error, exc_info=None if known else error)
