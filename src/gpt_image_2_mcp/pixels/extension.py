"""Continues a picture on a larger canvas: what is new is the model's, and meets the old part without a step."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import cv2
import numpy as np

from .arrays import Array, Floats, Mask, distance_to, resized
from .composite import Findings, full_movement
from .files import Opened

_HIDES: Final = 48.0
"""Pixels over which a step of colour at the border fades, in a picture of a megapixel."""
_INSET: Final = 4
"""Pixels of the old part at its border that are not compared: there the two may not lie quite on each other."""
_BAND: Final = 25
"""Pixels over which the step is averaged."""
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
    aligned = full_movement(found.movement, found.matte, size).apply(drawn, size)
    matched = found.colour.apply(aligned) * step
    rows, columns = np.flatnonzero(~new.all(1)), np.flatnonzero(~new.all(0))
    top, lower = rows[0] + _INSET * (rows[0] > 0), rows[-1] + 1 - _INSET * (rows[-1] + 1 < height)
    left, right = columns[0] + _INSET * (columns[0] > 0), columns[-1] + 1 - _INSET * (columns[-1] + 1 < width)
    # The step at the border, blurred along it, is continued into what is new, and fades there.
    apart = original[top:lower, left:right].astype(np.float32) - matched[top:lower, left:right]
    apart = cv2.blur(np.clip(apart, -_MOST * step, _MOST * step), (_BAND, _BAND))
    apart = np.pad(apart, ((top, height - lower), (left, width - right), (0, 0)), mode="edge")
    far = distance_to(~new)
    fades: Floats = np.exp(-far / (_HIDES * max(1.0, np.sqrt(width * height) / 1024)))
    mixed = matched + apart * fades[..., None]
    result = original.copy()
    np.copyto(result, np.clip(np.rint(mixed), 0, top_level).astype(original.dtype), where=new[..., None])
    return result
