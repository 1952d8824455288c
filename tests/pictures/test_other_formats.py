"""Inputs as people have them: formats that the API does not take, other colours, transparency, very large pictures."""

import base64
import random
from collections.abc import Callable
from typing import Any

import pytest
from drawings import CORNERS, corners, opened, saved
from heic import HEIC, TURNED_HEIC
from PIL import Image, ImageCms, PngImagePlugin
from workbench import EDITS, SMALL, Benches

from gpt_image_2_mcp.errors import UnreadableSource
from gpt_image_2_mcp.images import facts, validate
from gpt_image_2_mcp.images.preview import make_preview
from gpt_image_2_mcp.images.region import Box, cut_region
from gpt_image_2_mcp.images.thumbnail import make_thumbnail

ORIENTATION = 0x0112


def pixel(image: Image.Image, place: tuple[int, int]) -> tuple[int, ...]:
    found = image.convert("RGB").getpixel(place)
    assert isinstance(found, tuple)
    return tuple(map(int, found))


def is_near(found: tuple[int, ...], wanted: tuple[int, ...], tolerance: int = 12) -> bool:
    return all(abs(is_ - should) <= tolerance for is_, should in zip(found, wanted, strict=True))


def holed() -> Image.Image:
    """Red under the hole."""
    image = corners("RGBA")
    image.paste((255, 0, 0, 0), (0, 0, 24, 16))
    return image


OTHERS: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "GIF": (lambda: saved(corners(), "GIF"), "png", "converted from GIF"),
    "animated GIF": (
        lambda: saved(corners(), "GIF", save_all=True, append_images=[Image.new("RGB", (48, 32))]),
        "png",
        "converted from GIF, reduced to its first frame",
    ),
    "BMP": (lambda: saved(corners(), "BMP"), "png", "converted from BMP"),
    "TIFF": (lambda: saved(corners(), "TIFF"), "png", "converted from TIFF"),
    "TIFF of pages": (
        lambda: saved(corners(), "TIFF", save_all=True, append_images=[Image.new("RGB", (48, 32))]),
        "png",
        "converted from TIFF, reduced to its first page",
    ),
    "CMYK TIFF": (lambda: saved(corners("CMYK"), "TIFF"), "png", "converted from TIFF, converted from CMYK to RGB"),
    "AVIF": (lambda: saved(corners(), "AVIF", quality=95), "jpeg", "converted from AVIF"),
    "HEIC": (lambda: HEIC, "jpeg", "converted from HEIC"),
}


@pytest.mark.parametrize(("make", "becomes", "told"), OTHERS.values(), ids=OTHERS)
def test_other_formats_are_converted_and_told(make: Callable[[], bytes], becomes: str, told: str) -> None:
    judged = validate(make(), name="a.x")
    assert judged.facts.format == becomes
    assert judged.change is not None
    assert f"a.x was {told} and re-encoded as {becomes.upper()}" in judged.change
    image = opened(judged.data)
    assert image.size == (48, 32)
    places = ((4, 4), (44, 4), (4, 28), (44, 28))
    assert all(is_near(pixel(image, place), colour, 40) for place, colour in zip(places, CORNERS, strict=True))
    assert validate(judged.data).change is None


def test_a_turned_heic_is_turned_once() -> None:
    image = opened(validate(TURNED_HEIC).data)
    assert image.size == (32, 48)
    assert is_near(pixel(image, (28, 4)), (255, 0, 0), 40)


