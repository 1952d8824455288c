"""Connects to public addresses only: `GuardedBackend` resolves a host's name, checks the addresses, and connects.

A name is resolved once and only here; all of its addresses are checked, and the connection goes to one of them. So a
name server that answers differently the second time (DNS rebinding) is never asked a second time. The TLS certificate
is still checked against the name, since httpcore2 starts TLS after this step. This module imports httpcore2; `download`
imports it when it first fetches.
"""

import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import cast

import anyio
import anyio.to_thread
import httpcore2

from ..errors import UnreadableSource, shown
from .url_policy import is_allowed_host, is_public, not_public_message

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Resolves a host's name and port to IP addresses; raises OSError if there are none."""

ADDRESSES_TRIED = 4
"""Addresses of one host that are tried, in the order in which the resolver gives them."""

CONNECT_SECONDS = 4.0
"""Seconds for one address, so that after a dead one there is time for the next within the deadline."""


async def resolve_by_system(host: str, port: int) -> Sequence[str]:
    """Resolve a host as this computer does; when the deadline passes, the resolving thread is abandoned."""
    answers = await anyio.to_thread.run_sync(
        lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), abandon_on_cancel=True
    )
    return list(dict.fromkeys(str(sockaddr[0]) for _, _, _, _, sockaddr in answers))


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """The network backend of httpcore2, with the check of addresses before each connection."""

    def __init__(self, *, allowed: Iterable[str], resolve: Resolver, pinned: Mapping[str, str] | None = None) -> None:
        """`allowed` hosts need not be public; `pinned` ones (`host:port`) need not at the address they have there."""
        self._allowed = frozenset(allowed)
        self._pinned = pinned or {}
        self._resolve = resolve
        # The package defines this class conditionally, so that a type checker does not know its type.
        self._network = cast("httpcore2.AsyncNetworkBackend", httpcore2.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore2's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to one of the host's addresses; raises UnreadableSource if one of them is not public."""
        addresses = await self._addresses(host, port)
        if not is_allowed_host(host, port, self._allowed):
            pins = {address for entry, address in self._pinned.items() if is_allowed_host(host, port, [entry])}
            addresses = [address for address in addresses if address in pins] or addresses
            if not all(is_public(address) or address in pins for address in addresses):
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
            raise UnreadableSource(
                f"The address {shown(host)} was not found: check the link, or give the path of a saved copy. Pictures"
                " are fetched without a proxy, so in a network that needs one only a saved copy works."
            ) from None


def guarded_pool(
    *, allowed: Iterable[str], resolve: Resolver, tls: ssl.SSLContext | None, pinned: Mapping[str, str] | None = None
) -> httpcore2.AsyncConnectionPool:
    """A pool of HTTP/1.1 connections that are made by `GuardedBackend` and never through a proxy."""
    return httpcore2.AsyncConnectionPool(
        ssl_context=tls,  # None: made from the system's certificates by the first https connection
        http2=False,
        network_backend=GuardedBackend(allowed=allowed, resolve=resolve, pinned=pinned),
    )
