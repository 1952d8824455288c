"""Tells whether a picture is blank, from its bytes, without raising: a paid picture of one colour deserves a word."""

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from .decode import open_image
from .headers import Facts, read_header
from .memory import DECODING, check_size, decode_in_child, is_small
from .preview import open_scaled

if TYPE_CHECKING:
    from PIL import Image

MAX_BYTES_PER_PIXEL: Final = 0.5
"""A blank picture has far fewer: what has more is not looked at, which spares most pictures the decoding."""
SMALL: Final = 64
"""The edge, in pixels, of the copy that is looked at."""
SPREAD: Final = 2
"""The levels by which a copy's colours differ at the most where it is of one colour."""
ONE_COLOUR: Final = 0.995
"""The share of a copy that has one colour where the rest is not worth a word."""
_SEEN: Final = 8
"""The alpha, of 255, that can be seen."""


def blank_text(data: bytes, facts: Facts, *, name: str) -> str | None:
    """A sentence that says what a picture is that shows nothing, or nearly nothing; None for any other. Blocks."""
    if not facts.width or len(data) > MAX_BYTES_PER_PIXEL * facts.width * facts.height:
        return None
    with suppress(Exception):  # What cannot be decoded has a sentence of its own.
        found = _only_colour(data, facts)
        if found == "":
            return f"{name} looks blank: all of it, or nearly all, is transparent."
        if found is not None:
            return f"{name} looks blank: all of it, or nearly all, is one colour ({found})."
    return None


def _only_colour(data: bytes, facts: Facts) -> str | None:
    """The one colour of a picture, as #RRGGBB, "" for none at all; None if there are several."""
    header = read_header(data)
    check_size(header)
    if is_small(header, scaled=True):
        with DECODING.reserve(), open_scaled(data, facts, SMALL) as opened:
            small = _reduced(opened)
    else:
        with open_image(decode_in_child("thumbnail", data).data) as opened:
            small = _reduced(opened)
    alpha = small.getchannel("A")
    if sum(alpha.histogram()[_SEEN:]) <= (1 - ONE_COLOUR) * SMALL**2:
        return ""
    if sum(alpha.histogram()[: 256 - _SEEN]):
        # What is cut out on a transparent ground may well have one colour.
        return None
    colours = small.convert("RGB")
    middle = tuple(_median(channel.histogram()) for channel in colours.split())
    off = [0] * SMALL**2
    for channel, level in zip(colours.split(), middle, strict=True):
        for index, value in enumerate(channel.tobytes()):
            off[index] = max(off[index], abs(value - level))
    near = sum(each < SPREAD for each in off)
    return "#{:02X}{:02X}{:02X}".format(*middle) if near >= ONE_COLOUR * SMALL**2 else None


def _reduced(opened: "Image.Image") -> "Image.Image":
    from PIL import Image

    return opened.convert("RGBA").resize((SMALL, SMALL), Image.Resampling.BOX)  # pyright: ignore[reportUnknownMemberType] - numpy's


def _median(counts: list[int]) -> int:
    """The level in the middle of a histogram."""
    passed = 0
    for level, count in enumerate(counts):
        passed += count
        if 2 * passed >= sum(counts):
            return level
    return 0
