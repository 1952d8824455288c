"""Keeps contact sheets as files, for people whose clients do not show the pictures of an answer.

They stand in a folder beside the thumbnails. The same pictures give the same file; the oldest make room.
"""

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import Final

from .cache_folder import write_cached

FOLDER: Final = "contact-sheets"
"""The name of the folder."""
MAX_SHEETS: Final = 50
"""Sheets that the folder keeps: 20 MB at most."""
_SUFFIX: Final = ".jpg"


def keep_sheet(data: bytes, cache: Path) -> Path | None:
    """Write a sheet beside the folder of thumbnails; return its path, or None if that cannot be done. Blocks."""
    path = cache.with_name(FOLDER) / f"sheet-{hashlib.sha256(data).hexdigest()[:12]}{_SUFFIX}"
    try:
        write_cached(path, data, most=MAX_SHEETS, slack=0)
    except OSError:
        return None
    return path


def remove_sheets(cache: Path) -> None:
    """Remove all sheets, since a picture that is on one was removed; a failure is ignored. Blocks."""
    for path in cache.with_name(FOLDER).glob(f"sheet-*{_SUFFIX}"):
        with suppress(OSError):
            path.unlink(missing_ok=True)
