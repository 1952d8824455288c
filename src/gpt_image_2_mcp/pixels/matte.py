"""Takes a subject off a ground of one colour: how much of each pixel is the subject, and which colour that part has.

A pixel is a mixture: `picture = alpha * subject + (1 - alpha) * ground`. The ground is known (`ground`), and the
subject's colour is continued outwards from where nothing of the ground is left; alpha is then how far the pixel lies on
the way from one to the other, and never less than what its colour takes at the least.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from .arrays import Array, Floats, Mask, depth_in, distance_to, reduced_to, resized, shrink_mask
from .ground import Ground
from .spread import spread

_SURE, _SURE_ALPHA = 150.0, 0.72
"""Levels from a coloured ground, and least alpha, of what is surely all subject."""
_REACH = 60
"""Pixels round what is surely subject in which its colour is believed, at 512 pixels; see `_scaled`."""
_LOWEST = 0.02
"""An alpha below this is none, and one above its complement is whole."""
_ROWS = 256
_SPREAD_EDGE = 2048
"""The longest edge of the copy in which the subject's colour is continued, in pixels: it takes memory."""
_SMALL_HOLE = 0.0003
"""The share of a picture below which an enclosed patch of a grey ground's colour is a highlight."""


@dataclass(frozen=True, slots=True)
class Matte:
    """A subject without its ground: `colours` with 8 bits, 0 where nothing is seen, and `alpha` from 0 to 1."""

    colours: Array
    alpha: Floats
    enclosed: float = 0.0
    """The share of the picture in patches inside the subject that had the ground's colour and were cleared."""


def take_off(picture: Array, ground: Ground) -> Matte:
    """Take the subject of a picture off its ground."""
    # Round the edges in a JPEG a grey ground is not quite plain.
    faint = max(8.0 if ground.is_coloured else 12.0, 4 * ground.noise)
    apart = _apart(picture, ground.model)
    least = _least_alpha(picture, ground.model)
    enclosed, near = 0.0, None
    if ground.is_coloured:
        sure = depth_in((apart > _SURE) | (least > _SURE_ALPHA)) > 2  # noqa: PLR2004 - pixels
        near = distance_to(sure) <= _scaled(_REACH, picture)
    else:
        empty, enclosed = _empty(apart, faint)
        apart = np.where(empty, 0, np.maximum(apart, faint))
        # On white or grey the subject's own colours are near the ground's: what is away from the ground is subject.
        sure = (distance_to(empty) > _scaled(3, picture)) | (depth_in((apart > _SURE) & (least > _SURE_ALPHA)) > 1)
    small = reduced_to(picture, _SPREAD_EDGE)
    known = shrink_mask(sure, (small.shape[1], small.shape[0]))
    subject = resized(spread(small, known.astype(np.float32)), (picture.shape[1], picture.shape[0]))
    alpha = np.empty(picture.shape[:2], np.float32)
    colours = np.empty_like(picture)
    for top in range(0, picture.shape[0], _ROWS):
        rows = slice(top, top + _ROWS)
        mixed, under, over = picture[rows].astype(np.float32), ground.model[rows], subject[rows]
        way = over - under
        part = np.clip(((mixed - under) * way).sum(-1) / np.maximum((way * way).sum(-1), 1), 0, 1)
        part = np.maximum(part, least[rows])
        if near is not None:
            part = np.where(near[rows], part, least[rows])
        part[sure[rows]] = 1
        part[apart[rows] < faint] = 0
        part = np.clip((part - _LOWEST) / (1 - 2 * _LOWEST), 0, 1)
        alpha[rows] = part
        if ground.is_coloured:
            colours[rows] = unmixed(mixed, under, part)
        else:
            # The same from any ground, and without what compression left in the edge.
            seen = np.where(sure[rows][..., None], mixed, over)
            colours[rows] = np.where(part[..., None] > 0, np.rint(np.clip(seen, 0, 255)), 0)
    return Matte(colours, alpha, enclosed)


def unmixed(mixed: Floats, ground: Floats, alpha: Floats) -> Array:
    """The subject's colour in pixels that are mixed with a ground; 0 where there is nothing of it."""
    part = np.maximum(alpha, 0.01)[..., None]
    colour = (mixed - (1 - alpha)[..., None] * ground) / part
    return np.where(alpha[..., None] > 0, np.rint(np.clip(colour, 0, 255)), 0).astype(np.uint8)


def _apart(picture: Array, model: Floats) -> Floats:
    """How far each pixel is from the ground, in levels."""
    result = np.empty(picture.shape[:2], np.float32)
    for top in range(0, picture.shape[0], _ROWS):
        rows = slice(top, top + _ROWS)
        result[rows] = np.sqrt(((picture[rows] - model[rows]) ** 2).sum(-1))
    return result


def _least_alpha(picture: Array, model: Floats) -> Floats:
    """The least part of each pixel that is subject: with less, no colour of the subject could explain it."""
    result = np.empty(picture.shape[:2], np.float32)
    for top in range(0, picture.shape[0], _ROWS):
        rows = slice(top, top + _ROWS)
        mixed, under = picture[rows].astype(np.float32), model[rows]
        brighter = (mixed - under) / np.maximum(255 - under, 1)
        darker = (under - mixed) / np.maximum(under, 1)
        result[rows] = np.clip(np.where(mixed > under, brighter, darker).max(-1), 0, 1)
    return result


def _empty(apart: Floats, faint: float) -> tuple[Mask, float]:
    """Where a grey ground is seen, and the share of the picture in enclosed patches of it.

    What is connected with the border is ground. A patch inside the subject is ground where it is as plain as the ground
    and not small, such as the inside of a letter; a highlight in an eye is small, and cloth has folds.
    """
    plain = (apart < faint).astype(np.uint8)
    count, numbered, stats, _ = cv2.connectedComponentsWithStats(plain, connectivity=4)
    labels: Array = np.asarray(numbered, np.int32)
    height, width = plain.shape
    touches = np.zeros(count, bool)
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        touches[np.unique(np.asarray(edge))] = True
    sizes = np.asarray(stats)[:, cv2.CC_STAT_AREA]
    strength = np.bincount(labels.ravel(), apart.ravel(), count) / np.maximum(sizes, 1)
    usual = strength[touches & (np.arange(count) > 0)]
    plainest = 1.5 * float(usual.min()) + 1.0 if usual.size else 0.0
    is_patch = ~touches & (sizes > _SMALL_HOLE * width * height) & (strength <= plainest)
    taken = touches | is_patch
    taken[0] = is_patch[0] = False
    return taken[labels], float(sizes[is_patch].sum()) / (width * height)


def _scaled(pixels: float, picture: Array) -> float:
    """A length at 512 pixels, in a picture of another size."""
    return pixels * max(1.0, max(picture.shape[:2]) / 512)
