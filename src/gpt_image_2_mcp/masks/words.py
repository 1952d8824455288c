"""Parses the words of a mask: `box 120,40 300x200 + ellipse 500,60 80x80 of 1024x683 grow 8`.

    mask    = [ "everything but" ] part { ("+" | "-") part } [ "of" frame ] [ "grow" length ] [ "feather" length ]
    part    = ("box" | "ellipse" | "around") corner ( WxH | ["to"] corner ) | "polygon" corner corner corner …
    corner  = X,Y
    frame   = WxH | number      how many units the picture's width and height have
    length  = number            pixels of the picture

Each number can be a share, with a per cent sign. Parts apply from left to right. `place` turns the numbers into pixels.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal, cast

from ..errors import BadRequest, shown

Kind = Literal["box", "ellipse", "around", "polygon"]

FORMS: Final = (
    "Write `box LEFT,TOP WIDTHxHEIGHT`, `ellipse …` or `around …` (the object in that box) likewise, or"
    " `polygon X,Y X,Y X,Y`; join shapes with ` + ` and ` - `, put `everything but` before them, and"
    " `of WIDTHxHEIGHT` (the size at which you saw the picture), `grow N` or `feather N` behind them."
)
MAX_TEXT: Final = 5000
"""Characters of the words of a mask."""
MAX_PARTS: Final = 50
_CORNERS_OF_TRIANGLE: Final = 3
_KINDS: Final = frozenset({"box", "ellipse", "around", "polygon"})

_BEGINNING: Final = re.compile(r"\s*(everything\s+but\s+)?(box|ellipse|around|polygon)\b(?=[\s\d(\[])", re.IGNORECASE)
_FILE: Final = re.compile(r"\.[a-z]{3,4}\s*\Z", re.IGNORECASE)
_THREE_NUMBERS: Final = re.compile(r"[a-z\s([]*\d+(?:\.\d+)?%?(?:[\s,x]+\d+(?:\.\d+)?%?){2}[^/\\]*", re.IGNORECASE)
_TOKEN: Final = re.compile(r"\s*(?:(-?\d{1,9}(?:\.\d{1,9})?)\s*(%?)|([a-z]+)|([-+,()\[\]]))", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Number:
    """A number of the words, in units of the frame or in per cent."""

    value: float
    is_percent: bool = False

    def __str__(self) -> str:
        """The number as it is written."""
        return f"{self.value:.10g}{'%' if self.is_percent else ''}"


Pair = tuple[Number, Number]
"""Horizontal and vertical."""


@dataclass(frozen=True, slots=True)
class Part:
    """One shape: the corners of a polygon, or two opposite corners of a box; with `size`, only the first of them."""

    kind: Kind
    corners: tuple[Pair, ...]
    size: Pair | None = None
    is_removed: bool = False
    """Whether the shape is taken away from those before it."""


@dataclass(frozen=True, slots=True)
class Words:
    """A mask in words."""

    parts: tuple[Part, ...]
    is_inverted: bool = False
    """Whether everything but these parts changes."""
    frame: tuple[float, float] | None = None
    """How many units the picture is wide and high; None for pixels of the picture itself."""
    is_stretched: bool = False
    """Whether the frame is one number for both edges, whatever the picture's ratio is."""
    grow: Number | None = None
    feather: Number | None = None

    @property
    def needs_picture(self) -> bool:
        """Whether a part is found in the picture, and not only drawn."""
        return any(part.kind == "around" for part in self.parts)


def parse_words(text: str) -> Words | None:
    """Parse a mask in words; None if the text does not begin like one, so that it names a picture.

    Raises:
        BadRequest: it begins like one and is none; the message shows where, and the forms.

    """
    if _FILE.search(text):
        return None
    if not _BEGINNING.match(text):
        if _THREE_NUMBERS.fullmatch(text):
            raise BadRequest(f"The mask {shown(text)} does not begin with a shape. {FORMS}")
        return None
    if len(text) > MAX_TEXT:
        raise BadRequest(f"The mask has {len(text):,} characters, and {MAX_TEXT:,} are the most: use fewer corners.")
    return _Parser(text).mask()


