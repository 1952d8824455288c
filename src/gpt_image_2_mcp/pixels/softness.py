"""What a picture loses where it is drawn at other places and drawn back: fine lines get softer, by how far they moved.

A model's picture that was moved by parts of a pixel has lost that, and loses it again where it is drawn back. So the
original is compared as it would be after the same, and what is new is sharpened by what it lost; both by as much of it
as is seen in what was to stay, and by nothing where it is not seen there.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from .align import Movement
from .arrays import Floats, Mask, grey

_MARGIN = 12
"""Pixels round a part of a picture that are drawn with it, so that its edges have all that is next to them."""
_STEPS = (3.0, 1.0)
"""How many times what is still lost is added, one after the other: more at first, since most of fine lines is lost."""
_LOST_NOISE = 0.5
"""The part of the noise, in squares, that is seen in what is lost."""
_SAMPLES = 60_000
"""Pixels from which it is learnt how much is lost."""
_EVIDENCE = 400.0
"""How many times the square of what else differs in a pixel is lost in all samples before it is known how much is."""

Box = tuple[int, int, int, int]
"""Left, top, right and bottom."""


@dataclass(frozen=True, slots=True)
class Softness:
    """The `share`, 0 to 1, that was lost of what a movement lets expect, and the `noise` besides, in levels."""

    share: float
    noise: float


SHARP = Softness(0.0, 0.0)
"""Nothing was lost."""


class RoundTrip:
    """Draws a picture of `size` (width, height), or a `box` of it, where the model drew it, and draws it back."""

    def __init__(self, movement: Movement, size: tuple[int, int], box: Box | None = None) -> None:
        left, top, right, bottom = box or (0, 0, *size)
        u, v = movement.places(size, (left, top, right, bottom))
        start = int(np.floor(u.min())) - 4, int(np.floor(v.min())) - 4
        end = int(np.ceil(u.max())) + 5, int(np.ceil(v.max())) + 5
        x, y = movement.origins(size, (*start, *end))
        self._there, self._back = (x - left, y - top), (u - start[0], v - start[1])

    def __call__(self, picture: Floats) -> Floats:
        """The picture as it comes back."""
        there = cv2.remap(picture, *self._there, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        return cv2.remap(there, *self._back, cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT)


def find_softness(lost: Floats, missing: Floats, stays: Mask) -> Softness | None:
    """How much of what should be `lost` is `missing` where the picture `stays`; None where too little should be lost.

    Both are differences of pictures, in levels.
    """
    places = np.flatnonzero(stays)
    places = places[:: max(1, len(places) // _SAMPLES)]
    expected, found = (picture.reshape(stays.size, -1)[places] for picture in (lost, missing))
    noise = 1.48 * float(np.median(np.abs(found - expected))) if len(places) else 0.0
    squares = float((expected * expected).sum())
    if squares < _EVIDENCE * (noise * noise + 1):
        return None
    # What was drawn anew differs by much more, and counts for little.
    most = 2 * np.abs(expected) + 4
    share = float((np.clip(found, -most, most) * expected).sum()) / squares
    return Softness(min(max(share, 0.0), 1.0), noise)


def proven(softness: Softness, original: Floats, matched: Floats, stays: Mask, trip: RoundTrip) -> Softness:
    """As much of a softness as brings the `matched` picture nearer to the original where it `stays`, when sharpened.

    Where nothing fine stays, this cannot be told, and it is the softness itself.
    """
    given = grey(matched)
    added = sharpened(given, replace(softness, share=1.0), trip) - given
    seen = find_softness(added, grey(original) - given, stays)
    return softness if seen is None else replace(softness, share=seen.share)


def sharpened(aligned: Floats, softness: Softness, trip: RoundTrip) -> Floats:
    """An aligned picture with what it lost on its way, where that is more than noise."""
    result = aligned
    for step in _STEPS:
        lost = aligned - trip(result)
        squares = lost * lost
        power = cv2.GaussianBlur(squares if squares.ndim == 2 else squares.mean(-1), (0, 0), 1.5)  # noqa: PLR2004 - grey
        part = np.clip(1 - _LOST_NOISE * softness.noise**2 / np.maximum(power, 1e-6), 0, 1).astype(np.float32)
        result = result + (step * softness.share) * lost * (part if lost.ndim == 2 else part[..., None])  # noqa: PLR2004
    return result


def wider(box: Box, size: tuple[int, int]) -> Box:
    """A box with what has to be known round it, within a picture of `size` (width, height)."""
    left, top, right, bottom = box
    return (
        max(0, left - _MARGIN),
        max(0, top - _MARGIN),
        min(size[0], right + _MARGIN),
        min(size[1], bottom + _MARGIN),
    )
