"""The tools, one function each, and the list of them (`all_tools`).

A function calls one method of the `ImageService`, and a function of `results`, `library_results` or `cost_results`
builds the answer. Its docstring is what the model reads: a change is a change of the contract.
"""

import math
from contextlib import nullcontext
from dataclasses import replace
from functools import cache
from typing import Any, TypeAlias

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.tools import Tool
from mcp_types import CallToolResult, ToolAnnotations

from ..batches.batch import is_batch_id
from ..jobs.job import Job
from ..parameters.models import (
    CancelJobRequest,
    ContinueSessionRequest,
    CostsRequest,
    EditRequest,
    EndSessionRequest,
    ExportRequest,
    GenerateRequest,
    GetJobRequest,
    ListImagesRequest,
    ListSessionsRequest,
    MakeBatchRequest,
    PaidRequest,
    ShowImageRequest,
    StartSessionRequest,
)
from ..service.images import ImageService
from ..studio.page import page_uri
from .answer_room import room_for_pictures
from .asker import SEES_TEAM, WISH
from .batch_consent import BatchConsentAnswer
from .batch_results import batch_lines, batch_result
from .client_abilities import client_of
from .consent import ConsentAnswer, require_consent
from .cost_results import costs_result
from .export_results import export_result
from .given_up_calls import NOTE_JOB
from .library_results import list_result, show_result
from .read_consent import ReadAnswer, allow_reading
from .results import (
    abandon_result,
    end_session_result,
    jobs_result,
    pending_result,
    report_result,
    sessions_result,
    set_back_result,
    stop_result,
)
from .tool import CALL_ARRIVED_AT, RequestTool

LISTED_BATCHES = 5
"""Batches in the list of jobs."""

Call: TypeAlias = Context[ImageService, Any]


async def generate_image(request: GenerateRequest, call: Call, consent: ConsentAnswer) -> CallToolResult:
    """Make new pictures from words and save them.

    Needs `prompt` or `like`. To change pictures use edit_image. Costs about $0.006 (low), $0.05 (medium) or $0.21
    (high) a picture at 1024x1024, takes 10 s to 4 minutes; draft at low. Answers with each file's path (tell the
    person, who may not see the preview), or a job_id for get_image_job.
    """
    require_consent(consent)
    return await _make(request, call)


async def edit_image(request: EditRequest, call: Call, consent: ConsentAnswer) -> CallToolResult:
    """Edit a picture, or compose several into one; with `mask`, `keep` or `extend` the rest stays, to the pixel.

    Needs `prompt` or `like`. For several changes in turn use start_edit_session. Costs and answers like
    generate_image. Without prompt, background transparent cuts out image 1, free. Pictures attached to the chat do not
    reach this tool: ask for a path or URL.
    """
    require_consent(consent)
    return await _make(request, call)


async def start_edit_session(request: StartSessionRequest, call: Call, consent: ConsentAnswer) -> CallToolResult:
    """Begin a series of edits to one picture.

    Makes the first edit like edit_image (for single ones) and gives a session_id for continue_edit_session. Later turns
    go to the same folder. All chats share sessions; one expires after an hour without use. Costs like generate_image.
    """
    require_consent(consent)
    return await _make(request, call)


async def continue_edit_session(request: ContinueSessionRequest, call: Call, consent: ConsentAnswer) -> CallToolResult:
    """Make the next change in an edit session; for another picture use start_edit_session.

    The last turn's picture is the input, or with from_turn an earlier one, which begins a branch; from_turn without
    prompt sets the session back, free. Of the settings only model carries over. Answers like edit_image, with the tree
    of turns; a turn that fails changes nothing. Costs like generate_image.
    """
    if request.is_set_back and request.from_turn is not None:
        return set_back_result(await _service(call).sessions.set_back(request.session_id, request.from_turn))
    require_consent(consent)
    return await _make(request, call)


async def end_edit_session(request: EndSessionRequest, call: Call) -> CallToolResult:
    """Close an edit session when the person is satisfied.

    No turn can follow, files stay; start_edit_session with a picture's id begins another. Free.
    """
    return end_session_result(request.session_id, await _service(call).sessions.end(request))


