"""What is sent of a picture: its pixels, exactly, and nothing else that its file holds."""

import io
import struct
import zlib
from base64 import b64decode
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image, PngImagePlugin
from promises import promise

from gpt_image_2_mcp.errors import UnreadableSource
from gpt_image_2_mcp.images import facts, validate
from gpt_image_2_mcp.images.bad_parts import without_bad_parts
from gpt_image_2_mcp.images.metadata import without_metadata
from gpt_image_2_mcp.images.preview import make_preview
from gpt_image_2_mcp.images.region import Box, cut_region
from gpt_image_2_mcp.images.thumbnail import make_thumbnail

SECRET = b"set-cookie: session=secret"


def gradient(mode: str = "RGB") -> Image.Image:
    image = Image.merge("RGB", [Image.linear_gradient("L").crop((0, 100, 64, 148))] * 3)
    image.paste((200, 20, 20), (5, 5, 30, 30))
    return image.convert(mode)


def saved(kind: str, mode: str = "RGB", **options: Any) -> bytes:
    into = io.BytesIO()
    gradient(mode).save(into, kind, **options)
    return into.getvalue()


def exif() -> Image.Exif:
    tags = Image.Exif()
    tags[0x010E] = SECRET.decode()
    tags.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    return tags


def profile() -> bytes:
    """A colour profile, as far as anyone looks at it here."""
    return b"\0\0\0\x80" + b"\0" * 12 + b"RGB XYZ " + b"\0" * 104


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png() -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("key", SECRET.decode())
    info.add_text("zipped", SECRET.decode(), zip=True)
    info.add_itxt("XML:com.adobe.xmp", SECRET.decode())
    data = saved("PNG", pnginfo=info, exif=exif(), icc_profile=profile(), dpi=(300, 300))
    return data[:33] + png_chunk(b"caBX", SECRET) + png_chunk(b"prVt", SECRET) + data[33:] + SECRET


def jpeg(**options: Any) -> bytes:
    data = saved("JPEG", exif=exif(), comment=SECRET, icc_profile=profile(), xmp=SECRET, **options)
    thumbnail = b"\xff\xe0" + struct.pack(">H", 8 + len(SECRET)) + b"JFXX\0\x10" + SECRET
    maker = b"\xff\xeb" + struct.pack(">H", 2 + len(SECRET)) + SECRET
    # Bytes between two segments are passed over by decoders, and the JFIF segment may hold a thumbnail as well.
    jfif = b"\xff\xe0" + struct.pack(">H", 16 + 27) + b"JFIF\0\1\1\0\0\1\0\1\3\3" + (SECRET + b" " * 27)[:27]
    assert data[2:4] == b"\xff\xe0"
    return data[:2] + jfif + thumbnail + maker + SECRET + data[20:] + SECRET


def webp(mode: str = "RGB", **options: Any) -> bytes:
    data = saved("WEBP", mode, exif=exif(), xmp=SECRET, icc_profile=profile(), **options)
    unknown = b"SECR" + struct.pack("<I", len(SECRET)) + SECRET
    body = data[12:] + unknown
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body + SECRET


FILES: dict[str, Callable[[], bytes]] = {
    "png": png,
    "jpeg": jpeg,
    "progressive jpeg": lambda: jpeg(progressive=True),
    "jpeg with restarts": lambda: jpeg(restart_marker_rows=1),
    "webp": webp,
    "lossless webp": lambda: webp(lossless=True),
    "webp with alpha": lambda: webp("RGBA"),
}


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@promise(
    "What leaves",
    "A picture is sent without texts, EXIF, place, maker's notes, thumbnails, and what stands behind its end.",
)
@pytest.mark.parametrize("make", FILES.values(), ids=FILES)
def test_the_pixels_are_sent_and_nothing_else(make: Callable[[], bytes]) -> None:
    data = make()
    assert SECRET in data
    sent = validate(data)
    assert sent.change is None
    for word in (SECRET, b"session=", b"Exif", b"EXIF", b"xmp", b"GPS", b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"SECR"):
        assert word not in sent.data
    before, after = opened(data), opened(sent.data)
    assert (after.mode, after.size) == (before.mode, before.size)
    assert after.tobytes() == before.tobytes()
    assert after.info.get("icc_profile") == profile()
    assert not after.getexif()
    assert sent.facts == facts(sent.data)
    # Nothing more is there to be cut.
    assert without_metadata(sent.data, sent.facts.format) is sent.data


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_plain_file_is_sent_itself(kind: str) -> None:
    data = saved(kind)
    assert validate(data).data is data


