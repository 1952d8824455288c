"""HTTP as all routes of the sandbox use it: reading bodies, recording requests, checking keys, and the kinds of answer.

Bodies are read into memory, up to `MAX_BODY` bytes, and recorded. All answers, errors and streams included, carry
OpenAI's headers and one of the sandbox's own, `x-gpt-image-2-sandbox: 1`.
"""

import hashlib
import json
import secrets
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field

from starlette.datastructures import FormData, MutableHeaders
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .azure import azure_key, is_azure, version_refusal, wrong_azure_key
from .errors import ApiRefusal, Json, JsonObject, no_key, wrong_key
from .input_images import Upload
from .knobs import CallerLeftError, Knobs, RecordedFile, RecordedRequest
from .rules import is_object, parse_json

MAX_BODY = 256 * 1024 * 1024
"""Bytes of a request: the sandbox's own limit, which bounds its memory."""

REFUSED_KEY = "sk-invalid"
"""The only key that the sandbox refuses."""

_SECRET_HEADERS = ("authorization", "api-key", "cookie")

_MAX_RECORDED_TEXT = 40_000
"""Characters of a string that is recorded whole: more than any prompt has."""

_FIXED_HEADERS = {
    "x-gpt-image-2-sandbox": "1",
    "openai-version": "2020-10-01",
    "openai-organization": "org-sandbox",
    "x-ratelimit-limit-requests": "5",
    "x-ratelimit-remaining-requests": "4",
    "x-ratelimit-reset-requests": "12s",
    "x-ratelimit-limit-tokens": "100000",
    "x-ratelimit-remaining-tokens": "99000",
    "x-ratelimit-reset-tokens": "600ms",
}


@dataclass(slots=True)
class Form:
    """A multipart form: text fields, and files by field name, in order."""

    fields: dict[str, str] = field(default_factory=dict[str, str])
    files: list[tuple[str, Upload]] = field(default_factory=list[tuple[str, Upload]])
    names: list[str] = field(default_factory=list[str])


