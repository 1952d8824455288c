"""Pictures small enough for an answer: the whole of it has to stay under what clients accept.

A picture that fits goes as it is. Any other is scaled and encoded as JPEG, or as WebP where it has transparency, by
the first step of a ladder from large and fine to small and coarse that brings it under its share. The picture on the
disk is never touched.
"""

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .pictures import MIME, Facts

if TYPE_CHECKING:
    from PIL import Image

MAX_ANSWER_BYTES = 1_000_000
"""What Claude Desktop accepts of a tool's result (measured 2026-11)."""
MAX_PICTURE_BYTES = 525_000
"""What all pictures of an answer may have together before base64, which makes four bytes of three.

The rest is for the text, a prompt of 32,000 characters in `_meta` at six bytes a character, and the links.
"""
MIN_EDGE = 512
"""The long edge of a preview, in pixels, below which a person sees too little."""

STEPS = (
    (1536, 85),
    (1280, 80),
    (1024, 78),
    (1024, 60),
    (768, 65),
    (768, 45),
    (MIN_EDGE, 60),
    (MIN_EDGE, 40),
    (MIN_EDGE, 22),
    (MIN_EDGE, 10),
    (MIN_EDGE, 3),
)
"""Long edge and encoder quality, best first."""


@dataclass(frozen=True, slots=True)
class Preview:
    """An encoded picture, ready to be put into an answer."""

    base64: str
    mime_type: str


def preview(data: bytes, facts: Facts, *, share: int) -> Preview | None:
    """Encode a picture in at most `share` bytes; None where it cannot be decoded. Blocks: call it in a thread."""
    if len(data) <= share:
        return Preview(_base64(data), MIME[facts.format])
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            for small, quality in _scaled(image, share):
                encoded, mime_type = _encoded(small, quality)
                if len(encoded) <= share:
                    return Preview(_base64(encoded), mime_type)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return None


def whole(data: bytes, facts: Facts) -> Preview:
    """The picture as it is, whatever its size."""
    return Preview(_base64(data), MIME[facts.format])


def share_of(count: int) -> int:
    """Bytes that each of `count` pictures may have in one answer."""
    return MAX_PICTURE_BYTES // max(count, 1)


def _scaled(image: "Image.Image", share: int) -> Iterator[tuple["Image.Image", int]]:
    """The picture at each step that can be worth a try, each scaled down from the one before."""
    from PIL import Image

    mode = "RGBA" if image.has_transparency_data else "RGB"
    # Even a flat picture takes about a byte in 40 pixels at these qualities.
    steps = [step for step in STEPS if step[0] == MIN_EDGE or step[0] ** 2 / 40 <= share]
    longest = max(image.size)
    image.draft("RGB", (steps[0][0], steps[0][0]))
    factor = max(1, min(max(image.size) // steps[0][0], 8))
    current = image.convert(mode)
    if factor > 1:
        current = current.reduce(factor)
    if mode == "RGBA" and current.getchannel("A").getextrema() == (255, 255):
        current = current.convert("RGB")
    for edge, quality in steps:
        edge = min(edge, longest)  # noqa: PLW2901 - a picture is never scaled up
        if max(current.size) > edge:
            ratio = edge / max(current.size)
            size = (max(1, round(current.width * ratio)), max(1, round(current.height * ratio)))
            current = current.resize(size, Image.Resampling.BILINEAR)  # pyright: ignore[reportUnknownMemberType] - numpy's
        yield current, quality


def _encoded(image: "Image.Image", quality: int) -> tuple[bytes, str]:
    out = io.BytesIO()
    if image.mode == "RGBA":
        image.save(out, "WEBP", quality=quality, alpha_quality=quality, method=2)
        return out.getvalue(), MIME["webp"]
    image.save(out, "JPEG", quality=quality)
    return out.getvalue(), MIME["jpeg"]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
