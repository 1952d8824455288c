"""The host as an ASGI app: a static page that frames the studio's, and `/rpc`, which answers what that one asks.

Every web page that the person has open can send requests to a loopback address, and every program and user of the
computer can connect to it. So what `/rpc` does needs the token, which is in the address's fragment, and which browsers
send nowhere; and a request by another name of this computer or from another origin is refused before it is read. The
studio's page runs in a frame without an origin, which sees no token: the host passes on what it asks.
"""

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final, cast

import anyio
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from ...errors import GptImageError, shown
from ...redaction.printable import printable
from ...service.images import ImageService
from ...service.price_question import price_question
from ..page import page
from ..requests import parse
from ..studio import Studio
from .keys import Keys

logger = logging.getLogger(__name__)

CLIENT: Final = "studio"
"""The client that the records of pictures name."""
MAX_BODY: Final = 4_000_000
"""Bytes of a request: the largest mask and the longest prompt."""
MAX_MAKING: Final = 4
"""Answers with pictures that are made at once."""

_FILES: Final[Mapping[str, str]] = MappingProxyType(
    {"host.html": "text/html", "host.js": "text/javascript", "host.css": "text/css"}
)
_HOST_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self';"
    " frame-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE_POLICY: Final = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
_HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Cache-Control": "no-store",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
)


def build_host(service: ImageService, keys: Keys, port: int) -> ASGIApp:
    """The app that serves the studio of `service` at `port` to who has one of `keys`."""
    host = _Host(service, keys)
    routes = [
        Route("/", _file("host.html"), methods=["GET"]),
        Route("/host.js", _file("host.js"), methods=["GET"]),
        Route("/host.css", _file("host.css"), methods=["GET"]),
        Route("/page", _page, methods=["GET"]),
        Route("/token", host.token, methods=["POST"]),
        Route("/rpc", host.rpc, methods=["POST"]),
    ]
    return OwnOriginOnly(Starlette(routes=routes), port)


class OwnOriginOnly:
    """ASGI middleware that refuses what was not sent to this host by its own name, or was sent from another origin.

    The caller's address says nothing, since the browser is on this computer, and a name server can let any name mean
    127.0.0.1 (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, port: int) -> None:
        """Pass requests to `port` of this computer's loopback address on to `app`."""
        self._app = app
        self._names = {f"127.0.0.1:{port}", f"localhost:{port}"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        request = Request(scope)
        name, origin = request.headers.get("host", ""), request.headers.get("origin")
        # Browsers leave the origin out where a page of this host asks for a file.
        may_be_left_out = request.method in {"GET", "HEAD"}
        if name not in self._names or not (origin == f"http://{name}" or (origin is None and may_be_left_out)):
            words = f"The studio answers its own page alone, and not {shown(origin or name)}."
            await PlainTextResponse(words, HTTPStatus.FORBIDDEN, _HEADERS)(scope, receive, send)
            return
        await self._app(scope, receive, send)


class _Host:
    def __init__(self, service: ImageService, keys: Keys) -> None:
        self._service = service
        making = anyio.CapacityLimiter(MAX_MAKING)
        self._studio = Studio(service, client=CLIENT, room=lambda: making)
        self._keys = keys

    async def token(self, request: Request) -> Response:
        """Give the token for the code with which the browser was opened; it is taken once."""
        code = await _body(request, most=200)
        token = self._keys.exchange(code.decode(errors="replace")) if code is not None else None
        if token is None:
            return PlainTextResponse("This address was used already.", HTTPStatus.FORBIDDEN, _HEADERS)
        return PlainTextResponse(token, headers=_HEADERS)

    async def rpc(self, request: Request) -> Response:
        """Answer what the page asks: `{"text", "is_error"}`, or `{"question"}` about the price.

        The body has the page's `arguments`, and as `agreed` the question that the person has said yes to.
        """
        if not self._keys.is_token(request.headers.get("authorization", "").removeprefix("Bearer ")):
            return PlainTextResponse("The token is missing or wrong.", HTTPStatus.UNAUTHORIZED, _HEADERS)
        data = await _body(request, most=MAX_BODY)
        if data is None:
            words = f"A request has at most {MAX_BODY:,} bytes."
            return PlainTextResponse(words, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _HEADERS)
        try:
            body: Any = json.loads(data)
            arguments, agreed = cast("dict[str, Any]", body["arguments"]), body.get("agreed")
            arguments.keys()
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return PlainTextResponse("This is no call.", HTTPStatus.BAD_REQUEST, _HEADERS)
        return JSONResponse(await self._answer(arguments, agreed), headers=_HEADERS)

    async def _answer(self, arguments: dict[str, Any], agreed: object) -> dict[str, Any]:
        try:
            self._service.settings.require_valid()
            request = parse(arguments)
            paid = await self._studio.to_be_paid(request)
            question = await price_question(paid, self._service, can_ask=True) if paid else None
            # A yes counts for the question with the same words, and so for the same price.
            if question and question != agreed:
                return {"question": question}
            return {"text": json.dumps(await self._studio.answer(request)), "is_error": False}
        except GptImageError as error:
            text = self._service.settings.redact(str(error))
        except Exception as error:
            logger.exception("the studio failed")
            text = f"This failed by an error in this program ({type(error).__name__}); the terminal has the details."
        return {"text": printable(text), "is_error": True}


async def _body(request: Request, *, most: int) -> bytes | None:
    """The body of a request; None if it is longer than `most` bytes, of which no more are read, or is not complete."""
    data = bytearray()
    try:
        async for part in request.stream():
            data += part
            if len(data) > most:
                return None
    except ClientDisconnect:
        # Nothing reads the answer, and the terminal is not for what strangers send.
        return None
    return bytes(data)


def _file(name: str) -> Any:
    async def send(_: Request) -> Response:
        text = files(__name__.rpartition(".")[0]).joinpath(name).read_text(encoding="utf-8")
        policy = {"Content-Security-Policy": _HOST_POLICY}
        return Response(text, media_type=_FILES[name], headers={**_HEADERS, **policy})

    return send


async def _page(_: Request) -> Response:
    return Response(page(), media_type="text/html", headers={**_HEADERS, "Content-Security-Policy": _PAGE_POLICY})
