"""Transparent backgrounds through the tools: native, cut out of a plain ground, from two pictures, and of a file."""

import io
import json
import re
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from test_exact import as_png, find_nothing, textured
from workbench import EDITS, GENERATIONS, META, SMALL, Answer, Bench, Benches, Canned, canned, encoded, said

from gpt_image_2_mcp.images import pixels_extra
from gpt_image_2_mcp.sandbox import Fault

pytestmark = pytest.mark.anyio

STICKER: dict[str, Any] = {"prompt": "a sticker of a fox", "size": SMALL, "background": "transparent"}
FINE = {**STICKER, "background": "transparent-fine"}


def alpha_of(answer: Answer) -> NDArray[np.uint8]:
    with Image.open(answer.path) as image:
        assert image.mode == "RGBA"
        pixels = np.asarray(image)
    # What is clear has no colour.
    assert not pixels[pixels[..., 3] == 0].any()
    return pixels[..., 3]


def logo(ground: tuple[int, int, int] = (255, 255, 255)) -> Image.Image:
    """A dark blue ring with a dot, on a plain ground."""
    image = Image.new("RGB", (1200, 1200), ground)
    draw = ImageDraw.Draw(image)
    draw.ellipse((200, 200, 1000, 1000), fill=(20, 40, 120))
    draw.ellipse((400, 400, 800, 800), fill=ground)
    draw.ellipse((540, 540, 660, 660), fill=(200, 60, 40))
    return image.resize((600, 600), Image.Resampling.BOX)


async def test_where_the_model_has_none_a_picture_on_a_plain_ground_is_cut_out(bench: Bench) -> None:
    answer = await bench.made("generate_image", **STICKER)
    refused, keyed = bench.seen(GENERATIONS)
    assert refused.params["background"] == "transparent"
    assert keyed.params["background"] == "opaque"
    assert "pure magenta #FF00FF" in str(keyed.params["prompt"])
    assert bench.knobs.paid == 1
    cut, model = answer.report["images"]
    assert (cut["role"], model["role"], cut["made_from"]) == ("transparent", "model", model["id"])
    assert cut["file_path"].endswith("-transparent.png")
    assert "#FF00FF" in model["ground_prompt"]
    assert "Transparent, cut out of a plain ground #FF00FF: " in answer.text
    assert "API changed" not in answer.text
    assert answer.report["prompt"] == STICKER["prompt"]
    clear = alpha_of(answer) == 0
    assert clear[0, 0]
    assert 0.2 < clear.mean() < 0.8
    await bench.made("generate_image", **{**STICKER, "output_format": "webp"})
    assert len(bench.seen(GENERATIONS)) == 3, "a model that refused is not asked again for a while"


async def test_a_model_that_has_it_makes_it_itself_and_is_checked(bench: Bench) -> None:
    answer = await bench.made("generate_image", **STICKER, model="gpt-image-2.5-flare")
    (sent,) = bench.seen(GENERATIONS)
    assert sent.params["prompt"] == STICKER["prompt"]
    (image,) = answer.report["images"]
    assert image["proof"]["verdict"] == "native"
    assert "Transparent, by the model itself: " in answer.text


@pytest.mark.thorough
@pytest.mark.parametrize("drift", [None, "mild"])
async def test_a_fine_edge_is_made_from_two_pictures_that_are_aligned(bench: Bench, drift: Any) -> None:
    bench.knobs.drift = drift
    answer = await bench.made("generate_image", **FINE)
    assert [len(bench.seen(path)) for path in (GENERATIONS, EDITS)] == [1, 1]
    assert bench.knobs.paid == 2
    cut, white, black = answer.report["images"]
    assert [each["role"] for each in (cut, white, black)] == ["transparent", "model", "model"]
    assert (cut["made_from"], cut["also_from"]) == (white["id"], black["id"])
    assert ("#FFFFFF" in white["ground_prompt"], "#000000" in black["ground_prompt"]) == (True, True)
    assert cut["proof"]["verdict"] == "two_passes"
    assert (max(abs(distance) for distance in cut["proof"]["shift_px"]) > 0.05) is (drift is not None)
    assert len(answer.pictures) == 1
    assert answer.report["requested"]["n"] == answer.report["applied"]["n"] == 1


