"""Masks as shapes in words and as pictures of any kind: what they mark, what is refused, and what the answer says."""

import base64
import io
import math
import re
import zlib
from contextlib import suppress
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import ImageContent
from PIL import Image, ImageChops, ImageDraw
from workbench import SMALL, Bench, encoded, said

from gpt_image_2_mcp.errors import BadRequest, UnreadableSource
from gpt_image_2_mcp.images import facts
from gpt_image_2_mcp.masks import mask as masks
from gpt_image_2_mcp.masks.mask import Mask, mask_from_picture, mask_from_words
from gpt_image_2_mcp.masks.words import parse_words

pytestmark = pytest.mark.anyio

SIZE = (96, 64)

Box = tuple[int, int, int, int]


def weights_of(mask: Mask) -> Image.Image:
    """255 where the picture changes."""
    with Image.open(io.BytesIO(mask.data)) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "RGBA", (mask.width, mask.height))
        return ImageChops.invert(image.getchannel("A"))


def drawn(text: str, size: tuple[int, int] = SIZE) -> Image.Image:
    return weights_of(mask_from_words(text, size))


def boxes(*areas: Box, size: tuple[int, int] = SIZE, ground: int = 0) -> Image.Image:
    """Weights with these boxes (left, upper, right, lower); on a `ground` of 255 they stay."""
    image = Image.new("L", size, ground)
    for area in areas:
        image.paste(255 - ground, area)
    return image


# Words.


@pytest.mark.parametrize(
    "text",
    [
        "box 12,8 24x16",
        "box 12,8,36,24",
        "box 12,8 to 36,24",
        "  BOX (12, 8, 36, 24) ",
        "box [12 8 36 24]",
        "box 12,8 24×16 of 96x64",
        "box 24,16 48x32 of 192x128",
        "box 125,125 250x250 of 1000",
        "box 0.125,0.125 0.25x0.25 of 1",
        "box 12.5%,12.5% 25%x25%",
        "box 12,8 25%x16",
        "polygon 12,8 36,8 36,24 12,24 - box 12,24 25x1 - box 36,8 1x17",
    ],
)
def test_every_form_of_a_box_marks_the_same_pixels(text: str) -> None:
    assert drawn(text).tobytes() == boxes((12, 8, 36, 24)).tobytes()


def test_shapes_are_added_taken_away_and_turned_round_from_left_to_right() -> None:
    text = "box 10,10 20x20 + box 40,10 20x20 - box 15,15 40x10"
    kept = boxes((10, 10, 30, 30), (40, 10, 60, 30))
    kept.paste(0, (15, 15, 55, 25))
    assert drawn(text).tobytes() == kept.tobytes()
    assert drawn(f"everything but {text}").tobytes() == ImageChops.invert(kept).tobytes()


def test_an_ellipse_lies_within_its_box_and_fills_what_an_ellipse_fills() -> None:
    mask = mask_from_words("ellipse 100,50 600x400", (1000, 800))
    assert mask.box == (100, 50, 700, 450)
    assert mask.share == pytest.approx(0.7854 * 600 * 400 / 800_000, rel=0.01)


@pytest.mark.parametrize("pixels", [1, 2, 3, 10, 25])
def test_an_area_grows_by_as_many_pixels_all_round(pixels: int) -> None:
    grown = mask_from_words(f"box 48,32 1x1 grow {pixels}", (96, 64))
    assert grown.box == (48 - pixels, 32 - pixels, 49 + pixels, 33 + pixels)
    weights = drawn(f"box 48,32 1x1 grow {pixels}")
    for x, y in product(range(96), range(64)):
        far = math.hypot(x - 48, y - 32)
        if far <= pixels:
            assert weights.getpixel((x, y)) == 255, (x, y)
        if far > pixels * 1.13:
            assert weights.getpixel((x, y)) == 0, (x, y)


def test_an_area_grows_by_a_share_of_the_short_edge_and_far() -> None:
    assert drawn("box 40,30 8x8 grow 12.5%").getbbox() == (32, 22, 56, 46)
    assert mask_from_words("box 600,300 1x1 grow 250", (1000, 600)).box == (350, 50, 851, 551)


