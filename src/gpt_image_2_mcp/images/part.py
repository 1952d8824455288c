"""Cuts a part out of a picture that is to be sent, or out of the larger canvas that it is to have, pixel for pixel."""

import io
from collections.abc import Sequence
from typing import Final

from .decode import open_image

EMPTY: Final = (128, 128, 128)
"""The colour of what is new of a canvas, before the model draws there."""
_EFFORT: Final = 3
"""zlib's level: the part is sent once."""


def part_here(data: bytes, box: Sequence[int], added: Sequence[int] | None = None) -> bytes:
    """A box (left, upper, right, lower) of a picture, as a PNG of RGB, or of RGBA if the picture has transparency.

    With pixels `added` to its left, top, right and bottom, the box is one of that canvas.

    Raises:
        ValueError: the picture cannot be decoded.

    """
    from PIL import Image

    left, upper, right, lower = box
    across, down = (0, 0) if added is None else (added[0], added[1])
    with open_image(data) as image:
        mode = "RGBA" if image.has_transparency_data else "RGB"
        width, height = image.size
        inside = (max(0, left - across), max(0, upper - down), min(width, right - across), min(height, lower - down))
        cut = image.crop(inside).convert(mode) if inside[0] < inside[2] and inside[1] < inside[3] else None
    if cut is None or cut.size != (right - left, lower - upper):
        canvas = Image.new(mode, (right - left, lower - upper), EMPTY)
        if cut is not None:
            canvas.paste(cut, (inside[0] + across - left, inside[1] + down - upper))
        cut = canvas
    out = io.BytesIO()
    cut.save(out, "PNG", compress_level=_EFFORT)
    return out.getvalue()
