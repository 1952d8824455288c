"""What the gallery's templates show: plain values, computed from the pictures while the page is written.

A template reads the iterators once and in order. A picture's `Card`, which holds its thumbnail, is made when the
template arrives at it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

import pybase64

from ...catalogue.models import Origin, Picture, TokensUsed
from ...images import MIME, sniff
from ...images.formats import LABEL, SNIFFED
from .filters import counted, shortened
from .session_tree import Line, lines

MAX_ALT = 160
"""Characters of a prompt that stand for the picture where it cannot be seen."""
MAX_PROMPT = 240
"""Characters of a prompt on a card; a longer one stands whole among the details."""
MAX_SETTING = 120
"""Characters of a parameter's value."""
MAX_INDENT = 4
"""Steps by which the branches of branches are moved in, at most."""
KINDS = {"image": "Generated", "edit": "Edit", "session": "Session"}


@dataclass(frozen=True, slots=True)
class Totals:
    """What the head of the page adds up."""

    pictures: int
    sessions: int
    cost: Decimal | None
    """Of the pictures with a known cost; None where there are pictures, and none of their costs is known."""
    first_day: date | None
    notes: list[str]
    """What the cost leaves out."""


@dataclass(frozen=True, slots=True)
class OriginView:
    """A picture that a card's picture was made from."""

    is_mask: bool
    name: str
    card_id: str | None
    """The card to link to, where the origin is on this page."""


@dataclass(frozen=True, slots=True)
class Card:
    """One picture."""

    id: str
    tags: list[str]
    prompt: str
    short_prompt: str
    alt: str
    thumbnail_url: str | None
    """A data URL; None where the file is missing."""
    link: str | None
    """The file's URL."""
    made: datetime
    width: int
    height: int
    cost: Decimal | None
    model: str
    quality: str
    background: str
    file_format: str
    size_bytes: int
    client: str | None
    project: str | None
    tokens: TokensUsed | None
    origins: list[OriginView]
    path: str
    request_id: str | None


@dataclass(frozen=True, slots=True)
class LineView:
    """A line of a session's tree."""

    cards: Iterator[Card]
    indent: int
    parent_id: str | None
    """The card of the turn that the line branches off; None where it begins at the originals."""
    parent_turn: int | None


@dataclass(frozen=True, slots=True)
class SessionView:
    """An edit session."""

    id: str
    turns: int
    cost: Decimal | None
    lines: list[LineView]


@dataclass(frozen=True, slots=True)
class Group:
    """A part of a day: one edit session, or the single pictures between two sessions."""

    session: SessionView | None
    cards: Iterator[Card]
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


