"""Lays the mask of a delivered picture on the picture that it was made from, so that it marks the same there."""

import math
from typing import Final

from ..images.decode import open_image
from ..images.fitting import covered_part
from ..images.memory import decode_in_child
from .encode import encode
from .mask import Mask, share_of
from .place import Size, has_ratio

_TINY: Final = 1e-6
"""A part of a pixel that is an error of rounding."""


def is_of_made(frame: tuple[float, float], delivered: Size, made: Size) -> bool:
    """Whether the numbers of a mask with this frame, or the pixels of a mask of this size, are of the made picture.

    They are of the delivered one, which the person was shown, unless the frame says otherwise.
    """
    return frame == made or (not has_ratio(frame, delivered) and has_ratio(frame, made))


def lay_on(mask: bytes, made: Size) -> Mask:
    """The mask of a picture of the size `made`, of the bytes of that of the picture delivered from it. Blocks.

    What was cut off stays as it is.

    Raises:
        ChildFailed: that takes too much memory or time.
        ValueError: nothing of the mask is left.

    """
    found = decode_in_child(f"{__package__}.tasks:mask_laid_on", mask, made=list(made))
    return Mask.from_values(found.data, found.values)


def lay_on_here(mask: bytes, made: Size) -> Mask:
    """What `lay_on` does, in this process."""
    from PIL import Image, ImageChops

    with open_image(mask) as opened:
        weights = ImageChops.invert(opened.getchannel("A"))
    scale, (left, upper, right, lower) = covered_part(made, weights.size)
    # The whole pixels of the made picture within the part; each has the weight of what it became.
    x, y = math.ceil(left - _TINY), math.ceil(upper - _TINY)
    size = math.floor(right + _TINY) - x, math.floor(lower + _TINY) - y
    seen = (
        max((x - left) * scale, 0),
        max((y - upper) * scale, 0),
        min((x + size[0] - left) * scale, weights.width),
        min((y + size[1] - upper) * scale, weights.height),
    )
    laid = Image.new("L", made)
    laid.paste(weights.resize(size, Image.Resampling.BOX, box=seen), (x, y))  # pyright: ignore[reportUnknownMemberType] - numpy's
    box = laid.getbbox()
    if box is None:
        raise ValueError("nothing of the mask is left in the picture as the model made it")
    return Mask(encode(laid), *made, share_of(laid), box, "")
