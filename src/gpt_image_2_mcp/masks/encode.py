"""Encodes weights as the PNG that the API takes: RGBA, transparent where the picture is to change.

The rows are made and compressed in strips, so that a mask takes little more memory than its weights: Pillow would need
four bytes a pixel and a copy.
"""

import struct
import zlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from PIL import Image

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_STRIP_PIXELS: Final = 1 << 18
"""Pixels of a strip: a megabyte."""
_EFFORT: Final = 3


def encode(weights: "Image.Image") -> bytes:
    """The PNG of a mask: black, with an alpha of 255 minus the weight."""
    from PIL import Image, ImageChops

    width, height = weights.size
    alpha = ImageChops.invert(weights)
    packer = zlib.compressobj(_EFFORT)
    packed = list[bytes]()
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        strip = alpha.crop((0, top, width, min(top + rows, height)))
        black = Image.new("L", strip.size)
        pixels = memoryview(Image.merge("RGBA", (black, black, black, strip)).tobytes())
        # Each row begins with the number of its filter, none.
        lines = [b"\0" + pixels[start : start + 4 * width] for start in range(0, len(pixels), 4 * width)]
        packed.append(packer.compress(b"".join(lines)))
    packed.append(packer.flush())
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", b"".join(packed)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
