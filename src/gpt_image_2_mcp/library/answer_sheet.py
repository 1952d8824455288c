"""Draws the numbered sheet of an answer with several pictures, so that a person can say "number 3".

It is made of the answer's previews, or of the files where there are none. Nothing here raises: the pictures are paid
for and saved.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pybase64

from ..errors import GptImageError
from ..images.formats import SHOWN
from ..images.preview import MIN_EDGE, Preview, make_preview, share_of
from ..storage.local_folder import SavedImage
from .contact_sheet import Cell, draw_sheet

WIDTH = 1536
"""Pixels that the columns of a sheet have together: a few drafts are shown larger than the pictures of a long list."""

logger = logging.getLogger(__name__)


def draw_answer_sheet(
    images: Sequence[SavedImage], previews: Mapping[str, Preview], *, read: Callable[[Path, str], bytes]
) -> bytes | None:
    """A JPEG of all pictures of an answer, numbered from 1 in their order; None if it cannot be drawn. Blocks.

    `read` gives the bytes of the file with a path and a SHA-256, or raises a GptImageError.
    """
    share = share_of(len(images))
    try:
        cells = [
            Cell(number, image.path.name, _small(image, previews.get(image.id), share, read), "cannot be shown")
            for number, image in enumerate(images, start=1)
        ]
        return draw_sheet(cells, max_bytes=share, width=WIDTH)
    except (ValueError, MemoryError):
        logger.warning("the sheet of an answer could not be drawn", exc_info=True)
        return None


def _small(image: SavedImage, preview: Preview | None, share: int, read: Callable[[Path, str], bytes]) -> bytes | None:
    """A small copy of a picture; None where it cannot be shown."""
    if preview is None and not image.broken and image.facts.format in SHOWN:
        try:
            preview = make_preview(read(image.path, image.sha256), image.facts, share=share, max_edge=MIN_EDGE)
        except (GptImageError, ValueError):
            return None
    return pybase64.b64decode(preview.base64) if preview else None
