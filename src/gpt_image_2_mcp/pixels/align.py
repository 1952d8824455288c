"""Finds how a picture is moved against another one, and draws it where it belongs.

First an affine movement of the whole (ECC: the movement with the highest correlation), then a smooth field of what is
left over, from small blocks. Both are found in reduced copies, and used together in one resampling at full size.
"""

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from .arrays import Array, Floats, Mask, grey, reduced_to, shrink_mask

AFFINE_EDGE = 768
"""The longest edge of the copies in which the affine movement is found, in pixels."""
FIELD_EDGE = 1024
_BLOCK, _APART = 64, 48
"""Edge of the blocks and their distance, in pixels of the copy for the field."""
GRID = 32
"""The distance of a field's points, in pixels of that copy."""
_MAX_MOVE = 5.0
"""The farthest that a block is believed to be from where the affine movement puts it, in pixels."""
_MIN_FIELD = 0.3
"""A field whose median is less, in pixels, is not worth a resampling."""
_GAIN = 0.97
"""A movement is used where it leaves at most this share of the error without it."""


@dataclass(frozen=True, slots=True)
class Movement:
    """Where each pixel of the original lies in the model's picture.

    `affine` (2x3) maps pixels of the original to pixels of the model's picture, once that has the original's size; a
    `field` (rows x columns x 2, in pixels of the original) is added to the place before.
    """

    affine: Floats
    field: Floats | None = None

    @property
    def is_none(self) -> bool:
        """Whether nothing is moved."""
        return self.field is None and bool(np.array_equal(self.affine, np.eye(2, 3)))

    def shift(self, size: tuple[int, int]) -> tuple[float, float]:
        """How far the middle of a picture of `size` (width, height) is moved, in pixels to the right and down."""
        x, y = self.affine @ np.array([size[0] / 2, size[1] / 2, 1.0])
        return float(x - size[0] / 2), float(y - size[1] / 2)

    @property
    def scale(self) -> float:
        """How much larger the model's picture shows things."""
        return float(np.sqrt(abs(np.linalg.det(self.affine[:, :2]))))

    def places(self, size: tuple[int, int], box: tuple[int, int, int, int]) -> tuple[Floats, Floats]:
        """Where each pixel of a box of the original, which has `size`, lies in the model's picture: across and down."""
        left, top, right, bottom = box
        x, y = np.meshgrid(np.arange(left, right, dtype=np.float32), np.arange(top, bottom, dtype=np.float32))
        if self.field is not None:
            moved = _enlarged(self.field, size, x, y)
            x, y = x + moved[..., 0], y + moved[..., 1]
        m = self.affine.astype(np.float32)
        return m[0, 0] * x + m[0, 1] * y + m[0, 2], m[1, 0] * x + m[1, 1] * y + m[1, 2]

    def shown(self, size: tuple[int, int]) -> Mask:
        """The pixels of the original, which has `size`, of which the model's picture shows the place."""
        u, v = self.places(size, (0, 0, *size))
        # The first pixel begins half a pixel before its middle.
        u, v = u + 0.5, v + 0.5
        shown: Mask = (u > 0) & (v > 0) & (u < size[0]) & (v < size[1])
        return shown

    def origins(self, size: tuple[int, int], box: tuple[int, int, int, int]) -> tuple[Floats, Floats]:
        """Where each pixel of a box of the model's picture lies in the original, which has `size`: across and down."""
        back = Movement(cv2.invertAffineTransform(self.affine))
        x, y = back.places(size, box)
        if self.field is None:
            return x, y
        # The field is that of the place itself, which changes little from there to the place without it.
        moved = _enlarged(self.field, size, x, y)
        return x - moved[..., 0], y - moved[..., 1]

    def apply(
        self,
        picture: Array,
        size: tuple[int, int],
        box: tuple[int, int, int, int] | None = None,
        *,
        is_blurred: bool = False,
    ) -> Array:
        """Draw the model's picture where it belongs in a picture of `size` (width, height), or in a `box` of it.

        `picture` may have any size; `box` is left, top, right and bottom. What `is_blurred` afterwards is drawn with
        less care. Gives 8 bits a channel, as `picture` has.
        """
        left, top, right, bottom = box or (0, 0, *size)
        height, width = picture.shape[:2]
        across, down = width / size[0], height / size[1]
        if self.is_none and (width, height) == size:
            return picture[top:bottom, left:right]
        u, v = self.places(size, (left, top, right, bottom))
        # The middle of the first pixel is at 0, so that a scale moves it by half of what it adds.
        u, v = (u + 0.5) * across - 0.5, (v + 0.5) * down - 0.5
        finely = cv2.INTER_CUBIC if is_blurred else cv2.INTER_LANCZOS4
        return cv2.remap(
            picture,
            u,
            v,
            finely if across < 1.5 else cv2.INTER_LINEAR,  # noqa: PLR2004 - larger pictures are reduced before
            borderMode=cv2.BORDER_REFLECT,
        )


