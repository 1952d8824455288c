"""Notifies the client of changes: a new picture changes the list of resources, a new turn changes its session.

Clients of protocol 2026-07-28 listen on a stream that they opened (`ChangeNotifier.bus`). Older clients get
notifications on their connection, about a single resource only if they have subscribed to it.
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
"""URIs that a client may subscribe to; with one more, the oldest subscription is dropped."""


class ChangeNotifier:
    """Passes news of the service on to the client of one server."""

    def __init__(self) -> None:
        """Begin without a client; the first message makes it known."""
        self.bus = InMemorySubscriptionBus()
        self._legacy_session: ServerSession | None = None
        self._subscribed: dict[str, None] = {}

    @property
    def is_subscribed(self) -> bool:
        """Whether an older client waits for notifications about a resource."""
        return bool(self._subscribed)

    async def follow(self, news: MemoryObjectReceiveStream[News]) -> None:
        """Send notifications for everything that arrives, until the feed or the connection is closed."""
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            async for one in news:
                await self._notify(one)

    async def subscribe(self, _: ServerRequestContext[Any, Any], params: SubscribeRequestParams) -> EmptyResult:
        """Answer `resources/subscribe`: notify the client of changes to this resource from now on."""
        self._subscribed[str(params.uri)] = None
        while len(self._subscribed) > MAX_SUBSCRIPTIONS:
            del self._subscribed[next(iter(self._subscribed))]
        return EmptyResult()

    async def unsubscribe(self, _: ServerRequestContext[Any, Any], params: UnsubscribeRequestParams) -> EmptyResult:
        """Answer `resources/unsubscribe`."""
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
        """Keep the session of an older client, and announce notifications in the answer to `initialize`.

        The SDK announces them by itself in protocol 2026-07-28 only.
        """
        result = await call_next(ctx)
        if ctx.protocol_version in HANDSHAKE_PROTOCOL_VERSIONS:
            self._legacy_session = ctx.session
        if ctx.method == "initialize" and isinstance(result, dict):
            capabilities = result["capabilities"]
            announced = {"tools": {"listChanged": True}, "resources": {"listChanged": True, "subscribe": True}}
            return {**result, "capabilities": {**capabilities, **announced}}
        return result
