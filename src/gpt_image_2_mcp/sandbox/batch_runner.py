"""Runs the lines of batches that are due, and makes the lines of their output.

Running a line checks its request and bills it; its pictures are painted when the output is read. So an output of any
size is made line by line, and each time the same.
"""

import json
import secrets
from collections.abc import AsyncGenerator, Sequence
from http import HTTPStatus

import anyio
from starlette.requests import Request

from . import pipeline
from .batch_state import FINAL, BatchLine, MadeLine, StoredBatch
from .errors import ApiRefusal, JsonObject
from .faults import PICTURE_FAULTS, Fault
from .images_route import json_pictures, pictures_body
from .input_images import Upload
from .knobs import CallerLeftError
from .pipeline import PaintTask
from .rules import EDIT_JSON, GENERATION, check_params, is_object, parse_json
from .state import SandboxState
from .triggers import fault_in

EDITS = "/v1/images/edits"
GENERATIONS = "/v1/images/generations"

Line = MadeLine | JsonObject
"""A line of an output: one with pictures, or the JSON of one without."""


async def catch_up(state: SandboxState) -> float:
    """Run every line of every batch that is due by now, store the files of the batches that have ended; return now."""
    async with state.batch_lock:
        now = state.knobs.now()
        for batch in state.batches():
            if batch.is_closed:
                continue
            while batch.is_due(now):
                await _run(batch, batch.lines[batch.ran], state)
                batch.ran += 1
            if batch.status(now) in FINAL:
                _close(batch, state, now)
        return now


async def output_lines(lines: Sequence[Line], request: Request, state: SandboxState) -> AsyncGenerator[bytes]:
    """Make an output line by line, painting the pictures of one line at a time.

    Raises:
        CallerLeftError: the caller closed its connection first.
    """
    try:
        for line in lines:
            await _check_connection(request)
            body = await _with_pictures(line, request, state) if isinstance(line, MadeLine) else line
            yield json.dumps(body, separators=(",", ":")).encode() + b"\n"
    except (CallerLeftError, anyio.get_cancelled_exc_class()):
        state.knobs.count_left()
        raise


async def _check_connection(request: Request) -> None:
    if await request.is_disconnected():
        raise CallerLeftError


async def _run(batch: StoredBatch, line: BatchLine, state: SandboxState) -> None:
    """Run a line at the time at which it is due, and bill it if it makes pictures."""
    line_id, request_id = f"batch_req_{secrets.token_hex(16)}", secrets.token_hex(16)
    at = batch.next_at()
    try:
        task, uploads, mask, fault = await _planned(batch, line, state, at=at)
    except ApiRefusal as exc:
        error: JsonObject = {"error": exc.error(request_id=request_id)}
        response: JsonObject = {"status_code": exc.status, "request_id": request_id, "body": error}
        batch.failed.append({"id": line_id, "custom_id": line.custom_id, "response": response, "error": None})
        return
    state.knobs.bill_line(line.custom_id, pictures=task.params.n)
    batch.made.append(
        MadeLine(line_id, line.custom_id, request_id, int(at), task.params, task.usage, uploads, mask, fault)
    )


async def _planned(
    batch: StoredBatch, line: BatchLine, state: SandboxState, *, at: float
) -> tuple[PaintTask, Sequence[Upload], Upload | None, Fault | None]:
    """Check a line's request as a direct one is checked.

    Raises:
        ApiRefusal: the request breaks a rule, or meets a fault.
    """
    params = parse_json(line.body)
    assert is_object(params)
    fault = _line_fault(state.knobs.take_fault("lines"), model=batch.model or "")
    checked = check_params(params, known=EDIT_JSON if batch.endpoint == EDITS else GENERATION)
    if checked.stream:
        raise ApiRefusal(400, "Streaming is not supported in the Batch API.", code="invalid_value", param="stream")
    fault = fault or _line_fault(fault_in(checked.prompt), model=checked.model.name)
    if batch.endpoint != EDITS:
        return await pipeline.plan_generation(checked), (), None, fault
    uploads, mask = json_pictures(params, state, at=at)
    return await pipeline.plan_edit(checked, uploads, mask, state=state), uploads, mask, fault


def _line_fault(fault: Fault | None, *, model: str) -> Fault | None:
    """Return a fault if it is one of the picture's; raise the error of one that is an error."""
    if fault is None:
        return None
    if fault.kind == "error":
        raise fault.refusal(model=model)
    if fault.kind == "html":
        status = fault.status or HTTPStatus.BAD_GATEWAY
        raise ApiRefusal(status, HTTPStatus(status).phrase, code=None, kind="server_error")
    return fault if fault.kind in PICTURE_FAULTS else None


async def _with_pictures(line: MadeLine, request: Request, state: SandboxState) -> JsonObject:
    """Paint a line's pictures, and return the line as JSON."""
    if line.pictures:
        task = await pipeline.plan_edit(line.params, line.pictures, line.mask, state=state)
    else:
        task = await pipeline.plan_generation(line.params)
    painted = pipeline.with_fault(task, line.fault)
    files = await pipeline.paint(painted, state)
    body = pictures_body(painted, files, line.fault, request=request, state=state)
    body["created"] = line.created
    if "usage" in body:
        body["usage"] = line.usage.body()
    return {
        "id": line.id,
        "custom_id": line.custom_id,
        "response": {"status_code": 200, "request_id": line.request_id, "body": body},
        "error": None,
    }


def _close(batch: StoredBatch, state: SandboxState, now: float) -> None:
    """Store the files of a batch that has ended."""
    status, ended = batch.status(now), batch.ended_at(now)
    if status == "expired":
        error: JsonObject = {
            "code": "batch_expired",
            "message": "This request could not be executed before the completion window expired.",
        }
        for line in batch.lines[batch.ran :]:
            line_id = f"batch_req_{secrets.token_hex(16)}"
            batch.failed.append({"id": line_id, "custom_id": line.custom_id, "response": None, "error": error})
    if batch.made:
        name = f"{batch.id}_output.jsonl"
        batch.output_file_id = state.store_output(name, batch.made, created=ended, lifetime_s=batch.output_lifetime_s)
    if batch.failed:
        name = f"{batch.id}_error.jsonl"
        batch.error_file_id = state.store_output(name, batch.failed, created=ended, lifetime_s=batch.output_lifetime_s)
    batch.is_closed = True
