"""Makes a WebP of a picture to look at in the studio: upright, in sRGB, and small enough for one answer."""

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .encode import without_opaque_alpha
from .headers import read_header
from .memory import DECODING, check_size, decode_in_child, is_small
from .preview import open_scaled

if TYPE_CHECKING:
    from PIL import Image

MAX_EDGE: Final = 2048
"""Pixels of the longest edge."""
MAX_BYTES: Final = 384 * 1024
"""Bytes of the file."""
_QUALITIES: Final = (82, 65, 45, 25, 10)
"""Of the encoder, best first; a picture that does not fit with the last one is halved."""


@dataclass(frozen=True, slots=True)
class LookedAt:
    """A WebP, and its size in pixels."""

    data: bytes
    width: int
    height: int


def make_look(data: bytes, edge: int) -> LookedAt:
    """Scale a PNG, JPEG or WebP down to at most `edge` pixels either way, and encode it. Blocks.

    Raises:
        ValueError: it cannot be decoded, or would take too much memory.
        ChildFailed: the child process that decodes large pictures failed.

    """
    header = read_header(data)
    check_size(header)
    if is_small(header, scaled=True):
        with DECODING.reserve():
            return look_here(data, edge)
    found = decode_in_child("look", data, edge=edge)
    return LookedAt(found.data, found.values["width"], found.values["height"])


def look_here(data: bytes, edge: int) -> LookedAt:
    """What `make_look` does, in this process; raises ValueError if the picture cannot be decoded."""
    from PIL import Image

    edge = min(edge, MAX_EDGE)
    try:
        with open_scaled(data, read_header(data).facts, edge) as opened:
            image = without_opaque_alpha(opened if opened.mode == "RGBA" else opened.convert("RGB"))
            while True:
                ratio = min(1.0, edge / max(image.size))
                if ratio < 1:
                    size = (max(1, round(image.width * ratio)), max(1, round(image.height * ratio)))
                    image = image.resize(size, Image.Resampling.BICUBIC)  # pyright: ignore[reportUnknownMemberType] - numpy's
                for quality in _QUALITIES:
                    encoded = _webp(image, quality)
                    if len(encoded) <= MAX_BYTES:
                        return LookedAt(encoded, image.width, image.height)
                edge = max(image.size) // 2
    except (OSError, SyntaxError, AssertionError, Image.DecompressionBombError) as error:
        raise ValueError(f"cannot be decoded ({error})") from None


def _webp(image: "Image.Image", quality: int) -> bytes:
    out = io.BytesIO()
    # Method 1 of 0 to 6: the higher, the slower and the smaller.
    image.save(
        out, "WEBP", quality=quality, method=1, **({} if quality == _QUALITIES[0] else {"alpha_quality": quality})
    )
    return out.getvalue()
