"""A region of a picture: inside it, pixel for pixel where it fits, and said as it is."""

import base64
import io
from random import Random

import pytest
from album import colour_at, file_of, flat, near, opened
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot
from PIL import Image, ImageChops, ImageOps
from workbench import encoded, folded, picture

from gpt_image_2_mcp.errors import BadRequest, UnreadableSource
from gpt_image_2_mcp.images import Facts, facts
from gpt_image_2_mcp.images.decode import upright_facts
from gpt_image_2_mcp.images.region import QUALITIES, Box, Region, cut_region, parse_box

ROOM = 525_000
PAGE = Facts("png", 1024, 640, alpha=False)


def noisy(size: tuple[int, int]) -> Image.Image:
    """Worst for every encoder."""
    return Image.frombytes("RGB", size, Random(7).randbytes(3 * size[0] * size[1]))  # noqa: S311 - the same noise each time


def seen(view: Region) -> Image.Image:
    return opened(base64.b64decode(view.preview.base64))


def size_of(view: Region) -> int:
    return len(base64.b64decode(view.preview.base64))


def differs(one: Image.Image, other: Image.Image) -> int:
    return max(ImageChops.difference(one.convert("RGBA"), other.convert("RGBA")).tobytes())


@pytest.mark.parametrize("text", ["100,200,512,300", " 100 , 200,\t512, 300 ", "0100,200,512,300"])
def test_a_box_is_read(text: str) -> None:
    assert parse_box(text, PAGE) == Box(100, 200, 512, 300)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1,2,3",
        "1,2,3,4,5",
        "1.5,2,3,4",
        "a,b,c,d",
        "1 2 3 4",
        "\u0661,\u0662,\u0663,\u0664",
        "1,2,3,4\x00",
        "1,2,3,9999999999",
        "+1,2,3,4",
    ],
)
def test_what_is_not_four_numbers_is_said_to_be(text: str) -> None:
    with pytest.raises(BadRequest, match="is not four whole numbers: give left,top,width,height"):
        parse_box(text, PAGE)


def test_an_error_says_what_would_be_right() -> None:
    said: list[str] = []
    for text in ("upper left", "1024,0,1,1", "-1,0,10,10", "0,640,1,1", "900,0,512,10", "0,600,10,41", "0,0,0,5"):
        with pytest.raises(BadRequest) as caught:
            parse_box(text, PAGE)
        said.append(str(caught.value))
    assert folded("\n".join(said)) == snapshot("""\
The region 'upper left' is not four whole numbers: give left,top,width,height in pixels, such as
0,0,512,320 for the upper left quarter of this 1024x640 picture.
The region '1024,0,1,1' begins outside the 1024x640 picture: left is 1024, and 0 to 1023 is
possible.
The region '-1,0,10,10' begins outside the 1024x640 picture: left is -1, and 0 to 1023 is possible.
The region '0,640,1,1' begins outside the 1024x640 picture: top is 640, and 0 to 639 is possible.
The region '900,0,512,10' of the 1024x640 picture goes beyond its edge: width is 512, and with left
900 it can be 1 to 124.
The region '0,600,10,41' of the 1024x640 picture goes beyond its edge: height is 41, and with top
600 it can be 1 to 40.
The region '0,0,0,5' of the 1024x640 picture has no pixels: width is 0, and with left 0 it can be 1
to 1024.\
""")


def test_a_long_text_is_not_repeated_whole() -> None:
    with pytest.raises(BadRequest) as caught:
        parse_box("1," * 100_000, PAGE)
    assert len(str(caught.value)) < 400


@given(st.integers(1, 5000), st.integers(1, 5000), *[st.integers(-10, 6000)] * 4)
def test_exactly_the_boxes_inside_the_picture_are_taken(
    width: int, height: int, left: int, top: int, wide: int, high: int
) -> None:
    page = Facts("png", width, height, alpha=False)
    text = f"{left},{top},{wide},{high}"
    if left >= 0 and top >= 0 and wide >= 1 and high >= 1 and left + wide <= width and top + high <= height:
        box = parse_box(text, page)
        assert str(box) == text
    else:
        with pytest.raises(BadRequest, match=f"{width}x{height}"):
            parse_box(text, page)


@given(st.text())
def test_any_text_is_a_box_or_an_error_of_ours(text: str) -> None:
    try:
        box = parse_box(text, PAGE)
    except BadRequest:
        return
    assert 0 <= box.left < box.left + box.width <= PAGE.width
    assert 0 <= box.top < box.top + box.height <= PAGE.height


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "LA"])
def test_a_region_that_fits_is_the_pictures_own_pixels(mode: str) -> None:
    image = picture((400, 300)).convert(mode)
    data = file_of(image)
    view = cut_region(data, facts(data), Box(30, 40, 200, 101), share=ROOM)
    assert (view.preview.mime_type, view.factor, view.lossless) == ("image/png", 1, True)
    assert seen(view).size == (200, 101)
    assert differs(seen(view), image.crop((30, 40, 230, 141))) == 0


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_the_whole_of_a_small_picture_is_its_file(kind: str) -> None:
    data = encoded(kind)
    view = cut_region(data, facts(data), Box(0, 0, 1024, 640), share=ROOM)
    assert base64.b64decode(view.preview.base64) == data
    assert view.lossless


def test_one_pixel_is_a_region() -> None:
    data = encoded()
    view = cut_region(data, facts(data), Box(1023, 639, 1, 1), share=ROOM)
    assert differs(seen(view), picture().crop((1023, 639, 1024, 640))) == 0


