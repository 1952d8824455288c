"""Computes what the gallery shows of one picture beside its record: the thumbnail, the link, the shortened prompt."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from urllib.parse import quote

import pybase64

from ...catalogue.picture_record import Origin, Picture
from ...errors import shorten_line
from ...images import MIME, sniff
from ...images.formats import LABEL, SNIFFED
from ..given import Given
from ..text import no_thumbnail_text
from .filters import in_zone

MAX_ALT = 160
"""Characters of a prompt that stand for the picture where it cannot be seen."""
MAX_PROMPT = 240
"""Characters of a prompt on a card; a longer one stands whole among the details."""
MAX_SETTING = 120
"""Characters of a parameter's value."""
KINDS = {"image": "Generated", "edit": "Edit", "session": "Session"}


@dataclass(frozen=True, slots=True)
class OriginLabel:
    """How a card names a picture that its own was made from."""

    is_mask: bool
    name: str
    card_id: str | None
    """The card to link to, where the origin is on this page."""


@dataclass(frozen=True, slots=True)
class BehindLink:
    """A picture that has no card, by its file."""

    name: str
    link: str | None


@dataclass(frozen=True, slots=True)
class Card:
    """One picture, as the template shows it."""

    picture: Picture
    tags: list[str]
    short_prompt: str
    alt: str
    thumbnail_url: str | None
    """A data URL; None where the file is missing or cannot be shown."""
    note: str
    """What stands in place of a missing thumbnail."""
    link: str | None
    """The file's URL."""
    made: datetime
    quality: str
    background: str
    file_format: str
    origins: list[OriginLabel]
    behind: list[BehindLink]
    """What the model made, of which the picture was made here."""


@dataclass(frozen=True, slots=True)
class Cards:
    """Makes the cards of one page; for `thumbnail`, `beside` and `zone` see `gallery_html`."""

    thumbnail: Callable[[Picture], bytes | None]
    beside: Path | None
    zone: tzinfo | None
    given: Given
    """The pictures of the page, to which other cards can link."""

    def card_of(self, picture: Picture) -> Card:
        """The card of one picture; reads its thumbnail."""
        record = picture.record
        behind = self.given.behind.get(picture.id, [])
        hidden = {other.id for other in behind}
        return Card(
            picture=picture,
            tags=_tags(picture),
            short_prompt=shorten_line(record.prompt, MAX_PROMPT),
            alt=shorten_line(record.prompt, MAX_ALT) or "Picture without a prompt",
            thumbnail_url=_data_url(self.thumbnail(picture)),
            note=_capitalized(no_thumbnail_text(picture)),
            link=self._link(picture.path),
            made=in_zone(record.made, self.zone),
            quality=_setting(picture, "quality"),
            background=_setting(picture, "background"),
            file_format=LABEL[record.format],
            origins=[self._label(origin) for origin in record.parents if origin.id not in hidden],
            behind=[BehindLink(other.path.name, self._link(other.path)) for other in behind],
        )

    def _label(self, origin: Origin) -> OriginLabel:
        name = self.given.stands_for.get(origin.id or "", origin.id)
        return OriginLabel(
            is_mask=origin.role == "mask",
            name=origin.path or origin.source,
            card_id=name if name in self.given.ids else None,
        )

    def _link(self, path: Path) -> str | None:
        """The file's URL, relative to the page's folder where the file lies in it. It is never another kind of URL."""
        try:
            if self.beside and path.is_relative_to(self.beside) and ".." not in path.parts:
                return f"./{quote(path.relative_to(self.beside).as_posix())}"
            return path.as_uri()
        except ValueError:
            # The path is relative, or has a surrogate in it, which no URL can hold.
            return None


def _tags(picture: Picture) -> list[str]:
    record = picture.record
    tags = [f"Turn {record.position.turn}" if record.position else KINDS[record.kind]]
    if record.position and record.position.is_branch:
        tags.append("late")
    if record.sandbox:
        tags.append("sandbox")
    return tags


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]


def _setting(picture: Picture, name: str) -> str:
    """A parameter's value: what the API applied, or else what was asked for."""
    record = picture.record
    return str(record.applied.get(name) or record.parameters.get(name) or "")[:MAX_SETTING]


def _data_url(thumbnail: bytes | None) -> str | None:
    """A thumbnail as a URL; None for bytes that are no picture."""
    kind = sniff(thumbnail[:SNIFFED]) if thumbnail else None
    if thumbnail is None or kind is None:
        return None
    return f"data:{MIME[kind]};base64,{pybase64.b64encode_as_string(thumbnail)}"