def test_16_bits_of_a_tiff_are_scaled() -> None:
    judged = validate(saved(Image.new("I;16", (8, 8), 0x8000), "TIFF"))
    assert opened(judged.data).getpixel((0, 0)) == 0x80


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "BMP", "AVIF", "HEIC"])
def test_what_is_cut_short_is_refused(kind: str) -> None:
    data = HEIC if kind == "HEIC" else saved(corners(size=(480, 320)), kind)
    with pytest.raises(UnreadableSource, match=r"cut short, damaged or of a rare kind\. Save it anew"):
        validate(data[: len(data) * 2 // 3])


def test_numbers_and_raw_photographs_are_refused_by_name() -> None:
    with pytest.raises(UnreadableSource, match="numbers of 32 bits and not of colours: export it with 8 or 16"):
        validate(saved(Image.new("F", (8, 8)), "TIFF"))
    with pytest.raises(UnreadableSource, match="is a RAW photograph, which is not developed here: export a JPEG"):
        validate(saved(corners(), "TIFF", tiffinfo={50706: b"\1\4\0\0"}))


def wide_profile() -> bytes:
    """An sRGB profile whose red and green are those of a wider space, as Adobe RGB's and Display P3's are."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    for tag in (b"rXYZ", b"gXYZ"):
        entry = profile.index(tag, 128)
        at = int.from_bytes(profile[entry + 4 : entry + 8], "big") + 8
        x = int.from_bytes(profile[at : at + 4], "big", signed=True)
        profile[at : at + 4] = int(x * 1.2).to_bytes(4, "big", signed=True)
    return bytes(profile)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
def test_other_colours_are_brought_to_srgb(kind: str) -> None:
    grey_red = Image.new("RGB", (48, 32), (150, 90, 90))
    judged = validate(saved(grey_red, kind, icc_profile=wide_profile(), **({"quality": 100} if kind != "PNG" else {})))
    assert judged.change is not None
    assert "to sRGB" in judged.change
    image = opened(judged.data)
    assert "icc_profile" not in image.info
    red, green, blue = pixel(image, (9, 9))
    assert red > 155, "the profile's red is stronger than sRGB's"
    assert (red, green, blue) != (150, 90, 90)
    assert validate(judged.data).change is None


def test_an_orientation_in_xmp_is_none() -> None:
    """Programs that turn the pixels and take EXIF away often leave the XMP behind."""
    xmp = '<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", xmp)
    for data in (saved(corners(), "PNG", pnginfo=info), saved(corners(), "JPEG", xmp=xmp.encode())):
        assert validate(data).change is None


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF"])
def test_what_is_transparent_is_laid_on_a_ground_and_its_hidden_colours_stay_here(kind: str) -> None:
    lossless = {"PNG": {}, "WEBP": {"lossless": True, "exact": True}, "AVIF": {"quality": 100}}[kind]
    judged = validate(saved(holed(), kind, **lossless), name="logo")
    assert judged.change is not None
    assert "laid on a plain white ground" in judged.change
    image = opened(judged.data)
    assert image.mode == "RGB"
    assert is_near(pixel(image, (9, 6)), (255, 255, 255))
    assert is_near(pixel(image, (44, 28)), (255, 255, 0))


def test_a_white_drawing_is_laid_on_a_dark_ground() -> None:
    image = Image.new("RGBA", (48, 32), (255, 255, 255, 0))
    image.paste((250, 250, 250, 255), (10, 10, 20, 20))
    judged = validate(saved(image, "PNG"))
    assert judged.change is not None
    assert "laid on a plain dark grey ground" in judged.change
    assert pixel(opened(judged.data), (2, 2)) == (64, 64, 64)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("share", [500_000, 10_000], ids=["whole", "scaled"])
def test_previews_and_thumbnails_are_upright_and_in_srgb(kind: str, share: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    image = Image.new("RGB", (480, 320), (150, 90, 90))
    image.paste((90, 150, 90), (0, 0, 240, 320))
    options: dict[str, Any] = {} if kind == "PNG" else {"quality": 100}
    data = saved(image, kind, exif=exif, icc_profile=wide_profile(), **options)
    preview = make_preview(data, facts(data), share=share)
    thumbnail = make_thumbnail(data)
    assert preview is not None
    assert thumbnail is not None
    for shown in (base64.b64decode(preview.base64), thumbnail):
        small = opened(shown)
        assert small.height > small.width
        assert "icc_profile" not in small.info
        assert pixel(small, (small.width // 2, small.height - 9))[0] > 155, "stronger than sRGB's, and below"


def test_a_region_in_other_colours_is_told_to_be_converted() -> None:
    data = saved(Image.new("RGB", (480, 320), (150, 90, 90)), "PNG", icc_profile=wide_profile())
    region = cut_region(data, facts(data), Box(0, 0, 9, 9), share=500_000)
    assert "pixel for pixel, with its colours brought to sRGB" in region.description
    assert not region.lossless


def test_grey_of_16_bits_is_shown_as_grey() -> None:
    data = saved(Image.new("I;16", (480, 320), 0x8000), "PNG")
    thumbnail = make_thumbnail(data)
    assert thumbnail is not None
    assert is_near(pixel(opened(thumbnail), (9, 9)), (128, 128, 128), 3)


def flat(kind: str) -> bytes:
    """60 megapixels of noise in rows, so that nothing but their number is large."""
    row = Image.frombytes("RGB", (8000, 1), random.Random(3).randbytes(24_000))  # noqa: S311 - the same each time
    options = {"compress_level": 1} if kind == "PNG" else {"quality": 30}
    rows = row.resize((8000, 7600))  # pyright: ignore[reportUnknownMemberType] - numpy's
    return saved(rows, kind, **options)


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_picture_of_more_than_50_megapixels_is_shrunk(kind: str) -> None:
    judged = validate(flat(kind), name="wall")
    assert (judged.facts.width, judged.facts.height) == (4000, 3800)
    assert judged.change is not None
    assert "reduced to half its width and height" in judged.change


@pytest.mark.anyio
async def test_the_backend_gets_the_converted_picture(benches: Benches) -> None:
    bench = await benches.open()
    bench.photo("IMG_0001.HEIC.png").with_name("IMG_0001.HEIC").write_bytes(HEIC)
    made = await bench.made("edit_image", images=["IMG_0001.HEIC"], prompt="a hat", size=SMALL)
    assert "IMG_0001.HEIC was converted from HEIC and re-encoded as JPEG" in made.text
    (file,) = bench.last().files
    assert (file.mime_type, bench.last().path) == ("image/jpeg", EDITS)