def test_a_feather_lies_inside_and_falls_evenly_to_nothing() -> None:
    soft, hard = drawn("box 16,16 64x32 feather 8"), drawn("box 16,16 64x32")
    row = [soft.getpixel((x, 32)) for x in range(16, 30)]
    assert row == sorted(row, key=lambda level: level if isinstance(level, int) else 0)
    assert (row[0], row[-1]) == (28, 255)
    assert all(soft_ <= hard_ for soft_, hard_ in zip(soft.tobytes(), hard.tobytes(), strict=True))
    # At the edge of the picture there is nothing to blend with.
    assert drawn("box 0,0 48x64 feather 8").getpixel((0, 0)) == 255


numbers = st.integers(0, 40)


@given(left=numbers, upper=st.integers(0, 30), width=st.integers(2, 50), height=st.integers(1, 30), scale=numbers)
def test_a_frame_changes_the_numbers_and_not_the_mask(
    left: int, upper: int, width: int, height: int, scale: int
) -> None:
    of = scale + 1
    framed = f"box {left * of},{upper * of} {width * of}x{height * of} of {96 * of}x{64 * of}"
    expected = boxes((left, upper, left + width, upper + height)).tobytes()
    assert drawn(framed).tobytes() == drawn(f"box {left},{upper} {width}x{height}").tobytes() == expected


TOKENS = "box ellipse polygon everything but of grow feather to x + - , % ( ] 1 12,8 24x16 96x64 1000 -5 0 1e9 é \0 px"


@given(st.lists(st.sampled_from(TOKENS.split(" ")), max_size=14).map(" ".join))
def test_words_are_a_mask_or_a_picture_or_refused(text: str) -> None:
    with suppress(BadRequest):
        if parse_words(text) is not None:
            mask = mask_from_words(text, SIZE)
            assert (mask.width, mask.height) == SIZE
            assert 0 < mask.share <= masks.MAX_SHARE


@pytest.mark.parametrize(
    "name",
    ["mask.png", "box.png", "box 1,2 3x4.png", "./box 1", "7", "last", "boxes/a", "C:\\box 1\\a.webp", "ellipse"],
)
def test_a_name_of_a_picture_is_no_shape(name: str) -> None:
    assert parse_words(name) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("box 90,10 20x20", "the right edge, 90 + 20, lies outside 96x64. Which frame are these numbers of?"),
        ("box 10,50 to 20,65", "y 65 lies outside 96x64"),
        ("box -1,0 10x10", "x -1 lies outside"),
        ("polygon 1,1 5,5 97,1", "x 97 lies outside"),
        ("ellipse 10%,10% 95%x5%", "the right edge, 10% + 95%, lies outside"),
        ("box 10,10 10x10 of 96x96", "has another ratio than the picture, which is 96x64"),
        ("box 30,30,10,10", "For a corner and a size write `box 30,30 10x10`"),
        ("box 10,10 0x5", "has no pixels"),
        ("box 10", "at its end"),
        ("box 10,10 5x5 + blob 1,1", "at 'blob 1,1', where `box`"),
        ("box 10,10 5x5 of", "where the frame's size"),
        ("box 10,10 5x5 of 0", "a frame such as"),
        ("box 10,10 5x5 grow -3", "not negative"),
        ("box 10,10 5x5 grow 3 grow 4", "is not understood at 'grow 4'"),
        ("box 10,10 5x5 grow 65", "more than the short edge"),
        ("polygon 1,1 5,5", "three or more"),
        ("circle 10,10 20", "does not begin with a shape"),
        ("12,8,36,24", "does not begin with a shape"),
        ("box 10,10 5x5" + " + box 1,1 1x1" * 50, "50 are the most"),
        ("polygon " + "1,1 " * 2000, "5,000 are the most"),
        ("box 0,0 96x64", "marks 100.0% of the picture to change: to change all of it leave out `mask`"),
        ("box 10,10 5x5 - box 0,0 96x64", "marks nothing to change"),
        ("box 0.1,0.1 0.2x0.2", "name the frame"),
        ("box 0,0 96x63.9", "to change the rest turn the mask round"),
        ("everything but box 0,0 1x1", "what is to stay has to be at least 2.0% of the picture."),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_way_out(text: str, told: str) -> None:
    size = SIZE if "0.1," not in text else (1024, 640)
    with pytest.raises(BadRequest) as refused:
        mask_from_words(text, size) if parse_words(text) else pytest.fail("taken for a picture")
    assert told in str(refused.value)


