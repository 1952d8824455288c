"""What a picture costs in tokens.

The formulas reproduce every published or billed value that is known on 2026-11-22: eleven for output, five for input
pictures. Beyond an aspect of 3:1 no billed value is known; the long side is taken as three times the short one.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

from .errors import JsonObject

PARTIAL_TOKENS = 100
"""Image output tokens of each partial picture that is streamed."""

_PATCH = 32
_MOST_PATCHES = 1536
_SMALL_SIDE = 1024
_MAGNIFY = 2


def output_tokens(width: int, height: int, *, grid: int) -> int:
    """Image output tokens of one finished picture of `width` by `height` pixels."""
    short, long = sorted((width, height))
    depth = round(Fraction(grid * short, long))  # a Fraction rounds half to even, and exactly
    return math.ceil(Fraction(grid * depth * (2_000_000 + width * height), 4_000_000))


def input_picture_tokens(width: int, height: int) -> int:
    """Image input tokens of one picture of `width` by `height` pixels."""
    short, long = sorted((width, height))
    long = min(long, 3 * short)
    scale = min(_MAGNIFY, _SMALL_SIDE / long) if long < _SMALL_SIDE else 1
    short_px, long_px = short * scale, long * scale
    if _patches(short_px) * _patches(long_px) > _MOST_PATCHES:
        shrink = math.sqrt(_MOST_PATCHES * _PATCH * _PATCH / (short_px * long_px))
        # The shrunk picture is shrunk again until one of its sides is whole patches, so that the limit holds.
        whole = [side * shrink / _PATCH for side in (short_px, long_px)]
        shrink *= min(math.floor(side) / side for side in whole)
        short_px, long_px = short_px * shrink, long_px * shrink
    return _patches(short_px) * _patches(long_px)


def text_tokens(text: str) -> int:
    """Tokens of a prompt: about four characters each."""
    return math.ceil(len(text) / 4)


GENERATION_EXTRA = 6
"""Text tokens that a generation counts on top of its prompt."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request."""

    text: int
    pictures: int
    output: int

    def body(self, *, details: bool = True) -> JsonObject:
        """The `usage` object; `details` adds the output's, which stream events do not carry."""
        usage: JsonObject = {
            "input_tokens": self.text + self.pictures,
            "input_tokens_details": {"text_tokens": self.text, "image_tokens": self.pictures},
            "output_tokens": self.output,
            "total_tokens": self.text + self.pictures + self.output,
        }
        if details:
            usage["output_tokens_details"] = {"image_tokens": self.output, "text_tokens": 0}
        return usage


def _patches(side: float) -> int:
    # Floating error must not turn exactly 26 patches into 27.
    return math.ceil(round(side / _PATCH, 6))
