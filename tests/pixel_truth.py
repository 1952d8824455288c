"""Edits of which it is known what should come out: pictures drawn by code, an object in each, and a model's drift.

`edit_truth` gives the edit without drift, and `drifted` what a model makes of it. All of it depends on its seed alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Values = NDArray[Any]
Level = Literal["none", "local", "shift", "mild", "strong"]
"""How a model's picture drifts: not at all, in patches, by a shift alone, or everywhere."""


@dataclass(frozen=True)
class Edit:
    """One edit: the original, the mask, and what the edit should be (`wanted`, floating-point numbers)."""

    original: Picture
    mask: NDArray[np.bool_]
    wanted: Values
    changed: NDArray[np.bool_]


def scene(kind: str, size: tuple[int, int], seed: int = 0) -> Picture:
    """A picture of `size` (width, height) with texture at all scales."""
    rng = np.random.default_rng([seed, SCENES.index(kind)])
    return np.clip(DRAW[kind](size, rng), 0, 255).astype(np.uint8)


def _grid(size: tuple[int, int]) -> tuple[Values, Values]:
    grid: Values = np.mgrid[: size[1], : size[0]].astype(np.float32)
    return grid[0], grid[1]


def _ground(size: tuple[int, int]) -> Values:
    yy, xx = _grid(size)
    return np.stack([90 + 120 * yy / size[1], 110 + 60 * xx / size[0], 190 - 80 * yy / size[1]], -1)


def _point(size: tuple[int, int], rng: np.random.Generator) -> tuple[int, int]:
    return int(rng.uniform(0, size[0])), int(rng.uniform(0, size[1]))


def _hills(size: tuple[int, int], rng: np.random.Generator) -> Values:
    width, height = size
    picture = _ground(size)
    yy, xx = _grid(size)
    for level in range(4):
        waves = [np.sin(xx[0] * rng.uniform(12, 72) / width + rng.uniform(0, 6)) for _ in range(3)]
        ridge = height * (0.35 + 0.15 * level) + height * 0.03 * np.sum(waves, 0)
        picture[yy > ridge] = rng.uniform(30, 180, 3) * (1 - 0.12 * level)
    return picture + 14 * _texture(rng, size, (3, 9, 30))


def _noise(size: tuple[int, int], rng: np.random.Generator) -> Values:
    return _ground(size) + 40 * _texture(rng, size, (2, 5, 17, 60))


def _text(size: tuple[int, int], rng: np.random.Generator) -> Values:
    width, height = size
    picture = np.full((height, width, 3), (244, 240, 230), dtype=np.uint8)
    for line in range(16):
        words = " ".join("".join(chr(97 + int(letter)) for letter in rng.integers(0, 26, 6)) for _ in range(9))
        place = (int(width * 0.04), int(height * (0.06 + 0.06 * line)))
        cv2.putText(picture, words, place, cv2.FONT_HERSHEY_SIMPLEX, height / 1100, (40, 40, 50), 2, cv2.LINE_AA)
    return picture


def _lattice(size: tuple[int, int], rng: np.random.Generator) -> Values:
    picture = _ground(size).astype(np.float32)
    for step in range(0, max(size), 40):
        cv2.line(picture, (step, 0), (step, size[1]), (30, 30, 40), 2, cv2.LINE_AA)
        cv2.line(picture, (0, step), (size[0], step), (30, 30, 40), 2, cv2.LINE_AA)
    return picture + 8 * _texture(rng, size, (40, 90))


def _shapes(size: tuple[int, int], rng: np.random.Generator) -> Values:
    picture = np.full((size[1], size[0], 3), (240, 232, 210), dtype=np.float32)
    for _ in range(12):
        middle, colour = _point(size, rng), [float(value) for value in rng.uniform(20, 220, 3)]
        cv2.circle(picture, middle, int(rng.uniform(30, size[1] / 5)), colour, -1, cv2.LINE_AA)
    return picture


def _stars(size: tuple[int, int], rng: np.random.Generator) -> Values:
    picture = np.full((size[1], size[0], 3), (8, 9, 18), dtype=np.float32)
    for _ in range(900):
        middle, light = _point(size, rng), float(rng.uniform(60, 255))
        cv2.circle(picture, middle, int(rng.uniform(1, 5)), (light, light * 0.9, light * 0.8), -1, cv2.LINE_AA)
    return cv2.GaussianBlur(picture, (0, 0), 1) + 4 * _texture(rng, size, (50,))


def _bokeh(size: tuple[int, int], rng: np.random.Generator) -> Values:
    picture = _ground(size) * 0.6
    for _ in range(60):
        layer = np.zeros((size[1], size[0]), dtype=np.float32)
        cv2.circle(layer, _point(size, rng), int(rng.uniform(8, 60)), float(rng.uniform(10, 60)), -1, cv2.LINE_AA)
        picture += layer[..., None] * rng.uniform(0.4, 1, 3)
    return cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 1.5) + rng.normal(0, 2, picture.shape)


def _stripes(size: tuple[int, int], rng: np.random.Generator) -> Values:
    yy, xx = _grid(size)
    return _ground(size) + 50 * np.sin((xx * 0.9 + yy * 0.4) / 7)[..., None] + 12 * _texture(rng, size, (4, 25))


