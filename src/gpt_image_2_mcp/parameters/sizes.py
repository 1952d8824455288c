"""What a person says of a size: `auto`, WIDTHxHEIGHT, a ratio, centimetres of paper, or a name; `read_size` reads it.

The sizes that the model makes are fewer. `size_plan` says which of them is made for a size that is asked for.
"""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from ..errors import shown
from .size_names import ALL_NAMES, MM_PER_INCH, NAMED_SIZES, PRINT_DPI, names_text, pixels_of
from .size_plan import MAX_EDGE, MAX_RATIO, MAX_SCALE, largest_of_ratio, plan_size, size_of_ratio

MIN_DELIVERED_EDGE: Final = 16
MAX_DELIVERED_EDGE: Final = 20_000
MAX_DELIVERED_PIXELS: Final = 100_000_000
"""Bounds of a picture's edges and pixels after scaling."""
MAX_WEBP_EDGE: Final = 16_383
"""Pixels of the longest edge of a WebP (RFC 9649)."""
MAX_DPI: Final = 2400

_PIXELS: Final = re.compile(r"([0-9]{1,6})\s*[x×*]\s*([0-9]{1,6})(?:\s*(?:px|pixels?))?")
_LENGTHS: Final = re.compile(
    r"([0-9]{1,4}(?:\.[0-9]{1,3})?)\s*(?:mm|cm|in|inch|inches)?\s*[x×*]\s*([0-9]{1,4}(?:\.[0-9]{1,3})?)\s*(mm|cm|in|inch|inches)"
)
_MM: Final = {"mm": 1.0, "cm": 10.0, "in": MM_PER_INCH, "inch": MM_PER_INCH, "inches": MM_PER_INCH}
_RATIO: Final = re.compile(r"([0-9]{1,4}(?:\.[0-9]{1,3})?)\s*[:/]\s*([0-9]{1,4}(?:\.[0-9]{1,3})?)(?:\s+(1k|2k|4k))?")
_DPI: Final = re.compile(r"(?:\s*@\s*|\s+at\s+|\s+)([0-9]{2,4})\s*(?:dpi|ppi)\b|\s*@\s*([0-9]{2,4})\b")
_TURNED: Final = re.compile(r"\b(landscape|horizontal|portrait|vertical|upright)\b")
_LONG_EDGES: Final = {"2k": 2048, "4k": MAX_EDGE}


@dataclass(frozen=True, slots=True)
class SizeWish:
    """A size in pixels that was asked for, and the resolution for print if one was named."""

    width: int
    height: int
    dpi: int | None = None
    ratio: tuple[float, float] | None = None
    """Width and height as a ratio, if no more than that was asked for."""

    @property
    def text(self) -> str:
        """The one way to write it: `1080x1920`, `2480x3508@300`."""
        return f"{self.width}x{self.height}" + (f"@{self.dpi}" if self.dpi else "")


def read_size(text: str, *, what: str = "`size`") -> SizeWish:
    """Read a size that is not `auto`; `what` names it in the message.

    Raises:
        ValueError: it is no size, or has more or fewer pixels than a picture may have.

    """
    words = " ".join(re.sub(r"[_-]+", " ", text.lower()).split())
    dpi, words = _take(_DPI, words)
    turned, words = _take(_TURNED, words)
    resolution = int(dpi) if dpi else None
    if resolution is not None and not 0 < resolution <= MAX_DPI:
        raise ValueError(f"{what} {shown(text)}: {MAX_DPI:,} dpi are the most")
    wish = _read_words(words.strip(), resolution, turned)
    if wish is None:
        close = get_close_matches(words, ALL_NAMES, n=1, cutoff=0.75)
        meant = f" Did you mean {ALL_NAMES[close[0]]}?" if close else ""
        raise ValueError(
            f"{what} is auto, WIDTHxHEIGHT in pixels such as 1920x1080, a ratio such as 4:5 or 16:9 4k, a length such"
            f" as 50x70 cm, or a name; got {shown(text)}.{meant} The names are {names_text()}"
        )
    _check_bounds(wish, text, what)
    return wish


