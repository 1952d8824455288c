"""Lays out the tree of an edit session as lines: the one that the session went along, and each branch off it.

Positions come from records, which may say anything: two pictures of one turn, a parent that is not there, or itself.
Every picture stands on exactly one line all the same.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from ...catalogue.picture_record import Picture, SessionPosition


@dataclass(frozen=True, slots=True)
class Line:
    """Pictures of which each was made from the one before."""

    pictures: tuple[Picture, ...]
    depth: int
    """0 for what was made from the originals, 1 for a branch off that, and so on."""
    parent: Picture | None
    """What its first picture was made from, if that is there."""


def lines(pictures: Iterable[Picture]) -> list[Line]:
    """The lines of a session's pictures, all of which have a position: each line is followed by its branches."""
    ordered = sorted(pictures, key=lambda picture: (_position(picture).turn, picture.made, picture.id))
    of_turn: dict[int, int] = {}
    children: defaultdict[int | None, list[int]] = defaultdict(list)
    for index, picture in enumerate(ordered):
        position = _position(picture)
        # Only what came before can be a parent, so there are no circles.
        children[of_turn.get(position.parent)].append(index)
        of_turn.setdefault(position.turn, index)
    found: list[Line] = []
    ahead: list[tuple[int, int, int | None]] = [(index, 0, None) for index in reversed(children[None])]
    while ahead:
        index, depth, parent = ahead.pop()
        line: list[int] = []
        branches: list[tuple[int, int, int | None]] = []
        following: int | None = index
        while following is not None:
            line.append(following)
            index, following = following, _main(ordered, children[following])
            branches += [(child, depth + 1, index) for child in children[index] if child != following]
        found.append(Line(tuple(ordered[at] for at in line), depth, None if parent is None else ordered[parent]))
        ahead += reversed(branches)
    return found


def _main(ordered: list[Picture], children: list[int]) -> int | None:
    """The child that the session went on from: the last that is no branch."""
    on_main_line = [child for child in children if not _position(ordered[child]).is_branch]
    return on_main_line[-1] if on_main_line else next(iter(children), None)


def _position(picture: Picture) -> SessionPosition:
    assert picture.record.position is not None
    return picture.record.position
