"""The operations: generate, edit, and edit sessions; the same for tools, command line and library.

Each goes prepare, make, report, in a job that the studio owns, so that nobody who gives up can lose a picture.
Preparing reads and checks everything, so that bad input costs nothing.
"""

import hashlib
import json
import logging
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import httpx2

from ..billing.budgets import Summary
from ..billing.pricing import Estimate
from ..catalogue.models import SessionPosition
from ..catalogue.session import Session, new_id
from ..database.url import Address
from ..errors import BadRequest, GptImageError, JoinedJobFailed, SessionError, shown
from ..generation.output_dirs import OutputDirs
from ..generation.pipeline import Pipeline, Work
from ..generation.spending import Budgets, Spending
from ..images.preview import Preview, preview, share_of, whole
from ..inputs import Sources
from ..inputs.reader import InputReader, Inputs
from ..inputs.references import References
from ..jobs.durations import DurationHistory
from ..jobs.job import Job, Prepared
from ..jobs.report import Report
from ..jobs.runner import JobRunner, ProgressCallback
from ..jobs.store import JobStore, describe_loss
from ..library.library import Library
from ..library.viewer import Viewer
from ..openai_api.lazy_backend import LazyBackend
from ..openai_api.rate_limiter import RateLimiter
from ..parameters.models import (
    ContinueSessionRequest,
    CostsRequest,
    EditRequest,
    EndSessionRequest,
    GenerateRequest,
    Options,
    PaidRequest,
    RequestT,
    StartSessionRequest,
    check_model,
    parse,
)
from ..persistence.unit_of_work import Repositories, UnitOfWork, WriterThread
from ..settings import Settings
from ..storage.local_folder import SavedImage, project_of, read_back

if TYPE_CHECKING:
    from ..catalogue.job_table import JobRow

logger = logging.getLogger(__name__)

DATABASE = "gpt-image-2.db"
"""The file in the data folder; the built-in sandbox has one of its own, since its pictures are not a person's."""

MAX_SESSIONS = 100
"""Sessions in a list: more than an answer has room for."""
MAX_NEWS = 100
"""Changes that wait for somebody who wants to know of each."""
THUMBNAILS = "thumbnails"
"""The folder beside it where small pictures are kept for contact sheets."""


@dataclass(frozen=True, slots=True)
class News:
    """Something changed: a picture was made, or a session, whose id it then has, went on or ended."""

    session_id: str | None


