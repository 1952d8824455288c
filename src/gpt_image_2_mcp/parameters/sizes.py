"""The picture sizes that gpt-image-2 makes: the rules, and the nearest allowed size to one that breaks them.

Source of every number: OpenAI's image generation guide, read 2026-11-22.
"""

import math
import re

from ..errors import shown

EDGE_STEP = 16
"""Both edges are multiples of this many pixels."""
MAX_EDGE = 3840
"""The longest edge, in pixels."""
MAX_RATIO = 3
"""The longer edge is at most this many times the shorter one."""
MIN_PIXELS = 655_360
"""Width times height is at least this."""
MAX_PIXELS = 8_294_400
"""Width times height is at most this."""

_SIZE = re.compile(r"\s*([0-9]{1,6})\s*[xX×*]\s*([0-9]{1,6})\s*")


def is_allowed_size(width: int, height: int) -> bool:
    """Whether the API makes a picture of `width` x `height` pixels."""
    short, long = sorted((width, height))
    return (
        width % EDGE_STEP == height % EDGE_STEP == 0
        and long <= MAX_EDGE
        and long <= MAX_RATIO * short
        and MIN_PIXELS <= width * height <= MAX_PIXELS
    )


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


def normalize_size(text: str) -> str:
    """Normalize a size as models write it to `auto` or `WxH`; spaces, capitals, `×` and `*` are accepted.

    Raises:
        ValueError: the text is no size, or the API does not make it; the message then names the nearest allowed one.

    """
    if text.strip().lower() in ("auto", ""):
        return "auto"
    written = _SIZE.fullmatch(text)
    if written is None:
        raise ValueError(
            f"`size` must be 'auto' or WIDTHxHEIGHT in pixels, such as '1536x1024'; got {shown(text)}."
            " 4K is 3840x2160, 16:9 is 2048x1152, 1:1 is 1024x1024"
        )
    width, height = int(written[1]), int(written[2])
    if is_allowed_size(width, height):
        return f"{width}x{height}"
    w, h = nearest_size(width, height)
    broken = "; ".join(_broken_rules(width, height))
    raise ValueError(
        f"`size` {shown(text)} is not allowed: {broken}. Nearest allowed size: {w}x{h}; nothing scales or crops the"
        f" picture to {width}x{height}"
    )


def parse_edges(size: str) -> tuple[int, int] | None:
    """Width and height of a normalized size in pixels; None for `auto`."""
    if size == "auto":
        return None
    width, _, height = size.partition("x")
    return int(width), int(height)


def _broken_rules(width: int, height: int) -> list[str]:
    short, long = sorted((width, height))
    rules = [
        (width % EDGE_STEP or height % EDGE_STEP, f"both edges must be multiples of {EDGE_STEP}"),
        (long > MAX_EDGE, f"the longest edge may be {MAX_EDGE}"),
        (long > MAX_RATIO * short, f"the ratio must lie between 1:{MAX_RATIO} and {MAX_RATIO}:1"),
        (width * height < MIN_PIXELS, f"it has {width * height:,} pixels and needs at least {MIN_PIXELS:,}"),
        (width * height > MAX_PIXELS, f"it has {width * height:,} pixels and may have {MAX_PIXELS:,}"),
    ]
    return [rule for broken, rule in rules if broken]


def _round_up(value: int) -> int:
    return -(-value // EDGE_STEP) * EDGE_STEP


def _round_down(value: int) -> int:
    return value // EDGE_STEP * EDGE_STEP