async def list_edit_sessions(request: ListSessionsRequest, call: Call) -> CallToolResult:
    """List the edit sessions of all chats that can still be continued, to find a session_id.

    Gives id, times, turns, branches, last prompt and file. For pictures use list_images. Free.
    """
    del request  # It has no fields.
    return sessions_result(*await _service(call).sessions.active())


async def list_images(request: ListImagesRequest, call: Call) -> CallToolResult:
    """Find pictures made here, in any chat, newest first; to look at one use show_image.

    Answers with id, time, size, cost, prompt and path of each. contact_sheet adds them numbered on one picture, for
    "number 7"; ids and numbers name pictures in other tools. Free.
    """
    service = _service(call)
    async with room_for_pictures() if request.contact_sheet else nullcontext():
        listing = await service.viewer.find(request)
    return list_result(await service.links.of_listing(listing) if service.links else listing)


async def show_image(request: ShowImageRequest, call: Call, reading: ReadAnswer) -> CallToolResult:
    """Look closely at a picture, made here or any file: scaled to fit, a region pixel for pixel, or beside others.

    Adds its record (prompt, settings, cost, inputs). To search use list_images. Free but for
    `find` in `mask`.
    """
    allow_reading(reading, _service(call))
    service = _service(call)
    async with room_for_pictures():
        view = await service.viewer.show(request)
        return show_result(await service.links.of_view(view) if service.links else view)


async def export_image(request: ExportRequest, call: Call, reading: ReadAnswer) -> CallToolResult:
    """Make files of pictures for use elsewhere: other sizes, formats, icons, print; crop, rotate, flip.

    Instead of a new picture where only size or format is wrong. Answers with each file's path and bytes, what was cut,
    and a sheet. Replaces no file without `replace`. Free, local.
    """
    allow_reading(reading, _service(call))
    service = _service(call)
    async with room_for_pictures():
        outcome = await service.exporter.export(request)
        return export_result(await service.links.of_export(outcome) if service.links else outcome)


async def make_batch(request: MakeBatchRequest, call: Call, consent: BatchConsentAnswer) -> CallToolResult:
    """Make many pictures with one call.

    get_image_job then tells how it stands. Costs like single calls, or half.
    """
    require_consent(consent)
    service = _service(call)
    status = await service.batches.start(await service.batches.plan(request), client=client_of(call))
    try:
        return await _batch(call, status.row.id, joined=status.joined)
    except BaseException:
        # Cancelled, or the client cannot be reached any more.
        service.batches.give_up(status.row.id)
        raise


async def get_image_job(request: GetJobRequest, call: Call) -> CallToolResult:
    """Fetch the answer of a call that gave a job_id, waiting up to a minute.

    If not ready, gives it again; do not repeat the call. Without job_id, list the recent jobs and batches; for
    pictures use list_images. Free.
    """
    service = _service(call)
    if request.job_id is None:
        return jobs_result(await service.recent_jobs(), batch_lines(await service.batches.recent(LISTED_BATCHES)))
    if is_batch_id(request.job_id.strip()):
        return await _batch(call, request.job_id.strip())
    return await _wait(call, await service.job(request.job_id), is_caller=False)


async def cancel_image_job(request: CancelJobRequest, call: Call) -> CallToolResult:
    """Stop a job or batch, as far as it is not sent yet. What was sent is billed and saved, for get_image_job. Free."""
    service = _service(call)
    if is_batch_id(request.job_id.strip()):
        return batch_result(await service.batches.cancel(request.job_id), None)
    job = await service.job(request.job_id)
    if request.abandon and service.abandon_job(job):
        return abandon_result(job)
    return stop_result(job, was_stopped=await service.cancel_job(job))


async def image_costs(request: CostsRequest, call: Call) -> CallToolResult:
    """Estimate what a call would cost, and report the spending (today, 30 days) and what budgets leave.

    Before an expensive call, or when asked about money; makes nothing. Size auto counts as 1024x1024. Free.
    """
    service = _service(call)
    model = service.settings.model_for(request)
    sees_team = SEES_TEAM.get()
    spent, budgets = await service.spent(with_team=sees_team)
    estimate = await service.estimate(request)
    named = not service.settings.hosted
    return costs_result(request, model, estimate, spent, budgets, sees_team=sees_team, names_settings=named)


