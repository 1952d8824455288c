"""Finds what a model drew anew, in its aligned and colour-matched picture."""

from dataclasses import dataclass

import cv2
import numpy as np

from .arrays import Array, Floats, Mask, depth_in, distance_to, grey

_FLOOR, _TIMES = 6.0, 2.5
"""Levels that never count as a change, and how much more than what is usual at a place does."""
_BINS = 12
_EACH = 16
"""Of so many pixels one is looked at to learn what is usual."""
_FOREIGN = 9.0
"""The median of the differences from which on it is not the same picture, of which one could learn what is usual."""
_DOUBT = 2.5
"""How many times the square of what is usual a difference has of which nothing is taken; of larger ones the most is."""
_GAP = 15
"""The edge of the largest gap in what is surely new, in pixels, that is new as well."""
_EDGE = 6.0
"""Pixels from the edge of what is surely new within which it may still be in doubt."""
_SURE = 1.6
"""A change has a pixel that differs by so many times the tolerance, and all around it that differ by more than it."""
_SMALLEST = 2e-4
"""The share of a picture that the smallest change has."""
_HOLE = 5e-3
"""The share of a picture that the largest hole in a change has which is filled."""
_AWAY = 6.0
"""Pixels from a mask within which nothing counts as outside of it."""
_DEEP = 20.0
"""Pixels that something new reaches beyond the mask where it is larger than it, in a picture of a megapixel."""
_BLEED_OF_PICTURE, _BLEED_OF_CHANGE = 0.03, 0.22
"""What is new outside of a mask and belongs to what is in it: shares of the picture and of all that changed, from which
on the new object is larger than the mask."""


def changed(original: Array, matched: Floats, stays: Mask, edges: Floats) -> Mask:
    """Where a picture shows something else; small differences of drawing, more of them at edges, are none.

    `matched` has the colours and the places of `original`, of which `edges_of` has given the `edges`. What is usual is
    learnt where the most of it `stays`.
    """
    size = original.shape[0] * original.shape[1]
    apart: Floats = cv2.absdiff(original.astype(np.float32), matched).max(-1)
    difference = cv2.GaussianBlur(apart, (0, 0), 2)
    usual = _usual(difference, edges, stays)
    tolerance = _FLOOR if usual is None else _FLOOR + _TIMES * usual
    ratio: Floats = difference / tolerance
    labels, areas = _components(ratio > 1)
    is_change: Mask = np.zeros(len(areas), dtype=bool)
    is_change[np.unique(labels[ratio > _SURE])] = True
    is_change[0] = False
    is_change &= areas >= max(30, _SMALLEST * size)
    found: Array = is_change[labels].astype(np.uint8)
    found = cv2.morphologyEx(found, cv2.MORPH_CLOSE, np.ones((15, 15), dtype=np.uint8))
    found = cv2.morphologyEx(found, cv2.MORPH_OPEN, np.ones((5, 5), dtype=np.uint8))
    return _filled(found > 0)


def carried_beyond(change: Mask, shown: Mask) -> Mask:
    """A change beyond what the model's picture has `shown`: there, it is as next to it."""
    unseen = (~shown).astype(np.uint8)
    _, labels = cv2.distanceTransformWithLabels(unseen, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    nearest = labels.astype(np.intp)
    is_changed: Mask = np.zeros(int(nearest.max()) + 1, dtype=bool)
    is_changed[nearest[shown]] = change[shown]
    result: Mask = is_changed[nearest]
    return result


def surely_new(original: Array, matched: Floats, change: Mask, stays: Mask, edges: Floats) -> Floats:
    """How much of each pixel of a `change` and round it is surely new, 0 to 1, so that the rest can be left as it was.

    A change is found in blurred copies, and so with some of what lies beside it: letters that the model drew a little
    softer, a line that it drew a little aside. Where what differs is about what is usual, it is not new. Gaps between
    what is new are closed, and nothing within it is in doubt, or what was there before would be seen through it. The
    arguments are as in `changed`.
    """
    apart = original.astype(np.float32) - matched
    squares: Floats = (apart * apart).mean(-1)
    squares = cv2.GaussianBlur(squares, (0, 0), 1)
    difference: Floats = np.sqrt(squares)
    usual = _usual(difference, edges, stays)
    if usual is None:
        return np.ones(change.shape, dtype=np.float32)
    times: Floats = squares / (usual**2 + 1)
    share = np.clip(1 - (_DOUBT / np.maximum(times, 1e-6)) ** 2, 0, 1).astype(np.float32)
    share = cv2.morphologyEx(share, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_GAP, _GAP)))
    within = _ramp(depth_in(_filled((share > 0.5) & change)) / _EDGE)  # noqa: PLR2004 - more is new than was
    return np.maximum(share, within)


