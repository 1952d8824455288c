"""Spreads the colours of known pixels smoothly over all others: a pyramid is averaged upwards and filled downwards."""

import cv2
import numpy as np

from .arrays import Floats


def spread(colours: Floats, weight: Floats) -> Floats:
    """The colours (height x width x 3), where `weight` is 1, continued to where it is 0; 32-bit floats.

    Each unknown pixel takes the average of what is known nearby, in the finest step of the pyramid that knows something
    there. Where nothing is known at all, everything is 0.
    """
    levels: list[tuple[Floats, Floats]] = [
        ((colours * weight[..., None]).astype(np.float32), weight.astype(np.float32))
    ]
    while min(levels[-1][1].shape) > 2:  # noqa: PLR2004 - pixels
        sums, counts = levels[-1]
        size = (max(1, (counts.shape[1] + 1) // 2), max(1, (counts.shape[0] + 1) // 2))
        smaller = (cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in (sums, counts))
        levels.append((next(smaller), next(smaller)))
    sums, counts = levels.pop()
    filled = sums / np.maximum(counts, 1e-6)[..., None]
    while levels:
        sums, counts = levels.pop()
        coarse = cv2.resize(filled, (counts.shape[1], counts.shape[0]), interpolation=cv2.INTER_LINEAR)
        known = np.clip(counts * 3, 0, 1)[..., None]
        filled = known * (sums / np.maximum(counts, 1e-6)[..., None]) + (1 - known) * coarse
    return filled
