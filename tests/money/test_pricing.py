"""The published and billed values are the cases; what must hold for all others are laws."""

import subprocess
import sys
from decimal import Decimal
from functools import partial
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image_2_mcp.billing import prices as pricing
from gpt_image_2_mcp.billing.prices import Estimate, Offer, cost, dollars, estimate, host_cost, offer
from gpt_image_2_mcp.billing.tokens import (
    GRIDS,
    MAX_INPUT_IMAGE_TOKENS,
    Pixels,
    Quality,
    Usage,
    input_image_tokens,
    output_tokens,
    text_tokens,
    usage_from,
)

TABLE: list[tuple[Pixels, tuple[int, str], tuple[int, str], tuple[int, str]]] = [
    ((1024, 1024), (196, "$0.0059"), (1756, "$0.0527"), (7024, "$0.2107")),
    ((1536, 1024), (158, "$0.0047"), (1372, "$0.0412"), (5488, "$0.1646")),
    ((1536, 864), (120, "$0.0036"), (1078, "$0.0323"), (4312, "$0.1294")),
    ((2048, 1152), (157, "$0.0047"), (1413, "$0.0424"), (5650, "$0.1695")),
    ((2560, 1440), (205, "$0.0062"), (1843, "$0.0553"), (7370, "$0.2211")),
    ((2048, 2048), (397, "$0.0119"), (3568, "$0.1070"), (14272, "$0.4282")),
    ((3840, 2160), (371, "$0.0111"), (3336, "$0.1001"), (13342, "$0.4003")),
]
"""gpt-image-2: output tokens and their price at low, medium and high (published and billed, 2026-11-22)."""

MODELS = [
    *("gpt-image-2", "gpt-image-2-2026-04-21", "GPT-Image-2", "gpt-image-2-2027-01-31"),
    *("gpt-image-2.5-sunburst", "gpt-image-2.5-flare", "gpt-image-2.5-flare-2026-09-08"),
    *("gpt-image-2.6-sunburst", "gpt-image-2.6-flare", "gpt-image-2.6-flare-2026-11-01"),
]

UNKNOWN = ["my-azure-deployment", "gpt-image-3", "gpt-image-2-mini", "gpt-image-2.5", "gpt-image-2.7-flare", ""]

"""The first price that is looked up takes its time, whichever test it is in."""

edges = st.integers(1, 240).map(lambda step: 16 * step)
sizes = st.tuples(edges, edges).filter(lambda size: max(size) <= 3 * min(size))
counts = st.integers(0, 10**7)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    text, image, output = draw(counts), draw(counts), draw(counts)
    return Usage(
        input_tokens=text + image,
        text_tokens=text,
        image_tokens=image,
        output_tokens=output,
        output_text_tokens=draw(st.integers(0, output)),
        cached_text_tokens=draw(st.integers(0, text)),
        cached_image_tokens=draw(st.integers(0, image)),
    )


def out(tokens: int) -> Usage:
    return Usage(0, 0, 0, tokens)


def priced(usage: Usage, model: str = "gpt-image-2") -> Decimal:
    usd = cost(model, usage)
    assert usd is not None
    return usd


def estimated(*, size: Pixels, quality: Quality, model: str = "gpt-image-2", n: int = 1) -> Estimate:
    found = estimate(model, text_tokens=text_tokens("a fox", generation=True), size=size, quality=quality, n=n)
    assert found is not None
    return found


@pytest.mark.parametrize(("size", "low", "medium", "high"), TABLE)
def test_output_tokens_and_dollars_are_the_published_ones(
    size: Pixels, low: tuple[int, str], medium: tuple[int, str], high: tuple[int, str]
) -> None:
    found = [output_tokens("gpt-image-2", size, quality) for quality in ("low", "medium", "high")]
    assert [(tokens, dollars(priced(out(tokens or 0)))) for tokens in found] == [low, medium, high]


def test_the_grid_of_2_5_is_its_own() -> None:
    asked: list[Quality] = ["low", "medium", "high", "xhigh", "max"]
    assert [output_tokens("gpt-image-2.5-flare", (1024, 1024), quality) for quality in asked] == [
        *(196, 439, 1756, 3122, 7024)
    ]


@pytest.mark.parametrize("model", MODELS)
def test_every_model_of_the_family_costs_what_the_facts_say(model: str) -> None:
    """5 text in, 8 image in, 1.25 and 2 of them cached, 30 out: for snapshots and for what `genai-prices` lacks too."""
    million = 1_000_000
    assert priced(Usage(million, million, 0, 0), model) == Decimal(5)
    assert priced(Usage(million, 0, million, 0), model) == Decimal(8)
    assert priced(Usage(million, million, 0, 0, cached_text_tokens=million), model) == Decimal("1.25")
    assert priced(Usage(million, 0, million, 0, cached_image_tokens=million), model) == Decimal(2)
    assert priced(Usage(0, 0, 0, million), model) == Decimal(30)


@given(usages())
def test_the_fallback_agrees_with_the_package(usage: Usage) -> None:
    assert priced(usage, "gpt-image-2.6-flare") == priced(usage, "gpt-image-2")


