"""Token counts: `usage_from` reads those of an answer; the other functions compute those of a request beforehand.

The computation is the API's own as far as that is known. Where a rule is not published, the more expensive reading is
taken, since estimates guard budgets; the constant or function then says so.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt
from typing import Any, Final, Literal, cast

Quality = Literal["auto", "low", "medium", "high", "xhigh", "max"]
"""All qualities; `GRIDS` says which model has which."""

Pixels = tuple[int, int]
"""Width and height, both positive."""

Size = Pixels | Literal["auto"]

AUTO_SIZE: Final[Pixels] = (1024, 1024)
"""The size that `auto` counts as: the most expensive of the three that earlier models chose from."""

AUTO_QUALITY: Final[Quality] = "high"
"""The quality that `auto` counts as; there is no report that `auto` chose `xhigh` or `max` (2026-11-22)."""

GRIDS: Final[Mapping[str, Mapping[Quality, int]]] = {
    "gpt-image-2": {"low": 16, "medium": 48, "high": 96},
    "gpt-image-2.5": {"low": 16, "medium": 24, "high": 48, "xhigh": 64, "max": 96},
    "gpt-image-2.6": {"low": 16, "medium": 24, "high": 48, "xhigh": 64, "max": 96},
}
"""Cells along a picture's long side, by model and quality.

