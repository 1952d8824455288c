"""`extend`: by how much a picture's canvas grows on each side, as in "left 512, top 128" or "right 25%"."""

import re
from typing import Final, NamedTuple

from ..errors import BadRequest, shown

MAX_CANVAS: Final = 50_000_000
"""Pixels of an extended picture."""
MIN_ADDED: Final = 8
"""Pixels that are added to a picture together: fewer are a mistake."""

_SIDE: Final = re.compile(r"\s*(left|top|right|bottom)[\s:=]*(\d{1,5})\s*(px|%)?\s*", re.IGNORECASE | re.ASCII)
_SEPARATOR: Final = re.compile(r"\s*(?:[,;+]|\band\b)\s*|(?<=[\d%x])\s+(?=[a-z])", re.IGNORECASE)

Size = tuple[int, int]
Box = tuple[int, int, int, int]


class Edges(NamedTuple):
    """Pixels that are added to each side of a picture."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0

    def canvas(self, picture: Size) -> Size:
        """The width and height of the extended picture."""
        return picture[0] + self.left + self.right, picture[1] + self.top + self.bottom

    def inside(self, canvas: Size) -> Box:
        """Where the picture lies in its canvas: left, upper, right and lower edge."""
        return self.left, self.top, canvas[0] - self.right, canvas[1] - self.bottom

    def new_in(self, canvas: Size) -> Box:
        """The box around all that is new of a canvas: a strip, or all of it where several sides were extended."""
        width, height = canvas
        left, upper, right, lower = self.inside(canvas)
        match (self.left > 0, self.top > 0, self.right > 0, self.bottom > 0):
            case (True, False, False, False):
                return 0, 0, left, height
            case (False, True, False, False):
                return 0, 0, width, upper
            case (False, False, True, False):
                return right, 0, width, height
            case (False, False, False, True):
                return 0, lower, width, height
            case _:
                return 0, 0, width, height


def parse_extension(text: str) -> dict[str, tuple[int, bool]]:
    """The number for each side, and whether it is a share of the picture's width or height in per cent.

    Raises:
        ValueError: it is not understood, or names a side twice.

    """
    found: dict[str, tuple[int, bool]] = {}
    for part in _SEPARATOR.split(text):
        side = _SIDE.fullmatch(part)
        if side is None:
            raise ValueError(
                "`extend` names sides, each with the pixels to add there, such as 'left 512, top 128', or a share such"
                f" as 'right 25%'; got {shown(text)}"
            )
        name = side[1].lower()
        if name in found:
            raise ValueError(f"`extend` names the {name} side twice; got {shown(text)}")
        found[name] = (int(side[2]), side[3] == "%")
    return found


def edges_of(text: str, picture: Size) -> Edges:
    """The pixels that `text`, which was parsed before, adds to a picture of this size (width, height).

    Raises:
        BadRequest: they are too few, or the canvas would be too large.

    """
    pixels: dict[str, int] = {}
    for side, (number, is_share) in parse_extension(text).items():
        whole = picture[0] if side in {"left", "right"} else picture[1]
        pixels[side] = round(number * whole / 100) if is_share else number
    added = Edges(**pixels)
    width, height = added.canvas(picture)
    if sum(pixels.values()) < MIN_ADDED:
        raise BadRequest(
            f"`extend` {shown(text)} adds {sum(pixels.values())} pixels to the {picture[0]}x{picture[1]} picture, and"
            f" {MIN_ADDED} are the fewest."
        )
    if width * height > MAX_CANVAS:
        raise BadRequest(
            f"`extend` {shown(text)} would make a canvas of {width}x{height}, and {MAX_CANVAS:,} pixels are the most."
        )
    return added
