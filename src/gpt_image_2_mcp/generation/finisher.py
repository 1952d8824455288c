"""The end of a job whose pictures are saved: make of them what was asked for, record them, report.

No failure of a step on a picture fails the job: it is told, and what was saved stays.
"""

from dataclasses import dataclass, replace
from functools import partial

import anyio
import anyio.to_thread

from ..errors import ApiError
from ..images.pixels_extra import is_installed
from ..jobs.durations import DurationHistory
from ..jobs.job import Job
from ..jobs.news import NewsFeed
from ..jobs.order import Order
from ..jobs.report import Report
from ..openai_api.request import ImageRequest, SendOutcome
from ..settings import Settings
from ..telemetry import UNMEASURED, Steps
from .charges import Charge, Spending
from .delivery import deliver, extension_of, is_delivered_apart
from .exact_edits import ExactEdits
from .finals import costs_of, layouts_of, with_final
from .image_saver import ImageSaver
from .recorder import Recorder
from .report_builder import build_own_report, build_report
from .sent_request import in_given_size
from .transparency import Transparency, cut_out


@dataclass(frozen=True, slots=True)
class Answered:
    """A request for which pictures arrived, and the way in which their background is transparent; "" if it is not."""

    request: ImageRequest
    outcome: SendOutcome
    way: str = ""


class Finisher:
    """What `Pipeline` does with pictures once they are saved."""

    def __init__(
        self,
        settings: Settings,
        *,
        spending: Spending,
        recorder: Recorder,
        durations: DurationHistory,
        news: NewsFeed,
        exact_edits: ExactEdits,
        transparency: Transparency,
    ) -> None:
        """Use the parts of a `Pipeline`."""
        self._settings = settings
        self._spending = spending
        self._recorder = recorder
        self._durations = durations
        self._news = news
        self._exact_edits = exact_edits
        self._transparency = transparency

    async def finish(
        self,
        job: Job,
        order: Order,
        saver: ImageSaver,
        answered: Answered,
        charge: Charge,
        steps: Steps = UNMEASURED,
    ) -> Report:
        """Make what was asked for of the pictures that are saved, record them, and report."""
        settings, asked = self._settings, job.request
        request, outcome, way = answered.request, answered.outcome, answered.way
        await self._derive(job, order, saver, way)
        layouts = (
            await anyio.to_thread.run_sync(layouts_of, order, saver.readable, self._exact_edits.originals)
            if order.draft
            else {}
        )
        # Before the record: a picture that cannot be decoded is recorded as damaged, and no session goes on from it.
        steps.enter("preview")
        await anyio.to_thread.run_sync(saver.decode)
        steps.end()
        report = build_report(order, asked, request, saver, outcome).redacted(settings.redact)
        if order.draft is not None:
            costs = await costs_of(order, asked, request.model, report.cost, self._spending)
            report = with_final(report, order.draft, layouts, costs)
        if job.status.sent_since is not None:
            self._durations.learn(job.request, anyio.current_time() - job.status.sent_since)
        lost = sum(isinstance(failure, ApiError) and failure.may_be_billed for failure in outcome.failures)
        report = await self._recorder.record_result(job, order, report, charge, lost=lost, policy=saver.policy)
        report = replace(report, previews=saver.previews)
        self._news.publish(report.position.session_id if report.position else None)
        return report

    async def _derive(self, job: Job, order: Order, saver: ImageSaver, way: str) -> None:
        """Make of the saved pictures what was asked for: the exact edit, the transparent ground, the size."""
        wanted = in_given_size(job.request, order)
        if self._exact_edits.is_wanted(job.request, order.inputs):
            await self._make_exact(job, order, saver)
            if not saver.wanted_first[0].made_from:
                # Nothing was kept: it has the size that the model chose.
                wanted = job.request
        elif way:
            await anyio.to_thread.run_sync(self._transparency.finish, way, job.request, saver)
        if is_delivered_apart(wanted):
            suffix = f"-{wanted.size.partition('@')[0]}"
            work = partial(saver.deliver, partial(deliver, wanted), suffix, extension_of(wanted))
            await anyio.to_thread.run_sync(work)

    async def cut_out(self, job: Job, order: Order, saver: ImageSaver, charge: Charge) -> Report:
        """Cut a picture out of its plain ground, save and record it. Nothing is sent, and nothing costs money.

        Raises:
            GptImageError: it has no plain ground, or the result cannot be saved.

        """
        async with self._recorder.recorded_failure(job, charge):
            originals = await anyio.to_thread.run_sync(self._exact_edits.originals, order.inputs.images[0])
            made = await anyio.to_thread.run_sync(cut_out, originals, job.request)
            await anyio.to_thread.run_sync(saver.add_own, made)
        await anyio.to_thread.run_sync(saver.decode)
        report = build_own_report(order, job.request, saver, sandbox=self._settings.sandbox)
        report = await self._recorder.record_result(
            job, order, report.redacted(self._settings.redact), charge, lost=0, policy=saver.policy
        )
        return replace(report, previews=saver.previews)

    async def _make_exact(self, job: Job, order: Order, saver: ImageSaver) -> None:
        """Have the saved pictures put into the original; without the extra, a note says how to get it."""
        exact = self._exact_edits
        if is_installed():
            await anyio.to_thread.run_sync(partial(saver.make_exact, partial(exact.make, order)))
            return
        saver.warnings += filter(None, [exact.missing_note(is_asked_for=job.request.kept == "exact")])
