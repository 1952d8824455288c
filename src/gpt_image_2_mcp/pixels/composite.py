"""Puts into the original what a model changed in it, and takes nothing else of the model's picture."""

from dataclasses import dataclass

import cv2
import numpy as np

from .align import Movement, find_movement
from .arrays import Array, Floats, Mask, depth_in, distance_to, reduced_to, resized
from .change_map import NO_BLEEDING, Bleeding, carried_beyond, changed, edges_of, find_bleeding, matte_of, surely_new
from .colour import ColourMatch, find_match
from .refine import refined
from .softness import SHARP, RoundTrip, Softness, find_softness, proven, sharpened, wider

LOOK_EDGE = 1536
"""The longest edge of the copies in which movement, colours and changes are found, in pixels."""
AWAY = 8.0
"""Pixels round a mask that may have changed with it."""
GROW, FEATHER = 4.0, 6.0
"""Pixels round a change that are taken with it, and over which it fades."""
NEW_PICTURE = 0.5
"""The share of what was to stay that may have changed before the model's picture is another one."""
_THICK = 25
"""The edge in pixels of what is drawn anew and not only aside."""
_BAND = 1 << 20
"""Pixels that are blended at once."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found in the reduced copies, and the shares in it."""

    movement: Movement
    colour: ColourMatch
    softness: Softness
    matte: Floats
    """In the size of the copies."""
    changed: float
    """The share of the picture in which the model drew something else."""
    changed_outside: float
    """The share of what was to stay in which the model drew something else."""
    bleeding: Bleeding
    seam_step: float
    """The step of colour that each pixel of the feather has to hide, in levels."""
    shift: tuple[float, float]
    """How far the model moved the picture, in pixels of the original, to the right and down."""
    reach: int
    """How far something new goes beyond the mask, in pixels of the original."""


def look(original: Array, model: Array, mask: Floats | None, *, is_all_new: bool = False) -> Findings:
    """Find what the model changed, and how its picture has to be moved and tinted to fit.

    `mask` says how much each pixel of the original may change, 0 to 1; None takes what changed for the mask. `model`
    may have any size. With `is_all_new`, all of the mask changed: the original has nothing there.
    """
    small = reduced_to(original, LOOK_EDGE)
    size = (small.shape[1], small.shape[0])
    factor = original.shape[1] / size[0]
    inside = None if mask is None else _reduced_mask(mask > 0, size)
    drawn, edges = resized(model, size), edges_of(small)
    keep = np.ones(small.shape[:2], dtype=bool) if inside is None else distance_to(inside) > AWAY
    fitted = _fit(small, find_movement(small, drawn, keep), drawn, keep)
    change = _change(fitted, keep, edges)
    # Now it is known what stayed within the mask, too, and that without a mask not everything did.
    stayed = keep if is_all_new else distance_to(change if inside is None else change & inside) > AWAY
    if stayed.mean() > 1 - NEW_PICTURE and not fitted.movement.is_none:
        # What was drawn anew outside as well moves nothing; lines that only lie aside do, and are thin.
        solid: Mask = cv2.morphologyEx(change.astype(np.uint8), cv2.MORPH_OPEN, np.ones((_THICK, _THICK), np.uint8)) > 0
        movement = refined(fitted.movement, small, drawn, fitted.colour, stayed & (distance_to(solid) > AWAY))
        fitted = _fit_finely(small, movement, drawn, stayed)
        change = _change(fitted, stayed, edges)
    if inside is None:
        inside = distance_to(change) <= GROW + FEATHER
    feather = FEATHER / factor if factor > 1 else FEATHER
    matte = matte_of(inside if is_all_new else change, inside, grow=GROW, feather=feather)
    if not is_all_new:
        matte *= surely_new(fitted.original, fitted.matched, change, stayed, edges)
    stays = distance_to(inside) > AWAY
    bleeding = NO_BLEEDING if is_all_new else find_bleeding(change, inside)
    dx, dy = fitted.movement.shift(size)
    return Findings(
        fitted.movement,
        fitted.colour,
        fitted.softness,
        matte,
        changed=float(change.mean()),
        changed_outside=float(change[stays].mean()) if stays.any() else 0.0,
        bleeding=bleeding,
        seam_step=_seam_step(small, fitted.matched, matte, FEATHER),
        shift=(dx * factor, dy * factor),
        reach=round(bleeding.reach * factor),
    )


@dataclass(frozen=True, slots=True)
class _Fitted:
    """How the model's picture fits, and the two as they are compared: `original` as soft as `matched` is."""

    movement: Movement
    colour: ColourMatch
    softness: Softness
    original: Floats
    aligned: Array
    matched: Floats


def _fit(original: Array, movement: Movement, drawn: Array, stays: Mask) -> _Fitted:
    aligned = movement.apply(drawn, (original.shape[1], original.shape[0]))
    colour = find_match(original, aligned, stays)
    return _Fitted(movement, colour, SHARP, original.astype(np.float32), aligned, colour.apply(aligned))


def _fit_finely(original: Array, movement: Movement, drawn: Array, stays: Mask) -> _Fitted:
    """How the model's picture fits, and what it lost on its way, once it is known what `stays`."""
    found = _fit(original, movement, drawn, stays)
    size = (original.shape[1], original.shape[0])
    sharp, trip, colour = found.original, RoundTrip(movement, size), found.colour
    lost = sharp - trip(sharp)
    softness, soft = SHARP, sharp
    # Each is found more truly once the other one is known.
    for _ in range(2):
        softness = find_softness(lost, sharp - colour.apply(found.aligned), stays) or SHARP
        soft = sharp - softness.share * lost
        colour = find_match(soft, found.aligned, stays)
    matched = colour.apply(found.aligned)
    softness = proven(softness, sharp, matched, stays, trip)
    return _Fitted(movement, colour, softness, soft, found.aligned, matched)


