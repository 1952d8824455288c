"""The operations: generate, edit, and edit sessions; the same for tools, command line and library.

Each goes prepare, pay, save, report, in a job that the studio owns, so that nobody who gives up can lose a picture.
Preparing reads and checks everything, so that bad input costs nothing.
"""

import hashlib
import json
import logging
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import httpx2

from .connection import Connection
from .destinations import Destinations
from .errors import ApiError, GptImageError, SessionError
from .folders import safe_prefix
from .inputs import Inputs, read_head, read_inputs
from .jobs import Job, Jobs, JoinedFailure, Prepared, Tell
from .keeper import Keeper
from .library import Kind, Name, SavedImage, read_back, rescue
from .money.budgets import Summary
from .money.pricing import Estimate
from .money.spending import Asked, Budgets, Spending
from .pacing import Pace
from .params import (
    ContinueSessionRequest,
    CostsRequest,
    EditRequest,
    EndSessionRequest,
    GenerateRequest,
    PaidRequest,
    Request,
    StartSessionRequest,
    check_model,
)
from .previews import Preview, preview, share_of, whole
from .report import Report
from .sessions import MemorySessions, Session, Turn, new_id
from .settings import Settings
from .sources import Sources
from .timings import Timings

logger = logging.getLogger(__name__)

DATABASE = "gpt-image-2.db"
"""The file in the data folder."""
MAX_PICTURES_KNOWN = 1000
"""Pictures whose id is known to `picture`; older ones are on the disk all the same."""