class ImageService:
    """Makes and edits pictures; made by `open_studio`."""

    def __init__(
        self,
        settings: Settings,
        *,
        connection: LazyBackend,
        jobs: JobRunner,
        writer: WriterThread,
        working_dir: Path,
        home: Path,
        cache: Path | None,
    ) -> None:
        """Work for a person whose relative paths start at `working_dir`; `cache` is a folder for thumbnails."""
        self.settings = settings
        self._jobs = jobs
        self._writer = writer
        budgets = Budgets(settings.budget_per_call_usd, settings.budget_per_day_usd)
        self._spending = Spending(budgets, writer, free=settings.sandbox)
        self._output_dirs = OutputDirs(settings, working_dir=working_dir, home=home)
        sources = Sources(
            working_dir=working_dir,
            home=home,
            allowed_dirs=settings.allowed_folders(working_dir, home),
            output_dirs=lambda: [self._output_dirs.own()],
            allowed_url_hosts=frozenset(settings.allowed_url_hosts),
        )
        self._references = References(writer)
        self._reader = InputReader(sources, self._references)
        self._timings = DurationHistory()
        self._pipeline = Pipeline(
            settings,
            connection=connection,
            spending=self._spending,
            writer=writer,
            log=jobs.log,
            output_dirs=self._output_dirs,
            sources=sources,
            timings=self._timings,
            project=project_of(working_dir, home),
        )
        self._telling, self.news = anyio.create_memory_object_stream[News](MAX_NEWS)
        self.library = Library(
            writer,
            self._reader,
            self._references,
            sources,
            self._output_dirs,
            sandbox=settings.sandbox,
            cache=cache,
        )
        self.viewer = Viewer(self.library, self._references, self._reader, cache=cache)
        self._in_order = anyio.Lock()
        self.first_call_at: float | None = None

    async def put_in_order(self) -> None:
        """Finish what killed processes left in the books and in folders, and say it on stderr."""
        try:
            await self._put_in_order()
        except Exception:
            logger.exception("what killed processes left could not be put in order")

    async def _put_in_order(self) -> None:
        lost: Sequence[JobRow] = []
        if await anyio.to_thread.run_sync(self._writer.repositories.has_dead_owners):
            try:
                found, lost = await self._writer.run(Repositories.recover)
            except GptImageError as error:
                found = [str(error)]
            for sentence in found:
                logger.warning("%s", sentence)
        for sentence in await anyio.to_thread.run_sync(self._output_dirs.recover, [row.folder for row in lost]):
            logger.warning("%s", sentence)
        for row in lost:
            logger.warning("%s", await self._writer.run(partial(describe_loss, row=row)))

    def generate(self, request: GenerateRequest, *, client: str | None = None) -> Job:
        """Begin to make pictures from words; `client` names the program that asks.

        Raises:
            GptImageError: the settings or the model do not allow it. `wait` raises what turns out later.

        """

        async def prepare(job: Job) -> Prepared:
            return await self._prepared(job, request, Inputs())

        return self._start("generate_image", request, client, prepare)

    def edit(self, request: EditRequest, *, client: str | None = None) -> Job:
        """Begin to make pictures from pictures and words; raises as `generate` does."""

        async def prepare(job: Job) -> Prepared:
            return await self._prepared(job, request, await self._reader.read(request.images, request.mask))

        return self._start("edit_image", request, client, prepare)

    async def _prepared(self, job: Job, request: GenerateRequest | EditRequest, inputs: Inputs) -> Prepared:
        folder = await self._folder(request.output_dir)
        kind = "image" if isinstance(request, GenerateRequest) else "edit"
        return self._to_make(Work(job, kind, request, folder, inputs), inputs)

    def start_session(self, request: StartSessionRequest, *, client: str | None = None) -> Job:
        """Begin to edit pictures and keep the result as the first turn of a session; raises as `generate` does."""

        async def prepare(job: Job) -> Prepared:
            inputs = await self._reader.read(request.images, request.mask)
            folder = await self._folder(request.output_dir)

            def place(unit: UnitOfWork) -> SessionPosition:
                return unit.sessions.begin(new_id(), folder)

            return self._to_make(Work(job, "session", request, folder, inputs, place), inputs)

        return self._start("start_edit_session", request, client, prepare)

    def continue_session(self, request: ContinueSessionRequest, *, client: str | None = None) -> Job:
        """Begin to edit the picture of a session's last turn, or of the turn that is named; raises as `generate` does.

        `wait` raises SessionError where the session or the turn is gone.
        """

        async def prepare(job: Job) -> Prepared:
            session, parent, inputs = await self._turn(request)

            def place(unit: UnitOfWork) -> SessionPosition | None:
                return unit.sessions.extend(session.id, parent=parent, asked=request.from_turn is not None)

            # Without the turn itself: whoever repeats a call that timed out means the turn that it asked for.
            given = replace(inputs, images=inputs.images[len(inputs.images) - len(request.images or ()) :])
            return self._to_make(Work(job, "session", request, session.folder, inputs, place), given)

        return self._start("continue_edit_session", request, client, prepare)

    async def wait(
        self, job: Job, *, until: float = math.inf, tell: ProgressCallback | None = None, asker: bool = True
    ) -> Report | None:
        """Give a job's report, or None where it is not there by `until`; see `Jobs.wait`."""
        try:
            report = await self._jobs.wait(job, until=until, tell=tell, asker=asker)
        except GptImageError as error:
            if job.twin is None:
                raise
            raise JoinedJobFailed(f"Your earlier identical call ({job.twin.id}) failed: {error}") from error
        if report is None:
            return None
        if job.twin is not None:
            again = f"This is what your earlier identical call ({job.twin.id}) asked for; nothing was paid again."
            report = replace(report, warnings=(again, *report.warnings))
        # Only now: a call that is repeated for its answer means by `last` what it meant before.
        self._references.last = report.images[-1].id
        return report.redacted(self.settings.redact)

    async def job(self, job_id: str) -> Job:
        """Find a job; raises `BadRequest` where there is none."""
        return await self._jobs.find(job_id)

    async def recent_jobs(self) -> list[Job]:
        """Jobs of every process of this person, the newest first."""
        return await self._jobs.recent()

    def stop_job(self, job: Job) -> bool:
        """Stop a job of which nothing was sent; False where it is too late for that."""
        return self._jobs.stop(job)

    async def end_session(self, request: EndSessionRequest) -> Session | None:
        """End a session; None where there was none to end. Its files stay."""
        ended = await self._writer.in_transaction(lambda unit: unit.sessions.end(request.session_id))
        if ended is not None:
            self._tell(ended.id)
        return ended

    async def list_sessions(self, limit: int = MAX_SESSIONS) -> tuple[list[Session], int]:
        """The active sessions, the last used first, `limit` at most; and how many there are."""
        return await self._writer.in_transaction(
            lambda unit: (unit.sessions.active(limit), unit.sessions.count_active())
        )

    async def completed(self, request: RequestT) -> RequestT:
        """A request with what it leaves to the picture that it is to be `like`.

        Raises:
            BadRequest: there is no such picture, or what it was made with does not go with the rest.

        """
        like: str | None = getattr(request, "like", None)
        if like is None:
            return request
        picture = await self._references.picture(like)
        if picture is None:
            raise BadRequest(f"`like` takes the id of a picture that was made here, such as 'last'; got {shown(like)}.")
        kept = {name: value for name, value in picture.record.parameters.items() if name in Options.model_fields}
        given = request.model_dump(include=request.model_fields_set)
        if given.get("output_format") == "png":
            kept.pop("output_compression", None)
        if given.get("output_format") == "jpeg" and kept.get("background") == "transparent":
            del kept["background"]
        return parse(type(request), {"prompt": picture.record.prompt, **kept, **given})

    async def rehearse(self, request: PaidRequest) -> Estimate | None:
        """Whatever can refuse a request before it is paid for, and what it should cost.

        Raises:
            GptImageError: as the request itself would.

        """
        self.check(request)
        if isinstance(request, ContinueSessionRequest):
            _, _, inputs = await self._turn(request)
        else:
            await anyio.to_thread.run_sync(self._output_dirs.resolve, request.output_dir)
            inputs = Inputs()
            if not isinstance(request, GenerateRequest):
                inputs = await self._reader.read(request.images, request.mask)
        return await self._spending.would_fit(self._pipeline.priced(request, inputs))

    async def estimate(self, request: PaidRequest | CostsRequest) -> Estimate | None:
        """What a request should cost, before its pictures are read; None where the model's price is unknown."""
        return await self._spending.estimate(self._pipeline.priced(request))

    async def spent(self) -> tuple[Summary, Budgets]:
        """What was spent today and lately, and what may be."""
        return await self._spending.summary(), self._spending.budgets

    async def shown(self, report: Report) -> Sequence[Preview]:
        """A report's pictures as the settings want them shown; those whose file is gone or broken are left out."""

        def show(image: SavedImage) -> Preview | None:
            try:
                data = read_back(image.path, image.sha256)
            except SessionError:
                return None
            if self.settings.inline == "full":
                return whole(data, image.facts)
            return preview(data, image.facts, share=share_of(max(report.requested["n"], len(report.images))))

        if self.settings.inline == "none":
            return []
        made: Mapping[str, Preview] = report.previews if len(report.images) <= report.requested["n"] else {}
        found = [made.get(i.id) or await anyio.to_thread.run_sync(show, i) for i in report.images]
        return [picture for picture in found if picture is not None]

    async def close(self) -> None:
        """Have saved what is being saved, and tell nobody of anything any more."""
        await self._pipeline.close()
        self._telling.close()
        self.news.close()

    def arrival(self) -> float:
        """When the call that asks arrived, by `anyio.current_time`: the first one did before anything was loaded."""
        arrived, self.first_call_at = self.first_call_at, None
        return anyio.current_time() if arrived is None else min(arrived, anyio.current_time())

    def check(self, request: PaidRequest) -> None:
        """See that the settings and the model allow a request; raises GptImageError."""
        self.settings.require()
        check_model(self.settings.model, request)

    def _start(
        self, tool: str, request: PaidRequest, client: str | None, prepare: Callable[[Job], Awaitable[Prepared]]
    ) -> Job:
        self.check(request)
        return self._jobs.start(Job(tool, request, self._timings.expected(request), client=client), prepare)

    def _to_make(self, work: Work, given: Inputs) -> Prepared:
        """Work that is ready, and what makes two calls the same: the tool, its arguments, and the bytes given."""
        hashes = [image.sha256 for image in given.all]
        identity = [work.job.tool, self.settings.model, work.request.model_dump(mode="json"), hashes]
        key = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
        work.job.folder = work.folder

        async def make() -> Report:
            report = await self._pipeline.make(work)
            self._tell(None if report.place is None else report.place.session_id)
            return report

        return Prepared(key, make)

    def _tell(self, session_id: str | None) -> None:
        # Whoever does not listen misses some of very many, and nothing waits.
        with suppress(anyio.WouldBlock, anyio.BrokenResourceError):
            self._telling.send_nowait(News(session_id))

    async def _turn(self, request: ContinueSessionRequest) -> tuple[Session, int, Inputs]:
        """The session, the turn to build on, and its pictures; raises SessionError."""
        session = await self._writer.in_transaction(lambda unit: unit.sessions.use(request.session_id))
        parent = session.head.number if request.from_turn is None else request.from_turn
        if parent and session.turn(parent) is None:
            raise SessionError(
                f"`from_turn` {parent} is no turn of session {session.id}, which has turns 1 to {len(session.turns)};"
                " 0 stands for the originals."
            )
        return session, parent, await self._reader.read_turn(session, parent, request.images or (), request.mask)

    async def _folder(self, output_dir: str | None) -> Path:
        # One after another, so that calls reach the queue in the order in which they came.
        async with self._in_order:
            return await anyio.to_thread.run_sync(self._output_dirs.prepare, output_dir)


