"""The gallery: all pictures on one page that needs nothing else, with what was asked for and what each cost.

The page makes no request and runs without its script, which only searches. Everything that stands in a record may have
been written by anybody, so it is escaped wherever it goes, and the page's own policy allows neither another script nor
another style.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from itertools import groupby
from pathlib import Path

from ...catalogue.models import Picture
from . import page
from .cards import Cards
from .markup import local
from .trees import lines


@dataclass(slots=True)
class _Block:
    """What stands together: one picture, or an edit session."""

    newest: datetime
    pictures: list[Picture] = field(default_factory=list[Picture])
    session_id: str | None = None


def gallery(
    pictures: Iterable[Picture],
    *,
    thumbnail: Callable[[Picture], bytes | None],
    title: str = "Pictures",
    beside: Path | None = None,
    zone: tzinfo | None = None,
) -> Iterator[str]:
    """Give the page piece by piece, to be written as UTF-8: the newest day first, a session where it was last used.

    Records are held, thumbnails are not: `thumbnail` is called for one picture after the other, and gives a PNG, JPEG
    or WebP, or None where the picture is missing. Links are relative to `beside`, the folder that the page will lie in,
    and absolute for pictures elsewhere. Days and times are those of `zone`, None being this machine's. Blocks.
    """
    everything = list(pictures)
    cards = Cards(thumbnail=thumbnail, beside=beside, zone=zone, ids=frozenset(picture.id for picture in everything))
    yield page.head(title)
    yield page.header(title, everything, zone=zone)

    def day(block: _Block) -> date:
        return local(block.newest, zone).date()

    for when, blocks in groupby(_blocks(everything), key=day):
        yield page.day_begins(when)
        for in_session, group in groupby(blocks, key=lambda block: block.session_id is not None):
            if in_session:
                for block in group:
                    yield from _session(block, cards)
            else:
                yield '<ul class="grid">\n'
                for block in group:
                    yield from map(cards.card, block.pictures)
                yield "</ul>\n"
        yield page.DAY_ENDS
    yield page.foot(empty=not everything)


def _blocks(pictures: list[Picture]) -> list[_Block]:
    """The newest first."""
    sessions: dict[str, _Block] = {}
    blocks: list[_Block] = []
    for picture in pictures:
        place = picture.record.position
        if place is None:
            blocks.append(_Block(picture.made, [picture]))
            continue
        block = sessions.get(place.session_id)
        if block is None:
            block = sessions[place.session_id] = _Block(picture.made, session_id=place.session_id)
            blocks.append(block)
        block.pictures.append(picture)
        block.newest = max(block.newest, picture.made)
    return sorted(blocks, key=lambda block: block.newest, reverse=True)


def _session(block: _Block, cards: Cards) -> Iterator[str]:
    yield page.session_begins(block.session_id or "", block.pictures)
    for line in lines(block.pictures):
        yield page.line_begins(line)
        yield from map(cards.card, line.pictures)
        yield "</ol>\n"
    yield "</section>\n"
