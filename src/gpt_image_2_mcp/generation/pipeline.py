"""Makes the pictures of one job: check, reserve, send, save, record, report.

`prepare` reads and checks everything, so that bad input costs nothing. `run` pays: from the request's first byte on,
the job cannot be stopped, since it is billed in any case. `JobRunner` calls both, one after the other.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread

from ..billing.tokens import text_tokens
from ..catalogue.session import BeginSession, ExtendSession, Session, new_session_id
from ..errors import ApiError, GptImageError
from ..inputs import Sources
from ..inputs.inputs import Inputs
from ..inputs.part import Part, cut_part
from ..inputs.reader import InputReader
from ..jobs.durations import DurationHistory, max_silence_s
from ..jobs.job import Job
from ..jobs.news import NewsFeed
from ..jobs.order import Order
from ..jobs.report import Report
from ..openai_api.lazy_backend import LazyBackend
from ..openai_api.request import SendOutcome
from ..openai_api.request_status import do_nothing
from ..openai_api.sink import ImageSink
from ..openai_api.threads import InFlightWrites, run_in_thread
from ..parameters.models import (
    ContinueSessionRequest,
    CostsRequest,
    EditRequest,
    GenerateRequest,
    PaidRequest,
    StartSessionRequest,
    identity,
)
from ..paths.safe_open import exists
from ..persistence.writer_thread import WriterThread
from ..settings import Settings
from ..telemetry import Steps, steps_of
from .api_key import load_key
from .charges import Charge, PricedRequest, Spending
from .exact_edits import ExactEdits
from .finals import find_draft
from .finisher import Answered, Finisher
from .load_ahead import load_ahead
from .output_dirs import OutputDirs
from .recorder import Recorder
from .savers import Savers, name_of
from .sent_request import as_made, image_request, with_largest_size, with_size
from .transparency import Transparency, ground_tokens


class Pipeline:
    """Makes pictures: the `JobWork` of the process's `JobRunner`."""

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
        """Use the parts that `app.open_service` made."""
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
        self._exact_edits = ExactEdits(sources)
        self._transparency = Transparency(sources)
        self._in_flight = InFlightWrites()
        self._finisher = Finisher(
            settings,
            spending=spending,
            recorder=recorder,
            durations=durations,
            news=news,
            exact_edits=self._exact_edits,
            transparency=self._transparency,
        )
        self._savers = Savers(settings, output_dirs, sources, self._in_flight, recorder.keeper)

    async def close(self) -> None:
        """Wait until the pictures that request threads are saving are on the disk, and close the news."""
        await anyio.to_thread.run_sync(self._in_flight.wait)
        self._news.close()

    async def prepare(self, job: Job) -> Order:
        """Read and check all that a job needs: its input images, its output folder, its session.

        Raises:
            GptImageError: one of them is wrong; nothing was paid.

        """
        request = job.request
        if not request.is_cut_out:
            await load_key(self._settings)
        match request:
            case ContinueSessionRequest():
                session, parent, inputs = await self.next_turn(request)
                step = ExtendSession(session.id, parent, parent_given=request.from_turn is not None)
                # The key leaves out the picture that the turn is made from. A client that repeats a call which timed
                # out asks for the same turn, and by then the session may have it, and go on from another picture.
                given = inputs.images[len(inputs.images) - len(request.images or ()) :]
                key = self._key(job, replace(inputs, images=given))
                return await self._with_part(request, Order("session", session.folder, inputs, key, step))
            case GenerateRequest():
                kind, inputs = "image", Inputs()
            case EditRequest() | StartSessionRequest():
                kind = "edit" if isinstance(request, EditRequest) else "session"
                inputs = await self._reader.read(request.images, request.mask)
        name = request.output_dir
        folder = await self._output_dirs.in_time(name, partial(self._output_dirs.prepare, name))
        step = BeginSession(new_session_id(), folder) if kind == "session" else None
        is_new = name is not None and not await self._output_dirs.in_time(name, partial(exists, folder))
        draft = await find_draft(request, inputs, self._writer)
        if draft and draft.source:
            # All of what the model made, so that the final has the same shape before it is brought to its size.
            with suppress(GptImageError):
                inputs = replace(inputs, images=[await self._reader.read_saved(draft.source)])
        order = Order(kind, folder, inputs, self._key(job, inputs), step, is_new_folder=is_new, draft=draft)
        return await self._with_part(request, order)

    async def _with_part(self, request: PaidRequest, order: Order) -> Order:
        """The order with the part of the first picture that is sent; raises BadRequest if it cannot be cut out."""
        part = self._exact_edits.plan(request, order.inputs)
        if part is None:
            return order
        cut = await anyio.to_thread.run_sync(cut_part, order.inputs, part)
        return replace(order, part=part, cut=cut)

    async def run(self, job: Job, order: Order) -> Report:
        """Reserve the money, see that there is room, send the request, save what arrives, record it, and report.

        Raises:
            GptImageError: there is no picture; whether one may be billed is recorded.

        """
        if job.request.is_cut_out:
            return await self._cut_out(job, order)
        settings = self._settings
        request = image_request(job.model, job.request, order)
        way = ""
        # First: no folder is made for a call that a budget refuses.
        charge = await self._spending.reserve(job.id, self.priced(job.request, order.inputs, order.part))
        steps = steps_of(tool=job.tool, model=job.model, quality=job.request.quality)
        steps.enter("queue")
        try:
            saver = await self._savers.open(job, order, steps=steps)
            job.status.max_silence_s = max_silence_s(job.expected_s)
            job.status.pictures = request.n
            # `RequestSender` awaits this before each request's first byte, after it waited for a slot.
            job.status.before_sending = partial(self._before_sending, job, charge, steps)
            backend = await self._backend.get()
            load_ahead()
            if job.request.is_transparent:
                sent = await self._transparency.send(backend, request, job.request, job.status, saver)
                outcome, way = sent.outcome, sent.way
            else:
                outcome = await backend.send(request, job.status, saver)
        except BaseException as error:
            # A cancellation too: the charge must be settled or released whatever ends the job.
            if isinstance(error, ApiError):
                error.redact(settings.redact)
            steps.end()
            await self._recorder.record_failure(job, charge, error)
            raise
        finally:
            # It refers to the job: the two would stay in memory until the garbage collector goes through everything.
            job.status.before_sending = do_nothing
        return await self._finisher.finish(job, order, saver, Answered(request, outcome, way), charge, steps)

    async def _before_sending(self, job: Job, charge: Charge, steps: Steps) -> None:
        """Record that the job may be billed from now on; raises as `Recorder.record_sent`."""
        await self._recorder.record_sent(job, charge, required=self._spending.budgets.any)
        steps.enter("openai")

    async def receive(
        self, job: Job, order: Order, charge: Charge, save: Callable[[ImageSink], None], *, known: Sequence[Path] = ()
    ) -> Report:
        """Save, record and report the pictures of a line whose answer came by another way than a request of the job.

        `save` passes the answer to the sink, in a thread. `known` are files that a process which was killed may have
        saved of it.

        Raises:
            CannotSave: no folder takes a picture. Nothing is recorded: the answer can be fetched again.
            ApiError: there is no picture, which is recorded.

        """
        saver = await self._savers.open(job, order, known=known)
        try:
            await run_in_thread(partial(save, saver))
        except ApiError as error:
            error.redact(self._settings.redact)
            await self._recorder.record_failure(job, charge, error)
            raise
        answered = Answered(image_request(job.model, job.request, order), SendOutcome())
        return await self._finisher.finish(job, order, saver, answered, charge)

    def stem_of(self, job: Job, order: Order) -> str:
        """How the names of a line's pictures begin."""
        return name_of(job, order.kind).stem(None)

    async def record_refused(self, job: Job, charge: Charge, error: ApiError) -> None:
        """Record that a line was refused, or failed without a picture."""
        error.redact(self._settings.redact)
        await self._recorder.record_failure(job, charge, error)

    def check(self, model: str, request: PaidRequest) -> None:
        """Check what can be known of a request before anything is read or sent; raises BadRequest."""
        self._transparency.check(model, request)

    async def _cut_out(self, job: Job, order: Order) -> Report:
        """Cut a picture out of its plain ground, for nothing; raises as `Finisher.cut_out`."""
        charge = self._spending.free_charge(job.id, self.priced(job.request, order.inputs))
        async with self._recorder.recorded_failure(job, charge):
            saver = await self._savers.open(job, order)
        return await self._finisher.cut_out(job, order, saver, charge)

    async def next_turn(self, request: ContinueSessionRequest, *, searches: bool = True) -> tuple[Session, int, Inputs]:
        """The session, the number of the turn that the next one is made from, and the input images for it.

        Without `searches`, a mask that names what it marks is only stood in for; see `InputReader.mask`.

        Raises:
            SessionError: the session or the turn does not exist any more.
            GptImageError: an input cannot be read.

        """
        session = await self._writer.in_transaction(lambda unit: unit.sessions.use(request.session_id))
        parent = session.parent_for(request.from_turn)
        return (
            session,
            parent,
            await self._reader.read_turn(
                session,
                parent,
                request.images or (),
                request.mask,
                extends=request.extend is not None,
                searches=searches,
            ),
        )

    def plan(self, request: PaidRequest, inputs: Inputs) -> Part | None:
        """Which part of the first picture would be sent; raises BadRequest as `prepare` does."""
        return self._exact_edits.plan(request, inputs)

    def priced(
        self, request: PaidRequest | CostsRequest, inputs: Inputs | None = None, part: Part | None = None
    ) -> PricedRequest:
        """What the price of a request depends on; a `part` is what is sent of the first picture.

        Before the input images are read they count as large ones, and what is drawn of them as well.
        """
        options, sizes, mask = request, request.assumed_inputs(), None
        if inputs is None:
            options = with_largest_size(request)
        else:
            sizes, mask = inputs.sizes, inputs.mask_size
        if part is not None:
            options = with_size(request, part)
            sizes, mask = [part.sent_size, *sizes[1:]], part.sent_size
        return PricedRequest(
            model=self._settings.model_for(request),
            options=as_made(options),
            text_tokens=text_tokens(request.prompt, generation=not sizes) + ground_tokens(request),
            n=request.count,
            passes=request.passes,
            inputs=sizes,
            mask=mask,
            partial_images=self._settings.partial_images if request.count == 1 else 0,
        )

    def _key(self, job: Job, given: Inputs) -> str:
        """The hash by which a repeated call is recognised; see `Order.key`."""
        hashes = [image.sha256 for image in given.all]
        # Two lines of a batch that are the same are meant to be two pictures.
        parts = [job.tool, job.model, identity(job.request), hashes, *([job.id] if job.is_line else [])]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