def test_the_mask_of_a_large_picture_is_drawn_in_a_child_process() -> None:
    mask = mask_from_words("box 10%,10% 50%x50%", (8000, 6000))
    assert (facts(mask.data).width, mask.box) == (8000, (800, 600, 4800, 3600))
    with pytest.raises(BadRequest, match="lies outside 8000x6000"):
        mask_from_words("box 1,1 9000x10", (8000, 6000))


# Objects.


def scene(size: tuple[int, int] = (900, 600)) -> tuple[bytes, Image.Image]:
    """A bright ellipse on noise of other colours, and the weights of the ellipse."""
    noise = Image.effect_noise(size, 40)
    dark = (ImageChops.multiply(noise, Image.new("L", size, level)) for level in (80, 120, 60))
    ground = Image.merge("RGB", list(dark))
    truth = Image.new("L", size)
    ImageDraw.Draw(truth).ellipse((350, 200, 599, 399), fill=255)
    ground.paste((220, 150, 40), mask=truth)
    into = io.BytesIO()
    ground.save(into, "PNG")
    return into.getvalue(), truth


def test_around_marks_the_object_in_a_box_and_says_how_much_of_it_that_is() -> None:
    data, truth = scene()
    mask = mask_from_words("around 330,180 290x240", truth.size, data)
    marked = weights_of(mask)
    both = sum(ImageChops.darker(marked, truth).histogram()[255:])
    either = sum(ImageChops.lighter(marked, truth).histogram()[255:])
    assert both / either > 0.9
    assert re.fullmatch(r"`around` took 5\d% of the box", mask.how)
    without = weights_of(mask_from_words("everything but around 330,180 290x240", truth.size, data))
    assert without.tobytes() == ImageChops.invert(marked).tobytes()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("around 350,200 60x60", "under 4% of the picture"),
        ("around 20,20 200x150", "no object stands out in it"),
        ("around 0,0 890x590", "nothing lies around it"),
    ],
)
def test_around_takes_the_whole_box_where_no_object_can_be_told_and_says_so(text: str, why: str) -> None:
    data, truth = scene()
    mask = mask_from_words(text, truth.size, data)
    assert why in mask.how
    assert weights_of(mask).tobytes() == drawn(text.replace("around", "box"), truth.size).tobytes()


async def test_without_the_extra_around_says_how_to_get_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.photo()
    monkeypatch.setattr(masks, "is_installed", lambda: False)
    words = "around 100,100 400x400"
    text = await bench.refused("edit_image", prompt="a pond", images=["photo.png"], mask=words)
    assert "needs the extra `pixels`: install `gpt-image-2-mcp[pixels]`" in text
    assert not bench.seen()


# Pictures.


def black_and_white(kind: str = "PNG", size: tuple[int, int] = SIZE, mode: str = "L") -> bytes:
    """White in its left half."""
    into = io.BytesIO()
    boxes((0, 0, size[0] // 2, size[1]), size=size).convert(mode).save(into, kind)
    return into.getvalue()


@pytest.mark.parametrize(
    ("kind", "size", "mode"),
    [
        ("PNG", SIZE, "L"),
        ("PNG", SIZE, "1"),
        ("PNG", SIZE, "RGBA"),
        ("JPEG", (192, 128), "RGB"),
        ("WEBP", (960, 640), "RGB"),
        ("GIF", (48, 32), "P"),
        ("BMP", SIZE, "L"),
    ],
)
def test_black_and_white_of_any_kind_and_size_is_read_as_white_means_change(
    kind: str, size: tuple[int, int], mode: str
) -> None:
    mask = mask_from_picture(black_and_white(kind, size, mode), SIZE, name="The mask m")
    assert mask.how == "white means change" + ("" if size == SIZE else f"; scaled from {size[0]}x{size[1]}")
    weights = weights_of(mask)
    assert weights.size == SIZE
    assert [weights.getpixel((x, 30)) for x in (0, 40, 55, 95)] == [255, 255, 0, 0]


def test_soft_edges_stay_soft_and_the_noise_of_a_jpeg_marks_nothing() -> None:
    soft = Image.new("L", (200, 100), 12)
    soft.paste(250, (0, 0, 100, 100))
    soft.paste(128, (100, 0, 104, 100))
    into = io.BytesIO()
    soft.save(into, "PNG")
    weights = weights_of(mask_from_picture(into.getvalue(), (200, 100), name="The mask m"))
    assert [weights.getpixel((x, 50)) for x in (50, 102, 150)] == [255, 128, 0]


def test_transparency_is_read_before_colours_and_what_is_mostly_transparent_counts_where_nothing_is_wholly() -> None:
    image = Image.new("RGBA", SIZE, "white")
    image.paste((0, 0, 0, 40), (0, 0, 48, 64))
    into = io.BytesIO()
    image.save(into, "PNG")
    mask = mask_from_picture(into.getvalue(), SIZE, name="The mask m")
    assert (mask.how, mask.share, mask.box) == ("mostly transparent means change", 0.5, (0, 0, 48, 64))
    assert weights_of(mask).getpixel((0, 0)) == 255


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (encoded(size=SIZE), "looks like a photo and not like a mask"),
        (black_and_white(size=(96, 60)), r"is 96x60 and the first picture 96x64: .* same ratio\.$"),
        (black_and_white(size=(64, 96)), "is 64x96 and the first picture 96x64: .* turn the mask as well"),
        (black_and_white()[:60], "cannot be decoded"),
        (b"hello", "is no picture"),
    ],
)
def test_what_is_no_mask_is_refused(data: bytes, told: str) -> None:
    with pytest.raises(UnreadableSource, match=told):
        mask_from_picture(data, SIZE, name="The mask m")


