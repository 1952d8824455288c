"""Arranges the gallery's pictures for the template: the totals, the days, and on each day sessions and single pictures.

The template reads the iterators once and in order.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from decimal import Decimal
from itertools import groupby

from ...catalogue.picture_record import Picture
from .filters import counted, in_zone
from .session_tree import Line, lines


@dataclass(frozen=True, slots=True)
class Totals:
    """What the head of the page adds up."""

    pictures: int
    sessions: int
    cost: Decimal | None
    """Of the pictures with a known cost; None where some were paid for, and none of their costs is known."""
    first_day: date | None
    notes: list[str]
    """What the cost leaves out."""


@dataclass(frozen=True, slots=True)
class SessionView:
    """An edit session."""

    id: str
    turns: int
    cost: Decimal | None
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class Group:
    """A part of a day: one edit session, or the single pictures between two sessions."""

    session: SessionView | None
    pictures: Iterator[Picture]
    """The single pictures."""


@dataclass(frozen=True, slots=True)
class Day:
    """A day, with the sessions that were last used on it and the single pictures that were made on it."""

    date: date
    groups: Iterator[Group]


@dataclass(slots=True)
class _Block:
    """Pictures that stay together: a single one, or a session's."""

    newest: datetime
    pictures: list[Picture]
    session_id: str | None = None


@dataclass(frozen=True, slots=True)
class GalleryView:
    """What the page shows."""

    pictures: Sequence[Picture]
    """In any order."""
    zone: tzinfo | None
    """The zone that tells the day of a picture; None is this machine's."""

    @property
    def totals(self) -> Totals:
        """The number of pictures and of sessions, the cost, the first day."""
        paid = [picture for picture in self.pictures if not picture.record.sandbox]
        known = _known_costs(self.pictures)
        notes: list[str] = []
        if len(known) < len(paid):
            notes.append(f"of {counted(len(paid) - len(known), 'picture')} nobody knows the cost")
        if len(paid) < len(self.pictures):
            notes.append(f"{counted(len(self.pictures) - len(paid), 'picture')} of the sandbox cost nothing")
        return Totals(
            pictures=len(self.pictures),
            sessions=len({picture.record.position.session_id for picture in self.pictures if picture.record.position}),
            cost=sum(known, Decimal(0)) if known or not paid else None,
            first_day=self._day(min(picture.made for picture in self.pictures)) if self.pictures else None,
            notes=notes,
        )

    def days(self) -> Iterator[Day]:
        """The days on which something was made, the newest first."""
        for when, blocks in groupby(_blocks(self.pictures), key=lambda block: self._day(block.newest)):
            yield Day(when, _groups(blocks))

    def _day(self, when: datetime) -> date:
        return in_zone(when, self.zone).date()


def _blocks(pictures: Iterable[Picture]) -> list[_Block]:
    """The single pictures, and the sessions at the time of their last turn, the newest first."""
    sessions: dict[str, _Block] = {}
    blocks: list[_Block] = []
    for picture in pictures:
        position = picture.record.position
        if position is None:
            blocks.append(_Block(picture.made, [picture]))
            continue
        block = sessions.get(position.session_id)
        if block is None:
            block = sessions[position.session_id] = _Block(picture.made, [], position.session_id)
            blocks.append(block)
        block.pictures.append(picture)
        block.newest = max(block.newest, picture.made)
    return sorted(blocks, key=lambda block: block.newest, reverse=True)


def _groups(blocks: Iterable[_Block]) -> Iterator[Group]:
    for in_session, group in groupby(blocks, key=lambda block: block.session_id is not None):
        if in_session:
            yield from (Group(_session(block), iter(())) for block in group)
        else:
            yield Group(None, (picture for block in group for picture in block.pictures))


def _session(block: _Block) -> SessionView:
    known = _known_costs(block.pictures)
    return SessionView(
        id=block.session_id or "",
        turns=len(block.pictures),
        cost=sum(known, Decimal(0)) if known else None,
        lines=lines(block.pictures),
    )


def _known_costs(pictures: Iterable[Picture]) -> list[Decimal]:
    """The costs of the pictures that were paid for, where they are known."""
    records = (picture.record for picture in pictures)
    return [record.cost_usd for record in records if not record.sandbox and record.cost_usd is not None]
