"""What pictures cost: `cost` from the tokens that an answer reports, `estimate` from a request before it is sent.

The prices come from the `genai-prices` package, which its authors keep up to date, and from `FALLBACK_PRICES`, a dated
table for models that the package lacks. A model without a published price costs None, never zero, so that a budget can
refuse it.

Amounts are `Decimal` dollars. The functions are pure, but the first price imports `genai-prices`, which takes about
half a second: an event loop calls them from a thread.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, Protocol, get_args

from .tokens import (
    ASSUMED_GRIDS,
    AUTO_QUALITY,
    AUTO_SIZE,
    PARTIAL_IMAGE_TOKENS,
    Pixels,
    Quality,
    Size,
    Usage,
    family,
    input_image_tokens,
    output_tokens,
    without_date,
)


@dataclass(frozen=True, slots=True)
class TokenPrices:
    """Dollars per million tokens."""

    text: Decimal
    image: Decimal
    cached_text: Decimal
    cached_image: Decimal
    output: Decimal


FALLBACK_PRICES: Final[Mapping[str, TokenPrices]] = dict.fromkeys(
    ("gpt-image-2", "gpt-image-2.5", "gpt-image-2.6"),
    TokenPrices(
        text=Decimal(5), image=Decimal(8), cached_text=Decimal("1.25"), cached_image=Decimal(2), output=Decimal(30)
    ),
)
"""Prices by model family, for what the installed `genai-prices` lacks: 0.2.3 has no 2.6, earlier versions no 2.5.

From https://developers.openai.com/api/docs/pricing, checked 2026-11-22.
"""

MILLION: Final = 1_000_000

BATCH_SHARE: Final = Decimal("0.5")
"""What the Batch API asks for of the usual price.

