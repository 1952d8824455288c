"""Sizes that the model does not make: what is made for them, and how the picture that was asked for comes of it."""

import hashlib
import io
import re

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from workbench import SMALL, Bench, Benches, canned, picture
from workbench import said as text_of

from gpt_image_2_mcp.parameters.size_names import ALL_NAMES, NAMED_SIZES
from gpt_image_2_mcp.parameters.size_plan import is_allowed_size, plan_size
from gpt_image_2_mcp.parameters.sizes import normalize_size

pytestmark = pytest.mark.anyio


@settings(max_examples=150)
@given(width=st.integers(16, 4000), height=st.integers(16, 4000))
@example(1080, 1080)
@example(16, 16)
@example(3000, 1000)
def test_the_made_size_covers_what_is_asked_for_and_little_of_it_is_cut_off(width: int, height: int) -> None:
    made = plan_size(width, height)
    assert is_allowed_size(*made)
    short, long = sorted((width, height))
    assume(long <= 3 * short)
    scale = max(width / made[0], height / made[1])
    assert 1 - width * height / (made[0] * made[1] * scale**2) <= 0.0201
    # What has more pixels than any allowed size of its shape cannot be covered; near the limit, the steps decide.
    assert scale <= 1 or width * height > 7_900_000 or long > 3780


@pytest.mark.parametrize(
    ("asked", "size", "made"),
    [
        ("story", "1080x1920", (1088, 1920)),
        ("Full-HD", "1920x1080", (1920, 1088)),
        ("og", "1200x630", (1200, 640)),
        ("app icon", "1024x1024", (1024, 1024)),
        ("a4", "2480x3508@300", (2416, 3424)),
        ("a3@300", "3508x4961@300", (2416, 3424)),
        ("A4 landscape at 150 dpi", "1754x1240@150", (1760, 1248)),
        ("50 x 70 cm @ 72", "1417x1984@72", (1424, 1984)),
        ("4:5", "1024x1280", (1024, 1280)),
        ("16:9 4k", "3840x2160", (3840, 2160)),
        ("4:1", "3072x768", (3072, 1024)),
        ("728x90", "728x90", (1440, 480)),
        ("512 × 512 px", "512x512", (816, 816)),
    ],
)
def test_a_size_is_said_as_people_say_it(asked: str, size: str, made: tuple[int, int]) -> None:
    assert normalize_size(asked) == size
    assert normalize_size(size) == size
    width, height = map(int, size.partition("@")[0].split("x"))
    assert plan_size(width, height) == made


def test_every_name_of_the_table_is_a_size_and_stands_for_one_alone() -> None:
    others = [other for name, size in NAMED_SIZES.items() for other in (name, *size.others)]
    assert len(others) == len(set(others))
    for name in ALL_NAMES:
        assert re.fullmatch(r"\d+x\d+(@150|@300)?", normalize_size(name))


@pytest.mark.parametrize("asked", ["stroy", "8x8", "30000x300", "a0@300", "20000x5000", "4:0", "1:1:1", "a4@9999"])
def test_a_size_that_cannot_be_is_refused_with_the_rule(asked: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(asked))):
        normalize_size(asked)


async def test_a_crop_of_a_few_pixels_keeps_every_pixel_of_the_model(bench: Bench) -> None:
    answer = await bench.made("generate_image", prompt="a red fox", size="og")
    delivered, made = answer.report["images"]
    assert (delivered["role"], delivered["width"], delivered["height"]) == ("delivered", 1200, 630)
    assert (made["role"], made["width"], made["height"]) == ("model", 1200, 640)
    assert (answer.report["requested"]["size"], answer.report["applied"]["size"]) == ("1200x630", "1200x630")
    assert "Made at 1200x640, cropped by 0x10 pixels and not resampled." in answer.text
    with Image.open(delivered["file_path"]) as ours, Image.open(made["file_path"]) as theirs:
        assert ours.tobytes() == theirs.crop((0, 5, 1200, 635)).tobytes()
        assert "trainedAlgorithmicMedia" in ours.info["xmp"].decode()
        assert made["sha256"] in ours.info["xmp"].decode()
    assert bench.last().params["size"] == "1200x640"
    assert answer.text.count("Content Credentials") == 1


