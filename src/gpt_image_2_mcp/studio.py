"""The operations: generate, edit, and edit sessions; the same for tools, command line and library.

Each goes prepare, pay, save, report. Preparing happens in the request, so that bad input costs nothing; paying and
saving happen in a job that the studio owns, so that nobody who gives up can lose a picture.
"""

import hashlib
import json
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import httpx2

from .connection import Connection
from .errors import GptImageError, SessionError, shown
from .folders import expand, judge_output_dir, safe_prefix
from .jobs import Job, Jobs, Prepared, Tell
from .keeper import Keeper
from .library import Kind, Name, SavedImage, default_folder, read_back, ready_folder
from .pacing import Pace
from .params import (
    ContinueSessionRequest,
    EditRequest,
    EndSessionRequest,
    GenerateRequest,
    Options,
    Request,
    StartSessionRequest,
    check_model,
)
from .pictures import judge
from .previews import Preview, preview, share_of, whole
from .report import Report
from .sessions import MemorySessions, Session, Turn, new_id
from .settings import Settings
from .sources import InputImage, Sources
from .timings import Timings

Paid = GenerateRequest | EditRequest | StartSessionRequest | ContinueSessionRequest
"""The requests that cost money."""

MAX_PICTURES_KNOWN = 1000
"""Pictures whose id is known to `picture`; older ones are on the disk all the same."""
MAX_FOLDER_PATH = 500
"""Characters of an output folder's path: an answer names every file with it."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Checked pictures of an edit."""

    images: Sequence[InputImage]
    mask: InputImage | None = None

    @property
    def all(self) -> Sequence[InputImage]:
        """The pictures, and the mask if there is one."""
        return [*self.images, self.mask] if self.mask else self.images

    @property
    def changes(self) -> list[str]:
        """What was done to them before they are sent."""
        return [image.change for image in self.all if image.change]


