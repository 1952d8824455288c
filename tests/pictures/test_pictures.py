"""What bytes are a picture that can be sent, and what is sent for one that the API would refuse."""

import random
import struct
import zlib
from collections.abc import Callable
from importlib import import_module

import pytest
from drawings import CORNERS, corners, opened, saved
from hypothesis import given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot
from PIL import Image, ImageCms
from promises import promise

from gpt_image_2_mcp.errors import UnreadableSource
from gpt_image_2_mcp.images import Facts, facts, sniff, validate
from gpt_image_2_mcp.images import structure as chunks
from gpt_image_2_mcp.images.normalize import encode
from gpt_image_2_mcp.images.other_formats import recognise
from gpt_image_2_mcp.masks.mask import mask_from_picture

ORIENTATION = 0x0112
validating = import_module("gpt_image_2_mcp.images.validate")
"""The module: its package has the function under the same name."""
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


def noise(size: tuple[int, int] = (64, 48)) -> Image.Image:
    pixels = random.Random(7).randbytes(3 * size[0] * size[1])  # noqa: S311 - the same noise every time
    return Image.frombytes("RGB", size, pixels)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(
    *,
    width: int,
    height: int,
    bits: int = 8,
    colour: int = 2,
    interlace: int = 0,
    pixels: bytes,
    before: bytes = b"",
) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlace)
    return PNG_MAGIC + chunk(b"IHDR", header) + before + chunk(b"IDAT", zlib.compress(pixels, 9)) + chunk(b"IEND", b"")


def refusal(data: bytes) -> str:
    with pytest.raises(UnreadableSource) as caught:
        validate(data, name="input.png")
    return str(caught.value)


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[ORIENTATION] = orientation
    return tags


def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType] - Pillow leaves it untyped


def scans(data: bytes, count: int) -> bytes:
    """A progressive JPEG whose last scan is written `count` times more."""
    start = data.rindex(b"\xff\xda")
    return data[:-2] + data[start:-2] * count + data[-2:]


AS_THEY_ARE: dict[str, Callable[[], bytes]] = {
    "RGB PNG": lambda: saved(corners(), "PNG"),
    "RGBA PNG": lambda: saved(corners("RGBA"), "PNG"),
    "grey PNG": lambda: saved(corners("L"), "PNG"),
    "interlaced PNG": lambda: png(width=1, height=1, interlace=1, pixels=b"\0abc"),
    "baseline JPEG": lambda: saved(corners(), "JPEG"),
    "progressive JPEG": lambda: saved(corners(), "JPEG", progressive=True),
    "grey JPEG": lambda: saved(corners("L"), "JPEG"),
    "lossy WebP": lambda: saved(corners(), "WEBP"),
    "lossless WebP": lambda: saved(corners(), "WEBP", lossless=True),
    "WebP with alpha": lambda: saved(corners("RGBA"), "WEBP"),
    "sRGB JPEG": lambda: saved(corners(), "JPEG", icc_profile=srgb()),
}


@pytest.mark.parametrize("make", AS_THEY_ARE.values(), ids=AS_THEY_ARE)
def test_a_plain_picture_goes_byte_for_byte(make: Callable[[], bytes]) -> None:
    data = make()
    judged = validate(data)
    assert judged.data is data
    assert judged.change is None
    with opened(data) as image:
        assert (judged.facts.width, judged.facts.height) == image.size
        assert judged.facts.alpha == (image.mode == "RGBA")


def with_alpha() -> Image.Image:
    image = corners("RGBA")
    image.paste((9, 9, 9, 0), (0, 0, 24, 16))
    return image