@cache
def all_tools() -> tuple[Tool, ...]:
    """Every tool, in the order in which clients show them."""
    paid = ToolAnnotations(read_only_hint=False, destructive_hint=False)
    ends = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False)
    local = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)
    reads = ToolAnnotations(read_only_hint=True, open_world_hint=False)
    # What a mask names is looked for by a model of the API.
    looks = ToolAnnotations(read_only_hint=True)
    # By the second key, older hosts find the page.
    shown = {"ui": {"resourceUri": page_uri()}, "ui/resourceUri": page_uri()}
    return (
        RequestTool.of(generate_image, GenerateRequest, title="Make pictures", annotations=paid, meta=shown),
        RequestTool.of(edit_image, EditRequest, title="Edit or compose pictures", annotations=paid, meta=shown),
        RequestTool.of(
            start_edit_session, StartSessionRequest, title="Start an edit session", annotations=paid, meta=shown
        ),
        RequestTool.of(
            continue_edit_session, ContinueSessionRequest, title="Edit once more", annotations=paid, meta=shown
        ),
        RequestTool.of(end_edit_session, EndSessionRequest, title="End an edit session", annotations=ends),
        RequestTool.of(list_edit_sessions, ListSessionsRequest, title="List edit sessions", annotations=reads),
        RequestTool.of(list_images, ListImagesRequest, title="Find pictures", annotations=reads, meta=shown),
        RequestTool.of(show_image, ShowImageRequest, title="Look at a picture", annotations=looks, meta=shown),
        RequestTool.of(export_image, ExportRequest, title="Export for use elsewhere", annotations=local),
        RequestTool.of(make_batch, MakeBatchRequest, title="Make many pictures", annotations=paid),
        RequestTool.of(get_image_job, GetJobRequest, title="Fetch a running picture", annotations=reads),
        RequestTool.of(cancel_image_job, CancelJobRequest, title="Stop a queued picture", annotations=ends),
        RequestTool.of(image_costs, CostsRequest, title="What pictures cost", annotations=reads),
    )


async def _make(request: PaidRequest, call: Call) -> CallToolResult:
    """Start a request's job, and wait for it."""
    return await _wait(call, _service(call).start(request, client=client_of(call), wish=WISH.get()))


async def _wait(call: Call, job: Job, *, is_caller: bool = True) -> CallToolResult:
    """Wait for a job until it is done or `GPT_IMAGE_2_MAX_WAIT_S` is over; then answer with its pictures or its id.

    `is_caller` is False for a call that only asks about the job: the job does not end when it is cancelled.
    """
    NOTE_JOB.get()(job)
    service = _service(call)
    arrived, bound = CALL_ARRIVED_AT.get(), service.settings.max_wait_s

    async def tell(progress: float, message: str) -> None:
        await call.report_progress(progress, 100, message)

    report = await service.wait(
        job, until=arrived + bound if bound else math.inf, on_progress=tell, is_caller=is_caller
    )
    if report is None:
        return pending_result(job, waited_s=bound)
    async with room_for_pictures():
        shown = await service.shown(report)
        sheet = shown.sheet
        if service.links:
            report, sheet = await service.links.of_report(report), await service.links.of_sheet(sheet)
        return report_result(report, list(shown.previews.values()), sheet)


async def _batch(call: Call, batch_id: str, *, joined: bool = False) -> CallToolResult:
    """Wait for a batch as `_wait` does for a job; then answer with how it stands."""
    service = _service(call)
    arrived, bound = CALL_ARRIVED_AT.get(), service.settings.max_wait_s

    async def tell(progress: float, message: str) -> None:
        await call.report_progress(progress, 100, message)

    until = arrived + bound if bound else math.inf
    status = await service.batches.wait(batch_id, until=until, on_progress=tell)
    status = replace(status, joined=joined)
    if service.links:
        status = await service.links.of_batch(status)
    if not status.pictures or service.settings.inline == "none":
        return batch_result(status, None)
    async with room_for_pictures():
        return batch_result(status, await service.viewer.sheet(status.numbered))


def _service(call: Call) -> ImageService:
    return call.request_context.lifespan_context
