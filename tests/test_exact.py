"""Exact edits through the tools: what the sandbox's drift leaves of the original, and what is said about it."""

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from patience import PATIENCE_S
from PIL import Image, ImageCms, ImageDraw, ImageFilter
from workbench import EDITS, SMALL, Answer, Bench, Benches, canned, said

from gpt_image_2_mcp.images import pixels_extra
from gpt_image_2_mcp.sandbox import Fault

pytestmark = pytest.mark.anyio

LITTLE = (480, 320)
"""The size of pictures that a canned backend answers with."""


def pixels(path: Path, mode: str = "RGB") -> NDArray[Any]:
    with Image.open(path) as image:
        return np.asarray(image.convert(mode)).astype(np.int16)


def hole(bench: Bench, size: tuple[int, int] = (1024, 640)) -> str:
    """Write a mask with an ellipse to change, and give its name."""
    image = Image.new("RGBA", size, (0, 0, 0, 255))
    width, height = size
    ImageDraw.Draw(image).ellipse((width * 0.3, height * 0.3, width * 0.6, height * 0.7), fill=(0, 0, 0, 0))
    image.save(bench.working_dir / "hole.png")
    return "hole.png"


def outside(bench: Bench) -> NDArray[np.bool_]:
    return pixels(bench.working_dir / "hole.png", "RGBA")[..., 3] > 0


def textured(size: tuple[int, int] = LITTLE, seed: int = 1) -> Image.Image:
    """Smooth noise in colours."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (size[1] // 8, size[0] // 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def with_object(picture: Image.Image, *, radius: int = 40) -> Image.Image:
    """The picture with a disc in the middle of `hole`."""
    after = picture.convert("RGB")
    x, y = picture.width * 0.45, picture.height * 0.5
    ImageDraw.Draw(after).ellipse((x - radius, y - radius, x + radius, y + radius), fill=(250, 240, 30))
    return after


def as_png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


async def edited(bench: Bench, **arguments: Any) -> Answer:
    given = {"prompt": "a pond", "images": ["photo.png"], "mask": "hole.png"}
    return await bench.made("edit_image", **{**given, **arguments})


async def canned_edit(benches: Benches, original: Image.Image, drawn: Image.Image, **arguments: Any) -> Answer:
    """Edit `photo.png`, where the model draws what is given."""
    bench = await benches.open(wrap=canned(as_png(drawn)).wrap)
    original.save(bench.working_dir / "photo.png")
    hole(bench, original.size)
    return await edited(bench, **arguments)


async def sandbox_photo(bench: Bench) -> Path:
    """A picture of the sandbox's, which has texture, as the file `photo.png`."""
    answer = await bench.made("generate_image", prompt="a harbour", size=SMALL)
    path = bench.working_dir / "photo.png"
    path.write_bytes(answer.path.read_bytes())
    return path


@pytest.mark.parametrize("drift", ["local", "mild", "strong", "resized"])
async def test_a_masked_edit_changes_nothing_outside_of_the_mask(bench: Bench, drift: str) -> None:
    photo = await sandbox_photo(bench)
    answer = await edited(bench, mask=hole(bench), prompt=f"a pond, sandbox-drift-{drift}")
    exact, model = answer.report["images"]
    assert (exact["role"], model["role"], exact["made_from"]) == ("exact", "model", model["id"])
    apart = np.abs(pixels(photo) - pixels(answer.path)).max(-1)
    assert apart[outside(bench)].max() == 0
    assert apart[320, 460] > 10
    proof = answer.report["proof"]
    assert (proof["differing_outside"], proof["largest_difference"]) == (0, 0)
    assert proof["outside_pixels"] == outside(bench).sum()
    assert f"Kept to the pixel: 0 of {proof['outside_pixels']:,} pixels outside the mask differ" in answer.text
    assert f"The model's own picture: {model['file_path']}" in answer.text
    assert f"sandbox/{model['filename']}" in bench.files()
    assert "larger than the mask" not in answer.text


