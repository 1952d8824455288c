"""The formulas against every value that is published or was billed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image_2_mcp.sandbox.models import PICTURE_MODELS
from gpt_image_2_mcp.sandbox.tokens import input_picture_tokens, output_tokens


@pytest.mark.parametrize(
    ("size", "low", "medium", "high"),
    [
        ((1024, 1024), 196, 1756, 7024),
        ((1536, 1024), 158, 1372, 5488),
        ((1536, 864), 120, 1078, 4312),
        ((2048, 1152), 157, 1413, 5650),
        ((2560, 1440), 205, 1843, 7370),
        ((2048, 2048), 397, 3568, 14272),
        ((3840, 2160), 371, 3336, 13342),
    ],
)
def test_output_tokens_are_the_published_ones(size: tuple[int, int], low: int, medium: int, high: int) -> None:
    grid = PICTURE_MODELS["gpt-image-2"].grid
    assert [output_tokens(*size, grid=grid[quality]) for quality in ("low", "medium", "high")] == [low, medium, high]
    assert output_tokens(*reversed(size), grid=grid["high"]) == high


@pytest.mark.parametrize(
    ("size", "tokens"),
    [((1024, 1024), 1024), ((1536, 1024), 1536), ((341, 512), 704), ((1179, 2556), 1482)],
)
def test_input_picture_tokens_are_the_billed_ones(size: tuple[int, int], tokens: int) -> None:
    assert input_picture_tokens(*size) == tokens
    assert input_picture_tokens(*reversed(size)) == tokens


@given(st.integers(1, 8000), st.integers(1, 8000))
def test_no_input_picture_costs_more_than_1536_tokens(width: int, height: int) -> None:
    assert 1 <= input_picture_tokens(width, height) <= 1536
