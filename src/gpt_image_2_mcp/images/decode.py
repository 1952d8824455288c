"""Opens a saved picture to show it: with Pillow, or a PNG with `png_decoder`, which is faster; nothing too large."""

import io
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from . import facts
from .png_decoder import decode_png
from .validate import MAX_PIXELS

if TYPE_CHECKING:
    from PIL import Image


@contextmanager
def open_image(data: bytes) -> "Generator[Image.Image]":
    """Open a picture. Pillow decodes it lazily: an error of its decoder inside the block is raised as ValueError too.

    Raises:
        ValueError: the bytes are no PNG, JPEG or WebP, have more than `MAX_PIXELS`, or are damaged.

    """
    what = facts(data)
    if what.width * what.height > MAX_PIXELS:
        raise ValueError(f"is {what.width}x{what.height}, and {MAX_PIXELS:,} pixels are the most that are decoded")
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=(what.format,)) as image:
            whole = decode_png(data) if what.format == "png" else None
            if whole:
                whole.info = image.info
            yield whole or image
    except Exception as error:  # noqa: BLE001 - on damaged bytes Pillow raises nearly anything, AssertionError too
        raise ValueError(f"cannot be decoded ({error})") from None
