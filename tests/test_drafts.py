"""Drafts and the final: a numbered sheet of several pictures, and one of them finished as it is."""

import base64
import io
from pathlib import Path
from typing import Any

import anyio
import pytest
from album import file_of
from PIL import Image, ImageChops
from workbench import SMALL, Bench, Benches, sent_sha256

from gpt_image_2_mcp.pixels.layout import layout
from gpt_image_2_mcp.pixels.layout_text import KEPT, PARTLY, layout_text
from gpt_image_2_mcp.sandbox.painter import paint

pytestmark = pytest.mark.anyio

DRAFTS: dict[str, Any] = {"prompt": "a logo with a fox", "size": SMALL, "quality": "low", "n": 3}


async def test_several_pictures_come_with_a_numbered_sheet_that_is_a_file_too(benches: Benches, tmp_path: Path) -> None:
    kept = await benches.open(data_dir=tmp_path / "data")
    drafts = await kept.made("generate_image", **DRAFTS)
    assert drafts.sheet is not None
    sheet = base64.b64decode(drafts.sheet.data)
    path = Path(drafts.report["sheet_path"])
    assert f"All of them, numbered, on a sheet: {path}" in drafts.text.splitlines()
    assert await anyio.Path(path).read_bytes() == sheet
    assert Image.open(io.BytesIO(sheet)).format == "JPEG"
    single = await kept.made("generate_image", **{**DRAFTS, "n": 1})
    assert single.sheet is None
    assert "sheet_path" not in single.report


async def test_a_draft_is_finished_as_it_is_and_the_answer_says_how_close_and_what_it_cost(bench: Bench) -> None:
    drafts = await bench.made("generate_image", **DRAFTS)
    assert 'edit_image with images ["2"], like "2", quality "high".' in drafts.text
    final = await bench.made("edit_image", images=["2"], like="2", quality="high")
    draft = drafts.report["images"][1]["id"]
    sent = str(bench.last().params["prompt"])
    assert sent.startswith(DRAFTS["prompt"] + "\n\nImage 1 is a draft")
    assert final.report["prompt"] == DRAFTS["prompt"]
    assert final.report["applied"]["added_prompt"] == sent.removeprefix(DRAFTS["prompt"]).strip()
    assert "The draft's layout is kept: " in final.text
    told = final.report["final"]
    assert (told["draft"], told["drafts"]) == (draft, 3)
    (layout,) = told["layouts"].values()
    assert layout["edges_kept"] > 0.9
    together = drafts.report["cost_usd_estimated"] + final.report["cost_usd_estimated"]
    assert told["together_usd"] == pytest.approx(together)
    assert "The 3 drafts and this final together would have cost about $0.1" in final.text
    assert "; 3 pictures at high would have cost about $0.3" in final.text
    # What is made like the final begins with its words alone.
    again = await bench.made("generate_image", like=final.report["images"][0]["id"], quality="low")
    assert bench.last().params["prompt"] == again.report["prompt"] == DRAFTS["prompt"]


async def test_finals_at_once_are_priced_as_drafts_are_made_also_of_drafts_in_another_size(bench: Bench) -> None:
    """The drafts were made of words alone: their delivered files are made here of the model's, which is no input."""
    await bench.made("generate_image", **{**DRAFTS, "size": "square"})
    final = await bench.made("edit_image", images=["2"], like="2", quality="high")
    costs = await bench.call("image_costs", n=3, size="square", quality="high")
    priced = (costs.meta or {})["gpt-image-2/costs"]["estimate_usd"]
    assert final.report["final"]["finals_usd"] == pytest.approx(priced, rel=0.01)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "other",
    [
        {"quality": "low"},
        {"quality": "auto"},
        {"images": ["2", "3"]},
        {"mask": "box 0,0 200x200"},
    ],
    ids=str,
)
async def test_another_edit_of_a_draft_is_no_final(bench: Bench, other: dict[str, Any]) -> None:
    await bench.made("generate_image", **DRAFTS)
    made = await bench.made("edit_image", **{"images": ["2"], "like": "2", "quality": "high", **other})
    assert "final" not in made.report
    assert "draft" not in str(bench.last().params["prompt"])