class GalleryView:
    """What the page shows."""

    def __init__(
        self,
        pictures: Iterable[Picture],
        *,
        thumbnail: Callable[[Picture], bytes | None],
        beside: Path | None,
        zone: tzinfo | None,
    ) -> None:
        """Take pictures in any order; for the rest see `gallery_html`."""
        self._pictures = list(pictures)
        self._ids = frozenset(picture.id for picture in self._pictures)
        self._thumbnail = thumbnail
        self._beside = beside
        self._zone = zone

    @property
    def totals(self) -> Totals:
        """The number of pictures and of sessions, the cost, the first day."""
        everything = self._pictures
        paid = [picture for picture in everything if not picture.record.sandbox]
        known = _known_costs(everything)
        notes: list[str] = []
        if len(known) < len(paid):
            notes.append(f"of {counted(len(paid) - len(known), 'picture')} nobody knows the cost")
        if len(paid) < len(everything):
            notes.append(f"{counted(len(everything) - len(paid), 'picture')} of the sandbox cost nothing")
        return Totals(
            pictures=len(everything),
            sessions=len({picture.record.position.session_id for picture in everything if picture.record.position}),
            cost=sum(known, Decimal(0)) if known or not paid else None,
            first_day=self._day(min(picture.made for picture in everything)) if everything else None,
            notes=notes,
        )

    def days(self) -> Iterator[Day]:
        """The days on which something was made, the newest first."""
        for when, blocks in groupby(_blocks(self._pictures), key=lambda block: self._day(block.newest)):
            yield Day(when, self._groups(blocks))

    def _groups(self, blocks: Iterator[_Block]) -> Iterator[Group]:
        for in_session, group in groupby(blocks, key=lambda block: block.session_id is not None):
            if in_session:
                yield from (Group(self._session(block), iter(())) for block in group)
            else:
                yield Group(None, (self._card(picture) for block in group for picture in block.pictures))

    def _session(self, block: _Block) -> SessionView:
        known = _known_costs(block.pictures)
        return SessionView(
            id=block.session_id or "",
            turns=len(block.pictures),
            cost=sum(known, Decimal(0)) if known else None,
            lines=[self._line(line) for line in lines(block.pictures)],
        )

    def _line(self, line: Line) -> LineView:
        parent = line.parent
        return LineView(
            cards=map(self._card, line.pictures),
            indent=min(line.depth, MAX_INDENT),
            parent_id=parent.id if parent else None,
            parent_turn=parent.record.position.turn if parent and parent.record.position else None,
        )

    def _card(self, picture: Picture) -> Card:
        record = picture.record
        return Card(
            id=picture.id,
            tags=_tags(picture),
            prompt=record.prompt,
            short_prompt=shortened(record.prompt, MAX_PROMPT),
            alt=shortened(record.prompt, MAX_ALT) or "Picture without a prompt",
            thumbnail_url=_data_url(self._thumbnail(picture)),
            link=self._link(picture.path),
            made=_in_zone(record.made, self._zone),
            width=record.width,
            height=record.height,
            cost=record.cost_usd,
            model=record.model,
            quality=_setting(picture, "quality"),
            background=_setting(picture, "background"),
            file_format=LABEL[record.format],
            size_bytes=record.size_bytes,
            client=record.client,
            project=record.project,
            tokens=record.usage,
            origins=[self._origin(origin) for origin in record.parents],
            path=str(picture.path),
            request_id=record.request_id,
        )

    def _origin(self, origin: Origin) -> OriginView:
        return OriginView(
            is_mask=origin.role == "mask",
            name=origin.path or origin.source,
            card_id=origin.id if origin.id in self._ids else None,
        )

    def _link(self, path: Path) -> str | None:
        """The file's URL, relative to the page's folder where the file lies in it. It is never another kind of URL."""
        try:
            if self._beside and path.is_relative_to(self._beside) and ".." not in path.parts:
                return f"./{quote(path.relative_to(self._beside).as_posix())}"
            return path.as_uri()
        except ValueError:
            # The path is relative, or has a surrogate in it, which no URL can hold.
            return None

    def _day(self, when: datetime) -> date:
        return _in_zone(when, self._zone).date()


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


def _known_costs(pictures: Sequence[Picture]) -> list[Decimal]:
    """The costs of those that were paid for, where they are known."""
    return [
        picture.record.cost_usd
        for picture in pictures
        if not picture.record.sandbox and picture.record.cost_usd is not None
    ]


def _tags(picture: Picture) -> list[str]:
    record = picture.record
    tags = [f"Turn {record.position.turn}" if record.position else KINDS[record.kind]]
    if record.position and record.position.is_branch:
        tags.append("late")
    if record.sandbox:
        tags.append("sandbox")
    return tags


def _setting(picture: Picture, name: str) -> str:
    """A parameter's value: what the API applied, or else what was asked for."""
    record = picture.record
    return str(record.applied.get(name) or record.parameters.get(name) or "")[:MAX_SETTING]


def _data_url(thumbnail: bytes | None) -> str | None:
    """A thumbnail in a URL; None for what is no picture."""
    kind = sniff(thumbnail[:SNIFFED]) if thumbnail else None
    if thumbnail is None or kind is None:
        return None
    return f"data:{MIME[kind]};base64,{pybase64.b64encode_as_string(thumbnail)}"


def _in_zone(when: datetime, zone: tzinfo | None) -> datetime:
    """A time in a zone, None being this machine's; unchanged where the zone's time is out of the calendar's range."""
    try:
        return when.astimezone(zone)
    except OverflowError:
        return when
