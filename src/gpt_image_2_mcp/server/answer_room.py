"""Bounds what the answers take in memory: how many requests are answered at once, and how many answers wait.

An answer with pictures has up to a megabyte. A client that reads slowly, or asks much at once, would have any number of
them made and kept until it reads them.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, Final, Protocol

import anyio
from mcp import MCPError
from mcp.server import ServerRequestContext
from mcp.server.context import CallNext, HandlerResult
from mcp_types import INTERNAL_ERROR

MAX_REQUESTS: Final = 200
"""Requests that are not answered yet: twice the jobs that may be under way, which have one each, and some that ask."""
MAX_MAKING: Final = 4
"""Answers with pictures that are made at once: as many pictures as are decoded at once, and one that is read."""
MAX_WAITING: Final = 24
"""Answers that wait for the client to read, from which on none with pictures is made: with those that are made already,
they have less than 30 MB."""


class Waiting(Protocol):
    """The answers that wait for the client to read them; `OutboundStream` is one."""

    @property
    def waiting(self) -> int:
        """How many there are."""
        ...

    async def wait_for_write(self) -> None:
        """Wait until the client has read one more."""
        ...


class AnswerRoom:
    """The room for the answers to one client."""

    def __init__(self, making: anyio.CapacityLimiter | None = None) -> None:
        """Begin without a request. `making` bounds the answers with pictures of several clients together."""
        self.outbound: Waiting | None = None
        """None where answers are not written to a pipe."""
        self._requests = 0
        self._making = making or anyio.CapacityLimiter(MAX_MAKING)

    async def middleware(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Refuse a request if too many are not answered yet."""
        if ctx.request_id is None:
            return await call_next(ctx)
        if self._requests + self._waiting >= MAX_REQUESTS:
            raise MCPError(
                INTERNAL_ERROR,
                f"{MAX_REQUESTS} requests are not answered yet, which is the most at once: read the answers, and send"
                " this one again. Nothing was done for it, sent or paid.",
            )
        self._requests += 1
        _ROOM.set(self)
        try:
            return await call_next(ctx)
        finally:
            self._requests -= 1

    @property
    def _waiting(self) -> int:
        return self.outbound.waiting if self.outbound else 0

    @asynccontextmanager
    async def making(self, *, most_waiting: int) -> AsyncGenerator[None]:
        """Have room for an answer with pictures in the block; waits until there is some."""
        async with self._making:
            while self.outbound and self.outbound.waiting > most_waiting:
                await self.outbound.wait_for_write()
            yield


_ROOM: ContextVar[AnswerRoom] = ContextVar("room")


@asynccontextmanager
async def room_for_pictures(*, whole_file: bool = False) -> AsyncGenerator[None]:
    """Make the present request's answer in this block if it has pictures; waits while the client does not read.

    `whole_file` says that the answer has a file that may be large, so that no other may wait.
    """
    async with _ROOM.get().making(most_waiting=0 if whole_file else MAX_WAITING):
        yield
