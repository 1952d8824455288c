"""Token counts of prompts and pictures, by OpenAI's formulas.

The formulas reproduce every published or billed value that is known on 2026-11-22: eleven for output, five for input
pictures. For an aspect ratio above 3:1 no billed value is known; there the long side counts as three times the short
one.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

from .errors import JsonObject

PARTIAL_TOKENS = 100
"""Image output tokens of each partial picture that is streamed."""

_PATCH = 32
"""The edge, in pixels, of the squares that an input picture is counted in: one token each."""
_MOST_PATCHES = 1536
"""An input picture with more patches is scaled down to these."""
_SMALL_SIDE = 1024
"""An input picture whose long side is shorter, in pixels, is scaled up to this,"""
_MAGNIFY = 2
"""but at most by this factor."""


def output_tokens(width: int, height: int, *, grid: int) -> int:
    """Count the image output tokens of one finished picture of `width` by `height` pixels."""
    short, long = sorted((width, height))
    depth = round(Fraction(grid * short, long))  # a Fraction rounds exactly, and a half to the even number
    return math.ceil(Fraction(grid * depth * (2_000_000 + width * height), 4_000_000))


def input_picture_tokens(width: int, height: int) -> int:
    """Count the image input tokens of one picture of `width` by `height` pixels."""
    short, long = sorted((width, height))
    long = min(long, 3 * short)
    scale = min(_MAGNIFY, _SMALL_SIDE / long) if long < _SMALL_SIDE else 1
    short_px, long_px = short * scale, long * scale
    if _patches(short_px) * _patches(long_px) > _MOST_PATCHES:
        shrink = math.sqrt(_MOST_PATCHES * _PATCH * _PATCH / (short_px * long_px))
        # The scaled picture is scaled down further until one side is a whole number of patches: rounding up the
        # patches of both sides could exceed the limit.
        whole = [side * shrink / _PATCH for side in (short_px, long_px)]
        shrink *= min(math.floor(side) / side for side in whole)
        short_px, long_px = short_px * shrink, long_px * shrink
    return _patches(short_px) * _patches(long_px)


def text_tokens(text: str) -> int:
    """Estimate the tokens of a prompt at four characters each."""
    return math.ceil(len(text) / 4)


GENERATION_EXTRA = 6
"""Text tokens of a generation beside those of its prompt."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of one request."""

    text: int
    pictures: int
    output: int

    def body(self, *, details: bool = True) -> JsonObject:
        """Return the `usage` object; `details` adds those of the output, which stream events do not have."""
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
    # A floating-point error must not turn exactly 26 patches into 27.
    return math.ceil(round(side / _PATCH, 6))
