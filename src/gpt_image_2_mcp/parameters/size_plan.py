"""The sizes that gpt-image-2 makes, and which of them is made for a size that is asked for.

Source of every rule: OpenAI's image generation guide, read 2026-11-22.
"""

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

EDGE_STEP: Final = 16
"""Both edges are multiples of this many pixels."""
MAX_EDGE: Final = 3840
"""The longest edge, in pixels."""
MAX_RATIO: Final = 3
"""The longer edge is at most this many times the shorter one."""
MIN_PIXELS: Final = 655_360
"""Width times height is at least this."""
MAX_PIXELS: Final = 8_294_400
"""Width times height is at most this."""

MAX_SCALE: Final = 4
"""How many times its edges a picture may be scaled up."""
MAX_CROP: Final = 0.02
"""The share of an edge, and of the area, that is cut off without a word: the steps of 16 pixels cost no more."""
_USUAL_EDGE: Final = 1024
"""The short edge where only a ratio is asked for, as the sizes have it that OpenAI names."""


def is_allowed_size(width: int, height: int) -> bool:
    """Whether the API makes a picture of `width` x `height` pixels."""
    short, long = sorted((width, height))
    return (
        width % EDGE_STEP == height % EDGE_STEP == 0
        and long <= MAX_EDGE
        and long <= MAX_RATIO * short
        and MIN_PIXELS <= width * height <= MAX_PIXELS
    )


@lru_cache(256)
def plan_size(width: int, height: int) -> tuple[int, int]:
    """The size to make for a picture of `width` x `height` pixels.

    That is the smallest allowed size that covers it, and of which at most `MAX_CROP` is cut off; beyond 3:1, no more
    than has to be. If no allowed size covers it, it is the one that has to be scaled up least.
    """
    if is_allowed_size(width, height):
        return width, height
    ratio = width / height
    within = min(max(ratio, 1 / MAX_RATIO), MAX_RATIO)
    candidates = [size for size in _of_about(within) if _lost(size, within) <= MAX_CROP]
    covering = [size for size in candidates if size[0] >= width and size[1] >= height]
    if covering:
        # All that is cut off of a band is paid for.
        return min(covering, key=lambda size: (_lost(size, within) if ratio != within else 0, *_by_area(size)))
    return min(candidates, key=lambda size: (_scale(size, width, height), _lost(size, within)))


def nearest_size(width: int, height: int) -> tuple[int, int]:
    """The allowed size nearest to (`width`, `height`) in the same ratio, as far as the steps and limits allow it.

    A size that is too large or too small is scaled first; then the size at the smallest distance is taken.
    """
    wanted_width, wanted_height = _scaled_to_limits(width, height)
    best = (0, 0)
    least = float("inf")
    for w in range(EDGE_STEP, MAX_EDGE + 1, EDGE_STEP):
        low = _round_up(max(-(-MIN_PIXELS // w), -(-w // MAX_RATIO)))
        high = _round_down(min(MAX_PIXELS // w, MAX_RATIO * w, MAX_EDGE))
        if low > high:
            continue
        h = min(max(_round_down(int(wanted_height) + EDGE_STEP // 2), low), high)
        distance = (w - wanted_width) ** 2 + (h - wanted_height) ** 2
        if distance <= least:
            best, least = (w, h), distance
    return best


def _scaled_to_limits(width: int, height: int) -> tuple[float, float]:
    """The size within the limits of ratio, edges and pixels, without regard to the steps."""
    short, long = sorted((max(width, 1), max(height, 1)))
    long = min(long, MAX_RATIO * short)
    pixels = short * long
    least, most = math.sqrt(MIN_PIXELS / pixels), min(MAX_EDGE / long, math.sqrt(MAX_PIXELS / pixels))
    scale = min(max(1.0, least), most)
    return (long * scale, short * scale) if width > height else (short * scale, long * scale)


def is_band(width: int, height: int) -> bool:
    """Whether a size is beyond 3:1, so that only the middle band of a picture becomes it."""
    short, long = sorted((width, height))
    return long > MAX_RATIO * short


def size_of_ratio(ratio: float) -> tuple[int, int]:
    """The allowed size of a ratio (width through height) with a short edge of about 1024 pixels."""
    return min(
        (size for size in _of_about(ratio) if _lost(size, ratio) <= MAX_CROP),
        key=lambda size: (abs(min(size) - _USUAL_EDGE) + 20_000 * _lost(size, ratio), *_by_area(size)),
    )


def largest_of_ratio(ratio: float, edge: int) -> tuple[int, int]:
    """The largest allowed size of a ratio (width through height) whose edges are at most `edge`."""
    sizes = [size for size in _of_about(ratio) if max(size) <= edge]
    return max(sizes, key=lambda size: (-round(_lost(size, ratio), 2), size[0] * size[1]))


def _of_about(ratio: float) -> Iterator[tuple[int, int]]:
    """The allowed sizes whose ratio is about this one."""
    for width in range(EDGE_STEP, MAX_EDGE + 1, EDGE_STEP):
        middle = round(width / ratio / EDGE_STEP)
        for steps in range(middle - 3, middle + 4):
            if is_allowed_size(width, steps * EDGE_STEP):
                yield width, steps * EDGE_STEP


def _lost(size: tuple[int, int], ratio: float) -> float:
    """The share of a picture's area that is cut off so that it gets a ratio."""
    own = size[0] / size[1]
    return 1 - min(own / ratio, ratio / own)


def _scale(size: tuple[int, int], width: int, height: int) -> float:
    return max(width / size[0], height / size[1])


def _by_area(size: tuple[int, int]) -> tuple[int, int]:
    return size[0] * size[1], size[0]


def _round_up(value: int) -> int:
    return -(-value // EDGE_STEP) * EDGE_STEP


def _round_down(value: int) -> int:
    return value // EDGE_STEP * EDGE_STEP
