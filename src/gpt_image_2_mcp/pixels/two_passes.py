"""Takes a subject off two grounds at once: what is equal in both pictures is subject, what changes is ground.

The second picture is an edit of the first, so the subject has moved, and each way of finding by how much fails on some
subjects: by texture where there is none, by outlines where they are hair. So each is tried, and judged by what light
cannot do: a pixel that is brighter on black than on white, and one whose ground shines through in one colour only.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from .align import NONE, Movement, find_movement
from .arrays import Array, Floats, Mask, depth_in, grown, reduced_to, resized
from .ground import Ground, find_ground
from .matte import Matte, unmixed

MAX_SHIFT = 0.02
"""The farthest that an edit is believed to have moved a subject, as a share of the longest edge."""
_APART = 40
"""Levels from its ground that make a pixel a part of the subject."""
_EDGE = 768
"""The longest edge of the copies in which the movement is found, in pixels."""
_BELIEVED = 0.9
"""A movement is taken where it leaves at most this share of the impossible light without it."""
_STEPS = (0.5, 0.25, 0.25, 0.12)
"""Pixels by which a movement is tried to be made better."""
_LOWEST = 0.02


@dataclass(frozen=True, slots=True)
class BothPasses:
    """What two passes gave; `ground` is that of the first picture.

    `shift` is how far the second picture was off, in pixels, and `doubt` what light could not have done in the subject,
    0 to 1, after it was put right.
    """

    matte: Matte
    ground: Ground
    shift: tuple[float, float]
    doubt: float


def take_off_both(first: Array, second: Array) -> BothPasses | None:
    """Take a subject off a light and a dark ground; None where one of the two is not plain, or they are too alike."""
    second = resized(second, (first.shape[1], first.shape[0]))
    light, dark = find_ground(first), find_ground(second)
    if light is None or dark is None:
        return None
    ground = light
    if sum(light.colour) < sum(dark.colour):
        first, second, light, dark = second, first, dark, light
    if np.min(np.array(light.colour) - np.array(dark.colour)) < _APART:
        return None
    movement, doubt = _best_movement(first, second, light, dark)
    size = (first.shape[1], first.shape[0])
    taken = movement.apply(second, size)
    alpha = _alpha(first, taken, light.model, dark.model)
    colours = unmixed(taken.astype(np.float32), dark.model, alpha)
    return BothPasses(Matte(colours, alpha), ground, movement.shift(size), doubt)


def _best_movement(first: Array, second: Array, light: Ground, dark: Ground) -> tuple[Movement, float]:
    """The movement of the second picture that leaves the least impossible light, and how much that is, in the subject.

    It is found in reduced copies.
    """
    width = first.shape[1]
    first, second = reduced_to(first, _EDGE), reduced_to(second, _EDGE)
    size = (first.shape[1], first.shape[0])
    light, dark = (replace(ground, model=resized(ground.model, size)) for ground in (light, dark))
    best, least = NONE, _impossible(first, second, light, dark)
    start = least
    for movement in _movements(first, second, light, dark):
        if np.hypot(*movement.shift(size)) > MAX_SHIFT * max(size):
            continue
        found = _impossible(first, movement.apply(second, size), light, dark)
        if found < least and found < _BELIEVED * start:
            best, least = movement, found
    if best is not NONE:
        best = _refined(first, second, light, dark, best, least)
    doubt = _impossible(first, best.apply(second, size), light, dark, rim=0)
    return _enlarged(best, width / size[0]), doubt


def _enlarged(movement: Movement, factor: float) -> Movement:
    """A movement that was found in a reduced copy, for the picture itself."""
    if factor == 1 or movement.is_none:
        return movement
    affine = movement.affine.copy()
    # The middle of a pixel of the copy is not where the same place of the picture has its own.
    half = (factor - 1) / 2
    affine[:, 2] = affine[:, 2] * factor + half - affine[:, :2] @ np.array([half, half])
    return Movement(affine, None if movement.field is None else movement.field * factor)


def _movements(first: Array, second: Array, light: Ground, dark: Ground) -> list[Movement]:
    """How the second picture may have moved: by the texture inside the subject, and by its outline."""
    one, other = _silhouette(first, light), _silhouette(second, dark)
    found: list[Movement] = []
    core = depth_in(one & other) > 4  # noqa: PLR2004 - pixels
    if core.mean() > 0.005:  # noqa: PLR2004 - a share of the picture
        found.append(find_movement(first, second, core))
    outlines = [side.astype(np.float32) * 255 for side in (one, other)]
    found += [
        movement
        for movement in (
            _by_shape(outlines[0], outlines[1], cv2.MOTION_EUCLIDEAN),
            # A dark subject has no outline on black: only edges inside it are in both pictures, and others in one.
            _by_shape(_edges(first), _edges(second), cv2.MOTION_AFFINE),
        )
        if movement is not None
    ]
    return [movement for movement in found if not movement.is_none]


def _refined(first: Array, second: Array, light: Ground, dark: Ground, best: Movement, least: float) -> Movement:
    """The movement shifted by parts of a pixel, as long as that leaves less impossible light."""
    size = (first.shape[1], first.shape[0])
    for step in _STEPS:
        for x, y in ((step, 0), (-step, 0), (0, step), (0, -step)):
            moved = Movement(best.affine + np.array([[0, 0, x], [0, 0, y]]), best.field)
            found = _impossible(first, moved.apply(second, size), light, dark)
            if found < least:
                best, least = moved, found
    return best


def _silhouette(picture: Array, ground: Ground) -> Mask:
    return np.abs(picture.astype(np.float32) - ground.model).max(-1) > _APART


def _edges(picture: Array) -> Floats:
    """How strongly the picture changes at each pixel, 0 to 255."""
    across, down = (cv2.Sobel(picture.astype(np.float32), cv2.CV_32F, x, y) for x, y in ((1, 0), (0, 1)))
    return np.minimum(np.sqrt(np.sqrt((across**2 + down**2).max(-1))) * 8, 255)


def _by_shape(one: Floats, other: Floats, motion: int) -> Movement | None:
    """The movement that lays one shape over the other, from coarse to fine; None where none is found."""
    found = np.eye(2, 3, dtype=np.float32)
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 60, 1e-5)
    whole = np.full(one.shape, 255, np.uint8)
    try:
        for softness in (6.0, 1.5):
            soft = [cv2.GaussianBlur(side, (0, 0), softness) for side in (one, other)]
            _, better = cv2.findTransformECC(soft[0], soft[1], found, motion, criteria, whole, 5)
            found = np.asarray(better, dtype=np.float32)
    except cv2.error:
        # Without a shape, or with too little in common, there is nothing to follow.
        return None
    return Movement(found.astype(np.float64))


def _impossible(first: Array, second: Array, light: Ground, dark: Ground, *, rim: float = 1.0) -> float:
    """How much of what the two pictures show near the subject no subject could look like, 0 to 1.

    What is half transparent counts too, `rim` times: a grey subject that moved looks as if it had such a rim.
    """
    through = (first.astype(np.float32) - second) / (light.model - dark.model)
    near = grown(_silhouette(first, light) | _silhouette(second, dark), 6)
    if not near.any():
        return 0.0
    spread = through.max(-1) - through.min(-1)
    negative = np.clip(-through.min(-1), 0, 1)
    clear = np.clip(through.mean(-1), 0, 1)
    return float((spread + 2 * negative + rim * clear * (1 - clear))[near].mean())


def _alpha(first: Array, second: Array, light: Floats, dark: Floats) -> Floats:
    way = light - dark
    through = ((first.astype(np.float32) - second) * way).sum(-1) / (way * way).sum(-1)
    return np.clip((1 - through - _LOWEST) / (1 - 2 * _LOWEST), 0, 1).astype(np.float32)
