"""Sessions in one file, used by two processes in any order, against a model of a few lines."""

import secrets
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule
from patience import rounds

from gpt_image_2_mcp.catalogue.picture_record import Origin, Picture, PictureRecord, SessionPosition
from gpt_image_2_mcp.catalogue.picture_table import PictureTable
from gpt_image_2_mcp.catalogue.session import MAX_TREE_LINES, ExtendSession, Session, new_session_id, tree
from gpt_image_2_mcp.catalogue.session_table import SessionLimits, SessionTable
from gpt_image_2_mcp.database import schema
from gpt_image_2_mcp.database.sqlite import open_database
from gpt_image_2_mcp.errors import SessionError

LIMIT, IDLE = 3, timedelta(hours=1)
FOLDER = Path("/pictures")

stores = st.integers(0, 1)


@dataclass
class Known:
    """What the model knows of a session: each turn's parent, in the order of the turns."""

    used: datetime
    parents: list[int] = field(default_factory=lambda: [0])
    head: int = 1
    active: bool = True


@dataclass(frozen=True)
class Pending:
    """A turn that is being made."""

    session_id: str
    parent: int
    asked: bool


class TwoProcesses(RuleBasedStateMachine):
    """Two open databases on one file, a clock that only grows, and what there should be."""

    ids = Bundle("ids")
    turns = Bundle("turns")

    def __init__(self) -> None:
        super().__init__()
        self.place = tempfile.TemporaryDirectory()
        path = Path(self.place.name) / "data.db"
        self.databases = [open_database(path) for _ in range(2)]
        self.now = datetime(2026, 11, 22, tzinfo=UTC)
        self.known: dict[str, Known] = {}

    def teardown(self) -> None:
        for database in self.databases:
            database.close()
        self.place.cleanup()

    @rule(target=ids, store=stores)
    def begin(self, store: int) -> str:
        session_id = new_session_id()
        with self.sessions(store) as sessions:
            self.write(sessions, sessions.begin(session_id, FOLDER))
        self.expire()
        self.known[session_id] = Known(self.now)
        active = sorted((k for k in self.known.values() if k.active), key=lambda known: known.used)
        for known in active[:-LIMIT]:
            known.active = False
        return session_id

    @rule(target=turns, store=stores, session_id=ids, back=st.none() | st.integers(0, 5))
    def use(self, store: int, session_id: str, back: int | None) -> Pending:
        with self.sessions(store) as sessions:
            self.expire()
            known = self.known[session_id]
            try:
                session = sessions.use(session_id)
            except SessionError:
                assert not known.active
                return Pending(session_id, 0, asked=False)
            assert known.active
            known.used = self.now
            parent = session.head.number if back is None else min(back, len(known.parents))
            assert parent == 0 or session.turn(parent)
            return Pending(session_id, parent, asked=back is not None)

    @rule(store=stores, pending=turns)
    def finish(self, store: int, pending: Pending) -> None:
        """As often as it likes: two turns of one head are two calls."""
        with self.sessions(store) as sessions:
            place = sessions.extend(ExtendSession(pending.session_id, pending.parent, pending.asked))
            self.expire()
            known = self.known[pending.session_id]
            if not known.active:
                assert place is None
                return
            assert place is not None
            assert (place.turn, place.parent) == (len(known.parents) + 1, pending.parent)
            assert place.is_branch == (not pending.asked and known.head != pending.parent)
            self.write(sessions, place)
        known.parents.append(pending.parent)
        known.used = self.now
        if not place.is_branch:
            known.head = place.turn

    @rule(store=stores, session_id=ids)
    def end(self, store: int, session_id: str) -> None:
        with self.sessions(store) as sessions:
            ended = sessions.end(session_id)
        self.expire()
        assert (ended is not None) == self.known[session_id].active
        self.known[session_id].active = False

    @rule(minutes=st.sampled_from([1, 20, 40, 61]))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(store=stores)
    def restore(self, store: int) -> None:
        """The table is lost, and made again from the pictures: the same trees and heads."""
        with self.databases[store].transaction() as connection:
            sessions = SessionTable(connection, SessionLimits(0, None), self.now)
            before = {session.id: (tree(session), session.head, session.folder) for session in self.every(sessions)}
            with connection.begin_nested() as nested:
                connection.execute(sa.delete(schema.sessions))
                for session_id in before:
                    sessions.restore(session_id)
                after = {session.id: (tree(session), session.head, session.folder) for session in self.every(sessions)}
                nested.rollback()
        assert after == before

    @invariant()
    def nothing_is_lost_or_crossed(self) -> None:
        self.expire()
        for store in range(2):
            with self.sessions(store) as sessions:
                active = [session.id for session in sessions.active()]
                every = {session.id: session for session in self.every(sessions)}
            in_use = [session_id for session_id, known in self.known.items() if known.active]
            assert active == sorted(in_use, key=lambda session_id: self.known[session_id].used, reverse=True)
            assert set(every) == set(self.known)
            for session_id, known in self.known.items():
                session = every[session_id]
                assert [turn.number for turn in session.turns] == list(range(1, len(known.parents) + 1))
                assert [turn.parent for turn in session.turns] == known.parents
                assert {turn.prompt for turn in session.turns} == {session_id}
                assert session.head.number == known.head
                assert session.head in session.branches
                lines = tree(session).splitlines()
                shown = [turn.number for turn in session.turns[-MAX_TREE_LINES:]]
                assert sorted(int(line.lstrip("├└│ ").split(" ")[0]) for line in lines if '"' in line) == shown
                assert [line for line in lines if line.endswith("made from here")] == [
                    line for line in lines if line.lstrip("├└│ ").startswith(f"{known.head} ")
                ]

    def every(self, sessions: SessionTable) -> list[Session]:
        """The sessions that there should be, active or not, as far as the table has them."""
        return [session for session_id in self.known if (session := sessions.get(session_id))]

    def sessions(self, store: int) -> "Opened":
        self.now += timedelta(milliseconds=1)
        return Opened(self, store)

    def expire(self) -> None:
        for known in self.known.values():
            known.active &= known.used >= self.now - IDLE

    def write(self, sessions: SessionTable, place: SessionPosition) -> None:
        record = PictureRecord(
            id=f"session-20261122-000000-{secrets.token_hex(3)}-{secrets.token_hex(8)}",
            kind="session",
            sha256="0" * 64,
            size_bytes=1,
            format="png",
            width=1,
            height=1,
            model="gpt-image-2",
            prompt=place.session_id,
            parents=(Origin(source="photo.png", sha256="0" * 64),),
            made=self.now,
            position=place,
        )
        assert PictureTable(sessions.connection).add(Picture(path=FOLDER / "a.png", record=record))


class Opened:
    """A transaction of one of the two, at a time of its own."""

    def __init__(self, machine: TwoProcesses, store: int) -> None:
        self._transaction = machine.databases[store].transaction()
        self._now = machine.now

    def __enter__(self) -> SessionTable:
        return SessionTable(self._transaction.__enter__(), SessionLimits(LIMIT, IDLE), self._now)

    def __exit__(self, *raised: object) -> None:
        self._transaction.__exit__(*raised)  # pyright: ignore[reportArgumentType]


TwoProcesses.TestCase.settings = settings(max_examples=rounds(4, 25), stateful_step_count=25)
TestTwoProcesses = pytest.mark.slow(TwoProcesses.TestCase)
