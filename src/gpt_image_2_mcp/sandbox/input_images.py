"""Input pictures and masks: which ones OpenAI accepts.

OpenAI accepts PNG, JPEG and WebP in plain modes, and answers the rest with `invalid_image_file`: CMYK JPEGs, the MPO
files of phones, 16-bit, palette and animated pictures. No documentation lists these; since a client has to expect a
refusal for each, the sandbox refuses all of them.
"""

import base64
import binascii
import io
import re
from dataclasses import dataclass

from PIL import Image

from .errors import ApiRefusal, bad_picture, too_long

MAX_PICTURE_BYTES = 50 * 1024 * 1024
"""An input picture must have fewer bytes than this."""

MAX_MASK_BYTES = 4 * 1024 * 1024
"""A mask must have fewer bytes than this."""

MAX_PICTURES = 16
"""Input pictures of one edit."""

MAX_INPUT_PIXELS = 64_000_000
"""Pixels of an input picture: the sandbox's own limit, which bounds its memory."""

MAX_DATA_URL = 20_971_520
"""Characters of an `image_url` (OpenAI's specification of August 2026)."""

_MIME_TYPES = ("image/jpeg", "image/png", "image/webp")
_MODES = ("RGB", "RGBA", "L", "LA")
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+);base64,", re.IGNORECASE)
_PNG_DEPTH = 24
"""The offset of the byte in a PNG that holds the bits of a sample."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it was sent; `mime_type` is the sender's claim, None if there was none."""

    data: bytes
    name: str = "image"
    mime_type: str | None = None


def check_mime_type(upload: Upload, *, param: str) -> None:
    """Refuse a form's file by the type that its sender claims, as OpenAI does before it decodes the file.

    Raises:
        ApiRefusal: 400, code `unsupported_file_mimetype`.
    """
    if upload.mime_type not in _MIME_TYPES:
        message = (
            f"Invalid file '{param}': unsupported mimetype ('{upload.mime_type or 'application/octet-stream'}'). "
            "Supported file formats are 'image/jpeg', 'image/png', and 'image/webp'."
        )
        raise ApiRefusal(400, message, code="unsupported_file_mimetype", param=param)


def from_data_url(url: str, *, param: str) -> Upload:
    """Decode the picture inside a `data:` URL. The sandbox downloads nothing: it answers other URLs as unreachable.

    Raises:
        ApiRefusal: 400, the URL is too long, is no data URL, or its base64 is broken.
    """
    if len(url) > MAX_DATA_URL:
        raise too_long(param, len(url), MAX_DATA_URL)
    match = _DATA_URL.match(url)
    if match is None:
        if not url.startswith(("http://", "https://")):
            message = f"Invalid '{param}'. Expected a valid URL, but got a value with an invalid format."
            raise ApiRefusal(400, message, code="invalid_value", param=param)
        message = f"Error while downloading {url[:200]}. The sandbox downloads nothing: send a data URL or a file id."
        raise ApiRefusal(400, message, code="invalid_value", param=param)
    try:
        data = base64.b64decode(url[match.end() :], validate=True)
    except binascii.Error as exc:
        message = f"Invalid '{param}'. Expected a base64-encoded data URL with an image MIME type."
        raise ApiRefusal(400, message, code="invalid_value", param=param) from exc
    return Upload(data, mime_type=match[1].lower())


def open_picture(upload: Upload, *, number: int, param: str = "image") -> Image.Image:
    """Decode and check an input picture; `number` is its position in the request, counted from 1.

    Raises:
        ApiRefusal: 400, code `invalid_image_file`.
    """
    if len(upload.data) >= MAX_PICTURE_BYTES:
        raise bad_picture(f"Invalid image file: image {number} must be less than 50 MB.", param=param)
    refusal = bad_picture(f"Invalid image file or mode for image {number}, please check your image file.", param=param)
    picture = _decode(upload.data, refusal=refusal)
    if picture.format not in ("PNG", "JPEG", "WEBP") or picture.mode not in _MODES:
        raise refusal
    if getattr(picture, "n_frames", 1) > 1:
        raise refusal
    if picture.format == "PNG" and upload.data[_PNG_DEPTH] not in (1, 2, 4, 8):
        raise refusal
    return picture


def open_mask(upload: Upload, *, size: tuple[int, int]) -> Image.Image:
    """Decode and check a mask; return its alpha channel (mode `L`), which is 0 where the picture is to change.

    `size` is the size of the first input picture, which the mask must have too.

    Raises:
        ApiRefusal: 400, code `invalid_image_file`.
    """
    if len(upload.data) >= MAX_MASK_BYTES:
        raise bad_picture("Invalid mask image format - mask image must be less than 4 MB", param="mask")
    mask = _decode(upload.data, refusal=bad_picture("Invalid mask image format - not a valid PNG file", param="mask"))
    if mask.format != "PNG":
        raise bad_picture("Invalid mask image format - mask image must be a PNG", param="mask")
    if mask.mode not in ("RGBA", "LA"):
        raise bad_picture("Invalid mask image format - mask image missing alpha channel", param="mask")
    if mask.size != size:
        raise bad_picture("Invalid mask image format - mask size does not match image size", param="mask")
    return mask.getchannel("A")


def _decode(data: bytes, *, refusal: ApiRefusal) -> Image.Image:
    """Decode all of a picture, or raise `refusal`."""
    try:
        # Pillow opens an MPO as a JPEG, and then says that its format is MPO; `open_picture` refuses it by that.
        picture = Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP"))
        if picture.width * picture.height > MAX_INPUT_PIXELS:
            raise refusal
        picture.load()
    # Pillow reports damage as any of these.
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as exc:
        raise refusal from exc
    return picture
