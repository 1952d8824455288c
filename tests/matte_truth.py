"""Subjects of which colour and transparency are known, on grounds as models paint them, and how good a matte is.

`SUBJECTS` draws each at 512x512 by its seed. `render` puts it on a ground, `second_pass` does so as an edit that moved
it, and `edge_psnr` compares what was taken off with the truth. `measure` gives a table of all, also for the bench.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gpt_image_2_mcp.pixels.ground import find_ground
from gpt_image_2_mcp.pixels.matte import Matte, take_off
from gpt_image_2_mcp.pixels.two_passes import take_off_both

Values = NDArray[Any]
SIZE = 512
GROUNDS = {"magenta": (255, 0, 255), "green": (0, 255, 0), "cyan": (0, 255, 255), "white": (255, 255, 255)}
_BEHIND = ((20, 30, 90), (250, 180, 60), (255, 255, 255))
"""What a subject is put on to see its edge."""


@dataclass(frozen=True)
class Subject:
    """A subject: its colours (floating-point numbers, 0 to 255), and alpha from 0 to 1."""

    colours: Values
    alpha: Values


def _rng(seed: int, name: str) -> np.random.Generator:
    return np.random.default_rng([seed, sum(name.encode())])


def _grid() -> tuple[Values, Values]:
    grid: Values = np.mgrid[:SIZE, :SIZE].astype(np.float64)
    return grid[0], grid[1]


def _textured(rng: np.random.Generator, colour: tuple[int, int, int], strength: float) -> Values:
    coarse = cv2.resize(rng.normal(0, strength, (SIZE // 4, SIZE // 4)), (SIZE, SIZE))
    across = np.linspace(-25, 25, SIZE)[None, :, None]
    return np.clip(np.array(colour) + coarse[..., None] + across, 0, 255)


def _strands(
    rng: np.random.Generator, count: int, length: tuple[float, float], widths: list[int], bend: float
) -> Values:
    """A disc from whose rim strands grow, drawn at three times the size."""
    side = 3 * SIZE
    image = np.zeros((side, side), np.uint8)
    x, y, radius = side / 2, side / 2 + 60, side / 5
    cv2.circle(image, (round(x), round(y)), round(radius), 255, -1)
    for _ in range(count):
        angle = rng.uniform(0, 2 * np.pi)
        points = [(x + radius * 0.9 * np.cos(angle), y + radius * 0.9 * np.sin(angle))]
        each = rng.uniform(*length) * side / 12
        for _ in range(12):
            angle += rng.normal(0, bend)
            points.append((points[-1][0] + each * np.cos(angle), points[-1][1] + each * np.sin(angle)))
        line = np.array(points, np.int32)
        cv2.polylines(image, [line], isClosed=False, color=255, thickness=int(rng.choice(widths)), lineType=cv2.LINE_AA)
    return cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_AREA) / 255.0


def hair(seed: int) -> Subject:
    rng = _rng(seed, "hair")
    alpha = _strands(rng, 260, (0.15, 0.45), [2, 3, 4], 0.18)
    return Subject(_textured(rng, (150, 90, 50), 25), alpha)


def fur(seed: int) -> Subject:
    """Short dense hair of several tones, and a soft rim."""
    rng = _rng(seed, "fur")
    alpha = _strands(rng, 2400, (0.02, 0.09), [2, 3, 4, 6], 0.08)
    alpha = np.clip(cv2.GaussianBlur(alpha, (0, 0), 0.8) * 1.05, 0, 1)
    tones = cv2.resize(rng.normal(0, 40, (SIZE // 3, SIZE // 3)), (SIZE, SIZE))
    return Subject(np.clip(_textured(rng, (140, 120, 100), 18) + tones[..., None], 0, 255), alpha)


def _icon(seed: int, colour: tuple[int, int, int]) -> Subject:
    rng = _rng(seed, "icon")
    side = 4 * SIZE
    image = np.zeros((side, side), np.uint8)
    left, top = (int(rng.uniform(0.15, 0.25) * side) for _ in range(2))
    cv2.rectangle(image, (left, top), (side - top, side - left), 255, -1)
    middle = (side // 2 + int(rng.uniform(-60, 60)), side // 2)
    cv2.circle(image, middle, side // 9, 0, -1)
    colours = np.zeros((SIZE, SIZE, 3)) + np.array(colour)
    colours[: SIZE // 2] *= 0.8
    return Subject(colours, cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_AREA) / 255.0)


def red_icon(seed: int) -> Subject:
    return _icon(seed, (200, 50, 40))


def green_icon(seed: int) -> Subject:
    return _icon(seed, (60, 170, 70))


def glass(seed: int) -> Subject:
    rng = _rng(seed, "glass")
    yy, xx = _grid()
    radius = SIZE * rng.uniform(0.32, 0.38)
    far = np.hypot(xx - SIZE / 2, yy - SIZE / 2)
    inside = np.clip(radius - far + 0.5, 0, 1)
    alpha = inside * (0.25 + 0.5 * np.clip((far - radius * 0.8) / (radius * 0.2), 0, 1) ** 2)
    light = np.exp(-((xx - SIZE * 0.4) ** 2 + (yy - SIZE * 0.36) ** 2) / (2 * (SIZE * 0.05) ** 2))
    colours = np.dstack([150 + 80 * light, 190 + 50 * light, 210 + 40 * light]).clip(0, 255)
    return Subject(colours, np.maximum(alpha, light * 0.95 * inside))


def shadow(seed: int) -> Subject:
    rng = _rng(seed, "shadow")
    yy, xx = _grid()
    body = np.clip(SIZE * 0.2 - np.hypot(xx - SIZE * 0.45, yy - SIZE * 0.42) + 0.5, 0, 1)
    under = np.clip(SIZE * 0.2 - np.hypot((xx - SIZE * 0.55) / 1.3, (yy - SIZE * 0.66) / 0.5) + 0.5, 0, 1)
    soft = cv2.GaussianBlur(under, (0, 0), SIZE * 0.03) * rng.uniform(0.45, 0.6)
    alpha = body + (1 - body) * soft
    mixed = body[..., None] * np.array([210, 60, 50]) + ((1 - body) * soft)[..., None] * np.array([10, 10, 14])
    return Subject(mixed / np.maximum(alpha[..., None], 1e-6), alpha)


SUBJECTS: dict[str, Callable[[int], Subject]] = {
    "fur": fur,
    "hair": hair,
    "red icon": red_icon,
    "green icon": green_icon,
    "glass": glass,
    "shadow": shadow,
}


def render(subject: Subject, colour: tuple[int, int, int], seed: int, *, impure: float = 1.0) -> NDArray[np.uint8]:
    """The subject on a ground that is off by up to 5 levels, changes slowly, and has noise, `impure` times as much."""
    rng = np.random.default_rng(seed)
    slow = cv2.resize(rng.normal(0, 1, (3, 3)), (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)[..., None] * 2
    ground = np.clip(np.array(colour) + (slow + rng.uniform(-5, 5, 3)) * impure, 0, 255)
    mixed = subject.alpha[..., None] * subject.colours + (1 - subject.alpha[..., None]) * ground
    mixed += rng.normal(0, 1.2, mixed.shape)
    return np.clip(mixed, 0, 255).round().astype(np.uint8)


def second_pass(subject: Subject, colour: tuple[int, int, int], seed: int, *, drift: float) -> NDArray[np.uint8]:
    """The subject on another ground by an edit that moved everything by `drift` pixels."""
    angle = np.random.default_rng(seed).uniform(0, 2 * np.pi)
    by = np.array([[1, 0, drift * np.cos(angle)], [0, 1, drift * np.sin(angle)]])
    drawn = render(subject, colour, seed + 1, impure=0.6)
    moved = cv2.warpAffine(drawn, by, (SIZE, SIZE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)


def edge_psnr(found: Matte, truth: Subject) -> float:
    """How like the edge is, in decibels: on three grounds, where the truth is half clear, and 2 pixels round that."""
    soft = (truth.alpha > 0.02) & (truth.alpha < 0.98)
    edge = cv2.dilate(soft.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    errors: list[float] = []
    for colour in _BEHIND:
        seen = found.alpha[..., None] * found.colours + (1 - found.alpha[..., None]) * np.array(colour)
        wanted = truth.alpha[..., None] * truth.colours + (1 - truth.alpha[..., None]) * np.array(colour)
        errors.append(float(((seen - wanted)[edge] ** 2).mean()))
    return float(10 * np.log10(255**2 / np.mean(errors)))


def of_one_pass(name: str, ground: str, seed: int) -> float:
    """The edge of a subject that was taken off one ground."""
    truth = SUBJECTS[name](seed)
    picture = render(truth, GROUNDS[ground], seed)
    found = find_ground(picture)
    assert found is not None
    return edge_psnr(take_off(picture, found), truth)


def of_two_passes(name: str, drift: float, seed: int) -> float:
    """The edge of a subject that was taken off white and black, where the second pass moved it by `drift` pixels."""
    truth = SUBJECTS[name](seed)
    white = render(truth, (255, 255, 255), seed, impure=0.6)
    black = second_pass(truth, (0, 0, 0), seed, drift=drift)
    found = take_off_both(white, black)
    return edge_psnr(found.matte, truth) if found else 0.0


def measure(seeds: int = 3) -> Iterator[tuple[str, str, float, float]]:
    """Rows of a table: how it was taken off, the subject, and the mean and the least edge over some seeds in dB."""
    ways: dict[str, Callable[[str, int], float]] = {
        "one picture, magenta": lambda name, seed: of_one_pass(name, "magenta", seed),
        "one picture, green": lambda name, seed: of_one_pass(name, "green", seed),
        "two pictures": lambda name, seed: of_two_passes(name, 0.0, seed),
        "two pictures, the second moved by 3 px": lambda name, seed: of_two_passes(name, 3.0, seed),
    }
    for way, run in ways.items():
        for name in SUBJECTS:
            found = [run(name, seed) for seed in range(1, seeds + 1)]
            yield way, name, float(np.mean(found)), min(found)