class _Parser:
    """Reads the tokens of one text from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list[tuple[Number | str, int]]()
        self._at = 0
        position, end = 0, len(text.rstrip())
        plain = text.replace("\N{MULTIPLICATION SIGN}", "x")
        for dash in "\N{MINUS SIGN}\N{EN DASH}":
            plain = plain.replace(dash, "-")
        while position < end:
            found = _TOKEN.match(plain, position)
            if found is None:
                raise self._error("a shape, a number or a sign", position)
            number, percent, word, sign = found.groups()
            token = Number(float(number), bool(percent)) if number else (word or sign).lower()
            self._tokens.append((token, found.start() + len(found[0]) - len(found[0].lstrip())))
            position = found.end()

    def mask(self) -> Words:
        is_inverted = self._takes("everything")
        if is_inverted:
            self._take("but")
        parts = [self._part(is_removed=False)]
        while self._next in {"+", "-"}:
            parts.append(self._part(is_removed=self._pop() == "-"))
        if len(parts) > MAX_PARTS:
            raise BadRequest(f"The mask has {len(parts)} shapes, and {MAX_PARTS} are the most.")
        frame, is_stretched = self._frame() if self._takes("of") else (None, False)
        lengths: dict[str, Number] = {}
        while self._next in {"grow", "feather"} and self._next not in lengths:
            name = cast("str", self._pop())
            lengths[name] = self._length()
        if self._next is not None:
            raise self._error("` + `, ` - `, `of`, `grow`, `feather` or the end")
        return Words(tuple(parts), is_inverted, frame, is_stretched, lengths.get("grow"), lengths.get("feather"))

    def _part(self, *, is_removed: bool) -> Part:
        kind = self._next
        if kind not in _KINDS:
            raise self._error("`box`, `ellipse`, `around` or `polygon`")
        self._pop()
        bracket = self._pop() if self._next in {"(", "["} else None
        corners, size = self._polygon() if kind == "polygon" else self._two_corners()
        if bracket:
            self._take(")" if bracket == "(" else "]")
        return Part(cast("Kind", kind), tuple(corners), size, is_removed)

    def _polygon(self) -> tuple[list[Pair], None]:
        corners = list[Pair]()
        while isinstance(self._next, Number):
            corners.append(self._corner())
            self._takes(",")
        if len(corners) < _CORNERS_OF_TRIANGLE:
            raise self._error("a polygon's corner X,Y, of which it has three or more")
        return corners, None

    def _two_corners(self) -> tuple[list[Pair], Pair | None]:
        first = self._corner()
        is_corner = self._takes("to")
        self._takes(",")
        across = self._number("a size WIDTHxHEIGHT, or the opposite corner X,Y")
        if not is_corner and self._takes("x"):
            return [first], (across, self._number("a height"))
        self._takes(",")
        return [first, (across, self._number("the opposite corner X,Y"))], None

    def _corner(self) -> Pair:
        across = self._number("a corner X,Y")
        self._takes(",")
        return across, self._number("a corner X,Y")

    def _frame(self) -> tuple[tuple[float, float], bool]:
        width = self._number("the frame's size, such as 1024x683 or 1000")
        is_stretched = not self._takes("x")
        height = width if is_stretched else self._number("the frame's height")
        self._takes("px")
        if width.is_percent or height.is_percent or min(width.value, height.value) <= 0:
            raise self._error("a frame such as 1024x683 or 1000", self._tokens[self._at - 1][1])
        return (width.value, height.value), is_stretched

    def _length(self) -> Number:
        length = self._number("a number of pixels")
        if length.value < 0:
            raise self._error("a number of pixels that is not negative", self._tokens[self._at - 1][1])
        self._takes("px")
        return length

    def _number(self, what: str) -> Number:
        if not isinstance(self._next, Number):
            raise self._error(what)
        return cast("Number", self._pop())

    @property
    def _next(self) -> Number | str | None:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else None

    def _pop(self) -> Number | str:
        self._at += 1
        return self._tokens[self._at - 1][0]

    def _takes(self, token: str) -> bool:
        """Go on behind the next token if it is this one."""
        found = self._next == token
        self._at += found
        return found

    def _take(self, token: str) -> None:
        if not self._takes(token):
            raise self._error(f"`{token}`")

    def _error(self, expected: str, position: int | None = None) -> BadRequest:
        if position is None:
            position = self._tokens[self._at][1] if self._at < len(self._tokens) else len(self._text)
        rest = self._text[position:].strip()
        where = f"at {shown(rest)}" if rest else "at its end"
        return BadRequest(
            f"The mask {shown(self._text)} is not understood {where}, where {expected} is expected. {FORMS}"
        )
