"""News of what changed: pictures that were made, sessions that went on or ended."""

from contextlib import suppress
from dataclasses import dataclass

import anyio

MAX_NEWS = 100
"""News that wait for the one listener; beyond that the newest are dropped."""


@dataclass(frozen=True, slots=True)
class News:
    """A picture was made, or a session, whose id it then has, went on or ended."""

    session_id: str | None


class NewsFeed:
    """A stream of `News` with one listener, which follows `stream`."""

    def __init__(self) -> None:
        """Begin without news."""
        self._send, self.stream = anyio.create_memory_object_stream[News](MAX_NEWS)

    def publish(self, session_id: str | None) -> None:
        """Tell the listener of a change; never blocks, and drops the news where too many wait or none listens."""
        with suppress(anyio.WouldBlock, anyio.BrokenResourceError):
            self._send.send_nowait(News(session_id))

    def close(self) -> None:
        """End the stream."""
        self._send.close()
        self.stream.close()
