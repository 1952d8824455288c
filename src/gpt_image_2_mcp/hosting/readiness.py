"""What a balancer asks: `/healthz`, whether the process runs, and `/readyz`, whether it takes requests."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus

import anyio
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

WITHIN_S = 3.0
"""How long the database may take to answer."""
FRESH_S = 0.5
"""How long its answer counts: whoever asks often, and anybody may, has the database asked no more often than that."""


@dataclass(slots=True)
class Readiness:
    """Whether this process takes requests."""

    is_reachable: Callable[[], Awaitable[bool]]
    """Whether the database answers."""
    is_ending: bool = False
    """Set as soon as the process is told to end, so that a balancer sends nothing more."""
    _asking: anyio.Lock = field(default_factory=anyio.Lock)
    _answer: bool = False
    _answered_at: float = float("-inf")

    async def healthz(self, _: Request) -> Response:
        """Answer that the process runs."""
        return PlainTextResponse("ok")

    async def readyz(self, _: Request) -> Response:
        """Answer 200 where requests are taken, and 503 with the reason otherwise."""
        if self.is_ending:
            return PlainTextResponse("ending", HTTPStatus.SERVICE_UNAVAILABLE)
        reachable = False
        with anyio.move_on_after(WITHIN_S):
            reachable = await self._look()
        if not reachable:
            return PlainTextResponse("the database cannot be reached", HTTPStatus.SERVICE_UNAVAILABLE)
        return PlainTextResponse("ok")

    async def _look(self) -> bool:
        """Whether the database answers, or did a moment ago; one look at a time."""
        async with self._asking:
            if anyio.current_time() - self._answered_at >= FRESH_S:
                self._answer = await self.is_reachable()
                self._answered_at = anyio.current_time()
            return self._answer
