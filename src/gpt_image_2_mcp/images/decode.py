"""Opening a saved picture to show it: by Pillow, a PNG faster than Pillow does, and nothing too large."""

import io
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from . import facts
from .png_decoder import decoded
from .validate import MAX_PIXELS

if TYPE_CHECKING:
    from PIL import Image


@contextmanager
def opened(data: bytes) -> "Generator[Image.Image]":
    """A picture, decoded or not; what cannot be decoded inside the block comes out as a ValueError too.

    Raises:
        ValueError: it is no PNG, JPEG or WebP, has more than `MAX_PIXELS`, or is broken.

    """
    what = facts(data)
    if what.width * what.height > MAX_PIXELS:
        raise ValueError(f"is {what.width}x{what.height}, and {MAX_PIXELS:,} pixels are the most that are decoded")
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=(what.format,)) as image:
            whole = decoded(data) if what.format == "png" else None
            if whole:
                whole.info = image.info
            yield whole or image
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"cannot be decoded ({error})") from None
