"""Notes which address a request was sent to, and whether it can have left: what exceptions alone do not tell.

A request to an https address goes through a proxy's tunnel, and a proxy that closes the connection while it makes the
tunnel looks like a backend that closes it after it got the request. Only the latter may have billed something.
"""

from collections.abc import Mapping
from typing import Any

import httpx2

from .unread_answer import UnreadAnswer

_TUNNEL_IS_THERE = ("proxy.start_tls.complete", "socks.setup_socks5_connection.complete")
"""The events after which the request itself is sent through a proxy's tunnel."""


class ConnectionTrace:
    """The connection of one request, from the events of httpx2's `trace` extension.

    A request that uses a connection of an earlier one has no events of connecting, and nothing is known of it here.
    """

    def __init__(self, url: httpx2.URL) -> None:
        """Begin without an event; `url` is where the request goes."""
        self._address = (url.host, url.port or (443 if url.scheme == "https" else 80))
        self._needs_tunnel = url.scheme == "https"
        self._dialled: tuple[str, int] | None = None
        self._has_tunnel = False
        self.is_connected = False
        """Whether there was a connection to the proxy or the backend."""
        self.unread = UnreadAnswer()

    def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        """Take an event; httpx2 calls this."""
        self.unread.note(event, info)
        if event.endswith(".connect_tcp.started"):
            self._dialled = (info["host"], info["port"])
            self._needs_tunnel |= event.startswith("socks.")
        elif event.endswith(".connect_tcp.complete"):
            self.is_connected = True
        elif event in _TUNNEL_IS_THERE:
            self._has_tunnel = True

    @property
    def proxy(self) -> tuple[str, int] | None:
        """Host and port of the proxy that was dialled; None if there was none, or if it is not known."""
        return None if self._dialled == self._address else self._dialled

    @property
    def stopped_at_proxy(self) -> bool:
        """Whether the proxy made no tunnel, so that nothing of the request has left this computer."""
        return self.proxy is not None and self._needs_tunnel and not self._has_tunnel


def trace_connection(request: httpx2.Request) -> None:
    """Trace a request; an event hook of the HTTP client."""
    request.extensions["trace"] = ConnectionTrace(request.url)


def trace_of(request: httpx2.Request) -> ConnectionTrace:
    """The trace of a request that was sent or was to be sent."""
    return request.extensions.get("trace") or ConnectionTrace(request.url)
