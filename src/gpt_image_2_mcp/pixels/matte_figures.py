"""What a picture with a transparent background is checked for: figures that tell a clean edge from a poor one."""

from typing import Any

import cv2
import numpy as np

from .arrays import Array, Floats, Mask, depth_in, distance_to, reduced_to
from .spread import spread

EDGE = 1536
"""The longest edge of the copy that is looked at, in pixels."""
_CLEAR, _WHOLE = 0.02, 0.98
_SPECK = 0.0005
"""The size of a speck at the most, as a share of the largest part."""
_SEEN = 0.1
_CELLS = range(6, 65)
"""Edges of the fields of a painted checkerboard, in pixels."""


def figures(colours: Array, alpha: Floats, ground: tuple[int, int, int] | None) -> dict[str, Any]:
    """The figures of a picture with 8 bits a channel and `alpha` from 0 to 1.

    - `clear`, `semi`: the shares of its pixels that are clear, and that are neither clear nor opaque;
    - `border`: the share of its outermost two pixels where something is seen;
    - `fringe`: how far the colour of its soft edge leans towards the `ground` that it was on, 0 to 1; without a ground,
      towards white, since black may be a shadow. None where there is no soft edge;
    - `specks`: how many tiny parts lie apart from the largest one.
    """
    colours, alpha = reduced_to(colours, EDGE), reduced_to(alpha, EDGE)
    clear, whole = alpha < _CLEAR, alpha > _WHOLE
    rim = np.zeros_like(clear)
    rim[:2] = rim[-2:] = True
    rim[:, :2] = rim[:, -2:] = True
    return {
        "clear": round(float(clear.mean()), 4),
        "semi": round(float((~clear & ~whole).mean()), 4),
        "border": round(float((alpha > _CLEAR)[rim].mean()), 4),
        "fringe": _fringe(colours, alpha, ground or (255, 255, 255)),
        "specks": int(find_specks(alpha)[1]),
    }


def find_specks(alpha: Floats) -> tuple[Mask, int]:
    """Where tiny parts lie apart from the largest one, and how many there are."""
    count, numbered, stats, _ = cv2.connectedComponentsWithStats((alpha > _SEEN).astype(np.uint8))
    labels: Array = np.asarray(numbered, np.int64)
    sizes: Array = np.asarray(stats)[:, cv2.CC_STAT_AREA].copy()
    sizes[0] = 0
    if count < 2:  # noqa: PLR2004 - what is not seen is one
        return np.zeros(alpha.shape, bool), 0
    tiny = sizes < max(8.0, _SPECK * float(sizes.max()))
    tiny[0] = False
    return tiny[labels], int(tiny.sum())


def looks_like_checkerboard(colours: Array) -> bool:
    """Whether two light greys alternate in square fields along the border: a painted picture of transparency."""
    grey = colours.astype(np.float32).mean(-1)
    neutral = np.ptp(colours.astype(np.int16), -1) < 14  # noqa: PLR2004 - levels
    for line, is_grey in ((grey[3], neutral[3]), (grey[-4], neutral[-4])):
        if is_grey.mean() < 0.7:  # noqa: PLR2004 - a share
            continue
        middle = (np.percentile(line, 10) + np.percentile(line, 90)) / 2
        if np.percentile(line, 90) - np.percentile(line, 10) < 12:  # noqa: PLR2004 - levels
            continue
        changes = np.flatnonzero(np.diff((line > middle).astype(np.int8)))
        lengths = np.diff(changes)
        if len(lengths) > 5 and np.median(lengths) in _CELLS:  # noqa: PLR2004 - fields
            even = np.abs(lengths - np.median(lengths)) <= 2  # noqa: PLR2004 - pixels
            if even.mean() > 0.7:  # noqa: PLR2004 - a share
                return True
    return False


def _fringe(colours: Array, alpha: Floats, ground: tuple[int, int, int]) -> float | None:
    core = depth_in(alpha > _WHOLE) > 3  # noqa: PLR2004 - pixels
    edge = (alpha > 0.15) & (alpha <= _WHOLE) & (distance_to(core) <= 14)  # noqa: PLR2004 - pixels
    # Between what is clear and what is opaque: what is half transparent inside is no edge.
    edge &= distance_to(alpha < _CLEAR) <= 8  # noqa: PLR2004 - pixels
    if edge.sum() <= 50 or not core.any():  # noqa: PLR2004 - too few pixels to tell
        return None
    seen = colours.astype(np.float32)
    inside = spread(seen, core.astype(np.float32))[edge]
    way = np.array(ground, np.float32) - inside
    lean = ((seen[edge] - inside) * way).sum(-1) / np.maximum((way * way).sum(-1), 1)
    return round(float(np.clip(lean, 0, 1).mean()), 3)