REBUILT: dict[str, tuple[Callable[[], bytes], str]] = {
    "palette PNG": (lambda: saved(corners("P"), "PNG"), "RGB"),
    "16-bit RGB PNG": (lambda: png(width=1, height=1, bits=16, pixels=b"\0\xff\xff\x80\0\0\0"), "RGB"),
    "16-bit grey PNG": (lambda: saved(Image.new("I;16", (48, 32), 0x8000), "PNG"), "L"),
    "1-bit PNG": (lambda: saved(corners("1"), "PNG"), "L"),
    "4-bit grey PNG": (lambda: png(width=2, height=1, bits=4, colour=0, pixels=b"\0\x0f"), "L"),
    "grey and alpha PNG": (lambda: saved(with_alpha().convert("LA"), "PNG"), "RGB"),
    "palette and tRNS PNG": (lambda: saved(with_alpha().quantize(), "PNG"), "RGB"),
    "APNG": (lambda: saved(corners(), "PNG", save_all=True, append_images=[noise((48, 32))]), "RGB"),
    "animated WebP": (
        lambda: saved(corners(), "WEBP", save_all=True, append_images=[noise((48, 32))], lossless=True),
        "RGB",
    ),
    "turned WebP": (lambda: saved(corners(), "WEBP", lossless=True, exif=exif(3)), "RGB"),
}


@pytest.mark.parametrize(("make", "mode"), REBUILT.values(), ids=REBUILT)
def test_a_picture_that_the_api_would_refuse_is_rebuilt_as_a_plain_png(make: Callable[[], bytes], mode: str) -> None:
    judged = validate(make(), name="photo")
    assert judged.facts == facts(judged.data)
    assert judged.facts.format == "png"
    assert judged.change is not None
    assert judged.change.startswith("photo was ")
    with opened(judged.data) as image:
        assert image.mode == mode
    assert validate(judged.data).change is None


def test_a_file_with_several_pictures_is_cut_behind_the_first_without_loss() -> None:
    data = saved(corners(), "MPO", save_all=True, append_images=[noise((48, 32))])
    judged = validate(data, name="photo")
    assert judged.change == snapshot(
        "photo was reduced to its first picture, whose pixels are unchanged: the API takes no file with several (MPO)."
    )
    assert judged.data.count(b"\xff\xd8\xff") == 1
    assert rgb(judged.data) == rgb(data)
    assert validate(judged.data).change is None
    turned = validate(saved(corners(), "MPO", save_all=True, append_images=[noise((48, 32))], exif=exif(6)))
    assert turned.change is not None
    assert "reduced to its first picture" in turned.change
    assert (turned.facts.width, turned.facts.height) == (32, 48)


def test_a_jpeg_that_is_rebuilt_stays_a_jpeg() -> None:
    data = saved(corners("CMYK"), "JPEG", quality=100)
    judged = validate(data)
    assert judged.facts.format == "jpeg"
    assert validate(judged.data).change is None
    differences = [abs(a - b) for a, b in zip(rgb(data), rgb(judged.data), strict=True)]
    assert sum(differences) / len(differences) < 2


def rgb(data: bytes) -> bytes:
    with opened(data).convert("RGB") as image:
        return image.tobytes()


def test_a_change_is_told_with_its_reason() -> None:
    several = validate(saved(corners("CMYK"), "JPEG", exif=exif(6)), name="portrait.jpg").change
    assert several == snapshot(
        "portrait.jpg was turned upright, converted from CMYK to RGB and re-encoded as JPEG: its EXIF orientation "
        "would have been ignored; the API takes no CMYK."
    )


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_is_turned_upright_as_its_exif_says(orientation: int, kind: str) -> None:
    """The eight turns are undone by the eight ways to store a picture, so that all come out alike."""
    undo = {
        1: [],
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.ROTATE_90, Image.Transpose.FLIP_TOP_BOTTOM],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.ROTATE_90, Image.Transpose.FLIP_LEFT_RIGHT],
        8: [Image.Transpose.ROTATE_270],
    }
    stored = corners()
    for step in undo[orientation]:
        stored = stored.transpose(step)
    judged = validate(saved(stored, kind, exif=exif(orientation), **({"quality": 100} if kind == "JPEG" else {})))
    assert (judged.change is None) == (orientation == 1)
    assert (judged.facts.width, judged.facts.height) == (48, 32)
    with opened(judged.data).convert("RGB") as image:
        seen = [image.getpixel(place) for place in ((4, 4), (44, 4), (4, 28), (44, 28))]
    for pixel, colour in zip(seen, CORNERS, strict=True):
        assert isinstance(pixel, tuple)
        assert all(abs(is_ - should) < 12 for is_, should in zip(pixel, colour, strict=True))