class Studio:
    """Makes and edits pictures; made by `open_studio`."""

    def __init__(
        self, settings: Settings, connection: Connection, jobs: Jobs, *, working_dir: Path, home: Path
    ) -> None:
        """Work for a person whose relative paths start at `working_dir`."""
        self.settings = settings
        self._connection = connection
        self._jobs = jobs
        self._working_dir = working_dir
        self._home = home
        self._sources = Sources(working_dir=working_dir, home=home, output_dirs=lambda: [self._own_folder()])
        ttl = settings.session_ttl_ms
        self._sessions = MemorySessions(
            limit=settings.session_max, idle_limit=timedelta(milliseconds=ttl) if ttl else None
        )
        self._turns: dict[str, anyio.Lock] = {}
        self._timings = Timings()
        self._pictures: dict[str, SavedImage] = {}

    def generate(self, request: GenerateRequest) -> Job:
        """Begin to make pictures from words.

        Raises:
            GptImageError: the settings or the model do not allow it. `wait` raises what turns out later.

        """

        async def prepare(_: Job) -> Prepared:
            folder = await self._folder(request.output_dir)

            async def pay(job: Job) -> Report:
                keeper = self._keeper(job, "image", request, request.n, folder)
                backend = await self._connection.backend()
                await backend.images.generate(job.standing, keeper, prompt=request.prompt, n=request.n, options=request)
                return self._report(job, keeper, request, request.prompt, [], [])

            return Prepared(self._key("generate_image", request), pay)

        return self._start("generate_image", request, prepare, n=request.n)

    def edit(self, request: EditRequest) -> Job:
        """Begin to make pictures from pictures and words; raises as `generate` does."""

        async def prepare(_: Job) -> Prepared:
            folder = await self._folder(request.output_dir)
            inputs = await self._inputs(request.images, request.mask)

            async def pay(job: Job) -> Report:
                keeper = self._keeper(job, "edit", request, request.n, folder)
                return await self._pay_edit(job, keeper, request, request.prompt, request.n, inputs)

            return Prepared(self._key("edit_image", request, inputs), pay)

        return self._start("edit_image", request, prepare, n=request.n)

    def start_session(self, request: StartSessionRequest) -> Job:
        """Begin to edit pictures and keep the result as the first turn of a session; raises as `generate` does."""

        async def prepare(_: Job) -> Prepared:
            folder = await self._folder(request.output_dir)
            inputs = await self._inputs(request.images, request.mask)

            async def pay(job: Job) -> Report:
                keeper = self._keeper(job, "session", request, 1, folder)
                report = await self._pay_edit(job, keeper, request, request.prompt, 1, inputs)
                session = self._sessions.add(new_id(), folder, _turn(report, 1, None))
                return replace(report, session_id=session.id, turn=1)

            return Prepared(self._key("start_edit_session", request, inputs), pay)

        return self._start("start_edit_session", request, prepare)

    def continue_session(self, request: ContinueSessionRequest) -> Job:
        """Begin to edit the picture of a session's last turn; turns of a session are made one after another.

        Raises:
            SessionError: the session is gone.
            GptImageError: as `generate` does.

        """
        self._check(request)
        self._sessions.get(request.session_id)

        async def pay(job: Job) -> Report:
            async with self._turns.setdefault(request.session_id, anyio.Lock()):
                session = self._sessions.get(request.session_id)
                inputs = Inputs([await self._head(session)])
                keeper = self._keeper(job, "session", request, 1, session.folder)
                report = await self._pay_edit(job, keeper, request, request.prompt, 1, inputs)
                number = session.head.number + 1
                turn = _turn(report, number, session.head.number)
                if self._sessions.extend(session.id, turn) is None:
                    gone = "The session was ended while this turn was made; its picture is saved all the same."
                    return replace(report, warnings=(*report.warnings, gone))
                return replace(report, session_id=session.id, turn=number)

        async def prepare(_: Job) -> Prepared:
            # Without the last turn: whoever repeats a call that timed out means the turn that it asked for.
            return Prepared(self._key("continue_edit_session", request), pay)

        return self._start("continue_edit_session", request, prepare)

    async def wait(self, job: Job, *, until: float = math.inf, tell: Tell | None = None) -> Report | None:
        """Give a job's report, or None where it is not there by `until`; see `Jobs.wait`."""
        report = await self._jobs.wait(job, until=until, tell=tell)
        if report is not None and job.twin is not None:
            again = f"This is what your earlier identical call ({job.twin.id}) asked for; nothing was paid again."
            return replace(report, warnings=(again, *report.warnings))
        return report

    async def shown(self, report: Report) -> Sequence[Preview]:
        """A report's pictures as its settings want them shown; those whose file is gone or broken are left out."""

        def show(image: SavedImage) -> Preview | None:
            try:
                data = image.path.read_bytes()
            except OSError:
                return None
            if self.settings.inline == "full":
                return whole(data, image.facts)
            return preview(data, image.facts, share=share_of(len(report.images)))

        if self.settings.inline == "none":
            return []
        found = [report.previews.get(i.id) or await anyio.to_thread.run_sync(show, i) for i in report.images]
        return [picture for picture in found if picture is not None]

    def pictures(self) -> list[SavedImage]:
        """The pictures of this process, the newest first."""
        return list(reversed(self._pictures.values()))

    def picture(self, picture_id: str) -> SavedImage | None:
        """A picture of this process by its id."""
        return self._pictures.get(picture_id)

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

    def _check(self, options: Options) -> None:
        self.settings.require()
        check_model(self.settings.model, options)

    def _start(self, tool: str, request: Paid, prepare: Callable[[Job], Awaitable[Prepared]], *, n: int = 1) -> Job:
        self._check(request)
        pictures = f"{n} pictures" if n > 1 else "a picture"
        size = "" if request.size == "auto" else f" of {request.size}"
        quality = "" if request.quality == "auto" else f" at {request.quality} quality"
        job = Job(tool, request.prompt, f"{pictures}{size}{quality}", self._timings.expected(request))
        return self._jobs.start(job, prepare)

    def _key(self, tool: str, request: Request, inputs: "Inputs | None" = None) -> str:
        """What makes two calls the same: the tool, its arguments, and the bytes behind its inputs."""
        hashes = [image.sha256 for image in inputs.all] if inputs else []
        identity = [tool, self.settings.model, request.model_dump(mode="json"), hashes]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()

    async def _pay_edit(
        self, job: Job, keeper: Keeper, options: Options, prompt: str, n: int, inputs: Inputs
    ) -> Report:
        backend = await self._connection.backend()
        failures, notes = await backend.edits.edit(
            job.standing, keeper, prompt=prompt, n=n, options=options, inputs=inputs.images, mask=inputs.mask
        )
        return self._report(job, keeper, options, prompt, failures, [*inputs.changes, *notes])

    def _report(
        self,
        job: Job,
        keeper: Keeper,
        options: Options,
        prompt: str,
        failures: Sequence[GptImageError],
        notes: Sequence[str],
    ) -> Report:
        if job.standing.since is not None:
            self._timings.learn(options, anyio.current_time() - job.standing.since)
        for image in keeper.images:
            self._pictures[image.id] = image
        while len(self._pictures) > MAX_PICTURES_KNOWN:
            del self._pictures[next(iter(self._pictures))]
        return keeper.report(model=self.settings.model, prompt=prompt, options=options, failures=failures, notes=notes)

    def _keeper(self, job: Job, kind: Kind, options: Options, n: int, folder: Path) -> Keeper:
        own = self._own_folder()
        return Keeper(
            name=Name.new(kind, safe_prefix(options.filename_prefix or "")),
            folders=tuple(dict.fromkeys((folder, own))),
            # Whether a backend reached by HTTP is a sandbox shows in its answer only.
            sandbox_folder=own / "sandbox" if folder == own and not self.settings.sandbox else None,
            n=n,
            fetch=self._fetch,
            partials=job.partials,
            previews=self.settings.inline == "preview",
        )

    def _own_folder(self) -> Path:
        """Where pictures go unless a call says otherwise."""
        if self.settings.output_dir is None:
            folder = default_folder(working_dir=self._working_dir, home=self._home)
        else:
            folder = expand(self.settings.output_dir, working_dir=self._working_dir, home=self._home)
        return folder / "sandbox" if self.settings.sandbox else folder

    async def _folder(self, output_dir: str | None) -> Path:
        """Judge where pictures are to go, and make it, before anything is paid for."""
        return await anyio.to_thread.run_sync(self._ready_folder, output_dir)

    def _ready_folder(self, output_dir: str | None) -> Path:
        own = self._own_folder()
        folder = expand(output_dir, working_dir=self._working_dir, home=self._home) if output_dir else own
        folder = judge_output_dir(
            folder, working_dir=self._working_dir, home=self._home, allowed_dirs=None, own_dirs=(own,)
        )
        if len(str(folder)) > MAX_FOLDER_PATH:
            raise GptImageError(
                f"The output folder's path has {len(str(folder)):,} characters and may have {MAX_FOLDER_PATH}:"
                f" {shown(str(folder))}. Choose a shorter `output_dir`."
            )
        ready_folder(folder)
        return folder

    async def _inputs(self, references: Sequence[str], mask: str | None) -> Inputs:
        """Read all inputs; the first that cannot be read is the error."""
        images: list[InputImage | None] = [None] * len(references)
        failures: dict[int, GptImageError] = {}

        async def read(index: int, reference: str) -> None:
            try:
                images[index] = await self._sources.image(reference)
            except GptImageError as error:
                failures[index] = error

        async with anyio.create_task_group() as readers:
            for index, reference in enumerate(references):
                readers.start_soon(read, index, reference)
        if failures:
            raise failures[min(failures)]
        found = [image for image in images if image is not None]
        return Inputs(found, await self._sources.mask(mask, first=found[0]) if mask else None)

    async def _head(self, session: Session) -> InputImage:
        turn = session.head
        try:
            data = await anyio.to_thread.run_sync(read_back, turn.path, turn.sha256)
        except SessionError as error:
            raise SessionError(
                f"{error} It was turn {turn.number} of session {session.id}, which the next turn builds on. Put it"
                " back, or start anew with start_edit_session from another picture."
            ) from None
        judged = await anyio.to_thread.run_sync(partial(judge, data, name=f"Turn {turn.number}"))
        what = judged.facts
        return InputImage(
            data=judged.data,
            format=what.format,
            width=what.width,
            height=what.height,
            sha256=turn.sha256,
            name=f"image-1.{turn.path.suffix[1:]}",
            source=turn.path.name,
            path=turn.path,
            change=judged.change,
        )

    async def _fetch(self, url: str) -> bytes:
        return await self._sources.fetch_picture(url, also_allowed=self._backend_host())

    def _backend_host(self) -> str | None:
        if self.settings.base_url is None:
            return None
        parts = urlsplit(self.settings.base_url)
        return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


@asynccontextmanager
async def open_studio(
    settings: Settings, *, transport: httpx2.AsyncBaseTransport | None = None, working_dir: Path, home: Path
) -> AsyncGenerator[Studio]:
    """Make a studio; on leaving, what was sent is waited for and saved.

    `transport` stands in for the network on the way to the API: the sandbox, in this process.
    """
    async with (
        anyio.create_task_group() as tasks,
        Connection(settings, transport, Pace(settings.max_concurrency)) as connection,
    ):
        jobs = Jobs(tasks)
        try:
            yield Studio(settings, connection, jobs, working_dir=working_dir, home=home)
        finally:
            with anyio.CancelScope(shield=True):
                await jobs.close(settings.shutdown_grace_s)


def _turn(report: Report, number: int, parent: int | None) -> Turn:
    image = report.images[0]
    return Turn(number, parent, image.path, image.sha256, report.prompt, report.requested)
