"""`layout`: how far one picture has the layout of another. Called in a child process by name; see `layout_text`."""

from typing import Any, Final

import cv2
import numpy as np

from .align import NONE, Movement, find_movement
from .arrays import Array, Floats, Mask, grey, reduced_to, resized
from .files import open_picture

EDGE: Final = 640
"""The longest edge of the copies in which edges are compared, in pixels: what is smaller is detail, and may change."""
NEAR: Final = 3.0
"""How far an edge may be from where it was, in pixels of the copy: 0.5 % of the picture."""
TURNED: Final = np.deg2rad(25)
"""How far its direction may be turned, so that a line is not taken for another one that crosses it."""
_SOFT: Final = 1.6
_STRONG: Final = 0.9
"""The share of all pixels that are weaker than what counts as an edge."""
_LEAST: Final = 12.0
_MAX_ASPECT_DIFFERENCE: Final = 0.02


def layout(draft: bytes, final: bytes) -> tuple[dict[str, Any], bytes]:
    """How far `final` has the layout of `draft`, as values and no bytes.

    The values are `edges_kept`, the share of the draft's edges that the final has in the same place (0 to 1; None where
    the draft has hardly any), and `shift_px` (right and down) and `scale`, how the final is moved as a whole, in pixels
    of the draft, which `edges_kept` leaves out. Pictures of different shapes give `{"verdict": "other_shape"}`.
    """
    before, after = open_picture(draft), open_picture(final)
    size = before.size
    if abs(size[0] * after.size[1] / (size[1] * after.size[0]) - 1) > _MAX_ASPECT_DIFFERENCE:
        return {"verdict": "other_shape"}, b""
    was = reduced_to(before.in_8_bits, EDGE)
    small = (was.shape[1], was.shape[0])
    now = resized(after.in_8_bits, small)
    movement = find_movement(was, now, np.ones(was.shape[:2], dtype=bool))
    # As a whole: what is bent locally is a part of what was not kept.
    whole = Movement(movement.affine)
    kept = _edges_kept(was, whole.apply(now, small))
    if (unmoved := _edges_kept(was, now)) is not None and kept is not None and unmoved >= kept:
        kept, whole = unmoved, NONE
    dx, dy = whole.shift(small)
    factor = size[0] / small[0]
    values = {
        "verdict": "compared",
        "edges_kept": None if kept is None else round(kept, 4),
        "shift_px": [round(dx * factor, 1), round(dy * factor, 1)],
        "scale": round(whole.scale, 4),
    }
    return values, b""


def _edges_kept(was: Array, now: Array) -> float | None:
    """The share of the edges of `was` with an edge of `now` near by, in the same direction; None if there are few."""
    edges, turn = _edges(was)
    others, other_turn = _edges(now)
    if edges.sum() < edges.size / 1000:
        return None
    if not others.any():
        return 0.0
    far, found_labels = cv2.distanceTransformWithLabels(
        (~others).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    labels: Array = np.asarray(found_labels, dtype=np.int64)
    turn_of: Floats = np.zeros(int(labels.max()) + 1, dtype=np.float32)
    turn_of[labels[others]] = other_turn[others]
    # Directions are those of lines: a line that is turned by half a circle is the same one.
    between = np.abs((turn_of[labels] - turn + np.pi / 2) % np.pi - np.pi / 2)
    found = (far <= NEAR) & (between <= TURNED)
    return float(found[edges].mean())


def _edges(picture: Array) -> tuple[Mask, Floats]:
    """Where a picture has edges, a pixel wide, and the direction of each, in radians."""
    soft = cv2.GaussianBlur(grey(picture), (0, 0), _SOFT)
    across, down = cv2.Scharr(soft, cv2.CV_32F, 1, 0) / 32, cv2.Scharr(soft, cv2.CV_32F, 0, 1) / 32
    strength = np.hypot(across, down)
    high = max(float(np.quantile(strength, _STRONG)), _LEAST / 8)
    scale = 16.0
    found = cv2.Canny(
        np.clip(across * scale, -32_000, 32_000).astype(np.int16),
        np.clip(down * scale, -32_000, 32_000).astype(np.int16),
        high * scale / 2,
        high * scale,
        L2gradient=True,
    )
    return found > 0, np.arctan2(down, across)