def test_an_orientation_that_means_nothing_changes_nothing() -> None:
    assert validate(saved(corners(), "JPEG", exif=exif(9))).data == saved(corners(), "JPEG")


def test_damaged_metadata_is_no_reason_to_refuse_a_picture() -> None:
    data = saved(corners(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert validate(data).data == saved(corners(), "JPEG")


def test_a_rebuilt_picture_does_not_take_its_metadata_along() -> None:
    """A photograph's EXIF may name the place where it was taken."""
    tags = exif(6)
    tags[0x010E] = "secret place"
    assert b"secret place" not in validate(saved(corners(), "JPEG", exif=tags)).data


def test_16_bits_are_scaled_and_not_clipped() -> None:
    judged = validate(saved(Image.new("I;16", (8, 8), 0x8000), "PNG"))
    assert opened(judged.data).getpixel((0, 0)) == 0x80


@pytest.mark.parametrize(
    ("bits", "colour", "key", "pixels"),
    [
        (8, 0, b"\0\x07", b"\0\x07\x08"),
        (8, 2, b"\0\x07\0\x08\0\x09", b"\0\x07\x08\x09\x08\x08\x08"),
        (1, 0, b"\0\1", b"\0\x80"),
        (4, 0, b"\0\x07", b"\0\x78"),
        (16, 0, b"\x70\x00", b"\0\x70\x00\x80\x00"),
        (16, 0, b"\x80\x00", b"\0\x80\x00\x80\x01"),
        (16, 0, b"\x00\xff", b"\0\x00\xff\x00\xfe"),
        (16, 2, b"\x70\x00\x00\x00\xff\xff", b"\0\x70\x00\x00\x00\xff\xff\x80\x00\x00\x00\xff\xff"),
        (16, 2, b"\x00\xff\x00\xff\x00\xff", b"\0\x00\xff\x00\xff\x00\xff\x80\x00\x00\x00\xff\xff"),
    ],
    ids=[
        "grey",
        "rgb",
        "1-bit",
        "4-bit",
        "16-bit grey",
        "neighbours",
        "half a level",
        "16-bit rgb",
        "16-bit rgb, half",
    ],
)
def test_a_transparent_colour_becomes_alpha(bits: int, colour: int, key: bytes, pixels: bytes) -> None:
    data = png(width=2, height=1, bits=bits, colour=colour, pixels=pixels, before=chunk(b"tRNS", key))
    assert facts(data).alpha
    image = opened(mask_from_picture(data, (2, 1), name="It").data)
    alphas = [pixel[3] for pixel in (image.getpixel((x, 0)) for x in (0, 1)) if isinstance(pixel, tuple)]
    assert alphas == [0, 255]


def test_a_palette_keeps_its_alpha() -> None:
    image = opened(mask_from_picture(saved(with_alpha().quantize(), "PNG"), with_alpha().size, name="It").data)
    transparent, opaque = image.getpixel((4, 4)), image.getpixel((40, 28))
    assert isinstance(transparent, tuple)
    assert isinstance(opaque, tuple)
    assert (transparent[3], opaque[3]) == (0, 255)


@pytest.mark.parametrize("profile", [b"no profile", b"\0" * 16 + b"CMYK" + b"\0" * 108])
def test_a_colour_profile_that_does_not_work_is_left_behind(profile: bytes) -> None:
    judged = validate(saved(corners("CMYK"), "JPEG", icc_profile=profile))
    assert "icc_profile" not in opened(judged.data).info


def test_a_cmyk_profile_is_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    """No CMYK profile is at hand to test with: what counts is that it is asked, and its answer taken."""

    def converted(image: Image.Image, *_: object, **__: object) -> Image.Image:
        return Image.new("RGB", image.size, (1, 2, 3))

    monkeypatch.setattr(ImageCms, "profileToProfile", converted)
    profile = srgb()[:16] + b"CMYK" + srgb()[20:]
    judged = validate(saved(corners("CMYK"), "JPEG", icc_profile=profile))
    pixel = opened(judged.data).getpixel((0, 0))
    assert isinstance(pixel, tuple)
    assert all(abs(is_ - should) < 3 for is_, should in zip(pixel, (1, 2, 3), strict=True))


def test_a_rebuilt_picture_that_is_too_large_as_png_becomes_a_jpeg_or_webp(monkeypatch: pytest.MonkeyPatch) -> None:
    photo = noise((400, 300))
    data = saved(photo, "WEBP", exif=exif(6))
    monkeypatch.setattr(validating, "MAX_BYTES", 2 * len(data))
    judged = validate(data)
    assert judged.facts == Facts(format="jpeg", width=300, height=400, alpha=False)
    assert len(judged.data) <= 2 * len(data)
    opaque = encode(photo.convert("RGBA"), limit=2 * len(data), lossy=False)
    assert opaque is not None
    assert sniff(opaque) == "webp"


@pytest.mark.parametrize(("size", "mode"), [((200, 200), "RGB"), ((200, 200), "RGBA"), ((16384, 2), "RGBA")])
def test_a_picture_that_is_too_large_in_every_form_is_refused(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], mode: str
) -> None:
    photo = noise(size)
    data = saved(photo.convert(mode), "PNG", exif=exif(6))
    monkeypatch.setattr(validating, "MAX_BYTES", 900)
    with pytest.raises(UnreadableSource, match="bytes, and 900 is the most"):
        validate(data)

    def unweighed(_: object) -> int:
        return 0

    monkeypatch.setattr(validating, "len", unweighed, raising=False)
    with pytest.raises(UnreadableSource, match="in a form that the API takes"):
        validate(data)


# What is refused.


def no_decoder(*_: object, **__: object) -> None:
    pytest.fail("a decoder was asked")


def bomb() -> bytes:
    """420 megapixels of one bit: 53 kB."""
    return png(width=21_000, height=20_000, bits=1, colour=0, pixels=b"\0" * (2626 * 20_000))


@promise("Reading", "A picture that would take too much memory is refused by its header, before it is decoded.")
def test_a_bomb_is_refused_by_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bomb()
    assert len(data) < 60_000
    monkeypatch.setattr(Image, "open", no_decoder)
    monkeypatch.setattr(chunks, "zlib", None)
    assert refusal(data) == snapshot(
        "input.png is 21000x20000, and 400,000,000 pixels are the most that are decoded: shrink it first."
    )


def test_pillows_warning_about_bombs_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 48 * 32 - 1)
    assert "does not decode" in refusal(saved(corners(), "PNG"))


