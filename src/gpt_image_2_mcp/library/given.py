"""Which pictures the person asked for: those that the model made on the way have no place of their own in a list."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from ..catalogue.picture_record import Picture

_MADE_HERE_OF: Final = frozenset({"model", "derived_from"})
"""The roles of a parent of which a picture was made here, for the same call."""


@dataclass(frozen=True, slots=True)
class Given:
    """The pictures of a page."""

    pictures: list[Picture]
    """Those that the person asked for; each has the cost and the place in a session of what it was made from."""
    behind: dict[str, list[Picture]]
    """By their ids, the model's own pictures that they were made from here."""
    stands_for: dict[str, str]
    """By the id of each picture behind another one, the id of that one."""
    ids: frozenset[str]
    """Of those that the person asked for."""


def given_of(pictures: Sequence[Picture]) -> Given:
    """Tell the pictures that the person asked for from those behind them: exact edits and delivered sizes come first.

    A picture that is an export of one of another call stands beside it.
    """
    by_id = {picture.id: picture for picture in pictures}
    made_into: dict[str, str] = {}
    for picture in pictures:
        for parent in picture.record.parents:
            source = by_id.get(parent.id or "")
            if parent.role in _MADE_HERE_OF and source and _same_call(source, picture):
                made_into[source.id] = picture.id
    last = {name: _last(name, made_into) for name in made_into}
    stands_for = {name: end for name, end in last.items() if end is not None}
    behind: dict[str, list[Picture]] = {}
    for picture in pictures:
        if picture.id in stands_for:
            behind.setdefault(stands_for[picture.id], []).append(picture)
    own = [picture for picture in pictures if picture.id not in stands_for]
    shown = [_with(picture, behind.get(picture.id, ())) for picture in own]
    return Given(shown, behind, stands_for, frozenset(picture.id for picture in shown))


def _same_call(one: Picture, other: Picture) -> bool:
    return one.record.job_id is not None and one.record.job_id == other.record.job_id


def _last(name: str, made_into: dict[str, str]) -> str | None:
    """The end of a chain; None where records, which may say anything, make a circle of it."""
    seen = {name}
    while name in made_into:
        name = made_into[name]
        if name in seen:
            return None
        seen.add(name)
    return name


def _with(picture: Picture, behind: Sequence[Picture]) -> Picture:
    record = picture.record
    costs = [other.record.cost_usd for other in behind if other.record.cost_usd is not None]
    places = [other.record.position for other in behind if other.record.position is not None]
    cost = record.cost_usd if record.cost_usd is not None or not costs else sum(costs, Decimal(0))
    place = record.position or next(iter(places), None)
    if (cost, place) == (record.cost_usd, record.position):
        return picture
    return picture.model_copy(update={"record": record.model_copy(update={"cost_usd": cost, "position": place})})
