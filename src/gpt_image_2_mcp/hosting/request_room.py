"""Bounds the bytes of large requests: those of all people together, and of each.

A picture comes as an argument of up to 16 MiB, and is in memory until its call is answered. Without a bound, as many as
there may be connections would be.
"""

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import anyio
from starlette.datastructures import Headers
from starlette.types import Message, Receive

BODY_WITHIN_S: Final = 60.0
"""How long a request may take to arrive."""
SMALL: Final = 2**16
"""Bytes of a request that need no room: all that say more than a picture's id."""
ALL_PEOPLE: Final = 160 * 2**20
"""Bytes of all large requests together; each is in memory more than once while it is read."""
EACH_PERSON: Final = 48 * 2**20
"""Bytes of a person's large requests, so that one person cannot have all the room."""
ROOM_WITHIN_S: Final = 20.0
"""How long a request waits for room; what it has still to send waits at the client."""


class NoRoom(Exception):
    """There is no room for a request at the moment."""


class ClientGone(Exception):
    """The client has left before its request had arrived."""


class RequestRoom:
    """The room for the large requests of all people."""

    def __init__(self, *, everyone: int = ALL_PEOPLE, each: int = EACH_PERSON) -> None:
        """Begin without a request."""
        self._everyone = everyone
        self._each = each
        self._taken: Counter[str] = Counter()
        self._freed = anyio.Event()

    @property
    def size(self) -> int:
        """Bytes that are taken at the moment."""
        return self._taken.total()

    @asynccontextmanager
    async def taken(self, person: str, size: int, *, within_s: float) -> AsyncGenerator[None]:
        """Have room for `size` bytes of this person in the block.

        Raises:
            NoRoom: there is none in this time.

        """
        with anyio.move_on_after(within_s):
            while not self._has_room(person, size):
                await self._freed.wait()
        if not self._has_room(person, size):
            raise NoRoom
        self._taken[person] += size
        try:
            yield
        finally:
            self._taken[person] -= size
            self._taken += Counter()  # Without those who have none.
            self._freed.set()
            self._freed = anyio.Event()

    def _has_room(self, person: str, size: int) -> bool:
        return self._taken[person] + size <= self._each and self.size + size <= self._everyone


@asynccontextmanager
async def arriving(
    receive: Receive, headers: Headers, room: RequestRoom, person: str, *, most: int
) -> AsyncGenerator[Receive]:
    """Let a request of at most `most` bytes arrive within `BODY_WITHIN_S`; one that is large has room in the block.

    Reading raises TimeoutError for what comes too slowly, NoRoom, and ClientGone.
    """
    until = anyio.current_time() + BODY_WITHIN_S
    length = headers.get("content-length", "")
    size = min(int(length), most) if length.isascii() and length.isdigit() else most
    arrived = 0
    is_complete = False

    async def read() -> Message:
        nonlocal arrived, is_complete
        if is_complete:
            return await receive()
        with anyio.fail_after(until - anyio.current_time()):
            message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        before, arrived = arrived, arrived + len(message.get("body", b""))
        if before <= SMALL < arrived:
            await stack.enter_async_context(room.taken(person, size, within_s=ROOM_WITHIN_S))
        is_complete = not message.get("more_body", False)
        return message

    async with AsyncExitStack() as stack:
        yield read