def test_a_header_that_the_decoder_reads_differently_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the bound on pixels would have been checked on another picture than the one that is decoded."""
    other = opened(saved(corners(size=(64, 64)), "PNG"))

    def another(*_: object, **__: object) -> Image.Image:
        return other

    monkeypatch.setattr(Image, "open", another)
    assert "does not decode" in refusal(saved(corners(), "PNG"))


def test_a_jpeg_of_endless_scans_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = scans(saved(corners(), "JPEG", progressive=True), 100)
    monkeypatch.setattr(Image, "open", no_decoder)
    assert "has 110 scans, and at most 100 are decoded" in refusal(data)


@promise("Reading", "A picture that is cut short is not sent.")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("left", [0.02, 0.3, 0.6, 0.9, 0.97])
def test_a_picture_that_is_cut_short_is_refused(kind: str, left: float) -> None:
    data = saved(noise(), kind)
    refusal(data[: int(len(data) * left)])


@pytest.mark.parametrize(("kind", "end"), [("PNG", 12), ("JPEG", 2), ("JPEG", 1)])
def test_a_picture_without_its_end_is_refused(kind: str, end: int) -> None:
    # Of these, Pillow decodes the JPEG that is 72 wide.
    for width in (17, 64, 72):
        assert "is cut short." in refusal(saved(noise((width, 48)), kind)[:-end])


def test_a_picture_whose_pixels_do_not_decode_is_refused() -> None:
    """A row with a filter that does not exist: all there, and the sums are right."""
    assert "does not decode" in refusal(png(width=1, height=1, pixels=b"\x09abc"))


def test_no_more_is_inflated_than_the_picture_has_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Megabytes of zeros behind one pixel cost nothing."""
    weights: list[int] = []
    real = zlib.decompressobj

    class Watched:
        def __init__(self) -> None:
            self.inside = real()

        @property
        def unconsumed_tail(self) -> bytes:
            return self.inside.unconsumed_tail

        def decompress(self, data: bytes, most: int) -> bytes:
            part = self.inside.decompress(data, most)
            weights.append(len(part))
            return part

    monkeypatch.setattr(chunks.zlib, "decompressobj", Watched)
    assert validate(png(width=1, height=1, pixels=bytes(20_000_000))).change is None
    assert sum(weights) < 2_000_000