They reproduce all 11 token counts that were published or billed for 2 and 2.5 (2026-11-22). Nothing is known about 2.6:
it is assumed to have the grid of 2.5, since it has its names and prices.
"""

ASSUMED_GRIDS: Final = frozenset({"gpt-image-2.6"})
"""The rows of `GRIDS` that are a guess; an estimate made with one is marked as `assumed`."""

PARTIAL_IMAGE_TOKENS: Final = 100
"""Image output tokens of one streamed partial image (OpenAI's image generation guide, 2026-11-22)."""

MAX_INPUT_IMAGE_TOKENS: Final = 1536
"""The most tokens that one input picture takes."""

_PATCH: Final = 32
_MAGNIFIED_SIDE: Final = 1024
_MAX_RATIO: Final = 3
_GENERATION_TEXT_TOKENS: Final = 6
_DATE: Final = re.compile(r"-20\d\d-[01]\d-[0-3]\d$")
_FAMILY: Final = re.compile(r"(gpt-image-2)|(gpt-image-2\.[56])-(?:sunburst|flare)")


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of one or several answers as the API counts them; no count is negative.

    `text_tokens` and `image_tokens` are the two parts of `input_tokens`. The cached counts are parts of those two; only
    the Responses route reports them. `output_text_tokens` is the part of `output_tokens` that is not picture.
    """

    input_tokens: int
    text_tokens: int
    image_tokens: int
    output_tokens: int
    output_text_tokens: int = 0
    cached_text_tokens: int = 0
    cached_image_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Input and output tokens together."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: "Usage") -> "Usage":
        """The sum of both."""
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            text_tokens=self.text_tokens + other.text_tokens,
            image_tokens=self.image_tokens + other.image_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            output_text_tokens=self.output_text_tokens + other.output_text_tokens,
            cached_text_tokens=self.cached_text_tokens + other.cached_text_tokens,
            cached_image_tokens=self.cached_image_tokens + other.cached_image_tokens,
        )

    def as_dict(self) -> dict[str, Any]:
        """The API's JSON shape, which `usage_from` reads back; cached counts are left out if they are 0."""
        shape: dict[str, Any] = {
            "input_tokens": self.input_tokens,
            "input_tokens_details": {"text_tokens": self.text_tokens, "image_tokens": self.image_tokens},
            "output_tokens": self.output_tokens,
            "output_tokens_details": {
                "image_tokens": self.output_tokens - self.output_text_tokens,
                "text_tokens": self.output_text_tokens,
            },
            "total_tokens": self.total_tokens,
        }
        if cached := self.cached_text_tokens + self.cached_image_tokens:
            shape["cached_tokens"] = cached
            shape["cached_tokens_details"] = {
                "cached_text_tokens": self.cached_text_tokens,
                "cached_image_tokens": self.cached_image_tokens,
            }
        return shape


MAX_TOKENS = 10**9
"""The most tokens that a count of one answer can mean: a picture takes some ten thousand. More is a broken count."""


def usage_from(answer: object) -> Usage | None:
    """Parse the `usage` of an images answer, or the `tool_usage.image_gen` of a response, given as a mapping.

    None if it is missing or contradicts itself: a proxy's wrong count must not lose a picture that was paid for. Input
    tokens that are not broken down count as text, and output tokens as picture.
    """
    usage = _mapping(answer)
    inputs, outputs = _mapping(usage.get("input_tokens_details")), _mapping(usage.get("output_tokens_details"))
    cached = _mapping(usage.get("cached_tokens_details"))
    counts = (
        usage.get("input_tokens"),
        usage.get("output_tokens"),
        inputs.get("image_tokens", 0),
        outputs.get("text_tokens", 0),
        cached.get("cached_text_tokens", 0),
        cached.get("cached_image_tokens", 0),
    )
    if not all(type(count) is int and 0 <= count <= MAX_TOKENS for count in counts):
        return None
    input_tokens, output_tokens, image, output_text, cached_text, cached_image = cast("tuple[int, ...]", counts)
    text = input_tokens - image
    if text < cached_text or image < cached_image or output_tokens < output_text:
        return None
    return Usage(input_tokens, text, image, output_tokens, output_text, cached_text, cached_image)


def without_date(model: str) -> str:
    """The name without the date of a snapshot, in lower case: `gpt-image-2-2026-04-21` becomes `gpt-image-2`."""
    return _DATE.sub("", model.lower())


def family(model: str) -> str | None:
    """The key of `GRIDS` that `model` belongs to; None for an unknown name, such as a proxy's alias."""
    match = _FAMILY.fullmatch(without_date(model))
    return match and (match[1] or match[2])


def output_tokens(model: str, size: Pixels, quality: Quality) -> int | None:
    """Image output tokens of one picture of `size`; None for an unknown model or a quality that it does not have.

    For `gpt-image-2.6` this is an assumption: see `GRIDS`.
    """
    grid = GRIDS.get(family(model) or "", {}).get(quality)
    if grid is None:
        return None
    short, long = sorted(size)
    # `round()` of a Fraction is exact and rounds halves to even, as the published values require.
    cells = grid * max(1, round(Fraction(grid * short, long)))
    return _ceil(Fraction(cells * (2_000_000 + short * long), 4_000_000))


def input_image_tokens(width: int, height: int) -> int:
    """Image input tokens of one input picture of `width` by `height` pixels: 1 to `MAX_INPUT_IMAGE_TOKENS`.

    From third-party measurements, five of them billed (2026-11-22). A ratio over 3:1 is brought to 3:1; that the API
    lengthens the short side for this, and does not cut the long one, is the more expensive reading.
    """
    short, long = sorted((width, height))
    short = max(Fraction(short), Fraction(long, _MAX_RATIO))
    magnified = min(Fraction(2), max(Fraction(1), Fraction(_MAGNIFIED_SIDE, long)))
    across, along = short * magnified / _PATCH, long * magnified / _PATCH
    if _ceil(across) * _ceil(along) > MAX_INPUT_IMAGE_TOKENS:
        across, along = _fit_patches(across, along)
    return _ceil(across) * _ceil(along)


def _fit_patches(across: Fraction, along: Fraction) -> tuple[Fraction, Fraction]:
    """Scale the patches along both sides to at most `MAX_INPUT_IMAGE_TOKENS` in all, one side a whole number."""
    # `isqrt` is exact; the square root as a float can come out just below a whole number.
    sides = ((across, along), (along, across))
    whole = min(isqrt(int(MAX_INPUT_IMAGE_TOKENS * side / other)) / side for side, other in sides)
    return across * whole, along * whole


def text_tokens(prompt: str, *, generation: bool) -> int:
    """Text input tokens of `prompt`: a quarter of its UTF-8 bytes, and 6 more for a generation.

    This is a third-party rule of thumb for English (2026-11-22). It counts bytes rather than characters, because other
    scripts take more tokens per character. Text costs little: a thousand tokens are half a cent.
    """
    size = len(prompt.encode("utf-8", "surrogatepass"))
    return _ceil(Fraction(size, 4)) + (_GENERATION_TEXT_TOKENS if generation else 0)


def _ceil(value: Fraction) -> int:
    return -(-value.numerator // value.denominator)


def _mapping(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}