NONE = Movement(np.eye(2, 3))
"""Nothing is moved."""


def find_movement(original: Array, model: Array, keep: Mask) -> Movement:
    """Find how `model` is moved against `original`, by the pixels that are to `keep`; `NONE` where that is best.

    Both pictures have three channels of 8 bits and the same size, and `keep` is a mask of that size.
    """
    size = (original.shape[1], original.shape[0])
    wanted, drawn = grey(original), grey(model)
    whole = _error(wanted, drawn, keep)
    best, least = NONE, whole
    aligned, affine = drawn, _affine(wanted, drawn, keep)
    if affine is not None:
        moved = Movement(affine)
        redrawn = moved.apply(drawn, size)
        error = _error(wanted, redrawn, keep)
        if error < _GAIN * whole:
            best, least, aligned = moved, error, redrawn
    field = _field(wanted, aligned, keep)
    if field is not None:
        moved = replace(best, field=field)
        if _error(wanted, moved.apply(drawn, size), keep) < _GAIN * least:
            best = moved
    return best


def _error(wanted: Floats, drawn: Floats, keep: Mask) -> float:
    """The mean difference in grey of what is to stay, where what was drawn anew counts little; without its mean."""
    difference = wanted[keep] - drawn[keep]
    if difference.size == 0:
        return 0.0
    return float(np.minimum(np.abs(difference - np.median(difference)), 40).mean())


