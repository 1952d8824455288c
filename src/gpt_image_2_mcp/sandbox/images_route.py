"""`/v1/images/generations` and `/v1/images/edits`: they read a request, paint, and answer as JSON or as a stream."""

import base64
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace

import anyio
from starlette.requests import Request
from starlette.responses import Response

from . import pipeline
from .azure import as_openai
from .errors import (
    ApiRefusal,
    Json,
    JsonObject,
    missing,
    unknown,
    wrong_count,
    wrong_type,
)
from .faults import Fault
from .http import EventStream, Form, JsonAnswer, TruncatedAnswer, is_form, read_form, read_json, sse_event
from .input_images import MAX_PICTURES, Upload, check_mime_type, from_data_url
from .knobs import wait_while_connected
from .pipeline import PaintTask
from .rules import (
    EDIT_FORM,
    EDIT_JSON,
    GENERATION,
    check_params,
    is_object,
    params_from_form,
    refuse_type,
)
from .state import SandboxState, state_of
from .triggers import fault_in


async def generations(request: Request) -> Response:
    """`POST /v1/images/generations`."""
    state = state_of(request)
    params = as_openai(request, await read_json(request, state.knobs))
    fault = state.knobs.take_fault("generations")
    early = await pipeline.answer_without_picture(request, state, fault, model=_model(params), billed=_count(params))
    if early:
        return early
    checked = check_params(params, known=GENERATION)
    return await _answer(request, state, await pipeline.plan_generation(checked), fault)


async def edits(request: Request) -> Response:
    """`POST /v1/images/edits`, as a form or as JSON."""
    state = state_of(request)
    form = await read_form(request, state.knobs) if is_form(request) else None
    params = as_openai(request, params_from_form(form.fields) if form else await read_json(request, state.knobs))
    fault = state.knobs.take_fault("edits")
    early = await pipeline.answer_without_picture(request, state, fault, model=_model(params), billed=_count(params))
    if early:
        return early
    names: dict[str, Json] = {**params, **dict.fromkeys(form.names, "")} if form else params
    checked = check_params({**names, **params}, known=EDIT_FORM if form else EDIT_JSON)
    uploads, mask = _form_pictures(form) if form else json_pictures(params, state)
    return await _answer(request, state, await pipeline.plan_edit(checked, uploads, mask, state=state), fault)


def picture_from_reference(value: Json, state: SandboxState, *, param: str, at: float | None = None) -> Upload:
    """Return the picture that `{"image_url": ...}` or `{"file_id": ...}` refers to; `at` is a time other than now.

    Raises:
        ApiRefusal: the reference has neither key or both, or there is no such picture.
    """
    if not is_object(value):
        raise refuse_type(param, value, expected="an object")
    for name in value:
        if name not in ("image_url", "file_id"):
            raise unknown(f"{param}.{name}")
    url, file_id = value.get("image_url"), value.get("file_id")
    if (url is None) == (file_id is None):
        message = f"Invalid '{param}': provide exactly one of 'image_url' or 'file_id'."
        raise ApiRefusal(400, message, code="invalid_value", param=param)
    if url is not None:
        if not isinstance(url, str):
            raise refuse_type(f"{param}.image_url", url, expected="a string")
        return from_data_url(url, param=f"{param}.image_url")
    if not isinstance(file_id, str):
        raise refuse_type(f"{param}.file_id", file_id, expected="a string")
    return state.file(file_id, param=f"{param}.file_id", at=at).upload


def _form_pictures(form: Form) -> tuple[list[Upload], Upload | None]:
    pictures: list[Upload] = []
    mask: Upload | None = None
    for name in ("image", "image[]", "mask"):
        if name in form.fields:
            raise wrong_type(name, expected="a file", got="a string")
    for name, upload in form.files:
        if name in ("image", "image[]"):
            check_mime_type(upload, param="image")
            pictures.append(upload)
        elif name == "mask":
            check_mime_type(upload, param="mask")
            mask = upload
        else:
            raise wrong_type(name, expected="a string", got="a file")
    if not pictures:
        raise missing("image")
    if len(pictures) > MAX_PICTURES:
        raise wrong_count("image", len(pictures), low=1, high=MAX_PICTURES)
    return pictures, mask