def blob(size: tuple[int, int], rng: np.random.Generator, share: float) -> NDArray[np.bool_]:
    """A wavy disc of that share of a picture of `size` (width, height)."""
    width, height = size
    cy, cx = rng.uniform(0.3, 0.7) * height, rng.uniform(0.3, 0.7) * width
    yy, xx = _grid(size)
    angle = np.arctan2(yy - cy, xx - cx)
    wave = 1 + 0.18 * np.sin(3 * angle + rng.uniform(0, 6)) + 0.1 * np.sin(5 * angle + rng.uniform(0, 6))
    return np.hypot(yy - cy, xx - cx) < np.sqrt(share * width * height / np.pi) * wave


def edit_truth(
    kind: str, size: tuple[int, int], seed: int, *, share: float | None = None, bleeds: bool = False
) -> Edit:
    """Another scene with a soft edge within a mask, or reaching 40 pixels beyond it if it `bleeds`."""
    rng = np.random.default_rng([seed, 7, SCENES.index(kind)])
    original = scene(kind, size, seed)
    mask = blob(size, rng, share or float(rng.uniform(0.08, 0.22)))
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    if bleeds:
        shape = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5) <= 40
    else:
        shape = depth > depth.max() * 0.25
    other = scene(SCENES[(SCENES.index(kind) + 3) % len(SCENES)], size, seed + 1000)
    soft = cv2.GaussianBlur(shape.astype(np.float32), (0, 0), 1.2)[..., None]
    wanted = (soft * other + (1 - soft) * original).astype(np.float32)
    return Edit(original, mask, wanted, soft[..., 0] > 0.02)


def drifted(wanted: Values, level: Level, seed: int, mask: NDArray[np.bool_] | None = None) -> Picture:
    """What a model makes of an edit; `mask` keeps the patches of `local` away from it."""
    rng = np.random.default_rng([seed, 11])
    height, width = wanted.shape[:2]
    if level in {"none", "local"}:
        picture = wanted.copy()
        if level == "local":
            _patch(picture, rng, np.zeros((height, width), dtype=bool) if mask is None else mask)
        return np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    far = 6 if level == "strong" else 3
    dx, dy = rng.uniform(-far, far, 2)
    scale = 1.0 if level == "shift" else rng.uniform(0.99, 1.01)
    yy, xx = _grid((width, height))
    mx: Values = (xx - width / 2) / scale + width / 2 - dx
    my: Values = (yy - height / 2) / scale + height / 2 - dy
    if level == "strong":
        points: Values = rng.normal(0, 1.2, (2, max(3, height // 160), max(3, width // 160)))
        bend: list[Values] = [
            cv2.resize(part, (width, height), interpolation=cv2.INTER_CUBIC) for part in (points[0], points[1])
        ]
        mx, my = mx + bend[0], my + bend[1]
    picture = cv2.remap(
        wanted.astype(np.float32),
        mx.astype(np.float32),
        my.astype(np.float32),
        cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT,
    )
    if level != "shift":
        picture = picture * rng.uniform(0.97, 1.03, 3) + rng.uniform(-4, 4, 3)
    if level == "strong":
        picture = 255 * (np.clip(picture, 0, 255) / 255) ** rng.uniform(0.93, 1.07)
        picture = cv2.GaussianBlur(picture, (0, 0), 0.7)
        factor = float(rng.choice([0.8, 1.25]))
        other = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
        back = cv2.INTER_AREA if factor > 1 else cv2.INTER_CUBIC
        picture = cv2.resize(other, (width, height), interpolation=back)
    picture = picture + rng.normal(0, 1.5, picture.shape)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def _patch(picture: Values, rng: np.random.Generator, mask: NDArray[np.bool_]) -> None:
    height, width = mask.shape
    radius = int(np.sqrt(0.01 * height * width / 8 / np.pi))
    for _ in range(8):
        x, y = (radius + place for place in _point((width - 2 * radius, height - 2 * radius), rng))
        cut = slice(y - radius, y + radius), slice(x - radius, x + radius)
        yy, xx = _grid((2 * radius, 2 * radius))
        disc = (np.hypot(yy - radius, xx - radius) < radius) & ~mask[cut]
        picture[cut][disc] = (255 - picture[cut][::-1, ::-1])[disc]


def psnr(one: Values, other: Values, where: NDArray[np.bool_]) -> float:
    """The peak signal-to-noise ratio in decibels of the pixels `where`; 99 if they are the same."""
    error = float(((one.astype(np.float64) - other)[where] ** 2).mean()) if where.any() else 0.0
    return 99.0 if error < 1e-9 else float(10 * np.log10(255**2 / error))


def band_of(mask: NDArray[np.bool_], width: float = 24) -> NDArray[np.bool_]:
    """The pixels of a mask within `width` pixels of its edge."""
    return mask & (cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5) <= width)


def _texture(rng: np.random.Generator, size: tuple[int, int], scales: tuple[int, ...]) -> Values:
    """Smooth grey noise of about -1 to 1: the sum of noises whose grains have these sizes in pixels."""
    width, height = size
    total: Values = np.zeros((height, width), dtype=np.float32)
    for grain in scales:
        small = rng.normal(0, 1, (max(2, height // grain), max(2, width // grain))).astype(np.float32)
        total += cv2.resize(small, size, interpolation=cv2.INTER_CUBIC)
    return total[..., None] / len(scales)


DRAW: dict[str, Callable[[tuple[int, int], np.random.Generator], Values]] = {
    "hills": _hills,
    "noise": _noise,
    "text": _text,
    "lattice": _lattice,
    "shapes": _shapes,
    "stars": _stars,
    "bokeh": _bokeh,
    "stripes": _stripes,
}
SCENES = tuple(DRAW)
