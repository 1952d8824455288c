"""Files that take much memory or time to decode, or that decoders stumble over, each made by a function."""

import io
import random
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from heic import HEIC
from PIL import Image

EDGE = 7000
"""49 megapixels, nearly the most that is decoded."""


def saved(kind: str, mode: str = "RGB", edge: int = EDGE, **options: Any) -> bytes:
    into = io.BytesIO()
    Image.new(mode, (edge, edge)).save(into, kind, **options)
    return into.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_start(colour: int, edge: int = 64) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", edge, edge, 8, colour, 0, 0, 0))


def without_palette() -> bytes:
    return png_start(3) + chunk(b"IDAT", zlib.compress(b"\0" * 65 * 64)) + chunk(b"IEND", b"")


def tiny_webp(edge: int) -> bytes:
    """A lossless WebP of one colour: 46 bytes at any size."""
    into = io.BytesIO()
    Image.new("RGB", (1, 1)).save(into, "WEBP", lossless=True)
    data = bytearray(into.getvalue())
    struct.pack_into("<I", data, 21, (edge - 1) | (edge - 1) << 14)
    return bytes(data)


def animated_webp(edge: int) -> bytes:
    """A small frame on a huge canvas."""
    into = io.BytesIO()
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    frames[0].save(into, "WEBP", save_all=True, append_images=frames[1:])
    data = bytearray(into.getvalue())
    data[24:30] = (edge - 1).to_bytes(3, "little") * 2
    return bytes(data)


def scans(count: int) -> bytes:
    """A progressive JPEG whose last scan is there many times more."""
    data = saved("JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * count + data[-2:]


def noise(edge: int) -> bytes:
    """A PNG that no encoder makes smaller, and that is encoded anew for its transparent colour."""
    into = io.BytesIO()
    image = Image.frombytes("RGB", (edge, edge), random.Random(1).randbytes(3 * edge * edge))  # noqa: S311 - the same each time
    image.save(into, "PNG", transparency=(0, 0, 0), compress_level=0)
    return into.getvalue()


def large_heic(edge: int) -> bytes:
    """A small HEIC that says it is large."""
    data = bytearray(HEIC)
    struct.pack_into(">II", data, data.index(b"ispe") + 8, edge, edge)
    return bytes(data)


MANY = 49_000_000
BOMBS: Mapping[str, Callable[[], bytes]] = {
    "webp-46-bytes": lambda: tiny_webp(7000),
    "webp-largest": lambda: tiny_webp(3535),
    "webp-animated": lambda: animated_webp(7000),
    "webp-animated-largest": lambda: animated_webp(3535),
    "png-no-palette": without_palette,
    "png-chunks": lambda: png_start(2) + chunk(b"tEXt", b"") * (MANY // 12),
    "png-empty-idat": lambda: png_start(2) + chunk(b"IDAT", b"") * (MANY // 12),
    "jpeg-fill": lambda: b"\xff\xd8" + b"\xff" * MANY,
    "jpeg-restarts": lambda: b"\xff\xd8" + b"\xff\xd0" * (MANY // 2),
    "jpeg-segments": lambda: b"\xff\xd8" + b"\xff\xe0\0\2" * (MANY // 4),
    "jpeg": lambda: saved("JPEG"),
    "jpeg-progressive": lambda: saved("JPEG", progressive=True),
    "jpeg-progressive-largest": lambda: saved("JPEG", edge=5600, progressive=True),
    "jpeg-scans": lambda: scans(85),
    "jpeg-cmyk": lambda: saved("JPEG", "CMYK"),
    "jpeg-cmyk-progressive": lambda: saved("JPEG", "CMYK", edge=4300, progressive=True),
    "jpeg-turned": lambda: saved("JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"),
    "png": lambda: saved("PNG"),
    "png-rgba": lambda: saved("PNG", "RGBA"),
    "png-grey-alpha": lambda: saved("PNG", "LA"),
    "png-palette": lambda: saved("PNG", "P"),
    "png-palette-alpha": lambda: saved("PNG", "P", transparency=b"\0"),
    "png-colour-key": lambda: saved("PNG", transparency=(0, 0, 0)),
    "png-noise": lambda: noise(3500),
    "png-16-bits": lambda: saved("PNG", "I;16"),
    "gif": lambda: saved("GIF", "P"),
    "gif-largest": lambda: saved("GIF", "P", 5800),
    "gif-animated": lambda: saved("GIF", "P", 5000, save_all=True, append_images=[Image.new("P", (EDGE, EDGE), 1)] * 3),
    "bmp-1-bit": lambda: saved("BMP", "1"),
    "bmp-palette": lambda: saved("BMP", "P", 6900),
    "tiff": lambda: saved("TIFF", compression="tiff_lzw"),
    "tiff-alpha": lambda: saved("TIFF", "RGBA", 4800, compression="tiff_lzw"),
    "tiff-cmyk": lambda: saved("TIFF", "CMYK", compression="tiff_lzw"),
    "tiff-16-bits": lambda: saved("TIFF", "I;16", compression="tiff_deflate"),
    "avif": lambda: saved("AVIF", edge=4000, speed=10),
    "avif-large": lambda: saved("AVIF", speed=10),
    "avif-alpha": lambda: saved("AVIF", "RGBA", 4000, speed=10),
    "heic-large": lambda: large_heic(EDGE),
    "png-here": lambda: saved("PNG", "RGBA", 2900),
    "jpeg-here": lambda: saved("JPEG", "RGB", 2400),
    "webp-here": lambda: saved("WEBP", "RGBA", 1980, method=0),
}
"""The files by name; those whose name ends in "here" are just small enough to be decoded in the server's process."""