class KeyAndHeaders:
    """ASGI middleware that checks the API key and adds the headers to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        """Pass requests with an accepted key on to `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started = time.perf_counter()
        scope["request_id"] = f"req_{secrets.token_hex(16)}"

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _headers(scope["request_id"], started).items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = _key_refusal(Request(scope)) or version_refusal(Request(scope))
        if refusal is None:
            await self._app(scope, receive, send_with_headers)
        else:
            await refusal_response(Request(scope), refusal)(scope, receive, send_with_headers)


class NoAnswer(Response):
    """No answer: the connection is closed, as if the server had died."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send nothing."""


class TruncatedAnswer(Response):
    """The beginning of another answer, after which the connection is closed."""

    def __init__(self, whole: Response, *, after: int) -> None:
        """Send only the first `after` bytes of the body of `whole`."""
        super().__init__()
        self._whole = whole
        self._after = after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the headers and the first bytes of the body, and end without completing it."""
        left = self._after

        async def send_truncated(message: Message) -> None:
            nonlocal left
            if message["type"] == "http.response.body":
                body = message.get("body", b"")[:left]
                left -= len(body)
                message = {**message, "body": body, "more_body": True}
            await send(message)
            if left <= 0 and message["type"] == "http.response.body":
                raise _TruncatedError

        try:
            await self._whole(scope, receive, send_truncated)
        except _TruncatedError:
            return


class _TruncatedError(Exception):
    """Stops the whole answer once enough of it was sent."""


class JsonAnswer(Response):
    """An answer in JSON. It is ASCII, so that it can repeat whatever a request held, such as half of an emoji."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        """Encode the body."""
        return json.dumps(content, separators=(",", ":")).encode()


class Streamed(Response):
    """A body that is sent piece by piece, each piece as soon as it is made."""

    media_type = "application/octet-stream"

    def __init__(self, pieces: AsyncGenerator[bytes, None], headers: Mapping[str, str] | None = None) -> None:
        """Send `pieces`."""
        super().__init__(headers=headers)
        del self.headers["content-length"]
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002, as ASGI wants it
        """Send the stream; if the caller leaves, it is not completed."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            async for piece in self._pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        except CallerLeftError:
            return
        finally:
            await self._pieces.aclose()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class EventStream(Streamed):
    """A stream of server-sent events (SSE)."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes, None]) -> None:
        """Send `events`, each encoded by `sse_event`."""
        super().__init__(events, {"cache-control": "no-cache"})


def sse_event(name: str, data: JsonObject) -> bytes:
    """Encode one server-sent event."""
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


def refusal_response(request: Request, refusal: ApiRefusal, *, with_headers: bool = False) -> Response:
    """Make the error answer of a refusal; `with_headers` is for answers that do not pass through `KeyAndHeaders`."""
    request_id = request.scope["request_id"]
    headers = {**_headers(request_id, time.perf_counter()), **refusal.headers} if with_headers else refusal.headers
    return JsonAnswer({"error": refusal.error(request_id=request_id)}, refusal.status, headers=headers)


async def read_json(request: Request, knobs: Knobs) -> JsonObject:
    """Read the body as a JSON object, and record the request.

    Raises:
        ApiRefusal: the body is no JSON object, or is larger than `MAX_BODY`.
        CallerLeftError: the caller closed the connection first.
    """
    if _media_type(request) != "application/json":
        raise _unsupported_content(request, "application/json")
    body = b"".join([chunk async for chunk in _body_chunks(request)])
    try:
        params = parse_json(body)
    except ValueError as exc:
        record_request(request, knobs)
        message = (
            "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP "
            "library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)"
        )
        raise ApiRefusal(400, message, code=None) from exc
    record_request(request, knobs, params=params if is_object(params) else {})
    if not is_object(params):
        raise ApiRefusal(400, "Invalid body: expected a JSON object.", code=None)
    return params


async def read_form(request: Request, knobs: Knobs) -> Form:
    """Read the body as a multipart form, and record the request.

    Raises:
        ApiRefusal: the body is no multipart form, is larger than `MAX_BODY`, or has a field twice that is no array.
        CallerLeftError: the caller closed the connection first.
    """
    if _media_type(request) != "multipart/form-data":
        raise _unsupported_content(request, "multipart/form-data")
    parser = MultiPartParser(request.headers, _body_chunks(request), max_files=100, max_fields=200)
    parser.spool_max_size = MAX_BODY  # keeps files in memory: the sandbox writes nothing to the disk
    try:
        data = await parser.parse()
    except MultiPartException as exc:
        raise ApiRefusal(400, f"Could not parse multipart form: {exc.message}", code=None) from exc
    form = await _read_parts(data)
    record_request(request, knobs, params={**form.fields}, form=form)
    for name in form.names:
        if form.names.count(name) > 1 and not name.endswith("[]"):
            message = (
                f"Duplicate parameter: '{name}'. You provided multiple values for this parameter, whereas only one is "
                f"allowed. If you are trying to provide a list of values, use the array syntax instead e.g. "
                f"'{name}[]=<value>'."
            )
            raise ApiRefusal(400, message, code="duplicate_parameter", param=name)
    return form


def is_form(request: Request) -> bool:
    """Whether the content type is that of a multipart form."""
    return _media_type(request) == "multipart/form-data"


def record_request(
    request: Request, knobs: Knobs, *, params: JsonObject | None = None, form: Form | None = None
) -> None:
    """Add a request to `knobs.requests`; of its key only whether there was one."""
    headers = {name: value for name, value in request.headers.items() if name not in _SECRET_HEADERS}
    files = [
        RecordedFile(name, upload.name, upload.mime_type, len(upload.data), hashlib.sha256(upload.data).hexdigest())
        for name, upload in (form.files if form else [])
    ]
    knobs.requests.append(
        RecordedRequest(
            method=request.method,
            path=request.url.path,
            headers=headers,
            has_key="authorization" in request.headers or bool(azure_key(request)),
            content_type=request.headers.get("content-type", ""),
            params={name: _clipped(value) for name, value in (params or {}).items()},
            fields=tuple(form.names) if form else (),
            files=tuple(files),
        )
    )


def _clipped(value: Json) -> Json:
    """Shorten long strings in a value to be recorded: a data URL has megabytes, and a thousand requests are kept."""
    match value:
        case str() if len(value) > _MAX_RECORDED_TEXT:
            return f"{value[:64]}… ({len(value)} characters)"
        case list():
            return [_clipped(item) for item in value]
        case dict():
            return {name: _clipped(item) for name, item in value.items()}
        case _:
            return value


async def _read_parts(data: FormData) -> Form:
    form = Form()
    for name, value in data.multi_items():
        form.names.append(name)
        if isinstance(value, str):
            form.fields[name] = value
        else:
            upload = Upload(await value.read(), name=value.filename or name, mime_type=value.content_type)
            form.files.append((name, upload))
            await value.close()
    return form


async def _body_chunks(request: Request) -> AsyncGenerator[bytes, None]:
    """Yield the chunks of the body; raise an ApiRefusal beyond `MAX_BODY` bytes."""
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > MAX_BODY:
                raise ApiRefusal(413, f"Request too large: at most {MAX_BODY} bytes.", code="request_too_large")
            yield chunk
    except ClientDisconnect as exc:
        raise CallerLeftError from exc


def _headers(request_id: str, started: float) -> dict[str, str]:
    took = str(max(1, round((time.perf_counter() - started) * 1000)))
    return {**_FIXED_HEADERS, "x-request-id": request_id, "openai-processing-ms": took}


def _key_refusal(request: Request) -> ApiRefusal | None:
    if not (request.url.path.startswith("/v1") or is_azure(request)):
        return None
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    key = azure_key(request) or (key.strip() if scheme.lower() == "bearer" else "")
    if key and key != REFUSED_KEY:
        return None
    if is_azure(request):
        return wrong_azure_key()
    return wrong_key(key) if key else no_key()


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def _unsupported_content(request: Request, wanted: str) -> ApiRefusal:
    given = request.headers.get("content-type", "")
    message = (
        f"Unsupported content type: '{given}'. This API method only accepts '{wanted}' requests, but you specified the "
        f"header 'Content-Type: {given}'. Please try again with a supported content type."
    )
    return ApiRefusal(400, message, code="unsupported_content_type")
