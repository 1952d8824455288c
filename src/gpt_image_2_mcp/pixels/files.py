"""Reads and writes the files of exact edits: 8 or 16 bits a channel, with the alpha and the profile of the original."""

import io
import struct
import zlib
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from ..images.colours import is_other
from ..images.formats import SHOWN, sniff
from ..images.headers import read_header
from ..images.memory import MAX_PIXELS
from ..images.normalize import exif_orientation, upright
from .arrays import Array

_EFFORT = 2
"""zlib's level: what takes half a second at level 6 takes a fifth of it."""
_LARGE = 4 << 20
_FAST = [
    cv2.IMWRITE_PNG_COMPRESSION,
    1,
    cv2.IMWRITE_PNG_STRATEGY,
    cv2.IMWRITE_PNG_STRATEGY_RLE,
    cv2.IMWRITE_PNG_FILTER,
    cv2.IMWRITE_PNG_FILTER_PAETH,
]
"""For more than `_LARGE` pixels: half of the time, and for photos a tenth of the bytes less."""
_SIXTEEN = 16
_HEAD = 33
"""Bytes of a PNG up to the end of its first chunk."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A decoded picture, upright.

    `colours` is height x width x 3 with 8 or 16 bits, `alpha` height x width of the same bits or None, and `profile`
    the bytes of its ICC profile or None.
    """

    colours: Array
    alpha: Array | None
    profile: bytes | None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.colours.shape[1], self.colours.shape[0]

    @property
    def in_8_bits(self) -> Array:
        """The colours with 8 bits a channel."""
        return (self.colours >> 8).astype(np.uint8) if self.colours.dtype == np.uint16 else self.colours


def open_picture(data: bytes) -> Opened:
    """Decode a picture.

    Raises:
        ValueError: it is no PNG, JPEG or WebP, is damaged, too large, or of a kind that cannot be written as it is.

    """
    kind = sniff(data[:64])
    if kind not in SHOWN:
        raise ValueError("is no PNG, JPEG or WebP")
    header = read_header(data)
    if header.facts.width * header.facts.height > MAX_PIXELS:
        raise ValueError(f"has more than {MAX_PIXELS:,} pixels")
    if header.colour == "cmyk" or header.several or header.animated:
        raise ValueError("is of a kind that is not kept as it is")
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    try:
        with Image.open(io.BytesIO(data), formats=(header.facts.format,)) as image:
            profile: object = image.info.get("icc_profile")
            kept = profile if isinstance(profile, bytes) else None
            if header.bits == _SIXTEEN:
                return _opened_16(data, kept)
            image.load()
            plain = image
            if image.mode not in {"RGB", "RGBA"}:
                plain = image.convert("RGBA" if image.has_transparency_data else "RGB")
            pixels = np.asarray(upright(plain, exif_orientation(image)))
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - on damaged bytes Pillow raises nearly anything
        raise ValueError(f"cannot be decoded ({error})") from None
    # A profile of grey does not fit the colours that it may get.
    fits = kept is not None and kept[16:20] == b"RGB "
    alpha = pixels[..., 3] if pixels.shape[2] == 4 else None  # noqa: PLR2004 - red, green, blue, alpha
    return Opened(pixels[..., :3], alpha, kept if fits else None)


def _opened_16(data: bytes, profile: bytes | None) -> Opened:
    """Decode a PNG of 16 bits, which Pillow brings to 8."""
    pixels = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16:
        raise ValueError("has 16 bits a channel, and cannot be decoded")
    if pixels.ndim == 2:  # noqa: PLR2004 - grey
        pixels = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
    alpha = pixels[..., 3].copy() if pixels.shape[2] == 4 else None  # noqa: PLR2004 - blue, green, red, alpha
    colours = np.ascontiguousarray(pixels[..., 2::-1])
    return Opened(colours, alpha, profile if profile is not None and profile[16:20] == b"RGB " else None)


def in_profile(colours: Array, profile: bytes | None) -> Array:
    """A picture of sRGB in the colours of a profile; the picture itself where they look the same."""
    if not is_other(profile, "RGB"):
        return colours
    from PIL import ImageCms

    assert profile is not None
    source = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType] - Pillow leaves it untyped
    target = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    try:
        found = ImageCms.profileToProfile(
            Image.fromarray(colours), source, target, ImageCms.Intent.RELATIVE_COLORIMETRIC, "RGB"
        )
    except ImageCms.PyCMSError:
        return colours
    return colours if found is None else np.asarray(found)


def png_bytes(picture: Opened) -> bytes:
    """Encode a picture as PNG, with its bits, its alpha and its profile."""
    pixels = picture.colours[..., ::-1]
    if picture.alpha is not None:
        pixels = np.concatenate([pixels, picture.alpha[..., None]], -1)
    how = _FAST if pixels.shape[0] * pixels.shape[1] > _LARGE else [cv2.IMWRITE_PNG_COMPRESSION, _EFFORT]
    done, encoded = cv2.imencode(".png", np.ascontiguousarray(pixels), how)
    if not done:
        raise ValueError("the picture cannot be encoded")
    data = encoded.tobytes()
    if picture.profile is None:
        return data
    content = b"ICC profile\0\0" + zlib.compress(picture.profile)
    chunk = struct.pack(">I", len(content)) + b"iCCP" + content
    return data[:_HEAD] + chunk + struct.pack(">I", zlib.crc32(chunk[4:])) + data[_HEAD:]
