"""Finds the plain ground behind a subject: its colour, and what it would look like where the subject hides it."""

from dataclasses import dataclass

import numpy as np

from .arrays import Array, Floats, depth_in, reduced_to, resized
from .spread import spread

EDGE = 640
"""The longest edge of the copy in which the ground is modelled, in pixels: it changes slowly."""
MIN_SHARE = 0.3
"""The share of the picture's border that the ground takes at least."""
COLOURED = 90
"""Levels between the strongest and the weakest channel of a colour that is asked for so that nothing else has it."""
_NEAR = 24.0
"""Levels by which pixels of one ground differ at most from what is around them."""
_TOLERANCES = (_NEAR, 16.0, 12.0, 12.0)
"""Levels within which pixels count as ground, step by step; a soft shadow is no ground."""
_RIM = 0.08
"""The part of a picture along its border in which the ground is looked for first."""


@dataclass(frozen=True, slots=True)
class Ground:
    """A plain ground: `model` is its colour at each pixel, 0 to 255, and `noise` how much it flickers, in levels."""

    colour: tuple[int, int, int]
    model: Floats
    noise: float
    border: float
    """The share of the picture's border that it takes."""

    @property
    def is_coloured(self) -> bool:
        """Whether its colour is so strong that a subject has it by chance only."""
        return max(self.colour) - min(self.colour) > COLOURED


def find_ground(picture: Array) -> Ground | None:
    """The ground that most of the border shows; None where no colour takes `MIN_SHARE` of it."""
    small = reduced_to(picture, EDGE).astype(np.float32)
    border = _border(small)
    colour = _most_frequent(border)
    places = _places(small.shape[0], small.shape[1])
    near = _distance(small, colour) < 2 * _NEAR
    rim = max(2, round(_RIM * min(near.shape)))
    near[rim:-rim, rim:-rim] = False
    model = small
    # First what is seen along the border, then all that looks like its continuation.
    for tolerance in _TOLERANCES:
        if near.sum() < len(border) * MIN_SHARE:
            return None
        weights, *_rest = np.linalg.lstsq(places[near], small[near], rcond=None)
        model = np.clip(places @ weights, 0, 255).astype(np.float32)
        near = _distance(small, model) < tolerance
    # Within that, each part of the ground as it is.
    model = spread(small, near.astype(np.float32))
    share = float(_border(near[..., None].astype(np.float32)).mean())
    if share < MIN_SHARE:
        return None
    apart = np.abs(small - model)[depth_in(near) > 2]  # noqa: PLR2004 - pixels
    noise = float(np.median(apart) * 1.5) if apart.size else 0.0
    red, green, blue = (round(float(level)) for level in np.median(border[_distance(border, colour) < _NEAR], 0))
    size = (picture.shape[1], picture.shape[0])
    return Ground((red, green, blue), resized(model, size), noise, share)


def _places(height: int, width: int) -> Floats:
    """For each pixel the terms of a surface of second order: a ground may get darker towards its corners."""
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    return np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], -1).astype(np.float32)


def _border(picture: Floats) -> Floats:
    """The pixels along the four edges, as a list."""
    width = max(2, round(0.008 * max(picture.shape[:2])))
    parts = (picture[:width], picture[-width:], picture[width:-width, :width], picture[width:-width, -width:])
    return np.concatenate([part.reshape(-1, picture.shape[2]) for part in parts])


def _most_frequent(pixels: Floats) -> Floats:
    """The colour that the most pixels have, or are near to."""
    bins = (pixels // 16).astype(np.int64)
    keys, counts = np.unique(bins[:, 0] * 256 + bins[:, 1] * 16 + bins[:, 2], return_counts=True)
    key = keys[counts.argmax()]
    middle = np.array([key // 256, key // 16 % 16, key % 16]) * 16.0 + 8
    return np.median(pixels[_distance(pixels, middle) < 2 * _NEAR], 0)


def _distance(pixels: Floats, colour: Floats) -> Floats:
    return np.sqrt(((pixels - colour) ** 2).sum(-1))