def test_a_mask_that_stays_too_large_for_the_api_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masks, "MAX_MASK_BYTES", 3000)
    noise = Image.effect_noise(SIZE, 200)
    image = Image.merge("RGBA", (noise, noise, noise, ImageChops.subtract(noise, Image.new("L", SIZE, 100))))
    into = io.BytesIO()
    image.save(into, "PNG")
    with pytest.raises(UnreadableSource, match="must have fewer than 3,000"):
        mask_from_picture(into.getvalue(), SIZE, name="The mask m")


# Through the tools.


async def test_a_shape_in_words_is_sent_as_a_mask_and_the_answer_says_what_it_marks(bench: Bench) -> None:
    photo = bench.photo()
    words = "ellipse 10%,10% 30%x30%"
    answer = await bench.made("edit_image", prompt="a pond", images=["photo.png"], mask=words, size=SMALL)
    assert "marks 7.1% of the picture to change, within `box 102,64 308x192 of 1024x640`." in answer.text
    assert f"{words} (mask)" in answer.text
    with Image.open(photo) as before, Image.open(answer.path) as after:
        was, now = before.convert("RGB"), after.convert("RGB")
    assert was.getpixel((250, 160)) != now.getpixel((250, 160))
    record = (await bench.call("show_image", image=answer.path.stem)).meta or {}
    parents = [(parent["role"], parent["source"]) for parent in record["gpt-image-2/picture"]["parents"]]
    assert parents[:2] == [("image", "photo.png"), ("mask", words)]


@pytest.mark.thorough
async def test_a_mask_of_another_size_and_kind_is_scaled_and_the_answer_says_how_it_was_read(bench: Bench) -> None:
    bench.photo()
    (bench.working_dir / "mask.jpg").write_bytes(black_and_white("JPEG", (512, 320)))
    answer = await bench.made("edit_image", prompt="a pond", images=["photo.png"], mask="mask.jpg", size=SMALL)
    told = "The mask mask.jpg marks 50.0% of the picture to change (white means change; scaled from 512x320)"
    assert told in answer.text


async def test_what_marks_nothing_everything_or_lies_outside_is_refused_before_it_is_paid(bench: Bench) -> None:
    bench.photo()
    session = await bench.made("start_edit_session", prompt="bluer", images=["photo.png"], size=SMALL)
    for mask in ("box 0,0 1024x640", "box 1000,0 100x100", "box 5,5", "ellipse 0,0 1x1"):
        await bench.refused("edit_image", prompt="a pond", images=["photo.png"], mask=mask)
        await bench.refused("continue_edit_session", session_id=session.session_id, prompt="a pond", mask=mask)
    assert bench.knobs.paid == 1


@pytest.mark.thorough
async def test_the_words_of_a_turn_are_of_the_picture_of_the_turn_before(bench: Bench) -> None:
    bench.photo()
    session = await bench.made("start_edit_session", prompt="bluer", images=["photo.png"], size="640x1024")
    words = "box 0,500 640x500"
    answer = await bench.made("continue_edit_session", session_id=session.session_id, prompt="sea", mask=words)
    assert "`box 0,500 640x500 of 640x1024`" in answer.text