@pytest.mark.parametrize(
    ("size", "output_format", "said"),
    [
        ("64x64", "webp", "Made at 816x816, scaled down to 64x64."),
        ("1584x396", "jpeg", "Made at 1584x528, of which the middle band is kept and 25% is cut off."),
        ("a5", "jpeg", "not resampled, marked as 300 dpi."),
        ("3000x3000", "jpeg", "Made at 2880x2880, scaled up 1.04 times, so it has no more detail than that."),
    ],
)
async def test_the_size_that_was_asked_for_is_delivered(bench: Bench, size: str, output_format: str, said: str) -> None:
    answer = await bench.made("generate_image", prompt="a red fox", size=size, output_format=output_format)
    edges = normalize_size(size).partition("@")[0]
    with Image.open(answer.path) as image:
        assert (image.size, image.format) == (tuple(map(int, edges.split("x"))), output_format.upper())
        assert "xmp" in image.info
        if size == "a5":
            assert round(image.info["dpi"][0]) == 300
    assert said in answer.text
    assert answer.path.stem.endswith(f"-{edges}")
    # The person's words are recorded, and those about the band are sent alone.
    prompt = str(bench.last().params["prompt"])
    assert ("middle 75% of the picture's height" in prompt) == (size == "1584x396")
    assert answer.report["prompt"] == "a red fox"


@pytest.mark.parametrize(
    ("size", "output_format"),
    [
        ("a3", "webp"),
        pytest.param("a1", "png", marks=pytest.mark.thorough),
        pytest.param("a1", "jpeg", marks=pytest.mark.thorough),
        pytest.param("a2", "webp", marks=pytest.mark.thorough),
        pytest.param("10000x10000", "jpeg", marks=pytest.mark.thorough),
    ],
)
async def test_a_picture_of_any_size_that_is_delivered_is_shown_and_exported(
    bench: Bench, size: str, output_format: str
) -> None:
    made = await bench.call("generate_image", prompt="a poster", size=size, output_format=output_format)
    assert any(block.type == "image" for block in made.content)
    listed = await bench.call("export_image", image="last", to=["og jpeg", "small.png 800x800"], output_dir="out")
    assert text_of(listed).startswith("2 files exported")
    if output_format == "webp":
        told = await bench.refused("show_image", image="last")
        assert "pixels are the most that are decoded" in told
    else:
        seen = await bench.call("show_image", image="last")
        assert "x1024. To point at a part" in text_of(seen)
        sheet = await bench.call("list_images", contact_sheet=True)
        assert "not shown" not in text_of(sheet)


async def test_the_next_turn_is_made_from_the_models_own_picture(bench: Bench) -> None:
    photo = bench.photo()
    first = await bench.made("start_edit_session", prompt="paint it red", images=[str(photo)], size="og")
    delivered, made = first.report["images"]
    second = await bench.made("continue_edit_session", session_id=first.session_id, prompt="and blue", size="og")
    assert second.report["inputs"] == [made["id"]]
    shown = await bench.call("show_image", image="last")
    assert "1200x630" in str(shown.content[0])
    listed = (await bench.call("list_images")).meta or {}
    ids = [row["id"] for row in listed["gpt-image-2/pictures"]]
    assert ids[1:] == [delivered["id"]]


@pytest.mark.thorough
async def test_an_exact_edit_is_delivered_from_the_composite(bench: Bench) -> None:
    photo = bench.photo()
    answer = await bench.made(
        "start_edit_session", prompt="a ball", images=[str(photo)], mask="box 10,10 300x300", size="512x320"
    )
    assert [image["role"] for image in answer.report["images"]] == ["delivered", "exact", "model"]
    exact = answer.report["images"][1]
    with Image.open(answer.path) as image:
        assert image.size == (512, 320)
        assert "compositeWithTrainedAlgorithmicMedia" in image.info["xmp"].decode()
    second = await bench.made("continue_edit_session", session_id=answer.session_id, prompt="another")
    assert second.report["inputs"] == [exact["id"]]


async def test_a_picture_that_comes_damaged_is_kept_and_said_not_to_have_the_size(benches: Benches) -> None:
    whole = io.BytesIO()
    picture((1200, 640)).save(whole, "PNG")
    bench = await benches.open(wrap=canned(whole.getvalue()[:-2000]).wrap)
    answer = await bench.final("generate_image", prompt="a fox", size="og")
    (image,) = (answer.meta or {})["gpt-image-2/result"]["images"]
    assert hashlib.sha256(whole.getvalue()[:-2000]).hexdigest() == image["sha256"]


async def test_the_price_is_that_of_the_made_size_and_like_takes_the_asked_one(bench: Bench) -> None:
    one = (await bench.call("image_costs", size="og", quality="low")).content[0]
    other = (await bench.call("image_costs", size="1200x640", quality="low")).content[0]
    price = re.compile(r"\$[0-9.]+")
    assert price.findall(str(one))[0] == price.findall(str(other))[0]
    assert "1200x630 (made at 1200x640)" in str(one)
    first = await bench.made("generate_image", prompt="a fox", size="og", quality="low")
    again = await bench.made("generate_image", prompt="a hen", like=first.report["images"][0]["id"])
    assert again.report["requested"]["size"] == "1200x630"
    plain = await bench.made("generate_image", prompt="a fox", size=SMALL)
    assert "role" not in plain.report["images"][0]
