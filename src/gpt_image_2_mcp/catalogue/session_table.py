"""`SessionTable`: the SQL statements on the `sessions` table.

It decides which sessions are active, from which turn each goes on (its `head`), and which are evicted for newer ones.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ..database.schema import pictures, sessions
from ..errors import SessionError, shown
from .picture_record import Picture, SessionPosition
from .picture_table import PictureTable, from_microseconds, to_microseconds
from .session import ORIGINALS, BeginSession, ExtendSession, Session, SessionStep, Turn


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How many sessions stay active (0: any number), and how long each does after its last use (None: for ever)."""

    count: int
    idle: timedelta | None

    def expiry_words(self) -> str:
        """That a session expires, and when, as a part of an error message; "" if it does not."""
        if self.idle is None:
            return ""
        minutes = self.idle.total_seconds() / 60
        after = f"{minutes:.0f} minutes" if minutes >= 1 else f"{self.idle.total_seconds():g} seconds"
        return f" has expired after {after} without use,"


@dataclass(frozen=True, slots=True)
class SessionTable:
    """The `sessions` table within one transaction, which began at `now`."""

    connection: sa.Connection
    limits: SessionLimits
    now: datetime

    def apply(self, step: SessionStep) -> SessionPosition | None:
        """Begin or extend a session; returns the position of the new turn, None if the session ended meanwhile."""
        match step:
            case BeginSession():
                return self.begin(step.session_id, step.folder)
            case ExtendSession():
                return self.extend(step)

    def begin(self, session_id: str, folder: Path) -> SessionPosition:
        """Insert a session, and evict others beyond the limits; returns the position of its first turn."""
        us = to_microseconds(self.now)
        row = {"id": session_id, "created_us": us, "updated_us": us, "folder": str(folder), "head": 1, "active": True}
        self.connection.execute(sa.insert(sessions), row)
        self.evict()
        return SessionPosition(session_id=session_id, turn=1, parent=ORIGINALS)

    def evict(self) -> None:
        """End the sessions that were idle for too long, and beyond the limit the least recently used ones."""
        self._end_idle()
        if self.limits.count:
            by_use = (sessions.c.updated_us.desc(), sessions.c.created_us.desc())
            kept = sa.select(sessions.c.id).where(sessions.c.active).order_by(*by_use).limit(self.limits.count)
            self._end(sa.and_(sessions.c.active, sessions.c.id.not_in(list(self.connection.scalars(kept)))))

    def use(self, session_id: str) -> Session:
        """Get an active session, and record that it was used now.

        Raises:
            SessionError: the session is unknown, or was ended, expired or was evicted.

        """
        self._end_idle()
        session = self.get(session_id)
        if session is None or not session.active:
            raise SessionError(self._no_session_text(session_id))
        self._touch(session_id)
        return session

    def extend(self, step: ExtendSession) -> SessionPosition | None:
        """Extend a session by a turn; returns its position, None if the session ended meanwhile.

        The session goes on from the new turn, unless that one becomes a branch (`ExtendSession.becomes_branch`).
        """
        self._end_idle()
        query = sa.select(sessions.c.head).where(sessions.c.id == step.session_id, sessions.c.active)
        # Locked: another process may extend the session at this moment.
        head = self.connection.scalar(query.with_for_update())
        if head is None:
            return None
        last = self.connection.scalar(
            sa.select(sa.func.max(pictures.c.turn)).where(pictures.c.session_id == step.session_id)
        )
        position = SessionPosition(
            session_id=step.session_id,
            turn=(last or 0) + 1,
            parent=step.parent,
            is_branch=step.becomes_branch(head),
            parent_given=step.parent_given,
        )
        if not position.is_branch:
            extended = sa.update(sessions).where(sessions.c.id == step.session_id)
            self.connection.execute(extended.values(head=position.turn))
        self._touch(step.session_id)
        return position

    def set_back(self, session_id: str, turn: int) -> Session:
        """Have an active session go on from a turn, or from the originals (0), and get it; no turn is removed.

        Raises:
            SessionError: the session is not active, or has no such turn.

        """
        parent = self.use(session_id).parent_for(turn)
        self.connection.execute(sa.update(sessions).where(sessions.c.id == session_id).values(head=parent))
        session = self.get(session_id)
        assert session is not None, "`use` has found it in this transaction"
        return session

    def end(self, session_id: str) -> Session | None:
        """End a session; returns it, None if there is no active one of this id."""
        self._end_idle()
        session = self.get(session_id)
        if session is None or not session.active:
            return None
        self._end(sessions.c.id == session_id)
        return session

    def active(self, limit: int | None = None) -> list[Session]:
        """The active sessions, the last used first; at most `limit`, if given."""
        by_use = sa.select(sessions).where(self._is_active).order_by(sessions.c.updated_us.desc())
        return self._select(by_use if limit is None else by_use.limit(limit))

    def count_active(self) -> int:
        """The number of active sessions."""
        return self.connection.scalar(sa.select(sa.func.count()).where(self._is_active)) or 0

    def get(self, session_id: str) -> Session | None:
        """The session of this id, active or not, if there is one."""
        return next(iter(self._select(sa.select(sessions).where(sessions.c.id == session_id))), None)

    def ids_like(self, start: str, limit: int) -> list[str]:
        """The ids that begin with `start`, the last used session first."""
        begins = sessions.c.id.startswith(start, autoescape=True)
        query = sa.select(sessions.c.id).where(begins).order_by(sessions.c.updated_us.desc()).limit(limit)
        return list(self.connection.scalars(query))

    def restore(self, session_id: str) -> bool:
        """Insert a session again from its turns in the `pictures` table; it was last used when its last turn was made.

        Returns False if the session is in the table, and then changes nothing, since the table knows its head better.
        """
        if self.connection.scalar(sa.select(sessions.c.id).where(sessions.c.id == session_id)) is not None:
            return False
        turns = self._turns(session_id)
        if not turns:
            return False
        first, last = turns[0], turns[-1]
        head = 0
        for position in (picture.record.position for picture in turns):
            if position and not position.is_branch:
                head = position.turn
        row = {
            "id": session_id,
            "created_us": to_microseconds(first.made),
            "updated_us": to_microseconds(last.made),
            "folder": str(first.path.parent),
            "head": head or 1,
            "active": True,
        }
        self.connection.execute(sa.insert(sessions), row)
        return True

    def set_folder(self, session_id: str, left: Path, folder: Path) -> None:
        """Save the session's next pictures in `folder` if they went to the folder `left` so far."""
        here = sa.and_(sessions.c.id == session_id, sessions.c.folder == str(left))
        self.connection.execute(sa.update(sessions).where(here).values(folder=str(folder)))

    def _no_session_text(self, session_id: str) -> str:
        turn = PictureTable(self.connection).get(session_id)
        if turn is not None and (position := turn.record.position) is not None:
            return (
                f"{shown(session_id)} is the id of a picture: turn {position.turn} of the edit session"
                f" {position.session_id}. Give that as `session_id`, and {position.turn} in `from_turn` to go on from"
                " this picture."
            )
        return (
            f"There is no active edit session {shown(session_id)}: it was ended,"
            f"{self.limits.expiry_words()} was replaced by newer ones, or never existed. list_edit_sessions shows the"
            " active ones; to go on from a picture, call start_edit_session with its id or path in `images`."
        )

    def _turns(self, session_id: str) -> list[Picture]:
        return PictureTable(self.connection).of_sessions(sa.select(sa.literal(session_id)))

    def _select(self, query: sa.Select[Any]) -> list[Session]:
        turns: defaultdict[str, list[Turn]] = defaultdict(list)
        table = PictureTable(self.connection)
        made = table.of_sessions(query.with_only_columns(sessions.c.id))
        delivered = table.delivered(made)
        for picture in made:
            if position := picture.record.position:
                turns[position.session_id].append(Turn(picture, position, delivered.get(picture.id)))
        rows = self.connection.execute(query.order_by(None).order_by(sessions.c.updated_us.desc())).mappings()
        return [_from_row(row, turns[row["id"]]) for row in rows if row["id"] in turns]

    def _touch(self, session_id: str) -> None:
        us = to_microseconds(self.now)
        self.connection.execute(sa.update(sessions).where(sessions.c.id == session_id).values(updated_us=us))

    def _end(self, which: sa.ColumnElement[bool]) -> None:
        self.connection.execute(sa.update(sessions).where(which).values(active=False))

    def _end_idle(self) -> None:
        if self.limits.idle is not None:
            self._end(sa.and_(sessions.c.active, sa.not_(self._is_active)))

    @property
    def _is_active(self) -> sa.ColumnElement[bool]:
        """The condition for a session that is active and was not idle for too long; for reading, which ends none."""
        if self.limits.idle is None:
            return sa.and_(sessions.c.active)
        return sa.and_(sessions.c.active, sessions.c.updated_us >= to_microseconds(self.now - self.limits.idle))


def _from_row(row: sa.RowMapping, turns: list[Turn]) -> Session:
    created, updated = from_microseconds(row["created_us"]), from_microseconds(row["updated_us"])
    return Session(row["id"], created, updated, Path(row["folder"]), tuple(turns), row["head"], row["active"])