@pytest.mark.thorough
async def test_an_object_that_is_larger_than_the_mask_is_told_with_the_way_out(bench: Bench) -> None:
    await sandbox_photo(bench)
    answer = await edited(bench, mask=hole(bench), prompt="a pond, sandbox-drift-bleed")
    assert "The new object is larger than the mask" in answer.text
    assert re.search(
        r"cut off (?:on all sides|at its .*)\. Ask again with a mask that is [4-7]0 pixels larger there", answer.text
    )
    assert answer.report["proof"]["differing_outside"] == 0


@pytest.mark.thorough
async def test_the_next_turn_starts_from_the_exact_edit(bench: Bench) -> None:
    await sandbox_photo(bench)
    first = await bench.made("start_edit_session", prompt="a pond", images=["photo.png"], mask=hole(bench))
    await bench.made("continue_edit_session", session_id=first.session_id, prompt="a boat", mask="hole.png")
    (sent,) = [file for file in bench.last().files if file.field.startswith("image")]
    assert sent.sha256 == first.report["images"][0]["sha256"]
    assert '1 "a pond", exact' in first.text
    assert "-exact.png (exact)" in said(await bench.call("list_edit_sessions"))
    assert "To point at a part in `mask`: `box LEFT,TOP WIDTHxHEIGHT of 1024x640`" in first.text
    again = await bench.made("edit_image", prompt="a duck", images=["last"])
    assert "-exact" in again.report["inputs"][0]


async def test_the_exact_edit_is_in_the_catalogue_with_both_as_parents(benches: Benches, tmp_path: Path) -> None:
    bench = await benches.open(data_dir=tmp_path)
    await sandbox_photo(bench)
    answer = await edited(bench, mask=hole(bench))
    exact, model = answer.report["images"]
    record = json.loads((answer.path.parent / ".gpt-image-2" / f"{exact['id']}.json").read_text(encoding="utf-8"))
    assert [parent.get("role", "image") for parent in record["parents"]] == ["image", "mask", "model"]
    assert record["parents"][-1]["id"] == model["id"]
    assert "cost_usd" not in record
    rows = [line for line in said(await bench.call("list_images")).split("\n") if line.startswith("- ")]
    ids = [row.removeprefix("- ").partition(",")[0] for row in rows]
    assert (ids[0], model["id"] in ids) == (exact["id"], False)
    # It stands for the model's own, and has its cost.
    assert ", 1024x640, exact, free (sandbox), " in rows[0]
    shown = said(await bench.call("show_image", image=exact["id"]))
    assert "bytes, an exact edit" in shown
    assert f"made from: {model['id']} (the model's own picture)" in shown


async def test_keep_off_gives_the_models_own_picture(bench: Bench) -> None:
    await sandbox_photo(bench)
    answer = await edited(bench, mask=hole(bench), keep="off")
    (image,) = answer.report["images"]
    assert "role" not in image
    assert "Kept to the pixel" not in answer.text


@pytest.mark.thorough
async def test_several_pictures_come_in_order_before_the_models_own(bench: Bench) -> None:
    await sandbox_photo(bench)
    answer = await edited(bench, mask=hole(bench), n=2)
    assert [image["role"] for image in answer.report["images"]] == ["exact", "exact", "model", "model"]
    assert [image["made_from"] for image in answer.report["images"][:2]] == [
        image["id"] for image in answer.report["images"][2:]
    ]
    assert len(answer.pictures) == 2


async def test_without_a_mask_keep_exact_takes_what_changed(benches: Benches) -> None:
    original = textured()
    answer = await canned_edit(benches, original, with_object(original), mask=None, keep="exact")
    apart = np.abs(np.asarray(original).astype(int) - pixels(answer.path)).max(-1)
    assert apart[160, 216] > 10
    assert 0.02 < (apart > 0).mean() < 0.08
    assert "pixels outside what changed differ" in answer.text
    assert answer.report["images"][0]["role"] == "exact"