From https://developers.openai.com/api/docs/pricing, checked 2026-11-22.
"""

SMALLER_SIZES: Final[Sequence[Pixels]] = ((1024, 1024), (1536, 864))
"""The sizes that `offer` tries instead of a too expensive one, largest first; no size is cheaper than the last."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a request should cost: the tokens and dollars of all its pictures together.

    `assumed` says that the output tokens are a guess: size or quality is `auto`, or the model's counts are unpublished.
    """

    usage: Usage
    usd: Decimal
    assumed: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """A size and quality that fit a limit, and what they cost in dollars."""

    size: Size
    quality: Quality
    usd: Decimal


def cost(model: str, usage: Usage) -> Decimal | None:
    """What `usage` costs in dollars at the published token prices; None if `model` has no published price.

    A dated snapshot such as `gpt-image-2-2026-04-21` costs what its model costs.
    """
    published = _published_cost(
        model,
        input_tokens=usage.input_tokens,
        input_image_tokens=usage.image_tokens,
        cache_read_tokens=usage.cached_text_tokens + usage.cached_image_tokens,
        cache_image_read_tokens=usage.cached_image_tokens,
        output_tokens=usage.output_tokens,
        output_image_tokens=usage.output_tokens - usage.output_text_tokens,
    )
    if published is not None:
        return published
    prices = FALLBACK_PRICES.get(family(model) or "")
    if prices is None:
        return None
    image = usage.image_tokens - usage.cached_image_tokens
    text = usage.input_tokens - usage.image_tokens - usage.cached_text_tokens
    return (
        prices.text * text
        + prices.image * image
        + prices.cached_text * usage.cached_text_tokens
        + prices.cached_image * usage.cached_image_tokens
        + prices.output * usage.output_tokens
    ) / MILLION


def host_cost(model: str, input_tokens: int, cached_tokens: int, output_tokens: int) -> Decimal | None:
    """What the text model that hosts an edit on the Responses route costs, in dollars.

    `cached_tokens` are part of `input_tokens`. None if `model` has no published price.
    """
    return _published_cost(
        model,
        input_tokens=input_tokens,
        cache_read_tokens=min(cached_tokens, input_tokens),
        output_tokens=output_tokens,
    )


def _published_cost(model: str, **tokens: int) -> Decimal | None:
    from genai_prices import Usage as Tokens
    from genai_prices import calc_price

    for name in dict.fromkeys((model, without_date(model))):
        try:
            return calc_price(Tokens(**tokens), name, provider_id="openai").total_price
        except LookupError:
            continue
    return None


def estimate(
    model: str,
    *,
    text_tokens: int,
    size: Size,
    quality: Quality,
    n: int = 1,
    inputs: Sequence[Pixels] = (),
    mask: Pixels | None = None,
    partial_images: int = 0,
    max_tokens_seen: int | None = None,
) -> Estimate | None:
    """Estimate what `n` pictures cost if each is made by a request of its own, with the prompt and all `inputs`.

    `text_tokens` are the prompt's, as `tokens.text_tokens` counts them.
    `inputs` and `mask` are the widths and heights of the pictures that are sent; that a mask counts like a picture is
    an assumption, as nothing is published. `partial_images` is how many partial images a streamed picture may have.
    `max_tokens_seen` is the most output tokens that a picture of the same model, size and quality took before; it is
    used where the output is a guess otherwise (`Estimate.assumed`). None if the model, its price, or the quality on
    this model is unknown.
    """
    pixels = AUTO_SIZE if size == "auto" else size
    picture = output_tokens(model, pixels, AUTO_QUALITY if quality == "auto" else quality)
    if picture is None:
        return None
    assumed = "auto" in (size, quality) or family(model) in ASSUMED_GRIDS
    if assumed and max_tokens_seen is not None:
        picture = max(picture, max_tokens_seen)
    image = sum(input_image_tokens(width, height) for width, height in (*inputs, *([mask] if mask else [])))
    usage = Usage(
        input_tokens=n * (text_tokens + image),
        text_tokens=n * text_tokens,
        image_tokens=n * image,
        output_tokens=n * (picture + partial_images * PARTIAL_IMAGE_TOKENS),
    )
    usd = cost(model, usage)
    return None if usd is None else Estimate(usage, usd, assumed)


class Estimator(Protocol):
    """`estimate` with everything but size and quality bound, as by `functools.partial`."""

    def __call__(self, *, size: Size, quality: Quality) -> Estimate | None:
        """Estimate the request with this size and quality instead of its own."""
        ...


def offer(limit: Decimal, estimator: Estimator, *, size: Size, quality: Quality) -> Offer | None:
    """The closest to `size` and `quality` that costs at most `limit` dollars; None if nothing does.

    A lower quality is tried before a smaller size, and a portrait size stays portrait.
    """
    qualities: list[Quality] = [step for step in get_args(Quality) if step != "auto"]
    top = qualities.index(AUTO_QUALITY if quality == "auto" else quality)
    downwards = qualities[top::-1]
    pixels = AUTO_SIZE if size == "auto" else size
    smaller = [step for step in SMALLER_SIZES if step[0] * step[1] < pixels[0] * pixels[1]]
    if pixels[0] < pixels[1]:
        smaller = [(height, width) for width, height in smaller]
    for candidate in (pixels, *smaller):
        for lower in downwards:
            if (candidate, lower) == (size, quality):
                continue
            found = estimator(size=candidate, quality=lower)
            if found is not None and found.usd <= limit:
                return Offer(candidate, lower, found.usd)
    return None


def dollars(amount: Decimal) -> str:
    """Format an amount for a reader: two decimals from one dollar on, four below; tiny amounts as `<$0.0001`."""
    sign, size = ("-" if amount < 0 else ""), abs(amount)
    fine = size.quantize(Decimal("0.0001"), ROUND_HALF_UP)
    if size and not fine:
        return f"{sign}<$0.0001"
    return f"{sign}${fine:.4f}" if fine < 1 else f"{sign}${size.quantize(Decimal('0.01'), ROUND_HALF_UP):,f}"
