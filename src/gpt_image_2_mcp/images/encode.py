"""Encodes images for an answer: as JPEG, or as WebP where they have transparency, in a limited number of bytes.

A caller states its own ladder: `Step`s from large and fine to small and coarse. `encode_to_fit` returns the first that
is small enough; a generator of steps scales an image down only if that step is reached:

    encode_to_fit((Step(image, quality) for quality in (88, 80, 70)), max_bytes=400_000)
"""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .formats import Format

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, slots=True)
class Step:
    """One way to encode an image; its mode is RGB, or RGBA if it has transparency."""

    image: "Image.Image"
    quality: int
    """The quality of the encoder, 1 to 100."""
    alpha_quality: int = 100
    """The quality of a WebP's transparency; 100 loses nothing."""
    full_colour: bool = False
    """Whether a JPEG keeps every pixel's colour: otherwise two by two pixels share one, as JPEGs mostly do."""


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """A file in memory, and the step that it came from."""

    data: bytes
    format: Format
    step: Step


def encode_to_fit(steps: Iterable[Step], *, max_bytes: int) -> EncodedImage | None:
    """Encode the steps one after another; return the first of at most `max_bytes`, or None. Blocks."""
    for step in steps:
        encoded = encode(step)
        if len(encoded.data) <= max_bytes:
            return encoded
    return None


def encode(step: Step) -> EncodedImage:
    """Encode an image as WebP if its mode is RGBA, and as JPEG otherwise. Blocks."""
    if step.image.mode == "RGBA":
        # Method 2 of 0 to 6: the higher, the slower and the smaller.
        options = {"quality": step.quality, "alpha_quality": step.alpha_quality, "method": 2}
        return EncodedImage(_file(step.image, "WEBP", options), "webp", step)
    options = {"quality": step.quality, **({"subsampling": "4:4:4"} if step.full_colour else {})}
    return EncodedImage(_file(step.image, "JPEG", options), "jpeg", step)


def without_opaque_alpha(image: "Image.Image") -> "Image.Image":
    """Convert an RGBA image to RGB if none of its pixels is transparent; return any other image unchanged."""
    opaque = image.mode == "RGBA" and image.getchannel("A").getextrema() == (255, 255)
    return image.convert("RGB") if opaque else image


def _file(image: "Image.Image", kind: str, options: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()
