"""What is sent of a picture for an exact edit: a part at its own resolution, or a larger canvas; what comes of it."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from pixel_truth import SCENES, band_of, drifted, psnr, scene
from workbench import EDITS, Bench

from gpt_image_2_mcp.errors import BadRequest
from gpt_image_2_mcp.inputs.part import find_window
from gpt_image_2_mcp.parameters.extension import Edges, edges_of
from gpt_image_2_mcp.parameters.size_plan import is_allowed_size
from gpt_image_2_mcp.pixels import composite, extension
from gpt_image_2_mcp.pixels.files import Opened

pytestmark = pytest.mark.anyio

LARGE = (1600, 1200)
SIGN = "ellipse 900,600 240x180"
"""A part of it that is to change."""


def large_photo(bench: Bench, name: str = "photo.jpg", size: tuple[int, int] = LARGE) -> NDArray[Any]:
    """Write a picture with texture into the working directory, and give what the file shows."""
    path = bench.working_dir / name
    Image.fromarray(scene("noise", (size[0] // 2, size[1] // 2))).resize(size).save(path, quality=92)
    return shown(path)


def shown(path: Path) -> NDArray[Any]:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(np.int16)


def changed_box(before: NDArray[Any], after: NDArray[Any]) -> tuple[int, int, int, int]:
    """Left, upper, right and lower edge around what differs."""
    apart = (before != after).any(-1)
    rows, columns = np.flatnonzero(apart.any(1)), np.flatnonzero(apart.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


@pytest.mark.thorough
async def test_a_part_of_a_large_picture_is_sent_and_all_of_it_comes_back(bench: Bench) -> None:
    before = large_photo(bench)
    prompt = "a pond, sandbox-drift-mild"
    answer = await bench.made("start_edit_session", prompt=prompt, images=["photo.jpg"], mask=SIGN)
    exact, model = answer.report["images"]
    assert (exact["width"], exact["height"], exact["mime_type"]) == (*LARGE, "image/png")
    size = (model["width"], model["height"])
    assert bench.last().params["size"] == "{}x{}".format(*size)
    assert is_allowed_size(*size)
    left, upper, right, lower = changed_box(before, shown(answer.path))
    assert 900 <= left < right <= 1140
    assert 600 <= upper < lower <= 780
    assert answer.report["proof"]["differing_outside"] == 0
    assert answer.report["proof"]["outside_pixels"] == pytest.approx(1600 * 1200 - np.pi * 120 * 90, rel=1e-3)
    assert f"The model saw only the part round what changes, {size[0]}x{size[1]} at " in answer.text
    assert "The exact edit is saved as a PNG, since a JPEG would not keep its pixels." in answer.text
    assert "1600x1200, quality medium, PNG" in answer.text
    assert "enlarged" not in answer.text
    assert answer.report["requested"]["size"] == "auto"
    # The next turn goes on from all of it.
    duck = {"session_id": answer.session_id, "prompt": "a duck", "mask": "box 200,200 150x150"}
    second = await bench.made("continue_edit_session", **duck)
    left, upper, right, lower = changed_box(shown(answer.path), shown(second.path))
    assert 200 <= left < right <= 350
    assert 200 <= upper < lower <= 350


@pytest.mark.thorough
async def test_a_size_has_the_model_see_all_of_the_picture(bench: Bench) -> None:
    large_photo(bench)
    answer = await bench.made("edit_image", prompt="a pond", images=["photo.jpg"], mask=SIGN, size="1024x768")
    assert "The model saw only" not in answer.text
    assert "The new part was drawn at 1024x768 and enlarged 1.6 times" in answer.text
    (exact, model) = answer.report["images"]
    assert (exact["width"], model["width"]) == (1600, 1024)


@pytest.mark.thorough
async def test_the_alpha_and_the_bits_of_a_large_original_are_kept(bench: Bench) -> None:
    deep = cv2.resize(scene("noise", (400, 300)).astype(np.uint16) * 257 + 37, LARGE)
    alpha = np.full((1200, 1600, 1), 65_535, dtype=np.uint16)
    alpha[:, :960] = 30_000
    original = np.concatenate([deep, alpha], -1)
    cv2.imwrite(str(bench.working_dir / "deep.png"), original)
    answer = await bench.made("edit_image", prompt="a pond", images=["deep.png"], mask=SIGN)
    after = cv2.imread(str(answer.path), cv2.IMREAD_UNCHANGED)
    assert after is not None
    assert (after.dtype, after.shape) == (np.uint16, original.shape)
    apart = (after != original).any(-1)
    assert apart[690, 1020]
    apart[600:780, 900:1140] = False
    assert not apart.any()
    assert after[690, 940, 3] == 65_535


@pytest.mark.thorough
async def test_a_photo_of_24_megapixels_is_edited_in_place(bench: Bench) -> None:
    before = large_photo(bench, size=(6000, 4000))
    mask = "box 10%,10% 8%x8% + ellipse 15%,15% 5%x6%"
    answer = await bench.made("edit_image", prompt="a pond, sandbox-drift-strong", images=["photo.jpg"], mask=mask)
    after = shown(answer.path)
    assert after.shape == before.shape
    left, upper, right, lower = changed_box(before, after)
    assert 600 <= left < right <= 1200
    assert 400 <= upper < lower <= 840
    assert answer.report["proof"]["differing_outside"] == 0


@pytest.mark.parametrize(
    ("picture", "change", "wanted"),
    [
        ((6000, 4000), (3000, 2000, 3200, 2100), (896, 736)),
        ((6000, 4000), (0, 0, 40, 40), (816, 816)),
        ((6000, 4000), (5990, 3990, 6000, 4000), (816, 816)),
        ((6000, 4000), (100, 1000, 5000, 1300), (6000, 2000)),
        ((6000, 4000), (1000, 1000, 3600, 2600), (3904, 2400)),
        ((6000, 4000), (500, 500, 5500, 3500), None),
        ((1024, 1024), (400, 400, 500, 500), None),
        ((3000, 700), (1400, 300, 1500, 400), (944, 700)),
        ((12000, 700), (1400, 300, 1500, 400), (944, 700)),
        ((8000, 5000), (0, 0, 7900, 60), (8000, 2672)),
    ],
)
def test_a_part_holds_the_change_and_has_a_size_that_the_model_makes(
    picture: tuple[int, int], change: tuple[int, int, int, int], wanted: tuple[int, int] | None
) -> None:
    part = find_window(picture, change)
    if part is None:
        assert wanted is None
        return
    assert part.size is not None
    assert part.box is not None
    left, upper, right, lower = part.box
    assert (right - left, lower - upper) == part.sent_size
    assert wanted is not None
    assert part.sent_size == pytest.approx(wanted, abs=64)
    assert is_allowed_size(*part.size)
    assert part.size[0] / part.size[1] == pytest.approx((right - left) / (lower - upper), rel=0.015)
    assert 0 <= left <= change[0]
    assert 0 <= upper <= change[1]
    assert change[2] <= right <= picture[0]
    assert change[3] <= lower <= picture[1]


async def test_a_canvas_is_extended_and_the_old_part_kept_to_the_pixel(bench: Bench) -> None:
    before = np.asarray(Image.open(bench.photo()).convert("RGB")).astype(np.int16)
    answer = await bench.made(
        "edit_image", prompt="a beach, sandbox-drift-strong", images=["photo.png"], extend="left 256, top 20%"
    )
    after = shown(answer.path)
    assert after.shape == (768, 1280, 3)
    assert (after[128:, 256:] == before).all()
    assert after[:100, :200].std() > 0
    proof = answer.report["proof"]
    assert (proof["outside_pixels"], proof["differing_outside"]) == (1024 * 640, 0)
    assert bench.last().params["size"] == "1280x768"
    assert "continue the picture there" in str(bench.last().params["prompt"])
    assert answer.report["prompt"] == "a beach, sandbox-drift-strong"
    assert "0 of 655,360 pixels outside what is new differ from the original" in answer.text


@pytest.mark.thorough
async def test_one_side_of_a_large_picture_is_extended_at_its_own_resolution(bench: Bench) -> None:
    before = large_photo(bench, "photo.png", (2400, 1200))
    answer = await bench.made("edit_image", prompt="a beach", images=["photo.png"], extend="right 300")
    after = shown(answer.path)
    assert after.shape == (1200, 2700, 3)
    assert (after[:, :2400] == before).all()
    assert answer.report["images"][1]["width"] < 1000
    assert "enlarged" not in answer.text


@pytest.mark.thorough
async def test_where_nothing_is_kept_to_the_pixel_all_of_the_extended_canvas_is_drawn(bench: Bench) -> None:
    large_photo(bench, "photo.png", (2400, 1200))
    answer = await bench.made("edit_image", prompt="a beach", images=["photo.png"], extend="right 300", keep="off")
    (image,) = answer.report["images"]
    assert image["width"] / image["height"] == pytest.approx(2700 / 1200, rel=0.02)
    assert "saw only the part" not in answer.text


async def test_without_the_extra_a_canvas_is_extended_too(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpt_image_2_mcp.generation.exact_edits.is_installed", bool)
    monkeypatch.setattr("gpt_image_2_mcp.generation.finisher.is_installed", bool)
    bench.photo()
    answer = await bench.made("edit_image", prompt="a beach", images=["photo.png"], extend="bottom 256")
    (image,) = answer.report["images"]
    assert (image["width"], image["height"]) == (1024, 896)
    assert "gpt-image-2-mcp[pixels]" in answer.text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"extend": "lefty 4"}, "names sides, each with the pixels to add there"),
        ({"extend": "left -5"}, "names sides, each with the pixels to add there"),
        ({"extend": "left 300, left 20"}, "names the left side twice"),
        ({"extend": "left 1"}, "adds 1 pixels to the 1024x640 picture, and 8 are the fewest"),
        ({"extend": "left 9000"}, "a canvas of 10024x640, of which 90% are new"),
        ({"extend": "top 99999 right 99999"}, "50,000,000 pixels are the most"),
        ({"extend": "right 200%"}, "a canvas of 3072x640, and the model draws none that is more than 3 times as long"),
        ({"extend": "left 200", "mask": "box 1,1 100x100"}, "leave out `mask`, or make two edits"),
        ({"extend": "left 200", "size": "1024x1024"}, "another shape than the extended canvas, 1224x640"),
    ],
)
async def test_an_extension_that_cannot_be_is_refused_before_it_is_paid(
    bench: Bench, arguments: dict[str, str], words: str
) -> None:
    bench.photo()
    assert words in await bench.refused("edit_image", prompt="a beach", images=["photo.png"], **arguments)
    assert bench.seen(EDITS) == []


@settings(max_examples=40, deadline=None)
@given(high=st.integers(60, 1500), longer=st.floats(3.1, 12), share=st.floats(0.01, 1), at=st.floats(0, 1))
@example(89, 4.1, 0.8, 0.1)
def test_of_a_picture_that_is_too_long_for_the_model_a_part_is_drawn(
    high: int, longer: float, share: float, at: float
) -> None:
    wide = round(high * longer)
    edge = round(3 * high * share) or 1
    left = round(at * (wide - edge))
    for turned in (False, True):
        picture, change = (wide, high), (left, 0, left + edge, high // 2)
        if turned:
            picture, change = (high, wide), (0, left, high // 2, left + edge)
        part = find_window(picture, change)
        assert part is not None
        assert part.box is not None
        assert part.size is not None
        assert part.box[0] <= change[0] < change[2] <= part.box[2] <= picture[0]
        assert part.box[1] <= change[1] < change[3] <= part.box[3] <= picture[1]
        assert is_allowed_size(*part.size)
        assert part.size[0] / part.size[1] == pytest.approx(part.sent_size[0] / part.sent_size[1], rel=0.015)


@pytest.mark.thorough
async def test_a_banner_is_edited_and_extended_as_it_is(bench: Bench) -> None:
    before = large_photo(bench, "banner.png", (1200, 300))
    given = {"prompt": "a pond", "images": ["banner.png"]}
    answer = await bench.made("edit_image", mask="ellipse 500,80 160x140", size="1200x300", **given)
    after = shown(answer.path)
    assert after.shape == (300, 1200, 3)
    left, upper, right, lower = changed_box(before, after)
    assert 500 <= left < right <= 660
    assert 80 <= upper < lower <= 220
    assert answer.report["proof"]["differing_outside"] == 0
    assert "The model saw only the part round what changes" in answer.text
    assert "To have it see all" not in answer.text
    answer = await bench.made("edit_image", extend="left 200", **given)
    assert (shown(answer.path)[:, 200:] == before).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"mask": "box 10,10 1100x200"}, "Image 1 is 1200x300, and the model draws no picture that is more than 3"),
        ({"keep": "exact"}, "Give a `mask`: of a part at most 900 pixels wide, that part alone is drawn."),
        ({"mask": "box 10,10 100x200", "size": "1024x1024"}, "`size` 1024x1024 has another shape than image 1"),
        ({"keep": "exact", "size": "og"}, "Leave out `size`, and bring the result to that size with export_image"),
    ],
)
async def test_an_edit_of_which_nothing_could_be_kept_is_refused_before_it_is_paid(
    bench: Bench, arguments: dict[str, str], words: str
) -> None:
    bench.photo("banner.png", (1200, 300))
    given = {"prompt": "a beach", "images": ["banner.png"], **arguments}
    assert words in await bench.refused("edit_image", **given)
    assert words in await bench.refused("start_edit_session", **given)
    assert bench.seen(EDITS) == []
    assert (await bench.made("edit_image", **{**given, "keep": "off"})).report["images"]


@pytest.mark.parametrize(
    ("text", "edges"),
    [
        ("left 512, top 128", Edges(left=512, top=128)),
        ("Right 25% and bottom: 64px", Edges(right=200, bottom=64)),
        ("top=10 bottom=20 left=30 right=40", Edges(30, 10, 40, 20)),
    ],
)
def test_sides_are_read_as_people_write_them(text: str, edges: Edges) -> None:
    assert edges_of(text, (800, 600)) == edges


def test_a_canvas_of_less_than_eight_new_pixels_is_refused() -> None:
    with pytest.raises(BadRequest, match="8 are the fewest"):
        edges_of("left 3 top 4", (800, 600))


@pytest.mark.thorough
@pytest.mark.parametrize(("level", "mean"), [("mild", 40), ("strong", 29)])
def test_what_is_new_meets_the_old_part_without_a_step(level: Any, mean: float) -> None:
    found: list[float] = []
    for number, kind in enumerate(SCENES):
        whole = scene(kind, (1024, 768), 5)
        new = np.ones(whole.shape[:2], dtype=bool)
        new[128:, 256:] = False
        canvas = extension.extended(Opened(whole[128:, 256:], None, None), (256, 128, 0, 0)).colours
        model = drifted(whole.astype(np.float32), level, 50 + number)
        looked = composite.look(canvas, model, new.astype(np.float32), is_all_new=True)
        made = extension.continued(canvas, model, new, looked)
        assert (made[~new] == whole[~new]).all()
        found.append(psnr(made, whole, band_of(new)))
    assert np.mean(found) >= mean, found