@pytest.mark.parametrize(
    ("fault", "words"),
    [(Fault(route="edits", error="moderation_blocked"), "moderation"), (Fault(route="edits", kind="drop"), "billed")],
)
async def test_a_second_picture_that_fails_leaves_a_matte_of_the_first(bench: Bench, fault: Fault, words: str) -> None:
    bench.knobs.faults = [fault]
    answer = await bench.made("generate_image", **FINE)
    assert len(bench.seen(EDITS)) == 1, "what may have been billed is not sent again"
    assert [each["role"] for each in answer.report["images"]] == ["transparent", "model"]
    assert "The second picture, for the other ground, failed: " in answer.text
    assert words in answer.text


async def test_a_second_picture_that_is_damaged_leaves_a_matte_of_the_first(benches: Benches) -> None:
    whole = as_png(logo())
    answers = iter([canned(whole), canned(whole[: len(whole) // 2])])

    def answer(request: httpx2.Request) -> httpx2.Response:
        return next(answers).answer(request)

    bench = await benches.open(wrap=Canned(answer).wrap)
    result = await bench.final("generate_image", **FINE)
    cut = (result.meta or {})[META]["images"][0]
    assert (cut["role"], cut["proof"]["verdict"]) == ("transparent", "matte")
    assert "so the background is taken off the other alone" in said(result)


@pytest.mark.thorough
@pytest.mark.parametrize(("prompt", "colour"), [("a flamingo", "#00FFFF"), ("ein rosa Schwein am Meer", "#00FF00")])
async def test_the_ground_has_no_colour_that_the_prompt_speaks_of(bench: Bench, prompt: str, colour: str) -> None:
    await bench.made("generate_image", **{**STICKER, "prompt": prompt})
    assert colour in str(bench.last().params["prompt"])


@pytest.mark.thorough
async def test_the_ground_has_no_colour_of_the_picture_that_is_edited(bench: Bench) -> None:
    Image.new("RGB", (1024, 640), (230, 20, 220)).save(bench.working_dir / "photo.png")
    await bench.made("edit_image", prompt="only the subject", images=["photo.png"], background="transparent")
    assert "#00FFFF" in str(bench.last().params["prompt"])


@pytest.mark.thorough
async def test_an_impure_ground_is_taken_off_too(bench: Bench) -> None:
    plain = alpha_of(await bench.made("generate_image", **STICKER))
    bench.knobs.ground = "impure"
    impure = alpha_of(await bench.made("generate_image", **STICKER, filename_prefix="again"))
    assert np.abs(plain.astype(int) - impure).mean() < 2


async def test_a_file_with_a_plain_ground_is_cut_out_for_nothing(benches: Benches, tmp_path: Path) -> None:
    bench = await benches.open(data_dir=tmp_path, OPENAI_API_KEY="")
    logo().save(bench.working_dir / "logo.png")
    answer = await bench.made("edit_image", images=["logo.png"], background="transparent")
    assert bench.seen() == []
    assert "nothing was sent, and it is free" in answer.text
    alpha = alpha_of(answer)
    assert [int(alpha[at]) for at in ((5, 5), (300, 120), (300, 240), (300, 300))] == [0, 255, 0, 255]
    assert "clear as well" in answer.text, "the inside of the ring is told of"
    with Image.open(answer.path) as image:
        assert image.getpixel((120, 300)) == (20, 40, 120, 255)
    record = json.loads((answer.path.parent / ".gpt-image-2" / f"{answer.path.stem}.json").read_text(encoding="utf-8"))
    assert record["parents"][0]["path"].endswith("logo.png")
    assert (record["model"], float(record["cost_usd"])) == ("none", 0)
    listed = said(await bench.call("list_images"))
    assert answer.path.stem in listed
    assert "exact" not in listed


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (textured(), "its border has no plain ground of one colour"),
        (Image.new("RGB", (400, 300), (255, 255, 255)), "nothing but its ground was found"),
        (Image.new("RGBA", (400, 300), (0, 0, 0, 0)), "it is transparent already"),
    ],
    ids=["texture", "nothing", "transparent"],
)
async def test_what_cannot_be_cut_out_is_refused_with_the_reason(
    bench: Bench, picture: Image.Image, words: str
) -> None:
    picture.save(bench.working_dir / "photo.png")
    text = await bench.refused("edit_image", images=["photo.png"], background="transparent")
    assert words in text
    assert "say in `prompt` what to keep" in text
    assert (bench.seen(), bench.files()) == ([], [])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n": 2}, "cuts one picture out"),
        ({"mask": "box 1,1 9x9"}, "cuts one picture out"),
        ({"prompt": "a fox", "mask": "box 1,1 200x200"}, "leave out `mask`"),
        ({"prompt": "a fox", "keep": "exact"}, "leave out `mask`"),
        ({"prompt": "a fox", "background": "transparent-fine", "n": 2}, "makes one picture a call"),
        ({"prompt": "a fox", "background": "transparent-fine", "output_format": "jpeg"}, "holds transparency"),
    ],
)
async def test_what_does_not_go_with_it_is_refused_unsent(bench: Bench, arguments: dict[str, Any], words: str) -> None:
    bench.photo()
    text = await bench.refused("edit_image", images=["photo.png"], **{"background": "transparent", **arguments})
    assert words in text
    assert bench.seen() == []


