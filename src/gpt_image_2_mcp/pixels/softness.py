"""What a picture loses where it is drawn at other places and drawn back: fine lines get softer, by how far they moved.

A model's picture that was moved by parts of a pixel has lost that, and loses it again where it is drawn back. So the
original is compared as it would be after the same, and what is new is sharpened by what it lost; both by as much of it
as is seen in what was to stay, and by nothing where it is not seen there.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from .align import Movement
from .arrays import Floats, Mask

_MARGIN = 12
"""Pixels round a part of a picture that are drawn with it, so that its edges have all that is next to them."""
_STEPS = (3.0, 1.0)
"""How many times what is still lost is added, one after the other: more at first, since most of fine lines is lost."""
_LOST_NOISE = 0.5
"""The part of the noise, in squares, that is seen in what is lost."""
_EVIDENCE = 400.0
"""How many times the square of what else differs in a pixel is lost in all of them before it is known how much is."""

Box = tuple[int, int, int, int]
"""Left, top, right and bottom."""


@dataclass(frozen=True, slots=True)
class Softness:
    """The `share`, 0 to 1, that was lost of what a movement lets expect, and the `noise` besides, in levels."""

    share: float
    noise: float


SHARP = Softness(0.0, 0.0)
"""Nothing was lost."""


def find_softness(original: Floats, lost: Floats, matched: Floats, stays: Mask) -> Softness:
    """Find how much of what the movement lets expect to be `lost` the `matched` picture has lost where it `stays`."""
    expected, missing = lost[stays], original[stays] - matched[stays]
    if not expected.size:
        return SHARP
    noise = 1.48 * float(np.median(np.abs(missing - expected)))
    # What was drawn anew differs by much more, and counts for little.
    most = 2 * np.abs(expected) + 4
    squares = float((expected * expected).sum())
    if squares < _EVIDENCE * (noise * noise + 1):
        return SHARP
    share = float((np.clip(missing, -most, most) * expected).sum()) / squares
    return Softness(min(max(share, 0.0), 1.0), noise)


def redrawn(picture: Floats, movement: Movement, size: tuple[int, int], box: Box | None = None) -> Floats:
    """A picture of `size` (width, height), or a `box` of it, drawn where the model drew it, and drawn back."""
    left, top, right, bottom = box or (0, 0, *size)
    u, v = movement.places(size, (left, top, right, bottom))
    start = int(np.floor(u.min())) - 4, int(np.floor(v.min())) - 4
    end = int(np.ceil(u.max())) + 5, int(np.ceil(v.max())) + 5
    x, y = movement.origins(size, (*start, *end))
    there = cv2.remap(picture, x - left, y - top, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return cv2.remap(there, u - start[0], v - start[1], cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT)


def wider(box: Box, size: tuple[int, int]) -> Box:
    """A box with what has to be known round it, within a picture of `size` (width, height)."""
    left, top, right, bottom = box
    return (
        max(0, left - _MARGIN),
        max(0, top - _MARGIN),
        min(size[0], right + _MARGIN),
        min(size[1], bottom + _MARGIN),
    )


def sharpened(aligned: Floats, softness: Softness, movement: Movement, size: tuple[int, int], box: Box) -> Floats:
    """The `box` of an aligned picture with what it lost, where that is more than noise."""
    if not softness.share or movement.is_none:
        return aligned
    result = aligned
    for step in _STEPS:
        lost = aligned - redrawn(result, movement, size, box)
        power = cv2.GaussianBlur((lost * lost).mean(-1), (0, 0), 1.5)
        part = step * softness.share * np.clip(1 - _LOST_NOISE * softness.noise**2 / np.maximum(power, 1e-6), 0, 1)
        result = result + lost * part[..., None].astype(np.float32)
    return result
