"""Thumbnails of pictures, and a cache folder for them, so that a picture is decoded only once.

Nothing depends on the cache: a cached thumbnail that is broken, of another user or missing is made again, and without a
folder that can be used every thumbnail is. A cached thumbnail is used only while its picture's file exists.
"""

import os
import stat
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from ..catalogue.picture_record import Picture
from ..errors import GptImageError
from ..images import facts
from ..images.decode import open_image
from ..images.thumbnail import EDGE, make_thumbnail
from ..paths.safe_open import open_regular
from ..storage.time_limit import is_dead
from .cache_folder import write_cached

MAX_CACHED: Final = 2_000
"""Thumbnails that the folder keeps: about 30 MB."""
MAX_CACHED_BYTES: Final = 1_000_000
"""The most bytes of a cached file that is read: ten times a thumbnail of noise."""
SLACK: Final = 100
"""Thumbnails beyond `MAX_CACHED` before the oldest are deleted."""
SUFFIX: Final = ".thumbnail"

_THREADS: Final = 2


def thumbnail(picture: Picture, *, read: Callable[[Picture], bytes], cache: Path | None = None) -> bytes | None:
    """Return a picture as a JPEG, or as a WebP if it has transparency, of at most `EDGE` pixels either way.

    It is None if the picture's file is missing or broken. `read` returns the picture's bytes, or raises a
    GptImageError. `cache` is a folder that only this program uses; it is created with access for its owner only.
    Blocks: call it in a thread.
    """
    kept = cache and cache / f"{picture.record.sha256}{SUFFIX}"
    if kept and _looks_unchanged(picture):
        found = _read_cached(kept)
        if found is not None:
            return found
    try:
        data = read(picture)
    except GptImageError:
        return None
    small = make_thumbnail(data)
    if kept and small is not None:
        with suppress(OSError):
            write_cached(kept, small, most=MAX_CACHED, slack=SLACK)
    return small


def thumbnails(
    pictures: Iterable[Picture], *, read: Callable[[Picture], bytes], cache: Path | None = None
) -> list[bytes | None]:
    """Return the thumbnails of several pictures, in their order; they are made two at a time. Blocks."""
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(partial(thumbnail, read=read, cache=cache), pictures))


def remove_cached(sha256: str, cache: Path) -> None:
    """Remove the thumbnail of the pictures with this hash; a failure is ignored. Blocks."""
    with suppress(OSError):
        (cache / f"{sha256}{SUFFIX}").unlink(missing_ok=True)


def _looks_unchanged(picture: Picture) -> bool:
    """Whether the file exists with the size that it was saved with; its bytes are not read."""
    if is_dead(picture.path.parent):
        return False
    try:
        found = picture.path.lstat()
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == picture.record.size_bytes


def _read_cached(path: Path) -> bytes | None:
    """Read a cached thumbnail; None if there is none, it belongs to another user, or it is not a thumbnail."""
    try:
        with open_regular(path, most=MAX_CACHED_BYTES) as file:
            if hasattr(os, "geteuid") and os.fstat(file.fileno()).st_uid != os.geteuid():
                return None
            data = file.read(MAX_CACHED_BYTES)
    except OSError:
        return None
    return data if _is_thumbnail(data) else None


def _is_thumbnail(data: bytes) -> bool:
    try:
        what = facts(data)
        if what.format == "png" or max(what.width, what.height) > EDGE:
            return False
        with open_image(data) as image:
            image.load()
            return True
    except ValueError:
        return False