class Studio:
    """Makes and edits pictures; made by `open_studio`."""

    def __init__(
        self,
        settings: Settings,
        *,
        connection: Connection,
        jobs: Jobs,
        spending: Spending,
        working_dir: Path,
        home: Path,
    ) -> None:
        """Work for a person whose relative paths start at `working_dir`."""
        self.settings = settings
        self._connection = connection
        self._jobs = jobs
        self._spending = spending
        self._destinations = Destinations(settings, working_dir=working_dir, home=home)
        self._sources = Sources(
            working_dir=working_dir,
            home=home,
            allowed_dirs=settings.allowed_folders(working_dir, home),
            output_dirs=lambda: [self._destinations.own()],
            allowed_url_hosts=frozenset(settings.allowed_url_hosts),
        )
        ttl = settings.session_ttl_ms
        self._sessions = MemorySessions(
            limit=settings.session_max, idle_limit=timedelta(milliseconds=ttl) if ttl else None
        )
        self._turns: dict[str, anyio.Lock] = {}
        self._in_order = anyio.Lock()
        self._timings = Timings()
        self._pictures: dict[str, SavedImage] = {}
        self.first_call_at: float | None = None

    async def put_in_order(self) -> None:
        """Finish what killed processes left in the ledger and in the person's folder, and say it on stderr."""
        found = await self._spending.mend()
        if not self.settings.problems:
            found += await anyio.to_thread.run_sync(rescue, self._destinations.own())
        for sentence in found:
            logger.warning("%s", sentence)

    def generate(self, request: GenerateRequest) -> Job:
        """Begin to make pictures from words.

        Raises:
            GptImageError: the settings or the model do not allow it. `wait` raises what turns out later.

        """

        async def prepare(job: Job) -> Prepared:
            folder = await self._folder(request.output_dir)
            pay = partial(self._pay, job, "image", request, folder, Inputs())
            return Prepared(self._key(job, request, Inputs()), pay)

        return self._start("generate_image", request, prepare)

    def edit(self, request: EditRequest) -> Job:
        """Begin to make pictures from pictures and words; raises as `generate` does."""

        async def prepare(job: Job) -> Prepared:
            inputs = await read_inputs(self._sources, request.images, request.mask)
            folder = await self._folder(request.output_dir)
            pay = partial(self._pay, job, "edit", request, folder, inputs)
            return Prepared(self._key(job, request, inputs), pay)

        return self._start("edit_image", request, prepare)

    def start_session(self, request: StartSessionRequest) -> Job:
        """Begin to edit pictures and keep the result as the first turn of a session; raises as `generate` does."""

        async def prepare(job: Job) -> Prepared:
            inputs = await read_inputs(self._sources, request.images, request.mask)
            folder = await self._folder(request.output_dir)

            async def pay() -> Report:
                report = await self._pay(job, "session", request, folder, inputs)
                session = self._sessions.add(new_id(), folder, _turn(report, None))
                return replace(report, session_id=session.id, turn=1)

            return Prepared(self._key(job, request, inputs), pay)

        return self._start("start_edit_session", request, prepare)

    def continue_session(self, request: ContinueSessionRequest) -> Job:
        """Begin to edit the picture of a session's last turn; turns of a session are made one after another.

        Raises:
            SessionError: the session is gone.
            GptImageError: as `generate` does.

        """
        self.check(request)
        self._sessions.get(request.session_id)

        async def prepare(job: Job) -> Prepared:
            async def pay() -> Report:
                async with self._turns.setdefault(request.session_id, anyio.Lock()):
                    session = self._sessions.get(request.session_id)
                    report = await self._pay(job, "session", request, session.folder, await read_head(session))
                    turn = _turn(report, session.head)
                    if self._sessions.extend(session.id, turn) is None:
                        gone = "The session was ended while this turn was made; its picture is saved all the same."
                        return replace(report, warnings=(*report.warnings, gone))
                    return replace(report, session_id=session.id, turn=turn.number)

            # Without the last turn: whoever repeats a call that timed out means the turn that it asked for.
            return Prepared(self._key(job, request, Inputs()), pay)

        return self._start("continue_edit_session", request, prepare)

    async def wait(
        self, job: Job, *, until: float = math.inf, tell: Tell | None = None, asker: bool = True
    ) -> Report | None:
        """Give a job's report, or None where it is not there by `until`; see `Jobs.wait`."""
        try:
            report = await self._jobs.wait(job, until=until, tell=tell, asker=asker)
        except GptImageError as error:
            if job.twin is None:
                raise
            raise JoinedFailure(f"Your earlier identical call ({job.twin.id}) failed: {error}") from error
        if report is None:
            return None
        if job.twin is not None:
            again = f"This is what your earlier identical call ({job.twin.id}) asked for; nothing was paid again."
            report = replace(report, warnings=(again, *report.warnings))
        return report.hiding(self.settings.hide)

    def job(self, job_id: str) -> Job:
        """Find a job; raises `BadRequest` where there is none."""
        return self._jobs.get(job_id)

    def recent_jobs(self) -> list[Job]:
        """Jobs of this process, the newest first."""
        return self._jobs.recent()

    def stop_job(self, job: Job) -> bool:
        """Stop a job of which nothing was sent; False where it is too late for that."""
        return self._jobs.stop(job)

    def end_session(self, request: EndSessionRequest) -> Session | None:
        """Forget a session; None where there was none to forget. Its files stay."""
        self._turns.pop(request.session_id, None)
        return self._sessions.end(request.session_id)

    def list_sessions(self) -> list[Session]:
        """The active sessions, the last used first."""
        return self._sessions.active()

    async def rehearse(self, request: PaidRequest) -> Estimate | None:
        """Whatever can refuse a request before it is paid for, and what it should cost.

        Raises:
            GptImageError: as the request itself would.

        """
        self.check(request)
        if isinstance(request, ContinueSessionRequest):
            inputs = await read_head(self._sessions.get(request.session_id))
        else:
            await anyio.to_thread.run_sync(self._destinations.judged, request.output_dir)
            given = () if isinstance(request, GenerateRequest) else request.images
            mask = None if isinstance(request, GenerateRequest) else request.mask
            inputs = await read_inputs(self._sources, given, mask)
        asked = replace(self._asked(request, inputs.sizes), mask=inputs.mask_size)
        charge = await self._spending.reserve("", asked)
        await charge.fail(may_be_billed=False)
        return await self._spending.estimate(asked)

    async def estimate(self, request: PaidRequest | CostsRequest) -> Estimate | None:
        """What a request should cost, before its pictures are read; None where the model's price is unknown."""
        return await self._spending.estimate(self._asked(request, request.assumed_inputs()))

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

    def pictures(self) -> list[SavedImage]:
        """The pictures of this process, the newest first."""
        return list(reversed(self._pictures.values()))

    def picture(self, picture_id: str) -> SavedImage | None:
        """A picture of this process by its id."""
        return self._pictures.get(picture_id)

    def arrival(self) -> float:
        """When the call that asks arrived, by `anyio.current_time`: the first one did before anything was loaded."""
        arrived, self.first_call_at = self.first_call_at, None
        return anyio.current_time() if arrived is None else min(arrived, anyio.current_time())

    def check(self, request: PaidRequest) -> None:
        """See that the settings and the model allow a request; raises GptImageError."""
        self.settings.require()
        check_model(self.settings.model, request)

    def _start(self, tool: str, request: PaidRequest, prepare: Callable[[Job], Awaitable[Prepared]]) -> Job:
        self.check(request)
        return self._jobs.start(Job(tool, request, self._timings.expected(request)), prepare)

    def _key(self, job: Job, request: Request, inputs: Inputs) -> str:
        """What makes two calls the same: the tool, its arguments, and the bytes behind its inputs."""
        hashes = [image.sha256 for image in inputs.all]
        identity = [job.tool, self.settings.model, request.model_dump(mode="json"), hashes]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()

    async def _folder(self, output_dir: str | None) -> Path:
        # One after another, so that calls reach the queue in the order in which they came.
        async with self._in_order:
            return await anyio.to_thread.run_sync(self._destinations.ready, output_dir)

    async def _pay(self, job: Job, kind: Kind, request: PaidRequest, folder: Path, inputs: Inputs) -> Report:
        """Set the money aside, send, save what comes, and write down what it cost."""
        sizes = [(image.width, image.height) for image in inputs.images]
        mask = (inputs.mask.width, inputs.mask.height) if inputs.mask else None
        charge = await self._spending.reserve(job.id, replace(self._asked(request, sizes), mask=mask))
        job.standing.before_sending = charge.sent
        keeper = self._keeper(job, kind, request, folder)
        try:
            failures, notes = await self._send(job, keeper, request, inputs)
        except BaseException as error:
            if isinstance(error, ApiError):
                error.hide(self.settings.hide)
            free = isinstance(error, ApiError) and error.from_sandbox
            await charge.fail(may_be_billed=job.standing.sent > 0 and not free)
            raise
        report = keeper.report(
            model=self.settings.model,
            prompt=request.prompt,
            options=request,
            failures=failures,
            notes=[*inputs.changes, *notes],
        )
        self._learn(job, request, report)
        lost = sum(isinstance(failure, ApiError) and failure.may_be_billed for failure in failures)
        if report.sandbox:
            await charge.fail(may_be_billed=False)
        else:
            await charge.settle(
                usage=report.usage, usd=report.cost, request_id=report.request_id, lost=lost, n=request.count
            )
        return report

    async def _send(
        self, job: Job, keeper: Keeper, request: PaidRequest, inputs: Inputs
    ) -> tuple[Sequence[GptImageError], Sequence[str]]:
        backend = await self._connection.backend()
        if not inputs.images:
            await backend.images.generate(job.standing, keeper, prompt=request.prompt, n=request.count, options=request)
            return [], []
        return await backend.edits.edit(
            job.standing,
            keeper,
            prompt=request.prompt,
            n=request.count,
            options=request,
            inputs=inputs.images,
            mask=inputs.mask,
        )

    def _keeper(self, job: Job, kind: Kind, request: PaidRequest, folder: Path) -> Keeper:
        own = self._destinations.judge(self._destinations.own())
        return Keeper(
            name=Name.new(kind, safe_prefix(request.filename_prefix or "")),
            folders=tuple(dict.fromkeys((folder, own))),
            judge=self._destinations.judge,
            # Whether a backend reached by HTTP is a sandbox shows in its answer only.
            sandboxed={} if self.settings.sandbox else {own: own / "sandbox"},
            n=request.count,
            fetch=partial(self._sources.fetch_picture, also_allowed=self._backend_host()),
            partials=job.partials,
            hide=self.settings.hide,
            previews=self.settings.inline == "preview",
        )

    def _asked(self, request: PaidRequest | CostsRequest, inputs: Sequence[tuple[int, int]]) -> Asked:
        return Asked(
            model=self.settings.model,
            look=request,
            prompt=request.prompt,
            n=request.count,
            inputs=inputs,
            partial_images=self.settings.partial_images if request.count == 1 else 0,
        )

    def _learn(self, job: Job, request: PaidRequest, report: Report) -> None:
        if job.standing.since is not None:
            self._timings.learn(request, anyio.current_time() - job.standing.since)
        for image in report.images:
            self._pictures[image.id] = image
        while len(self._pictures) > MAX_PICTURES_KNOWN:
            del self._pictures[next(iter(self._pictures))]

    def _backend_host(self) -> str | None:
        if self.settings.base_url is None:
            return None
        parts = urlsplit(self.settings.base_url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


@asynccontextmanager
async def open_studio(
    settings: Settings,
    *,
    transport: httpx2.AsyncBaseTransport | None = None,
    working_dir: Path,
    home: Path,
    data_dir: Path | None = None,
) -> AsyncGenerator[Studio]:
    """Make a studio; on leaving, what was sent is waited for and saved.

    `transport` stands in for the network on the way to the API: the sandbox, in this process. `data_dir` is where the
    ledger is kept; None keeps it in memory.
    """
    database = None if data_dir is None or settings.sandbox else data_dir / DATABASE
    failure: Exception | None = None
    budgets = Budgets(settings.budget_per_call_usd, settings.budget_per_day_usd)
    spending = Spending(budgets, database=database, free=settings.sandbox)
    async with anyio.create_task_group() as tasks, Connection(settings, transport, Pace(settings.max_concurrency)) as c:
        jobs = Jobs(tasks)
        studio = Studio(settings, connection=c, jobs=jobs, spending=spending, working_dir=working_dir, home=home)
        tasks.start_soon(studio.put_in_order)
        try:
            yield studio
        except Exception as error:  # noqa: BLE001 - raised in here, it would reach the caller wrapped by the task group
            failure = error
        finally:
            with anyio.CancelScope(shield=True):
                await jobs.close(settings.shutdown_grace_s)
                await spending.close()
    if failure is not None:
        raise failure


def _turn(report: Report, parent: Turn | None) -> Turn:
    image = report.images[0]
    number, after = (1, None) if parent is None else (parent.number + 1, parent.number)
    return Turn(number, after, image.path, image.sha256, report.prompt, report.requested)
