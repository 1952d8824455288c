"""Converts a GIF, BMP, TIFF, AVIF or HEIC that is given as an input into a PNG or JPEG, in a child process.

Its first frame or page is decoded whole, and brought to 8-bit sRGB as any other input is (`normalize`).
"""

import io
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, cast

from ..errors import UnreadableSource
from .formats import LABEL, FileFormat
from .headers import Facts, Header
from .memory import MAX_PIXELS

if TYPE_CHECKING:
    from PIL import Image

_PLUGINS: Final = MappingProxyType({"gif": "GIF", "bmp": "BMP", "tiff": "TIFF", "avif": "AVIF", "heic": "HEIF"})
"""The names of Pillow's decoders."""
LOSSY: Final = frozenset({"avif", "heic", "jpeg"})
"""The formats that lose something themselves: a JPEG of them is smaller than a PNG, and no worse to the eye."""
_PARTS: Final = MappingProxyType({"tiff": "page", "heic": "picture"})
_DNG_VERSION, _SUB_FILES, _NEW_SUBFILE_TYPE = 50_706, 330, 254
"""Tags of a TIFF; a RAW photograph is one, with a small picture before its real one."""


@contextmanager
def open_other(data: bytes, kind: FileFormat, *, name: str) -> "Generator[tuple[Image.Image, Header, list[str]]]":
    """Open the first picture of a file of another format, decoded, with its header, and its `_PARTS` if it has several.

    Raises:
        UnreadableSource: it cannot be decoded, or is too large.

    """
    from PIL import Image

    try:
        if kind == "heic":
            _register_heif()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=(_PLUGINS[kind],)) as image:
                _check(image, kind, name)
                several = int(getattr(image, "n_frames", 1)) > 1
                part = _PARTS.get(kind, "frame")
                image.seek(0)
                image.load()
                alpha = image.has_transparency_data
                header = Header(Facts(kind, *image.size, alpha=alpha), "cmyk" if image.mode == "CMYK" else "rgb")
                yield image, header, [part] if several else []
    except (MemoryError, UnreadableSource):
        raise
    except Exception as error:  # noqa: BLE001 - on hostile bytes Pillow raises nearly anything
        # The decoder of AVIF says so in words.
        if "out of memory" in str(error).lower():
            raise MemoryError from None
        raise UnreadableSource(
            f"{name} begins like a {LABEL[kind]} but does not decode: it is cut short, damaged or of a rare kind."
            " Save it anew as a PNG or JPEG."
        ) from None


def _register_heif() -> None:
    from pi_heif import register_heif_opener  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

    register_heif_opener()


def _check(image: "Image.Image", kind: FileFormat, name: str) -> None:
    """Refuse what is too large, or no picture of colours, before it is decoded."""
    if image.width * image.height > MAX_PIXELS:
        raise UnreadableSource(
            f"{name} is a {LABEL[kind]} of {image.width}x{image.height}, and {MAX_PIXELS:,} pixels are the most that"
            " are decoded: shrink it first."
        )
    if kind != "tiff":
        return
    tags = cast("dict[int, Any]", getattr(image, "tag_v2", {}))
    if _DNG_VERSION in tags or (_SUB_FILES in tags and int(tags.get(_NEW_SUBFILE_TYPE, 0)) & 1):
        raise UnreadableSource(
            f"{name} is a RAW photograph, which is not developed here: export a JPEG from the camera's or a RAW"
            " program."
        )
    if image.mode in {"F", "I"}:
        raise UnreadableSource(
            f"{name} is a TIFF of numbers of 32 bits and not of colours: export it with 8 or 16 bits a channel."
        )
