"""Connections to judged addresses only.

Owns the step from a host's name to a socket. A name is resolved here and nowhere else, all its answers are judged,
and the connection goes to one of the addresses that were judged: a name server that answers differently the second
time is never asked a second time. TLS is spoken to the name, since httpcore2 starts it after this step. Imports
httpcore2, so `fetching.py` imports this module when it first fetches.
"""

import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import cast

import anyio
import anyio.to_thread
import httpcore2

from ..errors import UnreadableSource, shown
from .url_policy import is_allowed_host, is_public, not_public_message

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""From a host's name and a port to its addresses; raises OSError where there are none."""

ADDRESSES_TRIED = 4
"""Addresses of one host that a connection is tried to, in the order of the answers."""

CONNECT_SECONDS = 4.0
"""Time for one of them, so that a dead one leaves time within the deadline for the next."""


async def resolve_by_system(host: str, port: int) -> Sequence[str]:
    """Addresses of a host as this computer resolves it; the thread is left behind when the deadline passes."""
    answers = await anyio.to_thread.run_sync(
        lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), abandon_on_cancel=True
    )
    return list(dict.fromkeys(str(sockaddr[0]) for _, _, _, _, sockaddr in answers))


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """httpcore2's way to the network, with the guard in between."""

    def __init__(self, *, allowed: Iterable[str], resolve: Resolver) -> None:
        self._allowed = frozenset(allowed)
        self._resolve = resolve
        # The package defines that class conditionally, which hides from a type checker what it is.
        self._network = cast("httpcore2.AsyncNetworkBackend", httpcore2.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore2's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to an address that was judged; raises UnreadableSource where one of the host's is not public."""
        addresses = await self._addresses(host, port)
        if not is_allowed_host(host, port, self._allowed) and not all(map(is_public, addresses)):
            raise UnreadableSource(f"The picture is not fetched: {not_public_message(host)}")
        failure: Exception = httpcore2.ConnectError("no address")
        for address in addresses[:ADDRESSES_TRIED]:
            try:
                return await self._network.connect_tcp(
                    address,
                    port,
                    timeout=CONNECT_SECONDS if timeout is None else min(timeout, CONNECT_SECONDS),
                    local_address=local_address,
                    socket_options=socket_options,
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as exc:
                failure = exc
        raise failure

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        if ":" in host or host.replace(".", "").isdigit():
            return [host]
        try:
            return await self._resolve(host, port)
        except (OSError, UnicodeError):
            raise UnreadableSource(f"{shown(host)} is not known to any name server: check the URL.") from None


def guarded_pool(
    *, allowed: Iterable[str], resolve: Resolver, tls: ssl.SSLContext | None
) -> httpcore2.AsyncConnectionPool:
    """Pool of HTTP/1.1 connections that go through `GuardedBackend`, and through no proxy."""
    return httpcore2.AsyncConnectionPool(
        ssl_context=tls,  # None: made from the system's certificates by the first https connection
        http2=False,
        network_backend=GuardedBackend(allowed=allowed, resolve=resolve),
    )
