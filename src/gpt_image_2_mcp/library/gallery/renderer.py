"""Renders the gallery's templates: the Jinja2 environment, and the page piece by piece.

Importing this module imports Jinja2, so `Library` does it only when a gallery is written.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import tzinfo
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ...catalogue.picture_record import Picture
from ..given import Given
from .cards import Cards
from .filters import FILTERS, cleaned
from .view import GalleryView

TEMPLATES: Final = Path(__file__).with_name("templates")


@dataclass(frozen=True, slots=True)
class Asset:
    """The style sheet or the script, as it stands in the page."""

    text: Markup
    hash: str
    """Its hash as the Content-Security-Policy wants it."""


def gallery_html(
    given: Given,
    *,
    thumbnail: Callable[[Picture], bytes | None],
    title: str = "Pictures",
    beside: Path | None = None,
    zone: tzinfo | None = None,
) -> Iterator[str]:
    """Yield the page in pieces, to be written as UTF-8: the newest day first, a session at the day of its last turn.

    The pictures' records are held in memory; thumbnails and HTML are not: `thumbnail` is called for one picture after
    the other while the pieces are taken, and returns a PNG, JPEG or WebP, or None where the picture's file is missing
    or cannot be shown. Links are relative to the folder `beside`, in which the page will lie, and absolute for pictures
    elsewhere. Days and times are those of `zone`; None is this machine's zone.
    """
    return (
        environment()
        .get_template("gallery.html.jinja")
        .generate(
            title=title,
            gallery=GalleryView(given.pictures, zone),
            cards=Cards(thumbnail, beside, zone, given),
            style=_asset("gallery.css"),
            script=_asset("gallery.js"),
        )
    )


@cache
def environment() -> Environment:
    """The environment of the templates: every value is cleaned and escaped, and an undefined name is an error."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        finalize=cleaned,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(FILTERS)
    return environment


def _asset(name: str) -> Asset:
    text = (TEMPLATES / name).read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Asset(Markup(text), f"sha256-{digest}")  # noqa: S704 - a file of this package, no value from a record