@pytest.mark.parametrize("model", UNKNOWN)
def test_an_unknown_model_costs_none_and_not_zero(model: str) -> None:
    """Zero would let a budget wave it through."""
    assert cost(model, out(7024)) is None
    assert output_tokens(model, (1024, 1024), "high") is None
    assert estimate(model, text_tokens=text_tokens("a fox", generation=True), size="auto", quality="auto") is None
    assert host_cost(model, 1000, 0, 100) is None


def test_a_snapshot_that_the_package_lacks_costs_what_its_model_costs() -> None:
    assert priced(out(1000), "gpt-image-1.5-2027-01-31") == priced(out(1000), "gpt-image-1.5") == Decimal("0.032")


def test_prices_need_no_network() -> None:
    """In a process of its own, since the table is read once."""
    code = """
import sys
def watch(event, args):
    if event in ("socket.connect", "socket.getaddrinfo"): raise SystemExit(f"{event}{args}")
sys.addaudithook(watch)
from gpt_image_2_mcp.billing.prices import cost
from gpt_image_2_mcp.billing.tokens import Usage
assert cost("gpt-image-2", Usage(0, 0, 0, 7024)) is not None
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_the_module_does_not_import_the_table() -> None:
    """It takes half a second, and the first message is answered without it."""
    code = "import sys, gpt_image_2_mcp.billing.prices; sys.exit('genai_prices' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_host_model_pays_less_for_what_is_cached() -> None:
    assert host_cost("gpt-4.1-mini", 1000, 0, 100) == Decimal("0.00056")
    assert host_cost("gpt-4.1-mini-2025-04-14", 1000, 1000, 100) == Decimal("0.00026")
    assert host_cost("gpt-4.1-mini", 1000, 2000, 0) == host_cost("gpt-4.1-mini", 1000, 1000, 0)


@pytest.mark.parametrize(
    ("size", "tokens"),
    [
        ((1024, 1024), 1024),
        ((1536, 1024), 1536),
        ((341, 512), 704),
        ((1179, 2556), 1482),
        ((3840, 2160), 1508),
        ((100, 50), 28),
        ((1, 1), 1),
        ((4608, 3072), 1536),
        ((10_000, 10), 1452),
    ],
)
def test_input_pictures_take_the_measured_tokens(size: Pixels, tokens: int) -> None:
    """The first four are billed ones; the last is brought to 3:1 by growing, the dearer reading."""
    assert input_image_tokens(*size) == tokens


@given(st.integers(1, 20_000), st.integers(1, 20_000))
def test_an_input_picture_never_takes_more_than_the_most_and_turns_freely(width: int, height: int) -> None:
    assert 1 <= input_image_tokens(width, height) <= MAX_INPUT_IMAGE_TOKENS
    assert input_image_tokens(width, height) == input_image_tokens(height, width)


def test_text_is_a_quarter_of_its_bytes_and_six_on_generations() -> None:
    assert text_tokens("a red fox", generation=True) == 3 + 6
    assert text_tokens("a red fox", generation=False) == 3
    assert text_tokens("赤い狐", generation=False) == 3
    assert text_tokens("\ud800", generation=False) == 1, "half a surrogate pair is counted, not a crash"


@given(size=sizes, model=st.sampled_from(MODELS))
def test_cost_never_falls_when_quality_rises(size: Pixels, model: str) -> None:
    rising = [step for step in get_args(Quality) if output_tokens(model, size, step) is not None]
    found = [estimated(size=size, quality=step, model=model).usd for step in rising]
    assert len(found) >= 3
    assert found == sorted(found)


@given(size=sizes, n=st.integers(1, 9))
def test_cost_never_falls_when_more_pictures_are_asked_for(size: Pixels, n: int) -> None:
    assert estimated(size=size, quality="low", n=n).usd <= estimated(size=size, quality="low", n=n + 1).usd


@given(size=sizes, family=st.sampled_from(sorted(GRIDS)), quality=st.sampled_from(["low", "medium", "high"]))
def test_tokens_are_positive_and_portrait_equals_landscape(size: Pixels, family: str, quality: Quality) -> None:
    model = family if family == "gpt-image-2" else f"{family}-flare"
    tokens = output_tokens(model, size, quality)
    assert tokens is not None
    assert tokens > 0
    assert tokens == output_tokens(model, (size[1], size[0]), quality)


@given(usages(), usages())
def test_adding_usages_adds_costs(one: Usage, other: Usage) -> None:
    for model in ("gpt-image-2", "gpt-image-2.6-flare"):
        assert priced(one + other, model) == priced(one, model) + priced(other, model)
    assert (one + other).total_tokens == one.total_tokens + other.total_tokens


@given(usages())
def test_a_usage_is_read_back_from_the_shape_it_gives(usage: Usage) -> None:
    assert usage_from(usage.as_dict()) == usage


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "usage",
        {},
        {"input_tokens": 10},
        {"input_tokens": 10, "output_tokens": -1},
        {"input_tokens": 10, "output_tokens": True},
        {"input_tokens": 10, "output_tokens": "7024"},
        {"input_tokens": 10, "output_tokens": 1.5},
        {"input_tokens": 10, "output_tokens": 5, "input_tokens_details": {"image_tokens": 11}},
        {"input_tokens": 10, "output_tokens": 5, "output_tokens_details": {"text_tokens": 6}},
        {"input_tokens": 10, "output_tokens": 5, "cached_tokens_details": {"cached_text_tokens": 11}},
        {"input_tokens": 10, "output_tokens": 5, "cached_tokens_details": {"cached_image_tokens": 1}},
    ],
)
def test_a_usage_that_cannot_be_right_is_none(answer: object) -> None:
    """A proxy's broken count must not lose a picture that was paid for."""
    assert usage_from(answer) is None