def test_what_does_not_fit_as_png_goes_at_full_size_and_high_quality() -> None:
    data = file_of(noisy((300, 300)))
    view = cut_region(data, facts(data), Box(0, 0, 290, 290), share=190_000)
    assert (view.preview.mime_type, view.factor, view.lossless) == ("image/jpeg", 1, False)
    assert seen(view).size == (290, 290)
    assert size_of(view) <= 190_000
    assert folded(view.description) == snapshot(
        "The region 290x290 at left 0, top 0 of the 300x300 picture, at full size, as JPEG of quality 88."
    )


def test_what_does_not_fit_even_so_is_scaled_and_said_to_be() -> None:
    data = file_of(noisy((1200, 800)))
    view = cut_region(data, facts(data), Box(100, 0, 1100, 800), share=200_000)
    assert 0 < view.factor < 1
    assert seen(view).width == round(1100 * view.factor)
    assert size_of(view) <= 200_000
    assert folded(view.description) == snapshot("""\
The region 1100x800 at left 100, top 0 of the 1200x800 picture, scaled to 41% of its size to fit
into the answer; a smaller region is shown larger.\
""")


def test_transparency_is_kept_where_the_region_has_any() -> None:
    image = noisy((600, 600)).convert("RGBA")
    image.paste((0, 0, 0, 0), (300, 0, 600, 600))
    data = file_of(image)
    clear = cut_region(data, facts(data), Box(200, 0, 400, 600), share=150_000)
    assert clear.preview.mime_type == "image/webp"
    assert seen(clear).convert("RGBA").getpixel((seen(clear).width - 1, 5)) == (0, 0, 0, 0)
    opaque = cut_region(data, facts(data), Box(0, 0, 300, 600), share=150_000)
    assert opaque.preview.mime_type == "image/jpeg"


@settings(max_examples=60)
@given(
    st.sampled_from(["PNG", "JPEG", "WEBP"]),
    st.booleans(),
    st.tuples(st.integers(0, 159), st.integers(0, 119), st.integers(1, 160), st.integers(1, 120)),
    st.integers(2_000, 60_000),
)
def test_a_region_always_fits_and_is_never_called_better_than_it_is(
    kind: str, noise: bool, box: tuple[int, int, int, int], share: int
) -> None:
    left, top, width, height = box
    assume(left + width <= 160)
    assume(top + height <= 120)
    data = file_of(noisy((160, 120)) if noise else picture((160, 120)), kind)
    view = cut_region(data, facts(data), Box(*box), share=share)
    assert size_of(view) <= share
    there = opened(data).crop((left, top, left + width, top + height))
    if view.lossless:
        assert differs(seen(view), there) == 0
    if view.factor == 1:
        assert seen(view).size == (width, height)
    assert view.lossless == ("pixel for pixel" in view.description)
    assert (view.factor < 1) == ("scaled to" in view.description)


def test_a_region_keeps_the_colour_profile_that_its_pixels_are_meant_for() -> None:
    profile = b"a profile, as far as a PNG cares"
    out = io.BytesIO()
    picture((400, 400)).save(out, "PNG", icc_profile=profile)
    data = out.getvalue()
    view = cut_region(data, facts(data), Box(0, 0, 100, 100), share=ROOM)
    assert view.lossless
    assert seen(view).info["icc_profile"] == profile


def test_the_lowest_quality_still_shows_a_thin_line() -> None:
    image = Image.new("RGB", (400, 400), "white")
    image.paste(noisy((150, 400)), (0, 0))
    image.paste((220, 20, 20), (200, 0, 201, 400))
    data = file_of(image)
    view = cut_region(data, facts(data), Box(0, 0, 400, 400), share=95_000)
    assert view.factor == 1
    assert f"quality {QUALITIES[-1]}" in view.description
    assert near(colour_at(seen(view), 200, 100), (220, 20, 20), by=40)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_broken_picture_is_said_to_be(kind: str) -> None:
    data = encoded(kind)
    with pytest.raises(UnreadableSource, match=r"The picture cannot be decoded .*no region of it can be shown"):
        cut_region(data[: len(data) // 2], facts(data), Box(0, 0, 10, 10), share=ROOM)


def test_a_share_that_nothing_fits_into_is_a_mistake() -> None:
    data = flat((1, 2, 3))
    with pytest.raises(ValueError, match="No picture fits into 10 bytes"):
        cut_region(data, facts(data), Box(0, 0, 10, 10), share=10)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_region_of_a_turned_picture_is_that_of_the_picture_as_it_is_shown(kind: str, orientation: int) -> None:
    """OpenAI sends none, but other backends do, and every program turns them."""
    stored = Image.linear_gradient("L").crop((0, 0, 48, 32)).convert("RGB")
    stored.paste((200, 0, 0), (0, 0, 20, 10))
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    stored.save(out, kind, exif=exif, lossless=True, quality=100, subsampling=0)
    data = out.getvalue()
    with Image.open(io.BytesIO(data)) as image:
        turned = ImageOps.exif_transpose(image).convert("RGB")
    upright = upright_facts(data)
    assert (upright.width, upright.height) == turned.size
    for box in (Box(3, 5, 12, 9), Box(0, 0, *turned.size)):
        region = cut_region(data, upright, box, share=100_000)
        place = (box.left, box.top, box.left + box.width, box.top + box.height)
        assert ImageChops.difference(seen(region).convert("RGB"), turned.crop(place)).getbbox() is None
