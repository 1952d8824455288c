"""`SessionService`: the edit sessions that are there, apart from their turns, which are jobs."""

from dataclasses import dataclass
from typing import Final

from ..catalogue.session import Session
from ..jobs.news import NewsFeed
from ..parameters.models import EndSessionRequest
from ..persistence.writer_thread import WriterThread

MAX_SESSIONS: Final = 100
"""Edit sessions in a list: more than fit into an answer."""


@dataclass(frozen=True, slots=True)
class SessionService:
    """Lists sessions, ends them, and sets them back."""

    writer: WriterThread
    news: NewsFeed

    async def end(self, request: EndSessionRequest) -> Session | None:
        """End a session and return it; None if it was not active. Its files stay."""
        ended = await self.writer.in_transaction(lambda unit: unit.sessions.end(request.session_id))
        if ended is not None:
            self.news.publish(ended.id)
        return ended

    async def set_back(self, session_id: str, turn: int) -> Session:
        """Have a session go on from an earlier turn, or from the originals (0), without a new picture.

        Raises:
            SessionError: the session is not active, or has no such turn.

        """
        session = await self.writer.in_transaction(lambda unit: unit.sessions.set_back(session_id, turn))
        self.news.publish(session.id)
        return session

    async def active(self, limit: int = MAX_SESSIONS) -> tuple[list[Session], int]:
        """The active sessions, at most `limit` and the last used first, and the number of all of them."""
        return await self.writer.read(lambda unit: (unit.sessions.active(limit), unit.sessions.count_active()))
