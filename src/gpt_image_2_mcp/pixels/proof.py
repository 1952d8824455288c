"""Counts what differs from the original in the finished file of an exact edit."""

from functools import reduce
from typing import Any

import cv2
import numpy as np

from .arrays import Mask
from .files import Opened, open_picture


def count_differences(file: bytes, original: Opened, mask: Mask) -> dict[str, Any]:
    """Decode the file, and count its pixels outside of a mask that differ from the original, in colour or in alpha.

    Gives `outside_pixels`, `differing_outside`, and the `largest_difference` in levels of the original's bits.
    """
    saved = open_picture(file)
    if saved.size != original.size or saved.colours.dtype != original.colours.dtype:
        raise ValueError("the composite was not written as it is")
    outside = ~mask
    differing, largest = 0, 0
    rows = max(1, (1 << 20) // max(1, mask.shape[1]))
    for top in range(0, mask.shape[0], rows):
        part = slice(top, top + rows)
        pairs = [(saved.colours[part, :, channel], original.colours[part, :, channel]) for channel in range(3)]
        if original.alpha is not None:
            assert saved.alpha is not None
            pairs.append((saved.alpha[part], original.alpha[part]))
        apart = reduce(np.maximum, (cv2.absdiff(one, other) for one, other in pairs))
        apart = apart[outside[part]]
        differing += int(np.count_nonzero(apart))
        largest = max(largest, int(apart.max(initial=0)))
    return {"outside_pixels": int(outside.sum()), "differing_outside": differing, "largest_difference": largest}
