"""The operations of this program, as tools and commands call them: make pictures, edit in sessions, know the costs.

Each picture is made in a job that outlives the call that asked for it: a caller that gives up loses no picture.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import anyio
import anyio.to_thread

from ..billing.budgets import Summary
from ..billing.pricing import Estimate
from ..catalogue.session import Session
from ..errors import GptImageError, JoinedJobFailed, UnreadableSource
from ..generation.output_dirs import OutputDirs
from ..generation.pipeline import Pipeline
from ..generation.spending import Budgets, Spending
from ..images.preview import Preview, preview, share_of, whole
from ..inputs.reader import InputReader, Inputs
from ..inputs.references import References
from ..jobs.durations import DurationHistory
from ..jobs.job import Job
from ..jobs.news import NewsFeed
from ..jobs.report import Report
from ..jobs.runner import JobRunner, ProgressCallback
from ..jobs.serialization import TOOLS
from ..library.library import Library
from ..library.viewer import Viewer
from ..parameters.models import (
    ContinueSessionRequest,
    CostsRequest,
    EndSessionRequest,
    GenerateRequest,
    PaidRequest,
    RequestT,
    check_model,
)
from ..persistence.unit_of_work import WriterThread
from ..settings import Settings
from ..storage.local_folder import SavedImage
from .like import complete_like
from .recovery import recover

MAX_SESSIONS = 100
"""Sessions in a list: more than an answer has room for."""


class ImageService:
    """Makes and edits pictures, and knows what was made; `app.open_service` opens one."""

    def __init__(
        self,
        settings: Settings,
        *,
        pipeline: Pipeline,
        spending: Spending,
        jobs: JobRunner,
        writer: WriterThread,
        reader: InputReader,
        references: References,
        output_dirs: OutputDirs,
        durations: DurationHistory,
        news: NewsFeed,
        library: Library,
        viewer: Viewer,
    ) -> None:
        """Work with the parts that `app.open_service` made."""
        self.settings = settings
        self.library = library
        self.viewer = viewer
        self.news = news
        self._pipeline = pipeline
        self._spending = spending
        self._jobs = jobs
        self._writer = writer
        self._reader = reader
        self._references = references
        self._output_dirs = output_dirs
        self._durations = durations
        self.first_call_at: float | None = None

    def start(self, request: PaidRequest, *, client: str | None = None) -> Job:
        """Begin to make pictures; `client` names the program that asks.

        `wait` gives the report, or raises what turns out later: a session or turn that is gone, a picture that cannot
        be read, what the API refuses.

        Raises:
            GptImageError: the settings or the model do not allow the request, or the server is shutting down.

        """
        self.check(request)
        return self._jobs.start(Job(TOOLS[type(request)], request, self._durations.expected(request), client=client))

    async def wait(
        self, job: Job, *, until: float = math.inf, on_progress: ProgressCallback | None = None, is_caller: bool = True
    ) -> Report | None:
        """Give a job's report, or None where it is not there by `until`; see `JobRunner.wait`."""
        try:
            report = await self._jobs.wait(job, until=until, on_progress=on_progress, is_caller=is_caller)
        except GptImageError as error:
            if job.joined is None:
                raise
            raise JoinedJobFailed(f"Your earlier identical call ({job.joined.id}) failed: {error}") from error
        if report is None:
            return None
        if job.joined is not None:
            again = f"This is what your earlier identical call ({job.joined.id}) asked for; nothing was paid again."
            report = replace(report, warnings=(again, *report.warnings))
        # Only when the report is handed out: until then `last` in a repeated call means what it meant before.
        self._references.last = report.images[-1].id
        return report

    async def job(self, job_id: str) -> Job:
        """Find a job; raises `BadRequest` where there is none."""
        return await self._jobs.find(job_id)

    async def recent_jobs(self) -> list[Job]:
        """Jobs of every process of this user, the newest first."""
        return await self._jobs.recent()

    def stop_job(self, job: Job) -> bool:
        """Stop a job of which nothing was sent; False where it is too late for that."""
        return self._jobs.stop(job)

    async def end_session(self, request: EndSessionRequest) -> Session | None:
        """End a session; None where there was none to end. Its files stay."""
        ended = await self._writer.in_transaction(lambda unit: unit.sessions.end(request.session_id))
        if ended is not None:
            self.news.publish(ended.id)
        return ended

    async def list_sessions(self, limit: int = MAX_SESSIONS) -> tuple[list[Session], int]:
        """The active sessions, the last used first, `limit` at most; and how many there are."""
        return await self._writer.in_transaction(
            lambda unit: (unit.sessions.active(limit), unit.sessions.count_active())
        )

    async def recover(self) -> None:
        """Finish what killed processes left in the database and in folders; logs what it finds, and raises nothing."""
        await recover(self._writer, self._output_dirs)

    async def complete(self, request: RequestT) -> RequestT:
        """A request with what it leaves to the picture that it is to be `like`; raises as `complete_like` does."""
        return await complete_like(request, self._references)

    async def preflight(self, request: PaidRequest) -> Estimate | None:
        """Check all that can refuse a request before it is paid for, and give what it should cost.

        Raises:
            GptImageError: as the request itself would.

        """
        self.check(request)
        if isinstance(request, ContinueSessionRequest):
            _, _, inputs = await self._pipeline.next_turn(request)
        else:
            await anyio.to_thread.run_sync(self._output_dirs.resolve, request.output_dir)
            inputs = Inputs()
            if not isinstance(request, GenerateRequest):
                inputs = await self._reader.read(request.images, request.mask)
        return await self._spending.check_budgets(self._pipeline.priced(request, inputs))

    async def estimate(self, request: PaidRequest | CostsRequest) -> Estimate | None:
        """What a request should cost, before its pictures are read; None where the model's price is unknown."""
        return await self._spending.estimate(self._pipeline.priced(request))

    async def spent(self) -> tuple[Summary, Budgets]:
        """What was spent today and in the last 30 days, and the budgets."""
        return await self._spending.summary(), self._spending.budgets

    async def previews(self, report: Report) -> Sequence[Preview]:
        """A report's pictures as the settings want them shown, without those whose file is gone or broken."""

        def make(image: SavedImage) -> Preview | None:
            try:
                data = self._reader.unchanged_data(image.path, image.sha256)
            except UnreadableSource:
                return None
            if self.settings.inline == "full":
                return whole(data, image.facts)
            return preview(data, image.facts, share=share_of(max(report.requested["n"], len(report.images))))

        if self.settings.inline == "none":
            return []
        made: Mapping[str, Preview] = report.previews if len(report.images) <= report.requested["n"] else {}
        found = [made.get(i.id) or await anyio.to_thread.run_sync(make, i) for i in report.images]
        return [picture for picture in found if picture is not None]

    def arrival(self) -> float:
        """When the present call arrived, by `anyio.current_time`: the first one came before anything was loaded."""
        arrived, self.first_call_at = self.first_call_at, None
        return anyio.current_time() if arrived is None else min(arrived, anyio.current_time())

    def check(self, request: PaidRequest) -> None:
        """Check that the settings and the model allow a request; raises GptImageError."""
        self.settings.require()
        check_model(self.settings.model, request)