def _change(fitted: _Fitted, stays: Mask, edges: Floats) -> Mask:
    """Where the model drew something else, as `changed` finds it.

    Its picture may not reach to the edges of the original: what it drew there is not known, and is no change by itself.
    """
    shown = fitted.movement.shown((stays.shape[1], stays.shape[0]))
    if shown.all():
        return changed(fitted.original, fitted.matched, stays, edges)
    known = np.where(shown[..., None], fitted.matched, fitted.original)
    return carried_beyond(changed(fitted.original, known, stays, edges), shown)


def put_back(
    original: Array, model: Array, mask: Floats | None, found: Findings, *, alpha: Array | None = None
) -> Array:
    """The original with what changed; a copy, of which no pixel outside of the mask differs.

    `mask` is that of `look`. `original` has 8 or 16 bits a channel and is height x width x 3, and `model` 8 bits. Of
    the original's colours as much is left as its `alpha` lets be seen.
    """
    height, width = original.shape[:2]
    result = original.copy()
    step = 257 if original.dtype == np.uint16 else 1
    top_level = 65_535 if step > 1 else 255
    size = (width, height)
    # A larger picture is averaged first, or its pixels would be skipped.
    drawn = resized(model, size) if model.shape[1] > 1.5 * width else model
    movement = full_movement(found.movement, found.matte, size)
    left, top, right, bottom = _box_of(found.matte, size)
    rows = max(1, _BAND // max(1, right - left))
    for start in range(top, bottom, rows):
        box = (left, start, right, min(start + rows, bottom))
        share = part_of(found.matte, box, size)
        if mask is not None:
            share = share * mask[box[1] : box[3], box[0] : box[2]]
        if not share.any():
            continue
        around = wider(box, size)
        aligned = movement.apply(drawn, size, around).astype(np.float32)
        if found.softness.share:
            aligned = sharpened(aligned, found.softness, RoundTrip(movement, size, around))
        within = np.s_[box[1] - around[1] : box[3] - around[1], box[0] - around[0] : box[2] - around[0]]
        new = found.colour.apply(aligned[within]) * step
        old = original[box[1] : box[3], box[0] : box[2]]
        part = share
        if alpha is not None:
            visible = alpha[box[1] : box[3], box[0] : box[2]] / np.float32(top_level)
            part = share / np.maximum(visible + share - visible * share, 1e-6)
        mixed = np.clip(np.rint(old + part[..., None] * (new - old)), 0, top_level).astype(original.dtype)
        np.copyto(result[box[1] : box[3], box[0] : box[2]], mixed, where=(share > 0)[..., None])
    return result


def full_movement(movement: Movement, matte: Floats, size: tuple[int, int]) -> Movement:
    """The movement that was found in a copy of the matte's size, for the full `size` (width, height)."""
    factor = size[0] / matte.shape[1]
    if factor == 1:
        return movement
    half = (factor - 1) / 2
    affine = movement.affine.copy()
    affine[:, 2] = affine[:, 2] * factor + half - affine[:, :2] @ np.array([half, half])
    field = None if movement.field is None else movement.field * factor
    return Movement(affine, field)


def part_of(matte: Floats, box: tuple[int, int, int, int], size: tuple[int, int]) -> Floats:
    """The part of a reduced matte for a box (left, top, right, bottom) of the full picture of `size`."""
    left, top, right, bottom = box
    scale_x, scale_y = matte.shape[1] / size[0], matte.shape[0] / size[1]
    if scale_x == scale_y == 1:
        return matte[top:bottom, left:right]
    x = ((np.arange(left, right, dtype=np.float32) + 0.5) * scale_x - 0.5)[None].repeat(bottom - top, 0)
    y = ((np.arange(top, bottom, dtype=np.float32) + 0.5) * scale_y - 0.5)[:, None].repeat(right - left, 1)
    return cv2.remap(
        matte, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def _box_of(matte: Floats, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The box of the full picture outside of which a matte is 0: left, top, right, bottom."""
    rows, columns = np.flatnonzero(matte.any(1)), np.flatnonzero(matte.any(0))
    if not len(rows):
        return (0, 0, 0, 0)
    width, height = size
    x, y = width / matte.shape[1], height / matte.shape[0]
    return (
        max(0, int((columns[0] - 1) * x)),
        max(0, int((rows[0] - 1) * y)),
        min(width, int(np.ceil((columns[-1] + 2) * x))),
        min(height, int(np.ceil((rows[-1] + 2) * y))),
    )


def _reduced_mask(mask: Mask, size: tuple[int, int]) -> Mask:
    if (mask.shape[1], mask.shape[0]) == size:
        return mask
    return cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.5  # noqa: PLR2004 - half of it


def _seam_step(original: Array, matched: Floats, matte: Floats, feather: float) -> float:
    """The 95th percentile of the difference round the matte, divided by the pixels over which it is hidden."""
    taken = matte > 0
    if not taken.any() or taken.all():
        return 0.0
    round_it = (distance_to(taken) <= 3) & ~taken  # noqa: PLR2004 - pixels
    if not round_it.any():
        return 0.0
    # Blurred, since what lies beside its place by a part of a pixel is no step; without what is new.
    weight = (~taken).astype(np.float32)
    signed = cv2.GaussianBlur((original.astype(np.float32) - matched) * weight[..., None], (0, 0), 2)
    difference = np.abs(signed[round_it]).max(-1) / cv2.GaussianBlur(weight, (0, 0), 2)[round_it]
    deep = min(feather, float(depth_in(taken).max()))
    return float(np.percentile(difference, 95)) / max(1.0, deep)