async def test_a_picture_that_cannot_be_cut_out_is_the_models_own(benches: Benches) -> None:
    bench = await benches.open(wrap=canned(as_png(textured())).wrap)
    answer = await bench.made("generate_image", **FINE)
    assert (
        "The background is not transparent, and this is the model's own picture: its border has no plain" in answer.text
    )
    assert {each.get("role") for each in answer.report["images"]} == {None}


async def test_an_opaque_picture_in_place_of_a_transparent_one_is_told(benches: Benches) -> None:
    bench = await benches.open(wrap=canned(as_png(textured())).wrap)
    answer = await bench.made("generate_image", **STICKER, model="gpt-image-2.5-flare")
    assert "The background is not transparent, and this is the model's own picture: it has no transparent part." in (
        answer.text
    )


async def test_a_painted_checkerboard_is_told(benches: Benches) -> None:
    tiles = (np.indices((640, 640)) // 16).sum(0) % 2
    board = np.where(tiles[..., None] > 0, 255, 204).repeat(3, -1).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(board).save(out, "PNG")
    bench = await benches.open(wrap=canned(out.getvalue()).wrap)
    answer = await bench.made("generate_image", **STICKER, model="gpt-image-2.5-flare")
    assert "the model painted a checkerboard" in answer.text


async def test_without_the_extra_nothing_is_sent(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixels_extra, "find_spec", find_nothing)
    pixels_extra.is_installed.cache_clear()
    try:
        bench.photo()
        texts = [
            await bench.refused("generate_image", **STICKER),
            await bench.refused("generate_image", **FINE),
            await bench.refused("edit_image", images=["photo.png"], background="transparent"),
        ]
        native = await bench.made("generate_image", **STICKER, model="gpt-image-2.5-flare")
    finally:
        pixels_extra.is_installed.cache_clear()
    assert all("gpt-image-2-mcp[pixels]" in text and "Nothing was sent" in text for text in texts)
    assert "transparent background" in native.text
    assert len(bench.seen()) == 1


async def test_two_pictures_count_as_two_for_a_budget(benches: Benches) -> None:
    high = {"quality": "high", "size": "1024x1024"}
    bench = await benches.open(GPT_IMAGE_2_BUDGET_PER_CALL_USD="0.3")
    text = await bench.refused("generate_image", **{**FINE, **high})
    assert "$0.43" in text
    assert bench.seen() == []
    costs = said(await bench.call("image_costs", **high, background="transparent-fine"))
    assert "2 pictures" in costs
    assert "$0.43" in costs


async def test_the_second_picture_is_no_dearer_than_what_was_agreed_to(benches: Benches) -> None:
    """A backend that answers with a larger picture than was asked for has no larger one asked for next."""
    backend = canned(encoded(size=(3840, 2160)))
    bench = await benches.open(wrap=backend.wrap, GPT_IMAGE_2_BUDGET_PER_CALL_USD="0.45")
    sizes: list[bytes] = []
    whole = backend.handle_async_request

    async def listening(request: httpx2.Request) -> httpx2.Response:
        sizes.extend(re.findall(rb'"size": ?"([0-9x]+)|name="size"\r\n\r\n([0-9x]+)', await request.aread())[0])
        return await whole(request)

    backend.handle_async_request = listening  # type: ignore[method-assign]
    await bench.made("generate_image", **{**FINE, "quality": "high", "size": "1024x1024"})
    assert [size for size in sizes if size] == [b"1024x1024"] * 2


@pytest.mark.thorough
async def test_the_next_turn_starts_from_what_was_cut_out(bench: Bench) -> None:
    bench.photo()
    first = await bench.made("start_edit_session", prompt="a fox", images=["photo.png"], background="transparent")
    second = await bench.made("continue_edit_session", session_id=first.session_id, prompt="a hat")
    assert "-transparent" in second.report["inputs"][0]
