"""The operations of this program, as the MCP tools and the commands call them.

Paid operations are two steps: `ImageService.start` gives a job that goes on whatever happens to the call, and
`ImageService.wait` waits for its report.

    job = service.start(GenerateRequest(prompt="a fox"))
    report = await service.wait(job)
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from ..billing.budgets import Budgets, SpendingSummary
from ..billing.prices import Estimate
from ..errors import GptImageError, JoinedJobFailed
from ..generation.charges import Spending
from ..generation.output_dirs import OutputDirs
from ..generation.pipeline import Pipeline
from ..inputs.inputs import Inputs
from ..inputs.reader import InputReader
from ..inputs.references import References
from ..jobs.durations import DurationHistory
from ..jobs.job import Job
from ..jobs.news import NewsFeed
from ..jobs.progress import ProgressCallback
from ..jobs.report import Report
from ..jobs.runner import JobRunner
from ..jobs.serialization import TOOLS
from ..library.exporter import Exporter
from ..library.library import Library
from ..library.maintenance import Maintenance
from ..library.viewer import Viewer
from ..parameters.capabilities import check_model
from ..parameters.models import (
    ContinueSessionRequest,
    CostsRequest,
    ExportRequest,
    GenerateRequest,
    PaidRequest,
    RequestT,
    ShowImageRequest,
)
from ..paths.read_policy import PrivateFile
from ..persistence.writer_thread import WriterThread
from ..settings import Settings
from .batches import BatchService
from .completion import complete_like, with_model_of_turn
from .desk import PersonDesk
from .named_pictures import references_of
from .recovery import recover
from .sessions import SessionService
from .shown import Shown, shown_of

if TYPE_CHECKING:
    from .leftovers import Leftovers
    from .links import AnswerLinks

INCOMPLETE = "What was made while the database could not be written waits for it, and is in no list and no sum yet."


class ImageService:
    """Makes and edits pictures, keeps edit sessions, and tells the costs; `app.open_service` opens one.

    Work on pictures that exist is in `library` (find, copy), `viewer` (show, contact sheet), `exporter`, and
    `maintenance` (check, rebuild, move, delete).
    """

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
        maintenance: Maintenance,
        viewer: Viewer,
        exporter: Exporter,
        batches: BatchService,
        links: "AnswerLinks | None" = None,
        leftovers: "Leftovers | None" = None,
    ) -> None:
        """Use the parts that `app.open_service` made."""
        self.settings = settings
        self.library = library
        self.maintenance = maintenance
        self.viewer = viewer
        self.exporter = exporter
        self.batches = batches
        self.links = links
        """On a server, what gives answers links in place of paths."""
        self.leftovers = leftovers
        """On a server, what puts in order what killed processes have left of this person on its disk."""
        batches.use(self.complete, self.check, self.find_private, reader.require)
        self.news = news
        self.sessions = SessionService(writer, news)
        self.desk = PersonDesk(writer, references)
        """What `last` and numbers mean, for the other replicas of a server for several people."""
        self._pipeline = pipeline
        self._spending = spending
        self._jobs = jobs
        self.person = jobs.person
        self._writer = writer
        self._reader = reader
        self._references = references
        self._output_dirs = output_dirs
        self._durations = durations
        self._started_ahead: Job | None = None
        """The job of `start_ahead`, until its call comes."""
        self._recovered = anyio.Event()
        self.closing = anyio.Event()
        """Set when the service closes, for what would wait longer than that."""
        self.first_call_at: float | None = None
        """When the first call arrived, by `anyio.current_time`, if the program was loaded after that; see `arrival`."""

    def start(
        self, request: PaidRequest, *, client: str | None = None, click_id: str | None = None, wish: str | None = None
    ) -> Job:
        """Start to make pictures; `client` is the name of the MCP client, `click_id` the job's id; see `Job.is_click`.

        `wish` is the same for a request to a server that comes twice; see `Job.wish`.

        Checks only what needs no waiting. `wait` raises what turns out later: a session or turn that is gone, an input
        image that cannot be read, what the API refuses.

        Raises:
            GptImageError: the settings or the model do not allow the request, or the server is shutting down.

        """
        self.check(request)
        ahead = self._started_ahead
        if ahead is not None and (ahead.request, ahead.client) == (request, client):
            self._started_ahead = None
            return ahead
        model = self.settings.model_for(request)
        expected_s = self._durations.expected(request)
        job = Job(TOOLS[type(request)], request, model, expected_s, client=client, wish=wish)
        if click_id:
            job.id, job.is_click = click_id, True
        return self._jobs.start(job)

    def start_ahead(self, request: PaidRequest, *, client: str | None) -> Job:
        """Start the job of a call that the server will read later: `start` then gives this job. Raises as `start`."""
        self._started_ahead = self.start(request, client=client)
        return self._started_ahead

    def take_over(self, job: Job) -> None:
        """Make a job that another replica has not sent, in its place; raises as `JobRunner.start` does."""
        job.expected_s = self._durations.expected(job.request)
        self._jobs.start(job)

    async def hand_over(self) -> None:
        """Start nothing any more, and pass on what is not sent to other replicas; see `JobRunner.hand_over`."""
        await self.batches.hand_over()
        await self._jobs.hand_over()

    def give_up_ahead(self) -> None:
        """Treat the call that a job was started for as given up, if it has not come to `start` until now."""
        job, self._started_ahead = self._started_ahead, None
        if job is not None:
            self._jobs.give_up(job)

    async def wait(
        self, job: Job, *, until: float = math.inf, on_progress: ProgressCallback | None = None, is_caller: bool = True
    ) -> Report | None:
        """Wait for a job's report; None if it is not there by `until`. See `JobRunner.wait`.

        Raises:
            JoinedJobFailed: the earlier identical call that this one joined has failed.
            GptImageError: what the job failed with.

        """
        try:
            report = await self._jobs.wait(job, until=until, on_progress=on_progress, is_caller=is_caller)
        except GptImageError as error:
            if job.joined is None or job.is_click:
                raise
            raise JoinedJobFailed(f"Your earlier identical call ({job.joined.id}) failed: {error}") from error
        if report is None:
            return None
        if job.joined is not None and not job.is_click:
            again = f"This is what your earlier identical call ({job.joined.id}) asked for; nothing was paid again."
            report = replace(report, warnings=(again, *report.warnings))
        # Only when the report is returned: a call that is repeated before that must mean the same picture by `last`.
        if self._references.last_id != report.wanted[-1].id:
            job.working_job.newest_before = self._references.newest
        self._references.note_answer([image.id for image in report.wanted])
        return report

    def take_back(self, job: Job) -> bool:
        """Undo that a job's outcome was returned, because the client had given up the call and repeats it perhaps.

        The same call then gets this outcome again, within `jobs.repeated.JOINABLE_S` and without paying. `last` means
        what it meant to the call. Does nothing to a job that is under way, and gives False.
        """
        outcome = job.working_job.outcome
        is_back = self._jobs.take_back(job)
        if is_back and isinstance(outcome, Report) and self._references.last_id == outcome.wanted[-1].id:
            self._references.newest = job.working_job.newest_before
        return is_back

    async def job(self, job_id: str) -> Job:
        """Find a job; raises `BadRequest` if there is none."""
        return await self._jobs.find(job_id)

    async def recent_jobs(self) -> list[Job]:
        """The newest jobs of all processes of this user, the newest first."""
        return await self._jobs.recent()

    async def cancel_job(self, job: Job) -> bool:
        """Stop a job of which nothing was sent, also of another replica; see `JobRunner.cancel`, also for errors."""
        return await self._jobs.cancel(job)

    def stop_job(self, job: Job) -> bool:
        """Stop a job of which nothing was sent; False if it is too late."""
        return self._jobs.stop(job)

    def abandon_job(self, job: Job) -> bool:
        """Stop waiting for a job that was sent, which is billed all the same; see `JobRunner.abandon`."""
        return self._jobs.abandon(job)

    def confirm_answers(self) -> None:
        """Have `confirm` called for every answer; see `JobRunner.confirm_answers`."""
        self._jobs.confirm_answers()

    def confirm(self, job: Job) -> None:
        """Note that the answer to a call that waited for a job was written to the client."""
        self._jobs.confirm(job)

    @property
    def is_working(self) -> bool:
        """Whether a job of this process is not finished, or a batch is being submitted or saved."""
        return self._jobs.is_working or self.batches.is_working

    def remembered(self) -> dict[str, Any]:
        """What `last` and numbers of pictures mean in this chat, as a JSON object for `recall`."""
        return self._references.remembered()

    def recall(self, remembered: Mapping[str, Any]) -> None:
        """Go on with what `remembered` gave in an earlier process."""
        self._references.recall(remembered)

    async def recover(self) -> None:
        """Settle what killed processes left in the database and in folders; logs what it finds, and raises nothing."""
        try:
            await recover(self._writer, self._output_dirs, self.closing)
        finally:
            self._recovered.set()

    async def resume_batches(self) -> None:
        """Go on with the cheap batches that are open; raises nothing.

        After `recover`, which names the pictures that a killed process had saved of them.
        """
        await self._recovered.wait()
        await self.batches.resume()

    async def complete(self, request: RequestT) -> RequestT:
        """A copy of `request` filled with what it leaves out and an earlier picture has.

        That are the parameters of the picture in `like`, or the model of the turn that the next one is made from.
        Raises as `complete_like` does.
        """
        if not isinstance(request, ContinueSessionRequest):
            return await complete_like(request, self._references)
        if self._started_ahead is not None and self._started_ahead.request == request:
            # It is complete. Read again, it could be another request by now, and be paid for twice.
            return request
        return await with_model_of_turn(request, self.settings, self._writer)

    async def find_private(self, request: PaidRequest | ShowImageRequest | ExportRequest) -> list[PrivateFile]:
        """The files that a request names and that are read only with the person's yes."""
        return await self._reader.find_private(references_of(request))

    def allow(self, files: Iterable[PrivateFile]) -> None:
        """Note that the person allows these files to be read, for as long as this process lives."""
        self._reader.allow(files)

    async def preflight(self, request: PaidRequest) -> Estimate | None:
        """Check everything that can refuse a request before it is sent, and return its estimate. Sends nothing.

        None if the model's price is not known.

        Raises:
            GptImageError: what the request itself would raise.

        """
        self.check(request)
        if isinstance(request, ContinueSessionRequest):
            _, _, inputs = await self._pipeline.next_turn(request, searches=False)
        else:
            name = request.output_dir
            await self._output_dirs.in_time(name, partial(self._output_dirs.resolve, name))
            inputs = Inputs()
            if not isinstance(request, GenerateRequest):
                inputs = await self._reader.read(request.images, request.mask, searches=False)
        part = self._pipeline.plan(request, inputs)
        return await self._spending.check_budgets(self._pipeline.priced(request, inputs, part))

    async def estimate(self, request: PaidRequest | CostsRequest) -> Estimate | None:
        """The estimate for a request whose input images are not read yet; None if the model's price is not known."""
        return await self._spending.estimate(self._pipeline.priced(request))

    async def spent(self, *, with_team: bool = False) -> tuple[SpendingSummary, Budgets]:
        """What was spent (see `Spending.summary`), and the budgets; raises DatabaseUnusable."""
        return await self._spending.summary(with_team=with_team), self._spending.budgets

    async def shown(self, report: Report) -> Shown:
        """What an answer shows of a report, as the settings choose."""
        return await shown_of(report, reader=self._reader, viewer=self.viewer, inline=self.settings.inline)

    @property
    def stuck(self) -> str | None:
        """A sentence for the user if the database has not answered for a minute; every answer says it."""
        return self._writer.stuck

    @property
    def incomplete(self) -> str | None:
        """A sentence for the user if what was made is in no list yet, since the database could not be written."""
        return INCOMPLETE if self._writer.has_waiting else None

    def arrival(self) -> float:
        """When the present call arrived, by `anyio.current_time`.

        That is now, except for the first call: it was read by the handshake before the program was loaded, and its
        client has waited since then.
        """
        arrived, self.first_call_at = self.first_call_at, None
        return anyio.current_time() if arrived is None else min(arrived, anyio.current_time())

    def check(self, request: PaidRequest) -> None:
        """Check that the settings are complete and the model can do what is asked; raises GptImageError."""
        if not isinstance(request, ContinueSessionRequest):
            self._output_dirs.check_named(request.output_dir)
        if request.is_cut_out:
            self.settings.require_valid()
        else:
            self.settings.require_key()
        model = self.settings.model_for(request)
        check_model(model, request)
        self._pipeline.check(model, request)