def normalize_size(text: str) -> str:
    """Normalize what is said of a size to `auto`, `WxH` or `WxH@DPI`.

    Raises:
        ValueError: it is no size, or one that cannot be made of a picture of the model.

    """
    if text.strip().lower() in ("auto", ""):
        return "auto"
    wish = read_size(text)
    made = plan_size(wish.width, wish.height)
    scale = max(wish.width / made[0], wish.height / made[1])
    if scale > MAX_SCALE:
        raise ValueError(
            f"`size` {shown(text)} is {wish.width}x{wish.height}, {scale:.1f} times {made[0]}x{made[1]}, which is the"
            f" most that the model makes in this shape; {MAX_SCALE} times is the limit"
        )
    return wish.text


def parse_edges(size: str) -> tuple[int, int] | None:
    """Width and height of a normalized size in pixels; None for `auto`."""
    if size == "auto":
        return None
    width, _, height = size.partition("@")[0].partition("x")
    return int(width), int(height)


def dpi_of(size: str) -> int | None:
    """The resolution for print of a normalized size; None if it names none."""
    return int(size.partition("@")[2]) if "@" in size else None


def made_size(size: str) -> str:
    """The size that the model makes for a normalized one; `auto` for `auto`."""
    edges = parse_edges(size)
    return "auto" if edges is None else "{}x{}".format(*plan_size(*edges))


def _take(pattern: re.Pattern[str], words: str) -> tuple[str | None, str]:
    """The first group of a pattern that matched somewhere, and the words without it."""
    found = pattern.search(words)
    if found is None:
        return None, words
    rest = " ".join(f"{words[: found.start()]} {words[found.end() :]}".split())
    return next(group for group in found.groups() if group), rest


def _read_words(words: str, dpi: int | None, turned: str | None) -> SizeWish | None:
    ratio = None
    if found := _PIXELS.fullmatch(words):
        edges = int(found[1]), int(found[2])
    elif found := _LENGTHS.fullmatch(words):
        dpi = dpi or PRINT_DPI
        each = _MM[found[3]] * dpi / MM_PER_INCH
        edges = round(float(found[1]) * each), round(float(found[2]) * each)
    elif found := _RATIO.fullmatch(words):
        ratio = float(found[1]), float(found[2])
        if not all(ratio):
            return None
        edges = _edges_of_ratio(ratio[0], ratio[1], found[3])
        ratio = None if found[3] else ratio
    elif name := ALL_NAMES.get(words):
        edges = pixels_of(name, dpi)
        dpi = dpi or (PRINT_DPI if NAMED_SIZES[name].is_paper else None)
    else:
        return None
    is_wide = turned in {"landscape", "horizontal"}
    if turned and (edges[0] > edges[1]) is not is_wide:
        edges = edges[::-1]
        ratio = ratio and (ratio[1], ratio[0])
    return SizeWish(edges[0], edges[1], dpi, ratio)


def _edges_of_ratio(across: float, down: float, large: str | None) -> tuple[int, int]:
    """A size of a ratio: one that the model makes, or beyond 3:1 the middle band of one."""
    ratio = across / down
    within = min(max(ratio, 1 / MAX_RATIO), MAX_RATIO)
    width, height = largest_of_ratio(within, _LONG_EDGES[large]) if large in _LONG_EDGES else size_of_ratio(within)
    if ratio > MAX_RATIO:
        return width, round(width / ratio)
    return (round(height * ratio), height) if ratio < 1 / MAX_RATIO else (width, height)


def _check_bounds(wish: SizeWish, text: str, what: str) -> None:
    edges = f"{what} {shown(text)} is {wish.width}x{wish.height}"
    if not MIN_DELIVERED_EDGE <= min(wish.width, wish.height) <= max(wish.width, wish.height) <= MAX_DELIVERED_EDGE:
        raise ValueError(f"{edges}: an edge has {MIN_DELIVERED_EDGE} to {MAX_DELIVERED_EDGE:,} pixels")
    if wish.width * wish.height > MAX_DELIVERED_PIXELS:
        fewer = " Take fewer dots per inch, such as @150" if wish.dpi and wish.dpi > 150 else ""  # noqa: PLR2004 - posters
        raise ValueError(f"{edges}: {MAX_DELIVERED_PIXELS // 1_000_000} megapixels are the most.{fewer}".rstrip("."))
