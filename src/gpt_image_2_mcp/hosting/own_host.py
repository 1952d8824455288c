"""Refuses requests that were meant for another host, or that a page of another site has sent.

A name server can let any name mean this server's address, so that a page in a browser within the network could use it
(DNS rebinding): the names in `Host` and `Origin` tell.
"""

from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ..hosted_settings import is_loopback

UNCHECKED: Final = {"/healthz", "/readyz"}
"""Asked by balancers and containers by any name; they tell nothing and do nothing."""
_PORTS: Final = {"http": 80, "https": 443}


class OwnHostOnly:
    """ASGI middleware that passes on what was sent to this server by its own name."""

    def __init__(self, app: ASGIApp, *, public_url: str | None, is_local: bool) -> None:
        """Know the server by its `public_url`, and where `is_local`, also by the names of this computer's loopback."""
        self._app = app
        self._is_local = is_local
        self._public = _origin(public_url) if public_url else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["path"] not in UNCHECKED:
            headers = Headers(scope=scope)
            hosts, origins = headers.getlist("host"), headers.getlist("origin")
            if len(hosts) != 1 or not self._is_own(hosts[0], scheme=None):
                text = "This is not a name of this server: GPT_IMAGE_2_PUBLIC_URL has it."
                await PlainTextResponse(text, HTTPStatus.MISDIRECTED_REQUEST)(scope, receive, send)
                return
            if len(origins) > 1 or (origins and not self._is_own_origin(origins[0])):
                await PlainTextResponse("Pages of other sites are not answered.", HTTPStatus.FORBIDDEN)(
                    scope, receive, send
                )
                return
        await self._app(scope, receive, send)

    def _is_own_origin(self, origin: str) -> bool:
        scheme, separator, host = origin.partition("://")
        return bool(separator) and scheme in _PORTS and self._is_own(host, scheme=scheme)

    def _is_own(self, host: str, *, scheme: str | None) -> bool:
        """Whether `host` with its port is this server; the scheme of a request is not known behind a proxy."""
        try:
            parts = urlsplit(f"//{host}")
            name, port = parts.hostname, parts.port
        except ValueError:
            return False
        if not name or parts.netloc != host or "@" in host or parts.path:
            return False
        if self._public is not None and (scheme is None or scheme == self._public[0]):
            wanted = self._public
            if (name, _PORTS[wanted[0]] if port is None else port) == wanted[1:]:
                return True
        return self._is_local and is_loopback(name)


def _origin(url: str) -> tuple[str, str, int]:
    """The scheme, the name and the port of an address."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme]