def test_a_png_with_half_of_its_rows_is_refused() -> None:
    """Pillow decodes it and leaves the other half black."""
    half = png(width=8, height=8, pixels=b"\0" * (25 * 4))
    assert opened(half).size == (8, 8)
    assert "rows of it are missing" in refusal(half)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (5, 3), (8, 8), (3, 17)])
def test_the_rows_of_an_interlaced_png_are_counted(width: int, height: int) -> None:
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    pixels = b"".join(
        b"\0" + bytes(3 * len(range(x, width, dx)))
        for x, y, dx, dy in passes
        for _ in range(y, height, dy)
        if range(x, width, dx)
    )
    assert validate(png(width=width, height=height, interlace=1, pixels=pixels)).change is None
    assert "rows" in refusal(png(width=width, height=height, interlace=1, pixels=pixels[:-1]))


def test_a_png_with_a_damaged_chunk_is_refused() -> None:
    data = bytearray(saved(noise(), "PNG"))
    data[len(data) // 2] ^= 1
    refusal(bytes(data))
    wrong_sum = bytearray(saved(corners(), "PNG"))
    wrong_sum[-13] ^= 1  # of the last IDAT, which Pillow does not look at
    assert "the checksum of its IDAT chunk is wrong" in refusal(bytes(wrong_sum))


def test_a_damaged_chunk_that_no_pixel_depends_on_is_overlooked() -> None:
    data = saved(corners(), "PNG")
    remark = bytearray(chunk(b"tEXt", b"a\0b"))
    remark[-1] ^= 1
    assert validate(data[:-12] + bytes(remark) + data[-12:]).change is None


@pytest.mark.parametrize(
    "data",
    [
        PNG_MAGIC + b"#!/bin/sh\necho hello\n",
        b"\xff\xd8\xff<html>",
        b"RIFF\x10\0\0\0WEBPVP8 and more that is no picture",
        b"RIFF\x10\0\0\0WEBPVP8X",
        PNG_MAGIC + chunk(b"IHDR", b"\0" * 13) + chunk(b"IEND", b""),
        png(width=0, height=5, pixels=b""),
        png(width=1, height=1, colour=5, pixels=b"\0\0\0\0"),
        png(width=1, height=1, pixels=b"\0\0\0\0", before=chunk(b"IHDR", b"\0" * 13)),
        PNG_MAGIC + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)) + b"\0\0\0\0\0\0\0\0\0\0\0\0",
        png(width=1, height=1, pixels=b"\0\0\0\0").replace(b"\x78\xda", b"\0\0"),
        saved(corners(), "JPEG").replace(b"\xff\xc0", b"\xff\xc8"),
        saved(corners(), "JPEG").replace(b"\x03\x01\x22", b"\x02\x01\x22"),
        saved(corners(), "JPEG")[:20] + b"\xff",
    ],
)
def test_what_only_begins_like_a_picture_is_refused(data: bytes) -> None:
    refusal(data)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (saved(corners(), "ICO", sizes=[(16, 16)]), "an icon (ICO)"),
        (saved(corners(), "JPEG2000"), "a JPEG 2000 picture"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", "a video"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture"),
        (b"8BPS\0\1" + b"\0" * 20, "a Photoshop file"),
        (b"%PDF-1.7\n%", "a PDF"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<svg xmlns="x"/>', "an SVG drawing"),
        ("<!-- a comment -->\n<svg/>".encode("utf-16"), "an SVG drawing"),
        (b"<!-- " + b"of a program " * 200 + b"-->\n<svg/>", "an SVG drawing"),
        (b"\x1f\x8b\x08\0", "a compressed file (gzip)"),
        (b"P6 1 1 255 abc", "a PNM picture"),
        (b"II*\0\x10\0\0\0CR\2\0", "a RAW photograph"),
        (b"FUJIFILMCCD-RAW 0201", "a RAW photograph"),
        (b"IIU\0\x18\0\0\0", "a RAW photograph"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1", "a RAW photograph"),
        (b"version https://git-lfs.github.com/spec/v1", "a pointer of Git LFS"),
        (b"\n<!DOCTYPE html><html>", "an HTML page"),
        (b"<HTML>not found</HTML>", "an HTML page"),
        (b"hello, I am a text", "no picture"),
        (b"BMW is a maker of cars", "no picture"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----", "no picture"),
    ],
)
def test_what_is_not_taken_is_refused_by_what_it_is(data: bytes, name: str) -> None:
    assert f"input.png is {name}, and only PNG, JPEG, WebP, GIF" in refusal(data)
    assert recognise(data) == (name if name != "no picture" else None)


def test_a_jpeg_of_12_bits_is_refused_with_the_command_that_converts_it() -> None:
    data = bytearray(saved(corners(), "JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + 1], data[frame + 4] = 0xC1, 12
    assert refusal(bytes(data)) == snapshot(
        "input.png is a JPEG of 12 bits a channel, which few programs read: save it with 8 bits, such as by `magick "
        "in.jpg -depth 8 out.png`."
    )


def test_a_file_of_too_many_bytes_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validating, "MAX_BYTES", 10)
    assert refusal(b"hello, world") == snapshot("input.png has 12 bytes, and 10 is the most: shrink it first.")


@given(head=st.binary(max_size=11))
def test_fewer_than_twelve_bytes_are_never_a_picture(head: bytes) -> None:
    assert sniff(head) is None
    assert sniff(PNG_MAGIC + head[:3]) is None


def test_facts_needs_the_start_of_a_file_only() -> None:
    data = saved(noise((200, 100)), "PNG")
    assert facts(data[:200]) == Facts(format="png", width=200, height=100, alpha=False)


def test_the_further_pictures_of_a_jpeg_are_found_among_fill_bytes() -> None:
    data = saved(corners(), "MPO", save_all=True, append_images=[corners()])
    assert validate(data[:2] + b"\xff\xff\xff" + data[2:]).change is not None


WHOLE = {
    "PNG": saved(corners(), "PNG"),
    "palette": saved(with_alpha().quantize(), "PNG"),
    "JPEG": saved(corners(), "JPEG", progressive=True, exif=exif(6)),
    "WEBP": saved(corners(), "WEBP"),
    "MPO": saved(corners(), "MPO", save_all=True, append_images=[corners()]),
}


@settings(max_examples=150)
@given(
    data=st.sampled_from(list(WHOLE.values())),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6),
    cut=st.floats(0.2, 1),
)
def test_damaged_bytes_are_a_picture_or_refused_and_nothing_else(
    data: bytes, changes: list[tuple[float, int]], cut: float
) -> None:
    damaged = bytearray(data[: int(len(data) * cut)])
    for place, value in changes:
        damaged[int(place * len(damaged))] = value
    try:
        judged = validate(bytes(damaged))
    except UnreadableSource:
        return
    assert facts(judged.data) == judged.facts
