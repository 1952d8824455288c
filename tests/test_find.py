"""`mask="find …"`: what the host model of the Responses API finds, what it costs, and what is said if it finds none."""

import json
import re
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fault_proxy import DATABASE, paying
from PIL import Image, ImageDraw
from workbench import EDITS, RESPONSES, SMALL, Bench, said

from gpt_image_2_mcp.masks.found import parse_find, suggest_find
from gpt_image_2_mcp.sandbox import Fault

pytestmark = pytest.mark.anyio

CAR = (600, 300, 900, 450)
"""Where the red car is."""


def street(bench: Bench, *, blue: int = 1) -> None:
    """A red car on a green ground, and some blue ones."""
    image = Image.new("RGB", (1024, 640), "darkgreen")
    pen = ImageDraw.Draw(image)
    pen.rectangle((CAR[0], CAR[1], CAR[2] - 1, CAR[3] - 1), fill="red")
    for number in range(blue):
        pen.rectangle((100 + 200 * number, 100, 200 + 200 * number, 180), fill="blue")
    image.save(bench.working_dir / "street.png")


async def edited(bench: Bench, mask: str, **arguments: Any) -> str:
    made = await bench.made("edit_image", prompt="a bus", images=["street.png"], mask=mask, size=SMALL, **arguments)
    return made.text


async def refused(bench: Bench, mask: str) -> str:
    return await bench.refused("edit_image", prompt="a bus", images=["street.png"], mask=mask, size=SMALL)


@pytest.fixture
async def paid(tmp_path: Path) -> AsyncGenerator[tuple[Bench, Path]]:
    async with paying(tmp_path, {}) as bench:
        yield bench, tmp_path


def rows(root: Path) -> list[tuple[str, str, int]]:
    """Model, state and cost in nano-dollars of each charge."""
    with closing(sqlite3.connect(root / "data" / DATABASE)) as connection:
        return list(connection.execute("SELECT model, state, nano_usd FROM charges ORDER BY id"))


@pytest.mark.parametrize(
    ("text", "search"),
    [
        ("find", "find the red car"),
        ("the ball", "find the ball"),
        ("Everything except  for the ball", "everything but find the ball"),
        ("The background", "everything but find the main subject"),
    ],
)
def test_what_a_mask_only_names_is_said_as_a_search(text: str, search: str) -> None:
    assert suggest_find(text) == search
    assert parse_find(search) is not None


async def test_what_is_named_is_found_and_marked(bench: Bench) -> None:
    street(bench)
    text = await edited(bench, "find the red car")
    (left, upper, width, height) = map(int, re.findall(r"within `box (\d+),(\d+) (\d+)x(\d+) of 1024x640`", text)[0])
    found = (left, upper, left + width, upper + height)
    assert all(abs(edge - true) <= 9 for edge, true in zip(found, CAR, strict=True)), found
    assert 'Found "the red car on the right, half-way down" by gpt-4.1-mini, 90% sure' in text
    (again,) = re.findall(r"the same mask without looking again: `(box .* of 1000)`", text)
    assert f"within `box {left},{upper} {width}x{height} of 1024x640`" in await edited(bench, again)
    look, edit = bench.seen(RESPONSES), bench.seen(EDITS)
    assert (len(look), len(edit)) == (1, 2)
    assert '"strict": true' in json.dumps(look[0].params["text"])
    assert [file.field for file in edit[0].files] == ["image[]", "mask"]


async def test_a_search_is_paid_once_for_showing_editing_and_other_words_around_it(bench: Bench) -> None:
    street(bench)
    for mask in ("find the red car", "everything but find  the red car", "find the RED car grow 10"):
        result = await bench.call("show_image", image="street.png", mask=mask)
        assert not result.is_error, said(result)
    assert "marks 93." in await edited(bench, "everything but find the red car")
    assert len(bench.seen(RESPONSES)) == 1


async def test_none_and_several_are_told_with_their_boxes_and_nothing_is_made(bench: Bench) -> None:
    street(bench, blue=3)
    none = await refused(bench, "find the yellow car")
    assert "'the yellow car' was not found in the picture by gpt-4.1-mini" in none
    several = await refused(bench, "find the blue car")
    assert "was found 3 times" in several
    assert '"the blue car on the left, above": `box ' in several
    assert "Give the box that is meant as `mask`" in several
    assert not bench.seen(EDITS)


@pytest.mark.parametrize("word", ["sandbox-nonsense", "sandbox-outside"])
async def test_a_model_that_answers_nonsense_is_not_believed(bench: Bench, word: str) -> None:
    street(bench)
    text = await refused(bench, f"find the {word}")
    assert "did not say where that is in the form that it was asked for" in text
    assert not bench.seen(EDITS)


async def test_what_a_search_costs_is_a_row_of_the_ledger_and_counts_in_image_costs(paid: tuple[Bench, Path]) -> None:
    bench, root = paid
    street(bench)
    text = await edited(bench, "find the red car")
    assert "by gpt-4.1-mini, for about $0.000" in text
    (model, state, nano_usd), (other, _, _) = rows(root)
    assert (model, state, other) == ("gpt-4.1-mini", "settled", "gpt-image-2")
    assert 100_000 < nano_usd < 1_000_000
    assert "gpt-4.1-mini" in said(await bench.call("image_costs"))
    await refused(bench, "find the sandbox-nonsense")
    assert rows(root)[-1][:2] == ("gpt-4.1-mini", "unknown")


async def test_a_search_that_was_refused_is_not_billed(paid: tuple[Bench, Path]) -> None:
    bench, root = paid
    street(bench)
    bench.knobs.faults = [Fault(status=401, code="invalid_api_key", message="Incorrect API key provided.")]
    assert "OPENAI_API_KEY" in await refused(bench, "find the red car")
    assert [state for _, state, _ in rows(root)] == ["released"]
    assert "Found" in await edited(bench, "find the red car")


async def test_a_budget_holds_for_searches_too(tmp_path: Path) -> None:
    async with paying(tmp_path, {"GPT_IMAGE_2_BUDGET_PER_DAY_USD": "0.0001"}) as bench:
        street(bench)
        assert "GPT_IMAGE_2_BUDGET_PER_DAY_USD" in await refused(bench, "find the red car")
        assert not bench.seen()


async def test_a_picture_that_the_sandbox_painted_is_searched_too(bench: Bench) -> None:
    await bench.made("generate_image", prompt="a fox", size=SMALL)
    result = await bench.call("show_image", image="last", mask="find the card")
    assert "the card" in said(result)
    assert len(bench.seen(RESPONSES)) == 1