def test_a_usage_without_details_is_text_in_and_picture_out() -> None:
    bare: dict[str, object] = {
        "input_tokens": 10,
        "output_tokens": 5,
        "total_tokens": 15,
        "output_tokens_details": None,
    }
    assert usage_from(bare) == Usage(10, 10, 0, 5)


def test_an_estimate_counts_prompt_inputs_mask_partials_and_every_picture() -> None:
    found = estimate(
        "gpt-image-2",
        text_tokens=text_tokens("a red fox", generation=False),
        size=(1024, 1024),
        quality="high",
        n=2,
        inputs=[(1536, 1024), (341, 512)],
        mask=(1536, 1024),
        partial_images=3,
    )
    usage = Usage(
        input_tokens=2 * (3 + 1536 + 704 + 1536),
        text_tokens=2 * 3,
        image_tokens=2 * (1536 + 704 + 1536),
        output_tokens=2 * (7024 + 300),
    )
    assert found == Estimate(usage, priced(usage))


@pytest.mark.parametrize(
    ("size", "quality", "seen", "tokens"),
    [
        ("auto", "auto", None, 7024),
        ("auto", "low", None, 196),
        ((1536, 864), "auto", None, 4312),
        ("auto", "auto", 9000, 9000),
        ("auto", "auto", 500, 7024),
        ((1536, 864), "low", 9000, 120),
    ],
)
def test_auto_counts_as_square_and_high_unless_dearer_was_seen(
    size: pricing.Size, quality: Quality, seen: int | None, tokens: int
) -> None:
    found = estimate(
        "gpt-image-2", text_tokens=text_tokens("", generation=True), size=size, quality=quality, max_tokens_seen=seen
    )
    assert found is not None
    assert found.usage.output_tokens == tokens
    assert found.assumed == ("auto" in (size, quality))


def test_a_grid_that_is_a_guess_says_so_and_learns() -> None:
    ask = partial(
        estimate, "gpt-image-2.6-flare", text_tokens=text_tokens("", generation=True), size=(1024, 1024), quality="high"
    )
    guess, learnt = ask(), ask(max_tokens_seen=7024)
    assert guess is not None
    assert learnt is not None
    assert (guess.assumed, guess.usage.output_tokens, learnt.usage.output_tokens) == (True, 1756, 7024)


def test_a_quality_that_the_model_does_not_have_has_no_estimate() -> None:
    assert (
        estimate("gpt-image-2", text_tokens=text_tokens("", generation=True), size=(1024, 1024), quality="max") is None
    )


@pytest.mark.parametrize(
    ("limit", "size", "quality", "expected"),
    [
        ("0.15", (3840, 2160), "high", ((3840, 2160), "medium")),
        ("0.02", (3840, 2160), "high", ((3840, 2160), "low")),
        ("0.01", (2160, 3840), "high", ((1024, 1024), "low")),
        ("0.005", (2160, 3840), "high", ((864, 1536), "low")),
        ("0.1", "auto", "auto", ((1024, 1024), "medium")),
        ("0.001", (3840, 2160), "high", None),
        ("0.004", (1024, 1024), "low", None),
    ],
)
def test_an_offer_lowers_the_quality_before_the_size(
    limit: str, size: pricing.Size, quality: Quality, expected: tuple[Pixels, Quality] | None
) -> None:
    price = partial(estimate, "gpt-image-2", text_tokens=text_tokens("a fox", generation=True))
    found = offer(Decimal(limit), price, size=size, quality=quality)
    assert (found and (found.size, found.quality)) == expected
    if found:
        assert isinstance(found, Offer)
        assert found.usd <= Decimal(limit)


def test_nothing_is_offered_for_a_model_without_a_price() -> None:
    price = partial(estimate, "my-azure-deployment", text_tokens=text_tokens("a fox", generation=True))
    assert offer(Decimal(100), price, size="auto", quality="auto") is None


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "$0.0000"),
        ("0.05268", "$0.0527"),
        ("0.00003", "<$0.0001"),
        ("0.99994", "$0.9999"),
        ("0.99996", "$1.00"),
        ("1", "$1.00"),
        ("12.345", "$12.35"),
        ("1234.5", "$1,234.50"),
        ("-0.25", "-$0.2500"),
        ("-3", "-$3.00"),
    ],
)
def test_dollars_are_cents_from_a_dollar_on_and_four_decimals_below(amount: str, text: str) -> None:
    assert dollars(Decimal(amount)) == text