def json_pictures(
    params: JsonObject, state: SandboxState, *, at: float | None = None
) -> tuple[list[Upload], Upload | None]:
    """Return the input pictures and the mask of an edit as JSON, whose files are those of the time `at` (None: now).

    Raises:
        ApiRefusal: a picture is missing or there is none, or there are too many.
    """
    images = params.get("images")
    if images is None:
        raise missing("images")
    if not isinstance(images, list):
        raise refuse_type("images", images, expected="an array")
    if not 1 <= len(images) <= MAX_PICTURES:
        raise wrong_count("images", len(images), low=1, high=MAX_PICTURES)
    pictures = [
        picture_from_reference(image, state, param=f"images[{index}]", at=at) for index, image in enumerate(images)
    ]
    mask = params.get("mask")
    return pictures, None if mask is None else picture_from_reference(mask, state, param="mask", at=at)


def pictures_body(
    task: PaintTask, files: Sequence[bytes], fault: Fault | None, *, request: Request, state: SandboxState
) -> JsonObject:
    """Return the body of an answer with pictures, which `files` are, in the task's format."""
    body: JsonObject = {
        "created": int(time.time()),
        **task.output_fields(),
        "data": [{**pipeline.data_entry(data, task, fault, request=request, state=state)} for data in files],
        "usage": task.usage.body(),
    }
    if task.params.safety_identifier:
        body["safety_identifier"] = task.params.safety_identifier
    if fault and fault.kind == "no_usage":
        del body["usage"]
    if fault and fault.kind == "empty_data":
        body["data"] = []
    return body


async def _answer(request: Request, state: SandboxState, task: PaintTask, fault: Fault | None) -> Response:
    if fault is None and (fault := fault_in(task.params.prompt)):
        early = await pipeline.answer_without_picture(
            request, state, fault, model=task.params.model.name, billed=task.params.n
        )
        if early:
            return early
    if task.params.stream:
        stream = EventStream(_events(request, state, task, fault))
        return TruncatedAnswer(stream, after=fault.after) if fault and fault.kind == "cut" else stream
    painted = pipeline.with_fault(task, fault)
    async with state.knobs.image_request(request, pictures=task.params.n):
        if fault and fault.kind == "stall":
            await wait_while_connected(anyio.Event(), request)
        files = await pipeline.paint(painted, state)
    body = pictures_body(painted, files, fault, request=request, state=state)
    answer = JsonAnswer(body, headers=fault.headers if fault else None)
    return TruncatedAnswer(answer, after=fault.after) if fault and fault.kind == "cut" else answer


async def _events(
    request: Request, state: SandboxState, task: PaintTask, fault: Fault | None
) -> AsyncGenerator[bytes, None]:
    """Yield the stream: the partial pictures, then the finished one with its usage."""
    painted = pipeline.with_fault(task, fault)
    async with state.knobs.image_request(request, pictures=1):
        for index, data in enumerate(await pipeline.paint_partials(painted, state)):
            if _breaks_now(fault, index):
                break
            name = f"{task.event_prefix}.partial_image"
            facts = {"created_at": int(time.time()), **painted.output_fields(), "partial_image_index": index}
            yield sse_event(name, {"type": name, "b64_json": base64.b64encode(data).decode(), **facts})
        if fault and fault.kind == "stall":
            await wait_while_connected(anyio.Event(), request)
        if fault and fault.kind == "error_event":
            refusal = replace(fault, error=fault.error or "server_error").refusal(model=task.params.model.name)
            yield sse_event("error", {"type": "error", "error": refusal.error(request_id=request.scope["request_id"])})
        if fault and fault.kind in ("stall", "error_event", "no_completed"):
            return
        (data,) = await pipeline.paint(painted, state)
        name = f"{task.event_prefix}.completed"
        completed: JsonObject = {
            "type": name,
            "created_at": int(time.time()),
            **painted.output_fields(),
            **pipeline.data_entry(data, task, fault, request=request, state=state),
            "usage": task.usage.body(details=False),
        }
        if fault and fault.kind == "no_usage":
            del completed["usage"]
        yield sse_event(name, completed)


def _breaks_now(fault: Fault | None, sent: int) -> bool:
    """Whether the fault breaks a stream after the events that were `sent`."""
    return fault is not None and fault.kind in ("stall", "error_event", "no_completed") and sent >= fault.after


def _model(params: Mapping[str, Json]) -> str:
    model = params.get("model")
    return model if isinstance(model, str) else ""


def _count(params: Mapping[str, Json]) -> int:
    n = params.get("n")
    return n if isinstance(n, int) else 1
