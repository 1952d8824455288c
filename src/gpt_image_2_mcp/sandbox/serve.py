"""The sandbox as an HTTP server, for any OpenAI client on this machine.

It listens on loopback addresses only, since it accepts any key and lets every caller change its knobs.
"""

import ipaddress
import logging
import sys
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from .app import build_sandbox

_DROPPED = "ASGI callable returned without"
"""The start of uvicorn's error for an incomplete answer. It is not logged: such an answer is a fault set by a test."""


class LoopbackOnly:
    """ASGI middleware that refuses what a web page sends: through a name of its own, or from its own origin.

    The caller's address says nothing there, since the browser is on this machine, and a name server of the page's can
    let its name mean 127.0.0.1 (DNS rebinding).
    """

    def __init__(self, app: ASGIApp) -> None:
        """Pass requests to a loopback address, or to `localhost`, on to `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope)
        host, origin = request.headers.get("host", ""), request.headers.get("origin", "")
        if _is_loopback(f"//{host}") and (not origin or _is_loopback(origin)):
            await self._app(scope, receive, send)
        else:
            words = f"The sandbox answers at loopback addresses and localhost only, and not {(origin or host)[:100]!r}."
            await PlainTextResponse(words, HTTPStatus.FORBIDDEN)(scope, receive, send)


def _is_loopback(url: str) -> bool:
    try:
        name = urlsplit(url).hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def serve_sandbox(host: str = "127.0.0.1", port: int = 8080) -> None:
    """Serve a new sandbox until Ctrl-C; with port 0 the system chooses a free port.

    One line on stderr names the URL; nothing is written to stdout.

    Raises:
        ValueError: `host` is not a loopback address.
        OSError: the port is in use.
    """
    import socket

    import uvicorn

    address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    if not address.is_loopback:
        raise ValueError(f"The sandbox serves loopback addresses only, and {host!r} is none: use 127.0.0.1.")
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET  # noqa: PLR2004, IPv6
    config = uvicorn.Config(
        LoopbackOnly(build_sandbox()), log_level="error", access_log=False, lifespan="off", timeout_graceful_shutdown=1
    )
    logging.getLogger("uvicorn.error").addFilter(lambda record: _DROPPED not in record.getMessage())
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((str(address), port))
        sock.listen()  # before the URL is printed: a program that reads it may connect at once
        shown = f"[{address}]" if address.version == 6 else str(address)  # noqa: PLR2004, IPv6
        sys.stderr.write(
            f"Sandbox: set OPENAI_BASE_URL=http://{shown}:{sock.getsockname()[1]}/v1 and any OPENAI_API_KEY. "
            "Nothing is billed. Ctrl-C stops it.\n"
        )
        sys.stderr.flush()
        try:
            uvicorn.Server(config).run(sockets=[sock])
        except KeyboardInterrupt:
            return