@asynccontextmanager
async def open_service(
    settings: Settings,
    *,
    transport: httpx2.AsyncBaseTransport | None = None,
    working_dir: Path,
    home: Path,
    data_dir: Path | None = None,
) -> AsyncGenerator[ImageService]:
    """Make a studio; on leaving, what was sent is waited for and saved.

    `transport` stands in for the network on the way to the API: the sandbox, in this process. `data_dir` is where the
    books are kept; None keeps them in memory.
    """
    failure: Exception | None = None
    writer = WriterThread(
        Repositories(
            _database(settings, data_dir),
            keeps_history=settings.history,
            session_max=settings.session_max,
            session_ttl_ms=settings.session_ttl_ms,
        )
    )
    async with (
        anyio.create_task_group() as tasks,
        LazyBackend(settings, transport, RateLimiter(settings.max_concurrency)) as c,
    ):
        jobs = JobRunner(tasks, JobStore(writer, settings.redact))
        cache = data_dir / THUMBNAILS if data_dir and writer.repositories.keeps_history else None
        service = ImageService(
            settings, connection=c, jobs=jobs, writer=writer, working_dir=working_dir, home=home, cache=cache
        )
        tasks.start_soon(service.put_in_order)
        try:
            yield service
        except Exception as error:  # noqa: BLE001 - raised in here, it would reach the caller wrapped by the task group
            failure = error
        finally:
            with anyio.CancelScope(shield=True):
                await jobs.close(settings.shutdown_grace_s)
                await service.close()
                await writer.close()
    if failure is not None:
        raise failure


def _database(settings: Settings, data_dir: Path | None) -> Address:
    """Where the books are; None for memory. The sandbox's lie in a file of their own, also beside a server."""
    address = settings.database() if settings.database_url else data_dir and data_dir / DATABASE
    if not settings.sandbox:
        return address
    path = address if isinstance(address, Path) or address is None else data_dir and data_dir / DATABASE
    return path and path.with_stem(f"{path.stem}-sandbox")
