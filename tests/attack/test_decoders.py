"""A mutation fuzzer over every way in which a picture is decoded: damaged bytes are refused with our own errors.

A few hundred cases run in `make test`, a minute's worth in `make test-all`. GPT_IMAGE_2_FUZZ_S=600 goes on for ten
minutes, and GPT_IMAGE_2_FUZZ_SEED=7 draws other cases.
"""

import io
import os
import random
import time
import zlib
from collections.abc import Callable, Iterator

import pytest
from heic import HEIC, TURNED_HEIC
from patience import ALL_ROUNDS, rounds
from PIL import Image
from promises import promise

from gpt_image_2_mcp.errors import UnreadableSource
from gpt_image_2_mcp.images import facts, identify, validate
from gpt_image_2_mcp.images.metadata import without_metadata
from gpt_image_2_mcp.images.preview import make_preview, unscaled_preview
from gpt_image_2_mcp.images.region import Box, cut_region
from gpt_image_2_mcp.images.thumbnail import make_thumbnail

SEED = int(os.environ.get("GPT_IMAGE_2_FUZZ_SEED", "1"))
SECONDS = float(os.environ.get("GPT_IMAGE_2_FUZZ_S", "60" if ALL_ROUNDS else "0"))
CASES = 300
"""Cases at least."""
OTHER_CASES = rounds(8, 100)
"""Those of the formats that a child process decodes, which takes a third of a second."""
MAX_CASE_S = 30
"""Seconds of a processor for one case."""

Mutation = Callable[[random.Random, bytearray], None]


