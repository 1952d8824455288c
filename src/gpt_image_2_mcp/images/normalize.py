"""Converts a picture that the API would refuse into one that it takes.

`to_plain_mode` gives upright 8-bit grey, RGB or RGBA. `encode` gives a PNG, or
where that would be too large the best JPEG (WebP with alpha) that is not. Only pixels and a colour profile that
still fits go on: a photograph's EXIF, which may name a place, stays behind.
"""

import io
from typing import TYPE_CHECKING, Any

from .headers import Header

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer
    from PIL import Image

PNG_EFFORT = 3
"""zlib's level: a 12-megapixel photograph takes 1 s; level 6 takes 3 s for a like size (measured, Pillow 13)."""

QUALITIES = (95, 85)
"""JPEG and WebP qualities to try if a PNG would be too large: without a visible difference, then with hardly one."""

WEBP_EDGE = 16_383
"""Longest edge of a WebP, in pixels (RFC 9649)."""


def to_plain_mode(image: "Image.Image", header: Header, *, orientation: int) -> "Image.Image":
    """A decoded picture in mode L, RGB or RGBA, turned upright from EXIF `orientation` (1 to 8).

    It is `image` itself where its pixels are so already.
    """
    profile: object = image.info.get("icc_profile")
    if header.colour_key and header.colour != "palette":
        image = _with_key_as_alpha(image, header)
    elif image.mode.startswith("I"):
        image = _in_8_bits(image)
    elif image.mode == "CMYK":
        image, profile = _from_cmyk(image, profile), None
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode not in {"L", "RGB", "RGBA"}:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    image = _upright(image, orientation)
    image.info = {}
    if isinstance(profile, bytes) and profile[16:20] == (b"GRAY" if image.mode == "L" else b"RGB "):
        image.info["icc_profile"] = profile
    return image


def encode(image: "Image.Image", *, limit: int) -> bytes | None:
    """Encode a picture as PNG, or as JPEG or WebP if the PNG has more than `limit` bytes; None if all have more."""
    profile: bytes | None = image.info.get("icc_profile")
    data = _saved(image, "PNG", limit, compress_level=PNG_EFFORT, icc_profile=profile)
    other = "WEBP" if image.mode == "RGBA" else "JPEG"
    if data or (other == "WEBP" and max(image.size) > WEBP_EDGE):
        return data
    for quality in QUALITIES:
        data = _saved(image, other, limit, quality=quality, icc_profile=profile)
        if data:
            return data
    return None


class _FullError(Exception):
    """A file has more bytes than it may have."""


class _LimitedFile(io.BytesIO):
    """A file in memory that takes no more bytes than `limit`: what is too large to be sent takes no memory."""

    limit: int

    def write(self, data: "ReadableBuffer") -> int:
        if self.tell() + memoryview(data).nbytes > self.limit:
            raise _FullError
        return super().write(data)


def _saved(image: "Image.Image", kind: str, limit: int, **options: Any) -> bytes | None:
    into = _LimitedFile()
    into.limit = limit
    try:
        image.save(into, kind, **options)
    except _FullError:
        return None
    return into.getvalue()


def _in_8_bits(image: "Image.Image") -> "Image.Image":
    """Grey of 16 bits scaled to 8; `convert("L")` alone clips it at 255."""
    return image.point(_by_256).convert("L")  # pyright: ignore[reportUnknownMemberType] - Pillow's own type is partial


def _by_256(value: float) -> float:
    """For `Image.point`, which derives scale and offset for 16-bit pixels from this one expression."""
    return value * (1 / 256)


def _with_key_as_alpha(image: "Image.Image", header: Header) -> "Image.Image":
    """Convert grey or RGB with one transparent colour (`tRNS`) to RGBA.

    Pillow gives that colour with the file's bit depth, but the pixels scaled to 8 bits.
    """
    key: object = image.info.get("transparency")
    scale = 255 / (2**header.bits - 1)
    if image.mode.startswith("I"):
        image = _in_8_bits(image)
    if image.mode == "1":
        scale = 1  # Pillow has scaled that one
    if isinstance(key, int):
        key = round(key * scale)
    elif isinstance(key, tuple):
        key = tuple(round(part * scale) for part in key)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    image.info["transparency"] = key
    return image.convert("RGBA")


def _from_cmyk(image: "Image.Image", profile: object) -> "Image.Image":
    """Convert CMYK to RGB, with the picture's colour profile if it has a valid one."""
    from PIL import ImageCms

    if isinstance(profile, bytes) and profile[16:20] == b"CMYK":
        try:
            target = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType] - Pillow leaves it untyped
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            converted = None
        if converted is not None:
            return converted
    return image.convert("RGB")


def _upright(image: "Image.Image", orientation: int) -> "Image.Image":
    """Turned and mirrored as EXIF 2.32 (CIPA DC-008, tag 0x0112) says of `orientation`; 1 changes nothing."""
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return image.transpose(turns[orientation]) if orientation in turns else image