def _affine(wanted: Floats, drawn: Floats, keep: Mask) -> Floats | None:
    """The affine movement of two grey pictures, at their size; None where ECC finds none."""
    factor = max(1.0, max(wanted.shape) / AFFINE_EDGE)
    one, other = reduced_to(wanted, AFFINE_EDGE), reduced_to(drawn, AFFINE_EDGE)
    allowed = shrink_mask(keep, (one.shape[1], one.shape[0]))
    # The middle of a pixel of the copy is not where the same place of the original has its own.
    half = (factor - 1) / 2
    found = np.eye(2, 3, dtype=np.float32)
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-5)
    try:
        for level in (4, 2, 1):
            size = (one.shape[1] // level, one.shape[0] // level)
            if min(size) < 16:  # noqa: PLR2004 - pixels: nothing is found in less
                continue
            scaled = found.copy()
            scaled[:, 2] /= level
            a, b = (cv2.resize(side, size, interpolation=cv2.INTER_AREA) for side in (one, other))
            inside = cv2.resize(allowed.astype(np.uint8) * 255, size, interpolation=cv2.INTER_NEAREST)
            _, scaled = cv2.findTransformECC(a, b, scaled, cv2.MOTION_AFFINE, criteria, inside, 5)
            found = np.asarray(scaled, dtype=np.float32).copy()
            found[:, 2] *= level
    except cv2.error:
        # Without texture, or with too little in common, there is nothing to follow.
        return None
    matrix = found.astype(np.float64)
    matrix[:, 2] = matrix[:, 2] * factor + half - matrix[:, :2] @ np.array([half, half])
    return matrix


def _field(wanted: Floats, aligned: Floats, keep: Mask) -> Floats | None:
    """What is left over after the affine movement, as a smooth field; None where that is little or not known."""
    one, other = reduced_to(wanted, FIELD_EDGE), reduced_to(aligned, FIELD_EDGE)
    factor = wanted.shape[1] / one.shape[1]
    found = _blocks(one, other, shrink_mask(keep, (one.shape[1], one.shape[0])))
    if found is None:
        return None
    places, moves, quality = found
    weight = np.clip(quality - 4, 0, 10) * (np.hypot(moves[:, 0], moves[:, 1]) < _MAX_MOVE)
    trusted = weight > 0
    if trusted.sum() < 6 or np.median(np.hypot(*moves[trusted].T)) * factor < _MIN_FIELD:  # noqa: PLR2004 - blocks
        return None
    points: Floats = np.mgrid[0 : one.shape[0] + GRID : GRID, 0 : one.shape[1] + GRID : GRID]
    gy, gx = points[0], points[1]
    far: Floats = (gx[..., None] - places[:, 0]) ** 2 + (gy[..., None] - places[:, 1]) ** 2
    # Far from all blocks, as in the middle of a large mask, distant ones count a little.
    kernel = (np.exp(-far / (2 * 48**2)) + 1e-2 * np.exp(-far / (2 * 160**2))) * weight
    total = kernel.sum(-1) + 1e-6
    field = np.stack([(kernel * moves[:, axis]).sum(-1) / total for axis in (0, 1)], -1) * factor
    return field.astype(np.float32)


def _blocks(one: Floats, other: Floats, allowed: Mask) -> tuple[Floats, Floats, Floats] | None:
    """Where blocks are (x, y), how far each is moved, and how sure that is; None where there are too few."""
    height, width = one.shape
    window = np.outer(np.hanning(_BLOCK), np.hanning(_BLOCK)).astype(np.float32)
    count = cv2.integral(allowed.astype(np.uint8))
    corners: list[tuple[int, int]] = []
    for y in range(0, height - _BLOCK + 1, _APART):
        for x in range(0, width - _BLOCK + 1, _APART):
            inside = count[y + _BLOCK, x + _BLOCK] - count[y, x + _BLOCK] - count[y + _BLOCK, x] + count[y, x]
            if inside >= 0.98 * _BLOCK**2 and one[y : y + _BLOCK, x : x + _BLOCK].std() >= 2:  # noqa: PLR2004 - levels
                corners.append((x, y))
    if len(corners) < 6:  # noqa: PLR2004 - a field from fewer would be a guess
        return None

    def spectra(picture: Floats) -> Any:
        cut = np.stack([picture[y : y + _BLOCK, x : x + _BLOCK] for x, y in corners])
        return np.fft.rfft2((cut - cut.mean((1, 2), keepdims=True)) * window)

    cross = np.conj(spectra(one)) * spectra(other)
    cross /= np.abs(cross) ** 0.7 + 1e-3 * np.abs(cross).max((1, 2), keepdims=True) + 1e-9
    fy, fx = np.fft.fftfreq(_BLOCK)[:, None], np.fft.rfftfreq(_BLOCK)[None]
    cross *= np.exp(-(fy**2 + fx**2) / (2 * 0.12**2))
    peaks = np.fft.fftshift(np.fft.irfft2(cross, s=(_BLOCK, _BLOCK)), axes=(1, 2))
    reach, middle = 20, _BLOCK // 2
    near = peaks[:, middle - reach : middle + reach + 1, middle - reach : middle + reach + 1]
    edge = 2 * reach + 1
    highest = near.reshape(len(near), -1).argmax(1)
    py, px = np.clip(highest // edge, 1, edge - 2), np.clip(highest % edge, 1, edge - 2)
    index = np.arange(len(near))
    top = near[index, py, px]
    dy = py + _vertex(near[index, py - 1, px], top, near[index, py + 1, px]) - reach
    dx = px + _vertex(near[index, py, px - 1], top, near[index, py, px + 1]) - reach
    places = np.array(corners, dtype=np.float64) + _BLOCK / 2 - 0.5
    return places, np.stack([dx, dy], 1), top / (near.std((1, 2)) + 1e-9)


def _vertex(before: Floats, at: Floats, after: Floats) -> Floats:
    """Where the parabola through three neighbouring values has its top, from the middle one."""
    bend = before - 2 * at + after
    return np.where(np.abs(bend) > 1e-12, 0.5 * (before - after) / np.where(bend == 0, 1, bend), 0.0)  # noqa: PLR2004


def _enlarged(field: Floats, size: tuple[int, int], x: Floats, y: Floats) -> Floats:
    """A field at some places of the picture: its points are `GRID` pixels of the reduced copy apart."""
    apart = np.float32(GRID * max(1.0, max(size) / FIELD_EDGE))
    return cv2.remap(field, x / apart, y / apart, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
