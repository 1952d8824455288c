"""News of changes for the MCP client's resources: a picture was made, a session got a turn or ended.

`NewsFeed.publish` is called by the pipeline and the service; `server/notifications.py` reads `NewsFeed.stream`.
"""

from contextlib import suppress
from dataclasses import dataclass

import anyio

MAX_NEWS = 100
"""News that the stream holds for its reader; further ones are dropped."""


@dataclass(frozen=True, slots=True)
class News:
    """One change in the library."""

    session_id: str | None
    """The session that got a turn or ended; None for a picture outside of a session."""


class NewsFeed:
    """A stream of `News` with one reader."""

    def __init__(self) -> None:
        """Open an empty stream."""
        self._send, self.stream = anyio.create_memory_object_stream[News](MAX_NEWS)

    def publish(self, session_id: str | None) -> None:
        """Put a change into the stream. Never blocks: the news is dropped if the stream is full or closed."""
        with suppress(anyio.WouldBlock, anyio.BrokenResourceError):
            self._send.send_nowait(News(session_id))

    def close(self) -> None:
        """End the stream."""
        self._send.close()
        self.stream.close()