@pytest.mark.thorough
@pytest.mark.parametrize(
    "given",
    [{"prompt": "The same, finished; make the fox blue."}, {"like": "1"}, {"prompt": DRAFTS["prompt"]}],
    ids=str,
)
async def test_a_final_without_like_is_told_in_the_same_words_and_sent_as_it_was_said(
    bench: Bench, given: dict[str, str]
) -> None:
    drafts = await bench.made("generate_image", **DRAFTS)
    final = await bench.made("edit_image", **{"images": ["2"], "quality": "high", **given})
    assert "draft" not in str(bench.last().params["prompt"])
    assert "The draft's layout is" in final.text
    assert "The 3 drafts and this final together would have cost about $0.1" in final.text
    assert final.report["final"]["draft"] == drafts.report["images"][1]["id"]
    # One that had no others beside it is a picture, and an edit of it is an edit.
    await bench.made("generate_image", **{**DRAFTS, "n": 1})
    edit = await bench.made("edit_image", images=["last"], quality="high", prompt="a blue fox")
    assert "final" not in edit.report


@pytest.mark.thorough
async def test_a_final_of_a_draft_in_another_size_is_made_of_all_that_the_model_drew(bench: Bench) -> None:
    drafts = await bench.made("generate_image", **{**DRAFTS, "size": "1584x396"})
    behind = [image for image in drafts.report["images"] if image["role"] == "model"]
    final = await bench.made("edit_image", images=["2"], like="2", quality="high")
    assert [file.sha256 for file in bench.last().files] == [sent_sha256(Path(behind[1]["file_path"]))]
    assert "The draft's layout is kept: " in final.text
    assert (final.report["images"][0]["width"], final.report["images"][0]["height"]) == (1584, 396)
    assert final.report["final"]["draft"] == drafts.report["images"][1]["id"]
    # With words of its own, it is an edit of what was given.
    await bench.made("edit_image", images=["2"], prompt="The same in blue.", quality="high")
    assert [file.sha256 for file in bench.last().files] == [sent_sha256(drafts.paths[1])]


async def test_a_final_of_another_shape_is_made_all_the_same(bench: Bench) -> None:
    await bench.made("generate_image", **DRAFTS)
    final = await bench.made("edit_image", images=["1"], like="1", quality="medium", size="640x1024")
    assert "It has another shape than the draft" in final.text


def test_the_layout_of_a_moved_picture_is_kept_and_that_of_another_one_is_not() -> None:
    one, other = (paint(prompt, (768, 512), index=1, transparent=False, note="") for prompt in ("a fox", "a city"))
    moved = ImageChops.offset(one, 12, 4)
    kept, _ = layout(file_of(one), file_of(moved))
    assert kept["edges_kept"] > KEPT
    assert kept["shift_px"] == [pytest.approx(12, abs=0.5), pytest.approx(4, abs=0.5)]
    assert "moved 12 px as a whole" in layout_text(kept)
    lost, _ = layout(file_of(one), file_of(other))
    assert lost["edges_kept"] < PARTLY
    assert "hardly kept" in layout_text(lost)
    flat, _ = layout(file_of(Image.new("RGB", (64, 64))), file_of(one.resize((64, 64))))
    assert "hardly any edges" in layout_text(flat)


@pytest.mark.thorough
async def test_a_small_photo_can_be_extended(bench: Bench) -> None:
    bench.photo("old.png", size=(800, 600))
    extended = await bench.made("edit_image", images=["old.png"], prompt="go on", extend="left 200", quality="low")
    assert (extended.report["images"][0]["width"], extended.report["images"][0]["height"]) == (1000, 600)
