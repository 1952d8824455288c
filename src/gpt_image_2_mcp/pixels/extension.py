"""Continues a picture on a larger canvas: what is new is the model's, and meets the old part without a step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import cv2
import numpy as np

from .arrays import Array, Floats, Mask, distance_to, resized
from .composite import Findings, full_movement
from .files import Opened

Box: TypeAlias = tuple[int, int, int, int]
"""Left, upper, right and lower edge, in pixels."""

_HIDES: Final = 48.0
"""Pixels over which a step of colour at the border fades, in a picture of a megapixel."""
_INSET: Final = 4
"""Pixels of the old part at its border that are not compared: there the two may not lie quite on each other."""
_BAND: Final = 25
"""Pixels over which the step is averaged."""
_AT_ONCE: Final = 1 << 20
"""Pixels that are drawn at once."""
_MOST: Final = 12
"""Levels of a difference from which on it is of what is drawn, and not of its tint."""


def extended(picture: Opened, added: Sequence[int]) -> Opened:
    """A picture on a larger canvas, its edges continued: pixels are added to its left, top, right and bottom."""
    left, top, right, bottom = added
    room = ((top, bottom), (left, right))
    colours = np.pad(picture.colours, (*room, (0, 0)), mode="edge")
    return replace(
        picture, colours=colours, alpha=None if picture.alpha is None else np.pad(picture.alpha, room, mode="edge")
    )


def continued(original: Array, model: Array, new: Mask, found: Findings) -> Array:
    """The canvas with the model's picture where it is `new`; a copy, of which no other pixel differs.

    `original` has 8 or 16 bits a channel and is height x width x 3, and `model` 8 bits.
    """
    height, width = original.shape[:2]
    size = (width, height)
    step, top_level = (257, 65_535) if original.dtype == np.uint16 else (1, 255)
    drawn = resized(model, size) if model.shape[1] > 1.5 * width else model
    movement = full_movement(found.movement, found.matte, size)

    def matched(box: Box) -> Floats:
        return found.colour.apply(movement.apply(drawn, size, box)) * step

    border = _border_of(original, matched, _old_part(new), most=_MOST * step)
    fade = _HIDES * max(1.0, np.sqrt(width * height) / 1024)
    far = distance_to(~new)
    result = original.copy()
    # In bands: all of a large canvas in floating-point numbers takes more memory than there is.
    rows = max(1, _AT_ONCE // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        if not new[top:bottom].any():
            continue
        fades: Floats = np.exp(-far[top:bottom] / fade)
        mixed = matched((0, top, width, bottom)) + border.around(top, bottom, width) * fades[..., None]
        levels = np.clip(np.rint(mixed), 0, top_level).astype(original.dtype)
        np.copyto(result[top:bottom], levels, where=new[top:bottom, :, None])
    return result


@dataclass(frozen=True, slots=True)
class _Border:
    """The step of colour along the four sides of the old part, blurred along them, in levels."""

    box: Box
    top: Floats
    bottom: Floats
    left: Floats
    right: Floats

    def around(self, upper: int, lower: int, width: int) -> Floats:
        """The step for some rows of the canvas: each pixel has that of the nearest one of the old part's border."""
        left, top, right, bottom = self.box
        found = np.zeros((lower - upper, width, 3), dtype=np.float32)
        columns = np.clip(np.arange(width), left, right - 1) - left
        found[: max(0, top - upper)] = self.top[columns]
        found[max(0, bottom - upper) :] = self.bottom[columns]
        start, end = max(upper, top), min(lower, bottom)
        if start < end:
            middle = found[start - upper : end - upper]
            middle[:, :left] = self.left[start - top : end - top, None]
            middle[:, right:] = self.right[start - top : end - top, None]
        return found


def _border_of(original: Array, matched: Callable[[Box], Floats], box: Box, *, most: int) -> _Border:
    left, top, right, bottom = box

    def blurred(left: int, top: int, right: int, bottom: int) -> Floats:
        apart = original[top:bottom, left:right].astype(np.float32) - matched((left, top, right, bottom))
        return cv2.blur(np.clip(apart, -most, most), (_BAND, _BAND))

    return _Border(
        box,
        blurred(left, top, right, min(top + _BAND, bottom))[0],
        blurred(left, max(bottom - _BAND, top), right, bottom)[-1],
        blurred(left, top, min(left + _BAND, right), bottom)[:, 0],
        blurred(max(right - _BAND, left), top, right, bottom)[:, -1],
    )


def _old_part(new: Mask) -> Box:
    """The box of what is not new, without a few pixels at its border."""
    height, width = new.shape
    rows, columns = np.flatnonzero(~new.all(1)), np.flatnonzero(~new.all(0))
    return (
        int(columns[0]) + _INSET * (columns[0] > 0),
        int(rows[0]) + _INSET * (rows[0] > 0),
        int(columns[-1]) + 1 - _INSET * (columns[-1] + 1 < width),
        int(rows[-1]) + 1 - _INSET * (rows[-1] + 1 < height),
    )
