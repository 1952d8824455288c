"""Edit sessions: series of pictures, each made from an earlier one; immutable values and how they read.

A session is a tree: its originals at the root, and every turn made from another turn or from the originals. It holds no
bytes, only where each turn's picture lies. Ending, expiry and eviction forget that a session is active, and never touch
a file.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ..errors import SessionError, shorten_line
from ..storage.local_folder import SIDE_FOLDER
from .models import Origin, Picture, SessionPosition

ORIGINALS = 0
"""The number that stands for the pictures that a session began with."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One edit of a session; turns count from 1."""

    picture: Picture
    position: SessionPosition

    @property
    def number(self) -> int:
        """Its number in the session."""
        return self.position.turn

    @property
    def parent(self) -> int:
        """The turn that it was made from, or `ORIGINALS`."""
        return self.position.parent

    @property
    def path(self) -> Path:
        """Where its picture lies."""
        return self.picture.path

    @property
    def prompt(self) -> str:
        """What was asked for."""
        return self.picture.record.prompt


@dataclass(frozen=True, slots=True)
class Session:
    """A tree of edits; `turns` are in their order, and there is at least one."""

    id: str
    created: datetime
    updated: datetime
    folder: Path
    turns: tuple[Turn, ...]
    head_number: int
    active: bool = True

    @property
    def head(self) -> Turn:
        """The turn that the next one is made from."""
        return self.turn(self.head_number) or self.turns[-1]

    @property
    def originals(self) -> tuple[Origin, ...]:
        """The pictures that it began with; none where its first turn is not known any longer."""
        first = self.turns[0]
        return () if first.number != 1 else tuple(o for o in first.picture.record.parents if o.role == "image")

    @property
    def branches(self) -> list[Turn]:
        """The turns from which nothing was made yet, the ends of the tree."""
        parents = {turn.parent for turn in self.turns}
        return [turn for turn in self.turns if turn.number not in parents]

    def turn(self, number: int) -> Turn | None:
        """The turn of this number."""
        return next((turn for turn in self.turns if turn.number == number), None)

    def parent_for(self, from_turn: int | None) -> int:
        """The number of the turn that the next one is made from: `from_turn` where the call names one, else the head.

        Raises:
            SessionError: there is no such turn, or the originals are meant and not known.

        """
        parent = self.head.number if from_turn is None else from_turn
        if parent == ORIGINALS and not self.originals:
            raise SessionError(
                f"What session {self.id} began with is not known: continue from a turn, or start anew with"
                " start_edit_session."
            )
        if parent != ORIGINALS and self.turn(parent) is None:
            raise SessionError(
                f"`from_turn` {parent} is no turn of session {self.id}, which has turns 1 to {len(self.turns)};"
                " 0 stands for the originals."
            )
        return parent


@dataclass(frozen=True, slots=True)
class BeginSession:
    """The step by which a picture becomes the first turn of a new session, whose pictures go to `folder`."""

    session_id: str
    folder: Path


@dataclass(frozen=True, slots=True)
class ExtendSession:
    """The step by which a picture becomes the next turn of a session, made from turn `parent`.

    `parent_given` tells that the call named the parent: the session goes on from this turn in any case.
    """

    session_id: str
    parent: int
    parent_given: bool


SessionStep = BeginSession | ExtendSession
"""What the transaction that writes a picture down does to its session: see `SessionTable.apply`."""

ENDED_MEANWHILE = "The session was ended while this turn was made; its picture is saved all the same."


def position_lines(position: SessionPosition, drawn: str) -> list[str]:
    """What an answer says of a turn: where it is in its session, whose tree is `drawn`, and how to go on."""
    parent = f"turn {position.parent}" if position.parent else "the originals"
    lines = [f"session_id: {position.session_id}, turn {position.turn}, made from {parent}."]
    if position.is_branch:
        lines.append(
            f"Another turn was made from {parent} meanwhile, so this one is a branch and the session goes on there;"
            f" from_turn {position.turn} goes on from here."
        )
    return [*lines, drawn, "continue_edit_session makes the next change; end_edit_session closes the session."]


MAX_TREE_LINES = 30
"""Turns that a tree as text shows: the newest."""
MAX_LABEL = 60
"""Characters of a turn's prompt in a tree."""


def tree(session: Session) -> str:
    """The turns as text, one a line: a chain stands in one column, and each branch a step further in."""
    shown = {turn.number for turn in session.turns[-MAX_TREE_LINES:]}
    children: dict[int, list[Turn]] = {}
    numbers = {turn.number for turn in session.turns}
    for turn in session.turns:
        # A turn whose picture is not known any longer leaves those that were made from it.
        known = turn.parent in numbers and turn.parent < turn.number
        children.setdefault(turn.parent if known else ORIGINALS, []).append(turn)
    lines = ["0 originals: " + (", ".join(map(_label, session.originals)) or "not known")]
    waiting = [(turn, "", "") for turn in reversed(children.get(ORIGINALS, []))]
    if len(waiting) > 1:
        waiting = _branches(children[ORIGINALS], "")
    while waiting:
        turn, first, rest = waiting.pop()
        here = "  <- the next turn is made from here" if turn.number == session.head.number else ""
        if turn.number in shown:
            lines.append(f'{first}{turn.number} "{shorten_line(turn.prompt, MAX_LABEL)}"{here}')
        after = children.get(turn.number, [])
        waiting += [(after[0], rest, rest)] if len(after) == 1 else _branches(after, rest)
    if len(session.turns) > MAX_TREE_LINES:
        lines.insert(1, f"… {len(session.turns) - MAX_TREE_LINES} earlier turns")
    return "\n".join(lines)


def _branches(turns: list[Turn], margin: str) -> list[tuple[Turn, str, str]]:
    """Turns made from the same one, the last first: each with its margin, and that of what follows it."""
    last = len(turns) - 1
    marks = [("└ ", "  ") if index == last else ("├ ", "│ ") for index in range(len(turns))]
    return [(turn, margin + first, margin + rest) for turn, (first, rest) in zip(turns, marks, strict=True)][::-1]


def _label(origin: Origin) -> str:
    if origin.path and Path(origin.path).parent.name != SIDE_FOLDER:
        return shorten_line(origin.id or Path(origin.path).name, MAX_LABEL)
    return shorten_line(origin.id or origin.source, MAX_LABEL)


def new_session_id() -> str:
    """An id that cannot be guessed: 96 random bits."""
    return f"session-{secrets.token_hex(12)}"
