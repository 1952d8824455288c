"""Telling clients what changed: a new picture changes the list of resources, a new turn its session.

Clients of protocol 2026-07-28 listen on a stream that they opened; older ones are told on their connection, of a
resource only where they subscribed to it.
"""

from contextlib import suppress
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream
from mcp import ServerSession
from mcp.server import ServerRequestContext
from mcp.server.context import CallNext, HandlerResult
from mcp.server.subscriptions import InMemorySubscriptionBus, ResourcesListChanged, ResourceUpdated
from mcp_types import EmptyResult, SubscribeRequestParams, UnsubscribeRequestParams
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from ..jobs.news import News
from .results import session_uri

MAX_SUBSCRIPTIONS = 1000
"""Addresses that a client may subscribe to; beyond it the oldest is forgotten."""


class ChangeNotifier:
    """What one server's clients want to know of."""

    def __init__(self) -> None:
        """Know of no client yet."""
        self.bus = InMemorySubscriptionBus()
        self._legacy_session: ServerSession | None = None
        self._subscribed: dict[str, None] = {}

    async def follow(self, news: MemoryObjectReceiveStream[News]) -> None:
        """Tell of all that changes, until nobody is there to be told."""
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            async for one in news:
                await self._notify(one)

    async def subscribe(self, _: ServerRequestContext[Any, Any], params: SubscribeRequestParams) -> EmptyResult:
        """Tell of changes at an address from now on."""
        self._subscribed[str(params.uri)] = None
        while len(self._subscribed) > MAX_SUBSCRIPTIONS:
            del self._subscribed[next(iter(self._subscribed))]
        return EmptyResult()

    async def unsubscribe(self, _: ServerRequestContext[Any, Any], params: UnsubscribeRequestParams) -> EmptyResult:
        """Tell of them no longer."""
        self._subscribed.pop(str(params.uri), None)
        return EmptyResult()

    async def _notify(self, news: News) -> None:
        await self.bus.publish(ResourcesListChanged())
        if self._legacy_session is not None:
            await self._legacy_session.send_resource_list_changed()
        if news.session_id is None:
            return
        uri = session_uri(news.session_id)
        await self.bus.publish(ResourceUpdated(uri=uri))
        if self._legacy_session is not None and uri in self._subscribed:
            await self._legacy_session.send_resource_updated(uri)

    async def middleware(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Keep who is there, and say in `initialize` what it may be told, as the SDK by itself does to later ones."""
        result = await call_next(ctx)
        if ctx.protocol_version in HANDSHAKE_PROTOCOL_VERSIONS:
            self._legacy_session = ctx.session
        if ctx.method == "initialize" and isinstance(result, dict):
            capabilities = result["capabilities"]
            told = {"tools": {"listChanged": True}, "resources": {"listChanged": True, "subscribe": True}}
            return {**result, "capabilities": {**capabilities, **told}}
        return result
