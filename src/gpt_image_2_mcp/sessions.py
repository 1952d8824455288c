"""Edit sessions: turns as immutable values, and the store that keeps them.

A session holds no bytes, only where each turn's picture lies and what it was. Ending, expiry and eviction forget a
session and never touch a file.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from .errors import SessionError, shown


@dataclass(frozen=True, slots=True)
class Turn:
    """One edit of a session; turns count from 1, and the first one's parent is None."""

    number: int
    parent: int | None
    path: Path
    sha256: str
    prompt: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Session:
    """A series of edits, each made from the picture of the one before."""

    id: str
    created: datetime
    updated: datetime
    folder: Path
    turns: tuple[Turn, ...]

    @property
    def head(self) -> Turn:
        """The turn that the next one is made from."""
        return self.turns[-1]


def new_id() -> str:
    """An id that cannot be guessed: 96 random bits."""
    return f"session-{secrets.token_hex(12)}"


def _now() -> datetime:
    return datetime.now(UTC)


class MemorySessions:
    """Sessions for as long as the process lives."""

    def __init__(self, *, limit: int, idle_limit: timedelta | None, now: Callable[[], datetime] = _now) -> None:
        """Keep at most `limit` sessions (0: any number), each for `idle_limit` after its last use (None: for good)."""
        self._limit = limit
        self._idle_limit = idle_limit
        self._now = now
        self._sessions: dict[str, Session] = {}

    def add(self, session_id: str, folder: Path, first: Turn) -> Session:
        """Begin a session with its first turn; beyond the limit, the least recently used one is forgotten."""
        self._forget_idle()
        now = self._now()
        session = Session(session_id, now, now, folder, (first,))
        self._sessions[session_id] = session
        while self._limit and len(self._sessions) > self._limit:
            del self._sessions[min(self._sessions.values(), key=lambda s: s.updated).id]
        return session

    def get(self, session_id: str) -> Session:
        """Give a session, and count that as use.

        Raises:
            SessionError: it is unknown: ended, expired, evicted, or of another run of the server.

        """
        self._forget_idle()
        session = self._sessions.get(session_id)
        if session is None:
            raise SessionError(
                f"There is no edit session {shown(session_id)}: it was ended, was not used for"
                f" {self._idle_words()}, made room for newer ones, or belonged to an earlier run of this server."
                " list_edit_sessions shows the active ones; to go on from a picture, call start_edit_session with its"
                " path in `images`."
            )
        return self._keep(session)

    def extend(self, session_id: str, turn: Turn) -> Session | None:
        """Add a turn; None where the session was ended meanwhile, which costs nobody the picture."""
        session = self._sessions.get(session_id)
        return None if session is None else self._keep(replace(session, turns=(*session.turns, turn)))

    def end(self, session_id: str) -> Session | None:
        """Forget a session; None where there was none."""
        self._forget_idle()
        return self._sessions.pop(session_id, None)

    def active(self) -> list[Session]:
        """All sessions, the last used first."""
        self._forget_idle()
        return sorted(self._sessions.values(), key=lambda session: session.updated, reverse=True)

    def _keep(self, session: Session) -> Session:
        session = replace(session, updated=self._now())
        self._sessions[session.id] = session
        return session

    def _forget_idle(self) -> None:
        if self._idle_limit is None:
            return
        oldest = self._now() - self._idle_limit
        self._sessions = {s.id: s for s in self._sessions.values() if s.updated >= oldest}

    def _idle_words(self) -> str:
        if self._idle_limit is None:
            return "too long"
        minutes = self._idle_limit.total_seconds() / 60
        return f"{minutes:.0f} minutes" if minutes >= 1 else f"{self._idle_limit.total_seconds():g} seconds"
