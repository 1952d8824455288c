"""Edit sessions as immutable values: `Session` and its `Turn`s, the rules of a session, and its tree as text.

A session is a tree: the originals are at the root, and every turn is made from another turn or from the originals. It
holds no bytes, only the paths of its pictures. When a session is ended, expires or is evicted, it is no longer active;
its files stay.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ..errors import SessionError, shorten_line
from ..redaction.printable import printable, quoted_line
from ..storage.local_folder import SIDE_FOLDER
from .picture_record import Origin, Picture, SessionPosition

ORIGINALS = 0
"""The turn number that stands for the pictures that a session began with."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a session: a picture and its position. Turns are numbered from 1."""

    picture: Picture
    """What the next turn is made from."""
    position: SessionPosition
    delivered: Picture | None = None
    """What the person was given in its place, in another size; None if it was the picture itself."""

    @property
    def number(self) -> int:
        """The turn's number in the session."""
        return self.position.turn

    @property
    def parent(self) -> int:
        """The number of the turn that it was made from, or `ORIGINALS`."""
        return self.position.parent

    @property
    def given(self) -> Picture:
        """The picture that the person was given."""
        return self.delivered or self.picture

    @property
    def prompt(self) -> str:
        """The prompt of the turn."""
        return self.picture.record.prompt


@dataclass(frozen=True, slots=True)
class Session:
    """An edit session; `turns` are in the order of their numbers, and there is at least one.

    `head_number` is the turn that the next one is made from, unless the call names another.
    """

    id: str
    created: datetime
    updated: datetime
    folder: Path
    turns: tuple[Turn, ...]
    head_number: int
    active: bool = True

    @property
    def head(self) -> Turn:
        """The turn that the next one is made from; the last one if the catalogue no longer has the head."""
        return self.turn(self.head_number) or self.turns[-1]

    @property
    def next_parent(self) -> int:
        """The number of the turn that the next one is made from; `ORIGINALS` if the session was set back to them."""
        return ORIGINALS if self.head_number == ORIGINALS and self.originals else self.head.number

    @property
    def originals(self) -> tuple[Origin, ...]:
        """The pictures that the session began with; empty if the catalogue no longer has the first turn."""
        first = self.turns[0]
        return () if first.number != 1 else tuple(o for o in first.picture.record.parents if o.role == "image")

    @property
    def branches(self) -> list[Turn]:
        """The ends of the tree: the turns from which no other turn was made."""
        parents = {turn.parent for turn in self.turns}
        return [turn for turn in self.turns if turn.number not in parents]

    def turn(self, number: int) -> Turn | None:
        """The turn of this number, if there is one."""
        return next((turn for turn in self.turns if turn.number == number), None)

    def parent_for(self, from_turn: int | None) -> int:
        """The number of the turn that the next one is made from: `from_turn` if the call names one, else the head.

        Raises:
            SessionError: there is no such turn, or it is `ORIGINALS`, and these are not known.

        """
        parent = self.next_parent if from_turn is None else from_turn
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

    `parent_given` says that the call named the parent, so that the session goes on from this turn in any case.
    """

    session_id: str
    parent: int
    parent_given: bool

    def becomes_branch(self, head: int) -> bool:
        """Whether the turn becomes a branch, when `head` is the turn that the session goes on from by now.

        It does if another turn was made from the same parent meanwhile and the call did not name its parent.
        """
        return not self.parent_given and head != self.parent


SessionStep = BeginSession | ExtendSession
"""How the transaction that writes a picture changes its session: see `SessionTable.apply`."""

ENDED_MEANWHILE = "The session was ended while this turn was made; its picture is saved all the same."


def turn_name(number: int) -> str:
    """A turn's number in words."""
    return "the originals" if number == ORIGINALS else f"turn {number}"


def position_lines(position: SessionPosition, drawn: str) -> list[str]:
    """The lines of an answer about a turn: its position, the session's tree (`drawn`), and how to continue."""
    parent = turn_name(position.parent)
    lines = [f"session_id: {position.session_id}, turn {position.turn}, made from {parent}."]
    if position.is_branch:
        lines.append(
            f"Another turn was made from {parent} meanwhile, so this one is a branch and the session goes on there;"
            f" from_turn {position.turn} goes on from here."
        )
    return [*lines, drawn, "continue_edit_session makes the next change; end_edit_session closes the session."]


MAX_TREE_LINES = 30
"""Turns that the text of a tree shows, the newest."""
MAX_LABEL = 60
"""Characters of a prompt or a name in the text of a tree."""


def tree(session: Session) -> str:
    """The session's tree as text, one turn a line: a chain is in one column, and each branch is indented further."""
    shown = {turn.number for turn in session.turns[-MAX_TREE_LINES:]}
    children: dict[int, list[Turn]] = {}
    numbers = {turn.number for turn in session.turns}
    for turn in session.turns:
        # If the catalogue no longer has a turn's parent, the turn is drawn below the originals.
        known = turn.parent in numbers and turn.parent < turn.number
        children.setdefault(turn.parent if known else ORIGINALS, []).append(turn)
    here = {session.next_parent: "  <- the next turn is made from here"}
    lines = [f"0 originals: {', '.join(map(_label, session.originals)) or 'not known'}{here.get(ORIGINALS, '')}"]
    waiting = [(turn, "", "") for turn in reversed(children.get(ORIGINALS, []))]
    if len(waiting) > 1:
        waiting = _branches(children[ORIGINALS], "")
    while waiting:
        turn, first, rest = waiting.pop()
        if turn.number in shown:
            exact = ", exact" if turn.picture.record.is_exact else ""
            lines.append(
                f"{first}{turn.number} {quoted_line(turn.prompt, MAX_LABEL)}{exact}{here.get(turn.number, '')}"
            )
        after = children.get(turn.number, [])
        waiting += [(after[0], rest, rest)] if len(after) == 1 else _branches(after, rest)
    if len(session.turns) > MAX_TREE_LINES:
        lines.insert(1, f"… {len(session.turns) - MAX_TREE_LINES} earlier turns")
    return "\n".join(lines)


def _branches(turns: list[Turn], margin: str) -> list[tuple[Turn, str, str]]:
    """Turns made from the same one, the last first, each with the margin of its line and of the lines below it."""
    last = len(turns) - 1
    marks = [("└ ", "  ") if index == last else ("├ ", "│ ") for index in range(len(turns))]
    return [(turn, margin + first, margin + rest) for turn, (first, rest) in zip(turns, marks, strict=True)][::-1]


def _label(origin: Origin) -> str:
    if origin.path and Path(origin.path).parent.name != SIDE_FOLDER:
        return printable(shorten_line(origin.id or Path(origin.path).name, MAX_LABEL))
    return printable(shorten_line(origin.id or origin.source, MAX_LABEL))


def new_session_id() -> str:
    """A new session id of 96 random bits, which cannot be guessed."""
    return f"session-{secrets.token_hex(12)}"