# Looking first.


async def shown(bench: Bench, **arguments: str) -> tuple[str, Image.Image]:
    """The text and the picture of an answer of `show_image`."""
    result = await bench.call("show_image", **arguments)
    text = said(result)
    assert not result.is_error, text
    (block,) = [block for block in result.content if isinstance(block, ImageContent)]
    return text, Image.open(io.BytesIO(base64.b64decode(block.data))).convert("RGB")


def pixel(image: Image.Image, x: int, y: int) -> bytes:
    """Red, green and blue."""
    return image.convert("RGB").crop((x, y, x + 1, y + 1)).tobytes()


def is_grey(image: Image.Image, x: int, y: int) -> bool:
    levels = pixel(image, x, y)
    return max(levels) - min(levels) < 12


async def test_a_mask_is_drawn_over_its_picture_for_nothing(bench: Bench) -> None:
    photo = bench.photo("photo.png", size=(1536, 1024))
    text, seen = await shown(bench, image="photo.png", mask="ellipse 100,100 400x400 of 1024x683")
    assert "marks 18.0% of the picture to change, within `box 150,150 600x600 of 1536x1024`." in text
    assert "The picture is shown at 1024x683. To point at a part in `mask`: `box LEFT,TOP WIDTHxHEIGHT of" in text
    assert seen.size == (1024, 683)
    with Image.open(photo) as image:
        was, now = pixel(image, 450, 450), pixel(seen, 300, 300)
    assert all(abs(is_ - should) < 12 for is_, should in zip(now, was, strict=True))
    assert is_grey(seen, 900, 600)
    assert not is_grey(seen, 300, 98), "the outline"
    assert not bench.seen()


@pytest.mark.thorough
async def test_a_mask_over_a_large_picture_is_drawn_in_a_child_process(bench: Bench) -> None:
    Image.new("RGB", (7000, 5000), "teal").save(bench.working_dir / "large.jpg")
    text, seen = await shown(bench, image="large.jpg", mask="box 10%,10% 50%x50%")
    assert "within `box 700,500 3500x2500 of 7000x5000`" in text
    assert seen.size == (1024, 731)
    assert (is_grey(seen, 400, 300), is_grey(seen, 900, 600)) == (False, True)


async def test_a_picture_that_was_made_here_is_shown_with_a_mask_of_black_and_white(bench: Bench) -> None:
    await bench.made("generate_image", prompt="a fox", size=SMALL)
    (bench.working_dir / "mask.png").write_bytes(black_and_white(size=(512, 320)))
    text, seen = await shown(bench, image="last", mask="mask.png")
    assert "white means change; scaled from 512x320" in text
    assert "shown at 1024x640. To point at a part in `mask`: `box LEFT,TOP WIDTHxHEIGHT of 1024x640`." in text
    assert is_grey(seen, 900, 320)


async def test_a_whole_picture_says_how_to_point_at_a_part_of_it(bench: Bench) -> None:
    bench.photo("large.png", size=(2000, 1000))
    text, seen = await shown(bench, image="large.png")
    assert "The whole picture, 2000x1000, shown at 1024x512. To point at a part in `mask`" in text
    assert seen.size == (1024, 512)


async def test_a_mask_that_an_edit_would_refuse_is_refused_when_it_is_shown(bench: Bench) -> None:
    bench.photo()
    assert "Which frame" in await bench.refused("show_image", image="photo.png", mask="box 1000,0 100x100")
    both = {"mask": "box 1,1 99x99", "region": "0,0,9,9"}
    assert "leave one of them out" in await bench.refused("show_image", image="photo.png", **both)
    assert "is never read" in await bench.refused("show_image", image="photo.png", mask="/etc/shadow")


def test_the_png_of_a_mask_has_sound_checksums_in_every_chunk() -> None:
    data = mask_from_words("box 10,10 20x20", SIZE).data
    at, kinds = 8, list[bytes]()
    while at < len(data):
        length = int.from_bytes(data[at : at + 4])
        kinds.append(data[at + 4 : at + 8])
        assert zlib.crc32(data[at + 4 : at + 8 + length]) == int.from_bytes(data[at + 8 + length : at + 12 + length])
        at += length + 12
    assert kinds == [b"IHDR", b"IDAT", b"IEND"]
