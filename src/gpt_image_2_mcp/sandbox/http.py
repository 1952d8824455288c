"""Requests in, answers out: what all routes share.

Bodies are read into memory up to `MAX_BODY` bytes and recorded. Answers carry OpenAI's headers and the sandbox's own,
`x-gpt-image-2-sandbox: 1`, errors and streams included.
"""

import hashlib
import json
import secrets
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from starlette.datastructures import FormData, MutableHeaders
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .errors import ApiRefusal, Json, JsonObject, no_key, wrong_key
from .input_images import Upload
from .knobs import CallerLeftError, Knobs, RecordedFile, RecordedRequest
from .rules import is_object

MAX_BODY = 256 * 1024 * 1024
"""Bytes of a request: the sandbox's own limit, which bounds its memory."""

REFUSED_KEY = "sk-invalid"
"""The key that the sandbox does not accept; any other will do."""

_MAX_RECORDED_TEXT = 40_000
"""Characters of a string that a record keeps whole: more than any prompt has."""

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
    """Middleware: checks the key, and puts the headers on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap that app."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started = time.perf_counter()
        scope["request_id"] = f"req_{secrets.token_hex(16)}"

        async def stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _headers(scope["request_id"], started).items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = _key_refusal(Request(scope)) if scope["path"].startswith("/v1") else None
        if refusal is None:
            await self._app(scope, receive, stamped)
        else:
            await refusal_response(Request(scope), refusal)(scope, receive, stamped)


class NoAnswer(Response):
    """No answer at all: the connection ends, as where a server dies."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send nothing."""


class TruncatedAnswer(Response):
    """Another answer of which only the first bytes come."""

    def __init__(self, whole: Response, *, after: int) -> None:
        """Send `after` bytes of that answer's body."""
        super().__init__()
        self._whole = whole
        self._after = after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head and some of the body, and never complete it."""
        left = self._after

        async def cut(message: Message) -> None:
            nonlocal left
            if message["type"] == "http.response.body":
                body = message.get("body", b"")[:left]
                left -= len(body)
                message = {**message, "body": body, "more_body": True}
            await send(message)
            if left <= 0 and message["type"] == "http.response.body":
                raise _TruncatedError

        try:
            await self._whole(scope, receive, cut)
        except _TruncatedError:
            return


class _TruncatedError(Exception):
    """Enough was sent."""


class EventStream(Response):
    """Server-sent events, sent one by one as they are made."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes, None]) -> None:
        """Send those."""
        super().__init__(headers={"cache-control": "no-cache"})
        del self.headers["content-length"]
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002, as ASGI wants it
        """Send the stream; it stays incomplete where the caller left."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            async for event in self._events:
                await send({"type": "http.response.body", "body": event, "more_body": True})
        except CallerLeftError:
            return
        finally:
            await self._events.aclose()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def sse_event(name: str, data: JsonObject) -> bytes:
    """One server-sent event."""
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


def refusal_response(request: Request, refusal: ApiRefusal, *, with_headers: bool = False) -> Response:
    """The error body; `stamp` puts on the headers where `Stamp` does not see the answer."""
    request_id = request.scope["request_id"]
    headers = {**_headers(request_id, time.perf_counter()), **refusal.headers} if with_headers else refusal.headers
    return JSONResponse({"error": refusal.error(request_id=request_id)}, refusal.status, headers=headers)


async def read_json(request: Request, knobs: Knobs) -> JsonObject:
    """The body as a JSON object; the request is recorded.

    Raises:
        ApiRefusal: it is something else, or too large.
    """
    if _media_type(request) != "application/json":
        raise _unsupported_content(request, "application/json")
    body = b"".join([chunk async for chunk in _body_chunks(request)])
    try:
        params: Json = json.loads(body)
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
    """The body as a multipart form; the request is recorded.

    Raises:
        ApiRefusal: it is something else, too large, or names a field twice that is no array.
    """
    if _media_type(request) != "multipart/form-data":
        raise _unsupported_content(request, "multipart/form-data")
    parser = MultiPartParser(request.headers, _body_chunks(request), max_files=100, max_fields=200)
    parser.spool_max_size = MAX_BODY  # in memory: the sandbox leaves nothing on the disk
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
    """Whether the body says that it is a multipart form."""
    return _media_type(request) == "multipart/form-data"


def record_request(
    request: Request, knobs: Knobs, *, params: JsonObject | None = None, form: Form | None = None
) -> None:
    """Note a request; of its key only that there was one."""
    headers = {name: value for name, value in request.headers.items() if name not in ("authorization", "cookie")}
    files = [
        RecordedFile(name, upload.name, upload.mime_type, len(upload.data), hashlib.sha256(upload.data).hexdigest())
        for name, upload in (form.files if form else [])
    ]
    knobs.requests.append(
        RecordedRequest(
            method=request.method,
            path=request.url.path,
            headers=headers,
            has_key="authorization" in request.headers,
            content_type=request.headers.get("content-type", ""),
            params={name: _clipped(value) for name, value in (params or {}).items()},
            fields=tuple(form.names) if form else (),
            files=tuple(files),
        )
    )


def _clipped(value: Json) -> Json:
    """A value to be remembered: data URLs are megabytes each, and a thousand requests are kept."""
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
    """The body's chunks, up to `MAX_BODY` bytes of them."""
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
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        return no_key()
    return wrong_key(key) if key == REFUSED_KEY else None


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def _unsupported_content(request: Request, wanted: str) -> ApiRefusal:
    given = request.headers.get("content-type", "")
    message = (
        f"Unsupported content type: '{given}'. This API method only accepts '{wanted}' requests, but you specified the "
        f"header 'Content-Type: {given}'. Please try again with a supported content type."
    )
    return ApiRefusal(400, message, code="unsupported_content_type")
