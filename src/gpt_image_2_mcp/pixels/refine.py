"""Finds more finely how a picture is moved, once it lies nearly where it belongs and it is known what stayed.

At each place, the small step is found that explains best what still differs there, by the slopes of what was to stay
(the method of Lucas and Kanade). It needs no whole blocks, so it sees what stayed up to the edge of a change.
"""

from dataclasses import replace

import cv2
import numpy as np

from .align import FIELD_EDGE, GRID, Movement
from .arrays import Array, Floats, Mask, grey, reduced_to, shrink_mask
from .colour import ColourMatch

_SCALES = (96.0, 48.0, 24.0)
"""Pixels round a place, in the reduced copy, that count for its step; first many, then fewer."""
_BLUR = 1.0
"""Pixels by which both are blurred before they are compared."""
_CELL = 8
"""The edge of the squares, in pixels, of which sums are made."""
_STIFF = 0.001
"""The part of the usual slopes that holds back the steps: where there are few slopes, they are small."""
_MOST = 40.0
"""Levels from which on a difference is something else, and counts for no more."""


def refined(movement: Movement, original: Array, model: Array, colour: ColourMatch, stays: Mask) -> Movement:
    """A finer movement, by what `stays`; `movement` itself where that is no better.

    The model's picture has the original's size, and `colour` matches its colours.
    """
    size = (original.shape[1], original.shape[0])
    drawn = grey(colour.apply(model))
    # Blurred, since lines are softer by how far they were moved, which is no error of the movement.
    wanted = cv2.GaussianBlur(reduced_to(grey(original), FIELD_EDGE), (0, 0), _BLUR)
    factor = size[0] / wanted.shape[1]
    allowed = shrink_mask(stays, (wanted.shape[1], wanted.shape[0]))

    def aligned(movement: Movement) -> Floats:
        return cv2.GaussianBlur(reduced_to(movement.apply(drawn, size, is_blurred=True), FIELD_EDGE), (0, 0), _BLUR)

    found, given = movement, aligned(movement)
    least = _error(wanted, given, allowed)
    for scale in _SCALES:
        step = _steps(wanted, given, allowed, scale) * factor
        moved = replace(found, field=step if found.field is None else found.field + step)
        given = aligned(moved)
        error = _error(wanted, given, allowed)
        if error >= least:
            break
        found, least = moved, error
    return found


def _steps(wanted: Floats, aligned: Floats, allowed: Mask, scale: float) -> Floats:
    """The step at each point of the field's grid, across and down, in pixels of the copies."""
    apart = np.clip(wanted - aligned, -_MOST, _MOST) * allowed
    middle = (wanted + aligned) / 2
    across: Floats = cv2.Sobel(middle, cv2.CV_32F, 1, 0) / 8 * allowed
    down: Floats = cv2.Sobel(middle, cv2.CV_32F, 0, 1) / 8 * allowed
    cells = (max(1, wanted.shape[1] // _CELL), max(1, wanted.shape[0] // _CELL))
    products = (across * across, across * down, down * down, across * apart, down * apart)
    sums = [cv2.resize(product, cells, interpolation=cv2.INTER_AREA) for product in products]
    stiff = _STIFF * float(np.mean(sums[0] + sums[2])) + 1e-6
    xx, xy, yy, x, y = (cv2.GaussianBlur(part, (0, 0), scale / _CELL) for part in sums)
    xx, yy = xx + stiff, yy + stiff
    whole = xx * yy - xy * xy
    steps = np.dstack([(yy * x - xy * y) / whole, (xx * y - xy * x) / whole])
    points: Floats = np.mgrid[0 : wanted.shape[0] + GRID : GRID, 0 : wanted.shape[1] + GRID : GRID].astype(np.float32)
    row, column = (points[0] + 0.5) * cells[1] / wanted.shape[0], (points[1] + 0.5) * cells[0] / wanted.shape[1]
    return cv2.remap(steps, column - 0.5, row - 0.5, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _error(wanted: Floats, aligned: Floats, allowed: Mask) -> float:
    return float(np.minimum(np.abs(wanted - aligned), _MOST)[allowed].mean()) if allowed.any() else 0.0
