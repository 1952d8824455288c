"""The Responses route: an edit through the image tool of a text model (the host model), one picture per API call.

For backends without `/images/edits`. Small input images are part of the request. Large ones are uploaded once for all
calls of the edit, and deleted afterwards, also if it fails.
"""

import base64
import json
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import anyio
import anyio.to_thread
import httpx2
import openai

from ..errors import ApiError, BadAnswer, GptImageError
from ..images import MIME
from ..inputs import InputImage
from .answer import Answer, receive
from .api_result import ApiResult, HostUsage
from .body_reader import ImageBytes
from .error_body import as_object
from .errors import translate, translate_object
from .images_route import changed_options
from .origin import Origin, quoted
from .request import ImageRequest
from .request_status import RequestStatus
from .results import (
    decode_base64,
    parse_host_usage,
    parse_object,
    parse_usage,
    text_field,
)
from .retry import RequestSender
from .sdk_modules import load_resources
from .sink import ImageSink
from .threads import run_in_thread

if TYPE_CHECKING:
    from openai.types.file_create_params import ExpiresAfter

MAX_INLINE_BYTES = 4_000_000
"""Bytes of all input images together above which they are uploaded; a data URL is a third larger than its file."""
UPLOAD_LIFETIME_S = 3600
"""Seconds after which OpenAI deletes an upload by itself, if it was not deleted here: the minimum of the API."""
CLEANUP_TIMEOUT_S = 30.0
"""Seconds that deleting the uploads of an edit may take at its end."""

_FILE_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")

TOOL_OPTIONS = ("size", "quality", "background", "output_format", "output_compression", "moderation")

Reference = Mapping[str, str]
"""`{"image_url": data URL}` or `{"file_id": id}`."""


async def edit(
    sender: RequestSender,
    request: ImageRequest,
    status: RequestStatus,
    sink: ImageSink,
    *,
    host_model: str,
) -> Sequence[GptImageError]:
    """Make the pictures by as many API calls side by side; gives the errors of those that failed.

    Raises:
        GptImageError: all calls failed; the error of the first one to fail.

    """
    await anyio.to_thread.run_sync(load_resources, "responses.responses", "files")
    failures: list[GptImageError] = []
    pictures = [*request.inputs, *([request.mask] if request.mask else [])]
    async with _input_references(sender, status, pictures) as references:
        body = _request_body(request, host_model, references)

        async def one() -> None:
            try:
                await _send_one(sender, body, request, status, sink, host_model=host_model)
            except GptImageError as error:
                failures.append(error)

        async with anyio.create_task_group() as calls:
            for _ in range(request.n):
                calls.start_soon(one)
    if len(failures) == request.n:
        raise failures[0]
    return failures


def _request_body(request: ImageRequest, host_model: str, references: Sequence[Reference]) -> dict[str, Any]:
    tool: dict[str, Any] = {"type": "image_generation", "model": request.model, "action": "edit"}
    tool |= changed_options(request.options, TOOL_OPTIONS)
    if request.mask is not None:
        *references, tool["input_image_mask"] = references
    content = [{"type": "input_text", "text": request.prompt}]
    content += [{"type": "input_image", "detail": "auto", **reference} for reference in references]
    body: dict[str, Any] = {
        "model": host_model,
        "input": [{"role": "user", "content": content}],
        "tools": [tool],
        "tool_choice": {"type": "image_generation"},
    }
    return body | ({"user": request.options.user} if request.options.user else {})


async def _send_one(
    sender: RequestSender,
    body: Mapping[str, Any],
    request: ImageRequest,
    status: RequestStatus,
    sink: ImageSink,
    *,
    host_model: str,
) -> None:
    responses: Any = sender.sdk.responses.with_streaming_response

    def call() -> None:
        read = partial(_read_answer, model=request.model, host_model=host_model)
        receive(responses.create(**body), read, sink, request=request, wanted=1)

    try:
        await sender.send(call, status, model=host_model, variable="OPENAI_RESPONSES_EDIT_MODEL")
    except ApiError as error:
        if not _is_unexplained(error):
            raise
        # The API does not say that a host model is too old for the image tool: name the variable that chooses it.
        raise ApiError(
            f"{error} The edit went through the Responses API with the host model {host_model!r}: if that model is too"
            " old for the image tool, set OPENAI_RESPONSES_EDIT_MODEL to a newer one, such as 'gpt-4.1-mini'.",
            status=error.status,
        ) from error


def _is_unexplained(error: ApiError) -> bool:
    """Whether an error is a 400 without a code, or about the tool."""
    cause = error.__cause__
    return isinstance(cause, openai.BadRequestError) and (cause.code is None or (cause.param or "").startswith("tool"))


