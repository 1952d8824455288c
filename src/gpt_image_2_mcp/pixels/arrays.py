"""Types and reduced copies that all modules here use. Importing this sets OpenCV and numpy to one thread."""

import os
from typing import Any, TypeAlias

# Before numpy is imported: each thread of its library reserves memory, which the process has little of.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import cv2
import numpy as np
from numpy.typing import NDArray

cv2.setNumThreads(1)

Array: TypeAlias = NDArray[Any]
"""Pixels: height x width x 3 of 8 bits, red first, unless a function says otherwise."""
Floats: TypeAlias = NDArray[Any]
"""Floating-point numbers."""
Mask: TypeAlias = NDArray[np.bool_]
"""Height x width."""


def grey(picture: Array) -> Floats:
    """The brightness of each pixel, 0 to 255."""
    return picture.astype(np.float32) @ np.array([0.299, 0.587, 0.114], dtype=np.float32)


def reduced_to(picture: Array, edge: int) -> Array:
    """A copy whose longest edge has at most `edge` pixels; the picture itself where it has no more."""
    height, width = picture.shape[:2]
    longest = max(height, width)
    if longest <= edge:
        return picture
    size = (max(1, round(width * edge / longest)), max(1, round(height * edge / longest)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def resized(picture: Array, size: tuple[int, int]) -> Array:
    """The picture in a size (width, height): averaged where it gets smaller, interpolated where it gets larger."""
    if (picture.shape[1], picture.shape[0]) == size:
        return picture
    is_smaller = picture.shape[1] > size[0]
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if is_smaller else cv2.INTER_CUBIC)


def shrink_mask(mask: Mask, size: tuple[int, int]) -> Mask:
    """A mask in a smaller size (width, height): a pixel is set where all of it was."""
    if (mask.shape[1], mask.shape[0]) == size:
        return mask
    return cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.99  # noqa: PLR2004


def grown(mask: Mask, pixels: float) -> Mask:
    """A mask that is larger by some pixels all round."""
    return distance_to(mask) <= pixels


def distance_to(mask: Mask) -> Floats:
    """How far each pixel is from a mask, in pixels; 0 in it, and very far where it is empty."""
    if not mask.any():
        return np.full(mask.shape, 1e6, dtype=np.float32)
    return cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)


def depth_in(mask: Mask) -> Floats:
    """How far each pixel of a mask is from what is not in it; 0 outside. The picture's border counts as inside."""
    if mask.all():
        return np.full(mask.shape, 1e6, dtype=np.float32)
    return cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