def _filled(mask: Mask) -> Mask:
    """A mask without its small holes."""
    labels, areas = _components(~mask)
    is_hole: Mask = areas < _HOLE * mask.size
    is_hole[0] = False
    return mask | is_hole[labels]


def _ramp(values: Floats) -> Floats:
    """A smooth step from 0 to 1."""
    part = np.clip(values, 0, 1)
    return (part * part * (3 - 2 * part)).astype(np.float32)


def edges_of(picture: Array) -> Floats:
    """How strong the edges are at each place."""
    brightness = grey(picture)
    across: Floats = cv2.Sobel(brightness, cv2.CV_32F, 1, 0) / 8
    down: Floats = cv2.Sobel(brightness, cv2.CV_32F, 0, 1) / 8
    return cv2.GaussianBlur(np.hypot(across, down), (0, 0), 2)


def _components(mask: Mask) -> tuple[Array, Array]:
    """The number of its connected part for each pixel of a mask, 0 outside, and how many pixels each part has."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    return np.asarray(labels), np.asarray(stats)[:, cv2.CC_STAT_AREA]


def _usual(difference: Floats, gradient: Floats, stays: Mask) -> Floats | None:
    """How much of a difference is usual at a place: the median of what is to stay, at each strength of edges.

    None where too little stays, or another picture, of which nothing can be learnt.
    """
    some, slopes = difference[stays][::_EACH], gradient[stays][::_EACH]
    if len(some) < _BINS * 20 or np.median(some) > _FOREIGN:
        return None
    edges = np.unique(np.quantile(slopes, np.linspace(0, 1, _BINS + 1)))
    place = np.clip(np.searchsorted(edges, slopes, side="right") - 1, 0, max(0, len(edges) - 2))
    bins = [number for number in range(max(1, len(edges) - 1)) if (place == number).any()]
    middles = np.array([np.median(slopes[place == number]) for number in bins])
    usual = np.maximum.accumulate([np.median(some[place == number]) for number in bins])
    # Beyond the strongest edges it goes on as steeply as on the way there.
    slope = usual[-1] / max(float(middles[-1]), 1.0)
    level = np.interp(gradient, middles, usual) + slope * np.maximum(gradient - middles[-1], 0)
    return level.astype(np.float32)


@dataclass(frozen=True, slots=True)
class Bleeding:
    """What changed outside of a mask as a part of what changed in it; `share` is that of the picture."""

    share: float
    is_larger: bool
    """Whether the new object is larger than the mask."""
    sides: tuple[str, ...]
    """Where it is cut off: some of left, right, top and bottom."""
    reach: int
    """How far it goes beyond the mask, in pixels of the picture that was looked at."""


NO_BLEEDING = Bleeding(0.0, is_larger=False, sides=(), reach=0)
"""Nothing changed outside of a mask."""


def find_bleeding(change: Mask, mask: Mask) -> Bleeding:
    """Judge whether what changed in a mask goes on beyond it."""
    size, scale = change.size, max(1.0, np.sqrt(change.size / 2**20))
    labels, _ = _components(change)
    touching = np.unique(labels[mask & change])
    belongs = np.isin(labels, touching[touching > 0])
    outside = distance_to(mask)
    beyond = belongs & (outside > _AWAY)
    share, depth = float(beyond.sum()) / size, float(outside[beyond].max()) if beyond.any() else 0.0
    of_change = float(beyond.sum()) / max(1, int((belongs & mask).sum() + beyond.sum()))
    deep = belongs & (outside > _DEEP * scale)
    is_larger = bool(deep.any()) and (share > _BLEED_OF_PICTURE or of_change > _BLEED_OF_CHANGE)
    return Bleeding(share, is_larger, _sides(deep, mask) if is_larger else (), round(depth))


def _sides(deep: Mask, mask: Mask) -> tuple[str, ...]:
    """The sides of a mask's box on which something is, the fullest first."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows) or not len(columns):
        return ()
    counts = {
        "left": int(deep[:, : columns[0]].sum()),
        "right": int(deep[:, columns[-1] + 1 :].sum()),
        "top": int(deep[: rows[0]].sum()),
        "bottom": int(deep[rows[-1] + 1 :].sum()),
    }
    return tuple(side for side, count in sorted(counts.items(), key=lambda pair: -pair[1]) if count > deep.sum() / 20)


def matte_of(change: Mask, mask: Mask, *, grow: float, feather: float) -> Floats:
    """How much of the model's picture is taken at each pixel, 0 to 1: what changed, and nothing outside of the mask.

    What changed is taken with `grow` pixels round it, and fades over `feather` pixels towards the original.
    """
    taken = (distance_to(change) <= grow) & mask
    return _ramp(depth_in(taken) / max(feather, 1.0))