def _read_answer(answer: Answer, *, model: str, host_model: str) -> ApiResult:
    origin = answer.origin
    for _ in answer.pieces():
        pass
    body = parse_object(bytes(answer.content), origin, model=model)
    output = cast("list[Mapping[str, Any]]", body.get("output") or [])
    calls = [item for item in output if item.get("type") == "image_generation_call"]
    made = [item for item in calls if isinstance(item.get("result"), str) and item["result"]]
    if not made:
        raise _without_picture(output, calls, origin, model=model)
    call, pictures = made[0], list[ImageBytes]()
    for item in made:
        with suppress(ValueError):
            pictures.append(ImageBytes(decode_base64(item["result"])))
    if not pictures:
        raise BadAnswer("The API answered, but its picture is broken base64.", request_id=origin.request_id)
    broken = len(made) - len(pictures)
    host = parse_host_usage(body.get("usage"))
    cached = as_object(as_object(body.get("usage")).get("input_tokens_details")).get("cached_tokens")
    return ApiResult(
        pictures=tuple(pictures),
        size=text_field(call, "size"),
        quality=text_field(call, "quality"),
        background=text_field(call, "background"),
        output_format=text_field(call, "output_format"),
        usage=parse_usage(as_object(body.get("tool_usage")).get("image_gen")),
        host_usage=(
            HostUsage(
                host_model,
                host.input_tokens,
                cached if type(cached) is int and 0 <= cached <= host.input_tokens else 0,
                host.output_tokens,
            ),
        )
        if host
        else (),
        request_id=origin.request_id,
        sandbox=origin.sandbox,
        reached_at=origin.reached_at,
        warnings=(f"{broken} pictures of the answer are broken base64.",) if broken else (),
    )


def _without_picture(
    output: Sequence[Mapping[str, Any]], calls: Sequence[Mapping[str, Any]], origin: Origin, *, model: str
) -> ApiError:
    for call in calls:
        if call.get("error"):
            return translate_object(call, origin, model=model)
    messages = (cast("list[dict[str, Any]]", item.get("content") or []) for item in output if item["type"] == "message")
    words = " ".join(str(part.get("text", "")) for parts in messages for part in parts).strip()
    why = f"the host model answered in words instead: {quoted(words)}" if words else "its image call holds no picture"
    return BadAnswer(f"The API answered, but {why}. Say more plainly what to change.", request_id=origin.request_id)


@asynccontextmanager
async def _input_references(
    sender: RequestSender, status: RequestStatus, pictures: Sequence[InputImage]
) -> AsyncGenerator[Sequence[Reference]]:
    """References to the input images for the request: data URLs, or uploads that are deleted at the end."""
    if sum(len(picture.data) for picture in pictures) <= MAX_INLINE_BYTES:
        yield [{"image_url": await anyio.to_thread.run_sync(_data_url, picture)} for picture in pictures]
        return
    uploads: list[str] = []
    try:
        for picture in pictures:
            uploads += [await _upload(sender, status, picture)]
        yield [{"file_id": upload} for upload in uploads]
    finally:
        with anyio.move_on_after(CLEANUP_TIMEOUT_S, shield=True):
            for upload in uploads:
                try:
                    await run_in_thread(partial(sender.sdk.files.with_raw_response.delete, upload))
                except (openai.OpenAIError, httpx2.HTTPError):
                    # OpenAI deletes it after `UPLOAD_LIFETIME_S`, and the edit's own outcome must not change by this.
                    continue


async def _upload(sender: RequestSender, status: RequestStatus, picture: InputImage) -> str:
    # The answers as they come: the SDK's reader raises errors of its own where one is not in OpenAI's form.
    files: Any = sender.sdk.files.with_raw_response
    file = (picture.name, picture.data, MIME[picture.format])
    expiry: ExpiresAfter = {"anchor": "created_at", "seconds": UPLOAD_LIFETIME_S}
    try:
        answer: Any = await sender.send_unbilled(
            lambda: files.create(file=file, purpose="vision", expires_after=expiry), status
        )
    except openai.OpenAIError as error:
        failure = translate(error, model="", variable="OPENAI_BASE_URL")
        raise ApiError(
            f"An input picture could not be uploaded for the edit, so nothing was made: {failure}"
        ) from error
    upload = _upload_id(answer.http_response.content)
    if upload is None:
        origin = Origin.of(answer.http_response)
        raise ApiError(
            "An input picture could not be uploaded for the edit, so nothing was made:"
            f" {origin.name_within} named no file in its answer. Send smaller input pictures, or"
            " unset OPENAI_FORCE_RESPONSES_EDITS if it is set.",
            request_id=origin.request_id,
        )
    return upload


def _upload_id(content: bytes) -> str | None:
    """The id of an uploaded file in an answer; None if there is none that can stand in a URL."""
    try:
        found: Any = as_object(json.loads(content)).get("id")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, str) and _FILE_ID.fullmatch(found) else None


def _data_url(picture: InputImage) -> str:
    return f"data:{MIME[picture.format]};base64,{base64.b64encode(picture.data).decode('ascii')}"