def test_an_adobe_marker_stays_since_colours_depend_on_it() -> None:
    data = saved("JPEG", keep_rgb=True, exif=exif())
    sent = validate(data).data
    assert SECRET not in sent
    assert opened(sent).tobytes() == opened(data).tobytes()


def inserted(data: bytes, part: bytes, *, at: int) -> bytes:
    return data[:at] + part + data[at:]


def segment(number: int, content: bytes) -> bytes:
    return bytes((0xFF, number)) + struct.pack(">H", len(content) + 2) + content


LONG = zlib.compress(bytes(1_300_000))
"""More than a megabyte, at which Pillow stops."""
WRONG_SUM = png_chunk(b"tEXt", b"key\0value")[:-1] + b"?"

BAD_METADATA: dict[str, bytes] = {
    "a long zTXt": png_chunk(b"zTXt", b"key\0\0" + LONG),
    "a zTXt of an unknown method": png_chunk(b"zTXt", b"key\0\7" + LONG),
    "a long iTXt": png_chunk(b"iTXt", b"key\0\1\0\0\0" + LONG),
    "a long profile": png_chunk(b"iCCP", b"name\0\0" + LONG),
    "a profile of an unknown method": png_chunk(b"iCCP", b"name\0\7" + LONG),
    "an empty profile": png_chunk(b"iCCP", b""),
    "a damaged profile": png_chunk(b"iCCP", b"name\0\0junk"),
    "an empty cHRM": png_chunk(b"cHRM", b""),
    "a short gAMA": png_chunk(b"gAMA", b"\0"),
    "an empty sRGB": png_chunk(b"sRGB", b""),
    "an empty pHYs": png_chunk(b"pHYs", b""),
    "a short tRNS": png_chunk(b"tRNS", b"\0"),
    "a wrong sum": WRONG_SUM,
    "a stray fcTL": png_chunk(b"fcTL", bytes(26)),
    "a stray fdAT": png_chunk(b"fdAT", bytes(6)),
    "a short JFIF segment": segment(0xE0, b"JFIF\0"),
    "a short Adobe segment": segment(0xEE, b"Adobe"),
    "an empty profile segment": segment(0xE2, b"ICC_PROFILE\0"),
    "a damaged EXIF": segment(0xE1, b"Exif\0\0junk"),
}


@pytest.mark.parametrize("part", BAD_METADATA.values(), ids=BAD_METADATA)
def test_good_pixels_with_bad_metadata_are_sent_and_shown(part: bytes) -> None:
    """As every program that shows pictures does it."""
    is_jpeg = part.startswith(b"\xff")
    plain = saved("JPEG" if is_jpeg else "PNG")
    data = inserted(plain, part, at=2 if is_jpeg else 33)
    judged = validate(data)
    assert judged.change is None
    assert opened(judged.data).tobytes() == opened(plain).tobytes()
    assert make_thumbnail(data) is not None
    region = cut_region(data, facts(data), Box(4, 4, 20, 20), share=100_000)
    shown = opened(b64decode(region.preview.base64)).convert("RGB")
    assert shown.tobytes() == opened(plain).crop((4, 4, 24, 24)).tobytes()
    preview = make_preview(data, facts(data), share=100_000)
    assert preview is not None
    assert opened(b64decode(preview.base64)).size == (64, 48)


def test_a_good_profile_among_bad_metadata_is_kept() -> None:
    data = inserted(saved("PNG", icc_profile=profile()), WRONG_SUM, at=33)
    with Image.open(io.BytesIO(without_bad_parts(data, "png"))) as image:
        assert image.info["icc_profile"] == profile()


def test_a_picture_of_which_nothing_is_left_without_its_bad_parts_is_refused() -> None:
    data = bytearray(saved("JPEG", comment=b"words"))
    # Its first part says that it has no bytes.
    data[4:6] = bytes(2)
    with pytest.raises(UnreadableSource):
        validate(bytes(data))
