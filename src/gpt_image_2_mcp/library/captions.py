"""Captions of contact sheets: text in letters that Pillow's built-in font has, cut to fit under a thumbnail.

The built-in font is used since every machine has it. It has the letters of English and few others: a letter's accents
are left out, and an ellipsis stands for letters that it does not have.
"""

import re
import unicodedata
from bisect import bisect_right
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from ..catalogue.picture_record import Picture

if TYPE_CHECKING:
    from PIL import ImageFont

MAX_CAPTION: Final = 100
"""The first characters of a text, which are all that a caption uses: more than any tile has room for."""

_REPLACED: Final = {
    "×": "x",
    "–": "-",
    "—": "-",
    "ß": "ss",
    "ø": "o",
    "ł": "l",
    "Ø": "O",
    "Ł": "L",
    "æ": "ae",
    "Æ": "AE",
}


def caption(picture: Picture) -> str:
    """Return the first words of the prompt, or the day and time if the font has letters for none of them."""
    mark = "exact: " if picture.record.is_exact else ""
    words = drawable(f"{mark}{picture.record.prompt}")
    return words if any(map(str.isalnum, words)) else f"{picture.made:%Y-%m-%d %H:%M}"


def drawable(text: str) -> str:
    """Return the beginning of a text on one line, in letters that the built-in font has; `MAX_CAPTION` at most."""
    line = "".join(" " if _is_control(letter) else _spelled(letter) for letter in text[:MAX_CAPTION])
    # A word in another script becomes a row of ellipses, of which one is enough. The text is cut again at the end since
    # several letters may have replaced one.
    return re.sub("…(?: *…)+", "…", " ".join(line.split()))[:MAX_CAPTION].rstrip()


def cut_to_width(text: str, font: "ImageFont.FreeTypeFont | ImageFont.ImageFont", width: int) -> str:
    """Cut a text to `width` pixels, with an ellipsis at its end if it is longer."""
    if font.getlength(text) <= width:
        return text
    # Measuring is slow, so the length is found by bisection instead of letter by letter.
    length = bisect_right(range(1, len(text)), width, key=lambda length: font.getlength(f"{text[:length]}…"))
    return f"{text[:length].rstrip(' ….,:;')}…"


def _is_control(letter: str) -> bool:
    return unicodedata.category(letter)[0] in "CZ"


@lru_cache(4096)
def _spelled(letter: str) -> str:
    """Return a letter, or what replaces it if the font does not have it; an accent without a letter is left out."""
    for candidate in (letter, _REPLACED.get(letter, ""), _without_accents(letter)):
        if candidate and all(map(_has_glyph, candidate)):
            return candidate
    return "" if unicodedata.combining(letter) else "…"


def _without_accents(letter: str) -> str:
    """Return the plain letters that a letter consists of or stands for: e for é, fi for ﬁ, 2 for ²."""
    return "".join(part for part in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(part))


def _has_glyph(letter: str) -> bool:
    # The font draws the same box for every letter that it does not have; U+FFFF is none in any font.
    return letter.isascii() or _pixels(letter) != _pixels("\uffff")


def _pixels(letter: str) -> bytes:
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("1", (24, 24))
    ImageDraw.Draw(image).text((2, 0), letter, font=ImageFont.load_default(16), fill=1)
    return image.tobytes()
