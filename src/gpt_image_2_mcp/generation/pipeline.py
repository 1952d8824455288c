"""Makes the pictures of one job: check, reserve, send, save, record, report.

`prepare` reads and checks everything, so that bad input costs nothing. `run` pays: from the request's first byte on,
the job cannot be stopped, since it is billed whatever happens.
"""

import asyncio
import hashlib
import json
from dataclasses import replace
from functools import partial

import anyio
import anyio.to_thread

from ..catalogue.session import BeginSession, ExtendSession, Session, new_session_id
from ..errors import ApiError
from ..inputs import Sources
from ..inputs.reader import InputReader, Inputs
from ..jobs.durations import DurationHistory
from ..jobs.job import Job
from ..jobs.news import NewsFeed
from ..jobs.order import Order
from ..jobs.report import Report
from ..openai_api.lazy_backend import LazyBackend
from ..openai_api.request import ImageRequest
from ..openai_api.threads import InFlightWrites
from ..parameters.models import (
    ContinueSessionRequest,
    CostsRequest,
    EditRequest,
    GenerateRequest,
    PaidRequest,
    StartSessionRequest,
)
from ..paths.policy import safe_prefix
from ..persistence.unit_of_work import WriterThread
from ..settings import Settings
from ..storage.local_folder import Name
from .image_saver import ImageSaver, SaveTarget
from .link_fetcher import LinkFetcher, backend_host
from .output_dirs import OutputDirs
from .recorder import Recorder
from .report_builder import build_report
from .spending import PricedRequest, Spending


class Pipeline:
    """Makes pictures; one for a process."""

    def __init__(
        self,
        settings: Settings,
        *,
        backend: LazyBackend,
        spending: Spending,
        writer: WriterThread,
        recorder: Recorder,
        output_dirs: OutputDirs,
        sources: Sources,
        reader: InputReader,
        durations: DurationHistory,
        news: NewsFeed,
    ) -> None:
        """Work with the parts that `app.open_service` made."""
        self._settings = settings
        self._backend = backend
        self._spending = spending
        self._writer = writer
        self._recorder = recorder
        self._output_dirs = output_dirs
        self._sources = sources
        self._reader = reader
        self._durations = durations
        self._news = news
        self._in_flight = InFlightWrites()
        self._in_order = anyio.Lock()

    async def close(self) -> None:
        """Wait for pictures that are being saved, and end the news."""
        await anyio.to_thread.run_sync(self._in_flight.wait)
        self._news.close()

    async def prepare(self, job: Job) -> Order:
        """Read and check all that a job needs: its pictures, its output folder, its session.

        Raises:
            GptImageError: something is wrong with it; nothing was paid.

        """
        request = job.request
        match request:
            case ContinueSessionRequest():
                session, parent, inputs = await self.next_turn(request)
                step = ExtendSession(session.id, parent, parent_given=request.from_turn is not None)
                # Without the turn's own picture: a client that repeats a call that timed out asks for the same turn.
                given = inputs.images[len(inputs.images) - len(request.images or ()) :]
                return Order("session", session.folder, inputs, self._key(job, replace(inputs, images=given)), step)
            case GenerateRequest():
                kind, inputs = "image", Inputs()
            case EditRequest() | StartSessionRequest():
                kind = "edit" if isinstance(request, EditRequest) else "session"
                inputs = await self._reader.read(request.images, request.mask)
        # One after another, so that calls reach the queue in the order in which they came.
        async with self._in_order:
            folder = await anyio.to_thread.run_sync(self._output_dirs.prepare, request.output_dir)
        step = BeginSession(new_session_id(), folder) if kind == "session" else None
        return Order(kind, folder, inputs, self._key(job, inputs), step)

    async def run(self, job: Job, order: Order) -> Report:
        """Reserve the money, send the request, save what comes, record it, and report.

        Raises:
            GptImageError: no picture came; whether one may have been billed is written down.

        """
        settings = self._settings
        request = ImageRequest(
            job.request.prompt, job.request.count, job.request, order.inputs.images, order.inputs.mask
        )
        charge = await self._spending.reserve(job.id, self.priced(job.request, order.inputs))
        saver = self._saver(job, order)
        job.files.folder, job.files.stem = order.folder, saver.stem
        job.status.before_sending = partial(
            self._recorder.record_sent, job, charge, required=self._spending.budgets.any
        )
        try:
            backend = await self._backend.get()
            outcome = await backend.send(request, job.status, saver)
        except BaseException as error:
            if isinstance(error, ApiError):
                error.redact(settings.redact)
            await self._recorder.record_failure(job, charge, error)
            raise
        report = build_report(order, request, saver, outcome, model=settings.model).redacted(settings.redact)
        if job.status.sent_since is not None:
            self._durations.learn(job.request, anyio.current_time() - job.status.sent_since)
        lost = sum(isinstance(failure, ApiError) and failure.may_be_billed for failure in outcome.failures)
        report = await self._recorder.record_result(
            job, order, report, charge, lost=lost, policy=self._output_dirs.policy
        )
        self._news.publish(report.position.session_id if report.position else None)
        return report

    async def next_turn(self, request: ContinueSessionRequest) -> tuple[Session, int, Inputs]:
        """The session, the number of the turn to build on, and its pictures.

        Raises:
            SessionError: the session or the turn is gone.
            GptImageError: an input cannot be read.

        """
        session = await self._writer.in_transaction(lambda unit: unit.sessions.use(request.session_id))
        parent = session.parent_for(request.from_turn)
        return session, parent, await self._reader.read_turn(session, parent, request.images or (), request.mask)

    def priced(self, request: PaidRequest | CostsRequest, inputs: Inputs | None = None) -> PricedRequest:
        """What makes the price of a request; input pictures that are not read yet count as large ones."""
        return PricedRequest(
            model=self._settings.model,
            options=request,
            prompt=request.prompt,
            n=request.count,
            inputs=request.assumed_inputs() if inputs is None else inputs.sizes,
            mask=None if inputs is None else inputs.mask_size,
            partial_images=self._settings.partial_images if request.count == 1 else 0,
        )

    def _saver(self, job: Job, order: Order) -> ImageSaver:
        policy = self._output_dirs.policy
        default = policy.resolve_writable(self._output_dirs.default())
        target = SaveTarget(
            name=Name.new(order.kind, safe_prefix(job.request.filename_prefix or "")),
            folders=tuple(dict.fromkeys((order.folder, default))),
            # Whether a backend reached by HTTP is a sandbox shows in its answer only.
            sandbox_folders={} if self._settings.sandbox else {default: default / "sandbox"},
            policy=policy,
        )
        links = LinkFetcher(self._sources, asyncio.get_running_loop(), backend_host(self._settings))
        return ImageSaver(
            target,
            n=job.request.count,
            links=links,
            partials=job.files.partials,
            previews=self._settings.inline == "preview",
            in_flight=self._in_flight,
        )

    def _key(self, job: Job, given: Inputs) -> str:
        """What makes two calls the same: the tool, the model, the arguments, and the bytes of the pictures given."""
        hashes = [image.sha256 for image in given.all]
        identity = [job.tool, self._settings.model, job.request.model_dump(mode="json"), hashes]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()
