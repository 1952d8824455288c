"""A PNG that is decoded strip by strip is the picture that Pillow makes of the whole file."""

import io
import struct
import zlib
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gpt_image_2_mcp.images.png_decoder import decode_png, decoder, is_whole_png


def file_of(image: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


def filtered(image: Image.Image, filters: bytes, *, chunk_bytes: int = 1 << 30) -> bytes:
    """A PNG whose rows have these filters in turn, which no encoder can be told; its pixels are cut into chunks."""
    lead, pixels = len(image.mode), image.tobytes()
    length = lead * image.width
    rows = [bytes(length), *(pixels[at : at + length] for at in range(0, len(pixels), length))]
    out = bytearray()
    for number, (above, row) in enumerate(pairwise(rows)):
        kind = filters[number % len(filters)]
        out.append(kind)
        for at, value in enumerate(row):
            left, up, corner = row[at - lead] if at >= lead else 0, above[at], above[at - lead] if at >= lead else 0
            near = min((left, up, corner), key=lambda one: abs(left + up - corner - one))
            out.append((value - (0, left, up, (left + up) // 2, near)[kind]) & 255)
    head = struct.pack(">IIBBBBB", *image.size, 8, {"L": 0, "RGB": 2, "RGBA": 6}[image.mode], 0, 0, 0)
    pixels = zlib.compress(out)
    parts = [pixels[at : at + chunk_bytes] for at in range(0, len(pixels), chunk_bytes)]
    chunks = [(b"IHDR", head), *((b"IDAT", part) for part in parts), (b"IEND", b"")]
    ends = ((len(data), kind + data, zlib.crc32(kind + data)) for kind, data in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(struct.pack(">I", a) + b + struct.pack(">I", c) for a, b, c in ends)


@pytest.fixture
def thin_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small pictures in several pieces and strips."""
    monkeypatch.setattr(decoder, "_STRIP_BYTES", 50)
    monkeypatch.setattr(decoder, "_PIECE_BYTES", 40)


@pytest.mark.usefixtures("thin_strips")
@settings(max_examples=150)
@given(
    mode=st.sampled_from(["L", "RGB", "RGBA"]),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    filters=st.lists(st.integers(0, 4), min_size=1, max_size=7),
    seed=st.binary(min_size=1, max_size=64),
    chunk_bytes=st.integers(1, 500),
    factor=st.integers(1, 5),
)
def test_chunks_of_any_length_give_the_picture_that_pillow_gives(
    mode: str, size: tuple[int, int], filters: list[int], seed: bytes, chunk_bytes: int, factor: int
) -> None:
    length = size[0] * size[1] * len(mode)
    image = Image.frombytes(mode, size, (seed * (length // len(seed) + 1))[:length])
    data = filtered(image, bytes(filters), chunk_bytes=chunk_bytes)
    found = decode_png(data, lambda longest: factor if longest == max(size) else 0)
    assert found is not None
    with Image.open(io.BytesIO(data)) as whole:
        expected = whole.reduce(factor)
    assert (found.mode, found.size, found.tobytes()) == (mode, expected.size, expected.tobytes())
    assert is_whole_png(data)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_a_picture_of_many_strips_is_the_same(mode: str) -> None:
    image = Image.effect_noise((700, 901), 40).convert(mode)
    found = decode_png(file_of(image))
    assert found is not None
    assert found.tobytes() == image.tobytes()
    assert is_whole_png(file_of(image))


@given(st.binary(max_size=300))
def test_what_is_no_png_is_left_to_pillow(data: bytes) -> None:
    assert decode_png(data) is None
    assert not is_whole_png(data)


@pytest.mark.parametrize(
    "data",
    [
        file_of(Image.new("P", (8, 8))),
        file_of(Image.new("RGB", (8, 8)), transparency=(0, 0, 0)),
        file_of(Image.new("I;16", (8, 8))),
        file_of(Image.new("RGB", (8, 8)))[:-20],
        filtered(Image.new("RGB", (8, 8)), b"\0").replace(b"\0\0\0\x08\0\0\0\x08", b"\0\0\0\x08\0\0\0\x09"),
        filtered(Image.new("RGB", (8, 8)), b"\0").replace(b"\0\0\0\x08\0\0\0\x08", b"\0\0\0\x08\0\0\0\x07"),
    ],
    ids=["a palette", "a transparent colour", "16 bits", "cut off", "a row too few", "a row too many"],
)
def test_what_is_out_of_the_ordinary_is_left_to_pillow(data: bytes) -> None:
    assert decode_png(data) is None
    assert not is_whole_png(data)


@pytest.mark.usefixtures("thin_strips")
@pytest.mark.parametrize("wrong", range(6))
def test_a_filter_that_there_is_not_is_left_to_pillow(wrong: int) -> None:
    rows = zlib.compress(b"".join(bytes([9 if row == wrong else 0]) + bytes(24) for row in range(6)))
    plain = filtered(Image.new("RGB", (8, 6)), b"\0")
    start = plain.index(b"IDAT") - 4
    broken = plain[:start] + struct.pack(">I4s", len(rows), b"IDAT") + rows + plain[-16:]
    assert decode_png(broken) is None
    assert not is_whole_png(broken)
