"""What a balancer asks: `/healthz`, whether the process runs, and `/readyz`, whether it takes requests."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

import anyio
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

WITHIN_S = 3.0
"""How long the database may take to answer."""


@dataclass(slots=True)
class Readiness:
    """Whether this process takes requests."""

    is_reachable: Callable[[], Awaitable[bool]]
    """Whether the database answers."""
    is_ending: bool = False
    """Set as soon as the process is told to end, so that a balancer sends nothing more."""

    async def healthz(self, _: Request) -> Response:
        """Answer that the process runs."""
        return PlainTextResponse("ok")

    async def readyz(self, _: Request) -> Response:
        """Answer 200 where requests are taken, and 503 with the reason otherwise."""
        if self.is_ending:
            return PlainTextResponse("ending", HTTPStatus.SERVICE_UNAVAILABLE)
        reachable = False
        with anyio.move_on_after(WITHIN_S):
            reachable = await self.is_reachable()
        if not reachable:
            return PlainTextResponse("the database cannot be reached", HTTPStatus.SERVICE_UNAVAILABLE)
        return PlainTextResponse("ok")
