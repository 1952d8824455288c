"""Sessions whose pictures are delivered in another size than they are made in: what is shown is what is pointed at."""

import hashlib
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from mcp_types import TextResourceContents
from PIL import Image, ImageChops
from workbench import RESPONSES, Answer, Bench, Benches, said, sent_sha256

from gpt_image_2_mcp.images.fitting import cover, covered_part
from gpt_image_2_mcp.masks.delivered import lay_on_here
from gpt_image_2_mcp.masks.encode import encode
from gpt_image_2_mcp.masks.mask import mask_from_words
from gpt_image_2_mcp.parameters.size_plan import plan_size

pytestmark = pytest.mark.anyio

SHOWN, MADE, CUT = (1584, 396), (1584, 528), 66
"""The size of the pictures that are delivered, of those that are made, and the rows that are cut off above."""
BOX = (400, 100, 700, 300)
"""Left, upper, right and lower edge of what changes, as it is seen."""


def weights(box: tuple[int, int, int, int], *, ground: int = 0, size: tuple[int, int] = MADE) -> Image.Image:
    image = Image.new("L", size, ground)
    image.paste(255 - ground, box)
    return image


def lowered(box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    return box[0], box[1] + CUT, box[2], box[3] + CUT


def sha256_of(marked: Image.Image) -> str:
    return hashlib.sha256(encode(marked)).hexdigest()


async def begun(bench: Bench, **arguments: Any) -> Answer:
    """Begin a session whose first picture is delivered as a banner."""
    bench.photo()
    return await bench.made(
        "start_edit_session", prompt="a harbour", images=["photo.png"], size="1584x396", quality="low", **arguments
    )


async def sent_mask(bench: Bench, session_id: str, mask: str, **arguments: Any) -> str:
    """The SHA-256 of the mask that is sent for a turn."""
    given = {"session_id": session_id, "prompt": "a boat", "mask": mask, "keep": "off", **arguments}
    await bench.made("continue_edit_session", **given)
    (file,) = [file for file in bench.last().files if file.field == "mask"]
    return file.sha256


@pytest.mark.thorough
@settings(max_examples=80, deadline=None)
@given(
    width=st.integers(64, 1700),
    height=st.integers(64, 1700),
    corners=st.lists(st.floats(0, 1), min_size=4, max_size=4),
)
@example(1584, 396, [0.2, 0.2, 0.6, 0.6])
@example(1080, 1350, [0, 0, 0.5, 0.5])
def test_what_is_marked_in_the_delivered_picture_is_marked_in_the_made_one(
    width: int, height: int, corners: list[float]
) -> None:
    made = plan_size(width, height)
    (left, right), (upper, lower) = (
        sorted(round(corners[at] * (edge - 40)) for at in (axis, axis + 2)) for axis, edge in enumerate((width, height))
    )
    box = (left, upper, right + 40, lower + 40)
    assume((box[2] - left) * (box[3] - upper) < 0.9 * width * height)
    mask = mask_from_words(f"box {left},{upper},{box[2]},{box[3]}", (width, height))
    laid = lay_on_here(mask.data, made)
    scale, kept = covered_part(made, (width, height))
    for at, edge in enumerate(box):
        # The whole pixels of the made picture that became marked ones.
        assert abs(laid.box[at] - (edge / scale + kept[at % 2])) <= (0 if scale == 1 else 1)
    with Image.open(io.BytesIO(laid.data)) as image:
        marked = ImageChops.invert(image.getchannel("A"))
    if scale == 1:
        assert cover(marked, (width, height)).image.tobytes() == weights(box, size=(width, height)).tobytes()


@pytest.mark.thorough
async def test_a_mask_of_a_turn_is_of_the_picture_that_was_shown(benches: Benches, tmp_path: Path) -> None:
    bench = await benches.open(data_dir=tmp_path)
    first = await begun(bench)
    assert (first.report["images"][0]["width"], first.report["images"][0]["height"]) == SHOWN
    weights(BOX, size=SHOWN).save(bench.working_dir / "seen.png")
    weights(BOX, size=MADE).save(bench.working_dir / "made.png")
    same = sha256_of(weights(lowered(BOX)))
    words = "box 400,100 300x200"
    cases = {
        words: same,
        f"{words} of 1584x396": same,
        "box 200,50 150x100 of 792x198": same,
        "box 25%,25% 50%x50%": sha256_of(weights((396, 99 + CUT, 1188, 297 + CUT))),
        "box 250,250 500x500 of 1000": sha256_of(weights((396, 99 + CUT, 1188, 297 + CUT))),
        "seen.png": same,
        # What was cut off was not seen, and stays.
        f"everything but {words}": sha256_of(
            ImageChops.subtract(weights((0, CUT, MADE[0], MADE[1] - CUT)), weights(lowered(BOX)))
        ),
        # These say that they are of the picture as it was made.
        f"{words} of 1584x528": sha256_of(weights(BOX)),
        "made.png": sha256_of(weights(BOX)),
    }
    for mask, expected in cases.items():
        assert await sent_mask(bench, first.session_id, mask, from_turn=1) == expected, mask
    # After a restart, another process reads it from the catalogue.
    other = await benches.open(data_dir=tmp_path)
    assert await sent_mask(other, first.session_id, words, from_turn=1) == same
    # A turn that was delivered as it was made has one frame.
    await other.made(
        "continue_edit_session", session_id=first.session_id, prompt="a gull", from_turn=1, size="1024x640"
    )
    assert await sent_mask(other, first.session_id, words) == sha256_of(weights(BOX, size=(1024, 640)))
    text = await other.refused(
        "continue_edit_session", session_id=first.session_id, prompt="a boat", from_turn=1, mask="box 9,300 90x97"
    )
    assert "lies outside 1584x396" in text


@pytest.mark.thorough
async def test_what_a_mask_names_is_looked_for_in_the_picture_that_was_shown(bench: Bench) -> None:
    # What the sandbox paints its prompt on is black.
    first = await begun(bench)
    result = await bench.call("show_image", image="last", mask="find the card")
    searches = len(bench.seen(RESPONSES))
    second = await bench.made(
        "continue_edit_session", session_id=first.session_id, prompt="a boat", mask="find the card", keep="off"
    )
    assert len(bench.seen(RESPONSES)) == searches
    (words,) = re.findall(r"the same mask without looking again: `(box .* of 1000)`", second.text)
    assert words in said(result)
    (file,) = [file for file in bench.last().files if file.field == "mask"]
    assert await sent_mask(bench, first.session_id, words, from_turn=1) == file.sha256


@pytest.mark.thorough
async def test_an_exact_turn_is_delivered_as_the_turn_before_and_keeps_what_was_seen(bench: Bench) -> None:
    first = await begun(bench)
    second = await bench.made(
        "continue_edit_session", session_id=first.session_id, prompt="a red disc", mask="box 400,100 300x200"
    )
    assert [image["role"] for image in second.report["images"]] == ["delivered", "exact", "model"]
    with Image.open(first.path) as before, Image.open(second.path) as after:
        assert before.size == after.size == SHOWN
        box = ImageChops.difference(before.convert("RGB"), after.convert("RGB")).getbbox()
    assert box is not None
    assert box[0] >= BOX[0]
    assert box[1] >= BOX[1]
    assert box[2] <= BOX[2]
    assert box[3] <= BOX[3]
    assert "The turn is made from all of that picture, 1584x528." in second.text
    shown = said(await bench.call("show_image", image=first.report["images"][1]["id"]))
    assert f"delivered as {first.report['images'][0]['id']}, 1584x396: a `mask` of the session's next turn" in shown
    third = await bench.made("continue_edit_session", session_id=first.session_id, prompt="sand", extend="left 256")
    assert (third.report["images"][0]["width"], third.report["images"][0]["height"]) == (1840, 396)
    with Image.open(second.path) as before, Image.open(third.path) as after:
        assert after.crop((256, 0, 1840, 396)).tobytes() == before.convert(after.mode).tobytes()


async def test_lists_of_sessions_and_turns_name_the_files_that_were_promised(bench: Bench) -> None:
    first = await begun(bench)
    made = first.report["images"][1]
    second = await bench.made("continue_edit_session", session_id=first.session_id, prompt="a gull", size="1024x640")
    listed = await bench.call("list_images", session_id=first.session_id, contact_sheet=True)
    turns = (listed.meta or {})["gpt-image-2/pictures"]
    assert [(row["file_path"], row["width"], row["height"], row["turn"]) for row in turns] == [
        (str(first.path), *SHOWN, 1),
        (str(second.path), 1024, 640, 2),
    ]
    assert turns[0]["id"] == first.report["images"][0]["id"]
    assert turns[0]["cost_usd_estimated"] == first.report["cost_usd_estimated"]
    assert made["id"] + "," not in said(listed)
    # The number on the sheet names what is on it.
    assert "1584x396" in said(await bench.call("show_image", image="1"))
    await bench.call("continue_edit_session", session_id=first.session_id, from_turn=1)
    sessions = await bench.call("list_edit_sessions")
    assert f'at turn 1 "a harbour", {first.path}' in said(sessions)
    assert (sessions.meta or {})["gpt-image-2/sessions"][0]["last_file"] == str(first.path)
    read = await bench.client.read_resource(f"gpt-image-2://sessions/{first.session_id}")
    (content,) = read.contents
    assert isinstance(content, TextResourceContents)
    told = json.loads(content.text)["turns"]
    assert [turn["file_path"] for turn in told] == [str(first.path), str(second.path)]
    assert told[0]["picture"].endswith(first.report["images"][0]["id"])
    # The next turn is still made from all of the picture.
    await bench.made("continue_edit_session", session_id=first.session_id, prompt="a boat", from_turn=1)
    assert [file.sha256 for file in bench.last().files] == [sent_sha256(Path(made["file_path"]))]


async def test_a_turn_without_a_size_goes_on_in_the_size_that_was_given(bench: Bench) -> None:
    first = await begun(bench)
    second = await bench.made("continue_edit_session", session_id=first.session_id, prompt="a gull")
    assert bench.last().params["size"] == "{}x{}".format(*MADE)
    assert [(image["width"], image["height"]) for image in second.report["images"]] == [SHOWN, MADE]
    assert second.report["warnings"] == first.report["warnings"]
    third = await bench.made(
        "continue_edit_session", session_id=first.session_id, prompt="a boat", mask="box 9,9 90x90", keep="off"
    )
    assert (third.report["images"][0]["width"], third.report["images"][0]["height"]) == SHOWN
    # A size of its own is taken, and the turn after that is as the model makes it.
    other = await bench.made("continue_edit_session", session_id=first.session_id, prompt="sand", size="1024x640")
    assert [(image["width"], image["height"]) for image in other.report["images"]] == [(1024, 640)]
    await bench.made("continue_edit_session", session_id=first.session_id, prompt="a crab")
    assert bench.last().params.get("size", "auto") == "auto"


@pytest.mark.thorough
async def test_a_transparent_turn_in_another_size_is_not_listed_as_exact(bench: Bench) -> None:
    first = await begun(bench)
    turn = await bench.made(
        "continue_edit_session", session_id=first.session_id, prompt="a lone boat", background="transparent"
    )
    assert [image["role"] for image in turn.report["images"]] == ["delivered", "transparent", "model"]
    listed = said(await bench.call("list_images", session_id=first.session_id))
    assert turn.path.name in listed
    assert "exact" not in listed
    masked = {"session_id": first.session_id, "prompt": "a gull", "from_turn": 1, "mask": "box 9,9 200x90"}
    await bench.made("continue_edit_session", **masked)
    assert "1584x396, exact, " in said(await bench.call("list_images", session_id=first.session_id))
