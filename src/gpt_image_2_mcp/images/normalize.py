"""Converts a picture that the API would refuse into one that it takes.

`to_plain_mode` gives upright 8-bit grey, RGB or RGBA in sRGB. `encode` gives a PNG, or a JPEG of what came as one;
where that would be too large, the best JPEG (WebP with alpha) that is not. Only pixels go on: a photograph's EXIF,
which may name a place, stays behind.
"""

import io
import warnings
from typing import TYPE_CHECKING, Any, cast

from ..parameters.sizes import MAX_WEBP_EDGE
from .colours import in_srgb, to_srgb
from .headers import Header

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer
    from PIL import Image

PNG_EFFORT = 3
"""zlib's level: a 12-megapixel photograph takes 1 s; level 6 takes 3 s for a like size (measured, Pillow 13)."""

QUALITIES = (95, 85)
"""JPEG and WebP qualities to try if a PNG would be too large: without a visible difference, then with hardly one."""

OPAQUE = 255
_BRIGHT, _DARK = 200, (64, 64, 64)
"""The mean grey level from which on a picture does not show on white, and the ground that it gets then."""

_STRIP_PIXELS = 1 << 20
"""Pixels of a strip: 2 MB."""


def to_plain_mode(image: "Image.Image", header: Header, *, orientation: int) -> "Image.Image":
    """A decoded picture in mode L, RGB or RGBA, turned upright from EXIF `orientation` (1 to 8).

    Its colours are sRGB's where its profile can be read. It is `image` itself where its pixels are so already.
    """
    profile: object = image.info.get("icc_profile")
    if header.colour_key and header.colour != "palette":
        image = _with_key_as_alpha(image, header)
    elif image.mode.startswith("I"):
        image = in_8_bits(image)
    elif image.mode == "CMYK":
        image = to_srgb(image, profile) or image.convert("RGB")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode not in {"L", "RGB", "RGBA"}:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    image = upright(in_srgb(image, profile), orientation)
    image.info = {}
    return image


def has_transparency(image: "Image.Image") -> bool:
    """Whether a decoded picture has a pixel that is not opaque; only modes with an alpha channel are looked at."""
    return "A" in image.getbands() and cast("tuple[int, int]", image.getchannel("A").getextrema())[0] < OPAQUE


def on_plain_ground(image: "Image.Image") -> "tuple[Image.Image, str]":
    """Lay an RGBA picture on a white ground, or on a dark one if what is visible is nearly white; with its name."""
    from PIL import Image, ImageStat

    alpha = image.getchannel("A")
    visible = alpha.point([0] * 128 + [OPAQUE] * 128)  # pyright: ignore[reportUnknownMemberType] - Pillow's type
    grey = ImageStat.Stat(image.convert("L"), visible)
    is_bright = bool(grey.count[0]) and grey.mean[0] > _BRIGHT
    ground = Image.new("RGB", image.size, _DARK if is_bright else "white")
    ground.paste(image, mask=alpha)
    return ground, "dark grey" if is_bright else "white"


def encode(image: "Image.Image", *, limit: int, lossy: bool) -> bytes | None:
    """Encode a picture as PNG, or as JPEG (WebP with alpha) if it is `lossy` already, or the PNG is too large.

    None if it has more than `limit` bytes in every form.
    """
    other = "WEBP" if image.mode == "RGBA" else "JPEG"
    if not (lossy and other == "JPEG") and (data := _saved(image, "PNG", limit, compress_level=PNG_EFFORT)):
        return data
    if other == "WEBP" and max(image.size) > MAX_WEBP_EDGE:
        return None
    for quality in QUALITIES:
        options = {"subsampling": "4:4:4"} if other == "JPEG" and quality == QUALITIES[0] else {}
        data = _saved(image, other, limit, quality=quality, **options)
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


def in_8_bits(image: "Image.Image") -> "Image.Image":
    """Grey of 16 bits scaled to 8; `convert("L")` alone clips it at 255. Done in strips: it takes no second copy."""
    from PIL import Image

    grey = Image.new("L", image.size)
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        grey.paste(strip.point(_by_256).convert("L"), (0, top))  # pyright: ignore[reportUnknownMemberType] - Pillow's own type is partial
    return grey


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
        return _with_16_bit_key(image, key)
    if image.mode == "1":
        scale = 1  # Pillow has scaled that one
    if isinstance(key, int):
        key = round(key * scale)
    elif isinstance(key, tuple):
        # Of 16 bits Pillow keeps the higher 8.
        parts = cast("tuple[int, ...]", key)
        key = tuple(part >> 8 if header.bits == 16 else round(part * scale) for part in parts)  # noqa: PLR2004
    image.info["transparency"] = key
    return image.convert("RGBA")


def _with_16_bit_key(image: "Image.Image", key: object) -> "Image.Image":
    """Grey of 16 bits with its transparent value, which is compared before 8 bits are left of it."""
    from PIL import ImageMath

    grey = in_8_bits(image)
    if not isinstance(key, int):
        return grey
    alpha = ImageMath.lambda_eval(lambda args: (args["grey"] != key) * OPAQUE, grey=image.convert("I")).convert("L")
    grey.putalpha(alpha)
    return grey.convert("RGBA")


def exif_orientation(image: "Image.Image") -> int:
    """EXIF orientation, 1 to 8; 1 (upright) where it is missing or cannot be read.

    Pillow would also take one out of XMP or a text, which other programs do not.
    """
    from PIL import ExifTags, Image

    data: object = image.info.get("exif")
    if not isinstance(data, bytes):
        return 1
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exif = Image.Exif()
            exif.load(data)
            value: object = exif.get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001 - damaged metadata raises nearly anything, and is no reason to refuse a picture
        return 1
    return value if isinstance(value, int) and value in range(1, 9) else 1


TRANSPOSED = range(5, 9)
"""The orientations of EXIF that exchange width and height."""


def upright(image: "Image.Image", orientation: int) -> "Image.Image":
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