def files() -> list[bytes]:
    """Small pictures of every kind that is decoded."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a place"
    made = list[bytes]()
    for kind, mode, options in (
        *(("PNG", mode, {"exif": exif}) for mode in ("L", "LA", "RGB", "RGBA", "P", "1", "I;16")),
        ("PNG", "RGB", {"transparency": (1, 2, 3), "icc_profile": b"x" * 200}),
        ("JPEG", "RGB", {"exif": exif}),
        ("JPEG", "L", {"progressive": True, "comment": b"words"}),
        ("JPEG", "CMYK", {"restart_marker_rows": 1}),
        ("WEBP", "RGBA", {"exif": exif, "lossless": True}),
        ("WEBP", "RGB", {"icc_profile": b"x" * 200}),
        ("WEBP", "RGB", {"save_all": True, "append_images": [Image.new("RGB", (40, 30), "red")]}),
    ):
        image = Image.frombytes("RGB", (40, 30), bytes(number * 7 % 256 for number in range(3600)))
        into = io.BytesIO()
        (Image.new(mode, (40, 30)) if mode == "I;16" else image.convert(mode)).save(into, kind, **options)
        made.append(into.getvalue())
    return made


def others() -> list[bytes]:
    """Small pictures of the formats that are converted before they are sent."""
    image = Image.frombytes("RGB", (40, 30), bytes(number * 7 % 256 for number in range(3600)))
    made = [HEIC, TURNED_HEIC]
    for kind, mode, options in (
        ("GIF", "P", {}),
        ("GIF", "RGB", {"save_all": True, "append_images": [Image.new("RGB", (40, 30), "red")], "duration": 9}),
        *(("BMP", mode, {}) for mode in ("1", "L", "P", "RGB", "RGBA")),
        *(("TIFF", mode, {}) for mode in ("1", "L", "P", "RGBA", "CMYK", "I;16", "LAB")),
        *(("TIFF", "RGB", {"compression": name}) for name in ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits")),
        ("TIFF", "RGB", {"save_all": True, "append_images": [Image.new("RGB", (40, 30), "red")]}),
        ("AVIF", "RGB", {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0"}),
        ("AVIF", "RGBA", {}),
    ):
        into = io.BytesIO()
        (Image.new(mode, (40, 30)) if mode in {"I;16", "LAB"} else image.convert(mode)).save(into, kind, **options)
        made.append(into.getvalue())
    return made


def some(draw: random.Random, data: bytearray) -> int:
    """A position, more often near the beginning, where the headers are."""
    return draw.randrange(min(len(data), draw.choice((64, 256, len(data)))))


def flip(draw: random.Random, data: bytearray) -> None:
    data[some(draw, data)] ^= 1 << draw.randrange(8)


def extreme(draw: random.Random, data: bytearray) -> None:
    at, size = some(draw, data), draw.choice((1, 2, 4))
    data[at : at + size] = draw.choice((b"\0" * size, b"\xff" * size, b"\x7f" + b"\xff" * (size - 1)))


def cut(draw: random.Random, data: bytearray) -> None:
    del data[some(draw, data) :]


def drop(draw: random.Random, data: bytearray) -> None:
    at = some(draw, data)
    del data[at : at + draw.randrange(1, 40)]


def repeat(draw: random.Random, data: bytearray) -> None:
    at, size = some(draw, data), draw.randrange(1, 200)
    data[at:at] = data[at : at + size] * draw.choice((1, 2, 50))


def junk(draw: random.Random, data: bytearray) -> None:
    at = some(draw, data)
    data[at:at] = draw.randbytes(draw.randrange(1, 30))


MUTATIONS: tuple[Mutation, ...] = (flip, flip, extreme, extreme, cut, drop, repeat, junk)


def repaired(data: bytes) -> bytes:
    """A PNG whose checksums are right again, so that its chunks get to the decoder."""
    out, position = bytearray(data[:8]), 8
    while position + 12 <= len(data):
        end = position + 8 + int.from_bytes(data[position : position + 4])
        if end > len(data):
            break
        out += data[position:end] + zlib.crc32(data[position + 4 : end]).to_bytes(4)
        position = end + 4
    return bytes(out)


def cases(seed: int, originals: list[bytes]) -> Iterator[bytes]:
    draw = random.Random(seed)  # noqa: S311 - the same cases every time
    while True:
        data = bytearray(draw.choice(originals))
        for _ in range(draw.choice((1, 1, 2, 6))):
            if data:
                draw.choice(MUTATIONS)(draw, data)
        is_png = data.startswith(b"\x89PNG")
        yield repaired(bytes(data)) if is_png and draw.random() < 0.8 else bytes(data)


def decode_in_every_way(data: bytes) -> None:
    """Raise nothing but what callers are told to expect."""
    identify(data)
    make_thumbnail(data)
    try:
        sent = validate(data)
    except UnreadableSource:
        pass
    else:
        # What was taken is one more time, and there is nothing left to be cut out.
        assert validate(sent.data).data == sent.data
        assert without_metadata(sent.data, sent.facts.format) is sent.data
    try:
        what = facts(data)
    except ValueError:
        return
    for share in (400, 100_000):
        for preview in (lambda: make_preview(data, what, share=share), lambda: unscaled_preview(data, what)):  # noqa: B023 - called here
            try:
                preview()
            except (ValueError, MemoryError):
                continue
        box = Box(0, 0, what.width, max(1, what.height // 2))
        try:
            cut_region(data, what, box, share=max(share, 2_000))
        except UnreadableSource:
            continue


@promise("Odd pictures", "A damaged picture is shown or refused, and never an error in this program.")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("originals", "most"), [(files, CASES), (others, OTHER_CASES)])
def test_damaged_pictures_are_shown_or_refused_and_nothing_else(
    originals: Callable[[], list[bytes]], most: int
) -> None:
    until, count = time.monotonic() + SECONDS, 0
    for number, data in enumerate(cases(SEED, originals())):
        if number >= most and time.monotonic() > until:
            break
        began = time.process_time()
        try:
            decode_in_every_way(data)
        except BaseException as error:
            error.add_note(f"case {number} of seed {SEED}: {data[:2000].hex()}")
            raise
        assert time.process_time() - began < MAX_CASE_S
        count = number
    assert count >= most - 1