async def test_the_alpha_of_the_original_is_kept(benches: Benches) -> None:
    original = textured().convert("RGBA")
    alpha = Image.linear_gradient("L").resize(LITTLE)
    original.putalpha(alpha)
    answer = await canned_edit(benches, original, with_object(original))
    with Image.open(answer.path) as after:
        assert after.mode == "RGBA"
        found = np.asarray(after)
    kept = outside_of(LITTLE)
    assert (found[kept] == np.asarray(original)[kept]).all()
    assert found[160, 216].tolist()[3] == 255


@pytest.mark.parametrize("where", [{}, {"mask": None, "extend": "left 160"}])
async def test_the_colours_hidden_under_transparency_tint_nothing(benches: Benches, where: dict[str, Any]) -> None:
    original = Image.new("RGBA", LITTLE)
    ImageDraw.Draw(original).rectangle((300, 60, 460, 260), fill=(200, 30, 30, 255))
    sent = Image.new("RGB", LITTLE, "white")
    sent.paste(original, mask=original)
    if where:
        drawn = Image.new("RGB", (640, 320), (40, 160, 70))
        drawn.paste(sent, (160, 0))
    else:
        drawn = with_object(sent)
    answer = await canned_edit(benches, original, drawn, **where)
    found = pixels(answer.path, "RGBA")
    expected = [40, 160, 70, 255] if where else [250, 240, 30, 255]
    assert np.abs(found[160, 80 if where else 216] - expected).max() <= 12
    assert (found[..., :3][found[..., 3] > 0].max(-1) > 20).all()
    assert "tinted" not in answer.text


@pytest.mark.thorough
async def test_sixteen_bits_and_the_profile_of_the_original_are_kept(benches: Benches) -> None:
    bench = await benches.open(wrap=canned(as_png(with_object(textured()))).wrap)
    deep = np.asarray(textured()).astype(np.uint16) * 257 + 37
    cv2.imwrite(str(bench.working_dir / "photo.png"), deep[..., ::-1])
    hole(bench, LITTLE)
    answer = await edited(bench)
    after = cv2.imread(str(answer.path), cv2.IMREAD_UNCHANGED)
    assert after is not None
    assert after.dtype == np.uint16
    kept = outside_of(LITTLE)
    assert (after[..., ::-1][kept] == deep[kept]).all()
    made = ImageCms.createProfile("sRGB")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    profile = ImageCms.ImageCmsProfile(made).tobytes()  # pyright: ignore[reportUnknownArgumentType]
    textured().save(bench.working_dir / "tagged.png", icc_profile=profile)
    with Image.open((await edited(bench, images=["tagged.png"])).path) as tagged:
        assert tagged.info["icc_profile"] == profile


def outside_of(size: tuple[int, int]) -> NDArray[np.bool_]:
    width, height = size
    image = Image.new("L", size, 255)
    ImageDraw.Draw(image).ellipse((width * 0.3, height * 0.3, width * 0.6, height * 0.7), fill=0)
    return np.asarray(image) > 0


async def test_the_feather_of_a_mask_lets_the_new_part_fade_into_the_original(benches: Benches) -> None:
    original, new = textured(), Image.new("RGB", LITTLE, (250, 250, 250))
    drawn = original.copy()
    drawn.paste(new.crop((100, 100, 300, 220)), (100, 100))
    answer = await canned_edit(benches, original, drawn, mask="box 100,100 200x120 feather 40")
    before, after = np.asarray(original).astype(np.int16), pixels(answer.path)
    apart = np.abs(after - before).sum(-1) / np.maximum(1, np.abs(250 - before).sum(-1))
    assert apart[160, 102:106].mean() < 0.2
    assert 0.3 < apart[150:170, 118:122].mean() < 0.7
    assert apart[160, 200] == 1
    before[100:220, 100:300] = after[100:220, 100:300]
    assert (before == after).all()
    assert answer.report["proof"]["outside_pixels"] >= 480 * 320 - 200 * 120


async def test_a_jpeg_turned_by_its_exif_is_kept_upright(benches: Benches) -> None:
    bench = await benches.open(wrap=canned(as_png(with_object(textured()))).wrap)
    exif = Image.Exif()
    exif[0x0112] = 6
    textured().transpose(Image.Transpose.ROTATE_90).save(bench.working_dir / "photo.jpg", exif=exif, quality=92)
    hole(bench, LITTLE)
    answer = await edited(bench, images=["photo.jpg"])
    with Image.open(bench.working_dir / "photo.jpg") as stored:
        upright = np.asarray(stored.convert("RGB").transpose(Image.Transpose.ROTATE_270))
    kept = outside_of(LITTLE)
    assert (pixels(answer.path)[kept] == upright[kept]).all()


@pytest.mark.parametrize(
    ("drawn", "words"),
    [
        (textured(), "Nothing that the model changed was found inside the mask"),
        (textured(seed=9), "The model drew a new picture"),
        (textured((320, 480)), "another shape (320x480)"),
        (with_object(textured()).resize((240, 160)), "was drawn at 240x160 and enlarged 2.0 times"),
    ],
    ids=["the original", "a new picture", "another shape", "smaller"],
)
async def test_each_odd_answer_ends_in_a_true_sentence(benches: Benches, drawn: Image.Image, words: str) -> None:
    answer = await canned_edit(benches, textured(), drawn)
    assert words in answer.text
    assert "larger than the mask" not in answer.text


async def test_a_new_picture_without_a_mask_is_the_models_own(benches: Benches) -> None:
    answer = await canned_edit(benches, textured(), textured(seed=9), mask=None, keep="exact")
    assert "this is a new picture" in answer.text
    assert len(answer.report["images"]) == 1


@pytest.mark.parametrize(
    "original",
    [Image.new("RGB", LITTLE, (120, 130, 140)), textured().filter(ImageFilter.GaussianBlur(40))],
    ids=["flat", "nearly flat"],
)
async def test_a_picture_without_texture_is_kept_too(benches: Benches, original: Image.Image) -> None:
    answer = await canned_edit(benches, original, with_object(original))
    apart = np.abs(np.asarray(original).astype(int) - pixels(answer.path)).max(-1)
    assert apart[outside_of(LITTLE)].max() == 0
    assert apart[160, 216] > 50


async def test_a_damaged_picture_of_the_model_costs_no_more_than_its_line(benches: Benches) -> None:
    cut = as_png(with_object(textured()))[:-3000]
    bench = await benches.open(wrap=canned(cut).wrap)
    textured().save(bench.working_dir / "photo.png")
    hole(bench, LITTLE)
    result = await bench.call("edit_image", prompt="a pond", images=["photo.png"], mask="hole.png")
    text = str(result.content)
    assert not result.is_error
    assert "is damaged" in text
    assert "Kept to the pixel" not in text


def find_nothing(name: str) -> None:
    """Stands for `find_spec` where no package is installed."""
    assert name in {"numpy", "cv2"}


async def test_without_the_extra_it_is_said_once_how_to_get_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixels_extra, "find_spec", find_nothing)
    pixels_extra.is_installed.cache_clear()
    try:
        bench.photo()
        bench.mask()
        first, second = [await edited(bench, mask="mask.png") for _ in range(2)]
        asked = await edited(bench, mask="mask.png", keep="exact")
    finally:
        pixels_extra.is_installed.cache_clear()
    assert "gpt-image-2-mcp[pixels]" in first.text
    assert "gpt-image-2-mcp[pixels]" not in second.text
    assert "gpt-image-2-mcp[pixels]" in asked.text
    assert len(first.report["images"]) == 1


async def test_a_request_that_fails_makes_no_exact_edit(bench: Bench) -> None:
    bench.photo()
    bench.mask()
    bench.knobs.faults = [Fault(error="moderation_blocked")]
    await bench.refused("edit_image", prompt="a pond", images=["photo.png"], mask="mask.png")
    assert len(bench.seen(EDITS)) == 1
    assert bench.files() == []


@pytest.mark.thorough
def test_the_server_never_imports_numpy_or_opencv() -> None:
    code = (
        "import sys, gpt_image_2_mcp.server.factory, gpt_image_2_mcp.app, gpt_image_2_mcp.generation.exact_edits;"
        "print([name for name in ('numpy', 'cv2') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    assert run.stdout.strip() == "[]"
