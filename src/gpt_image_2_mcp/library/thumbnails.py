"""Pictures as small as a tile, and a folder that keeps them so that a picture is decoded once.

What the folder holds is never more than a comfort: a thumbnail that is broken, strange or missing is made again, and a
folder that cannot be used costs time only. A thumbnail is shown only while its picture is still there.
"""

import os
import stat
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..catalogue.models import Picture
from ..errors import GptImageError
from ..images import facts
from ..images.decode import opened
from ..images.encode import Step, encode, without_opaque_alpha
from ..paths.safe_open import open_no_follow
from ..storage.atomic_write import write_file

if TYPE_CHECKING:
    from PIL import Image

EDGE: Final = 288
"""The long edge of a thumbnail, in pixels: five of them side by side are 1,500, more than chats show of a picture."""
QUALITY: Final = 82
MAX_CACHED: Final = 2_000
"""Thumbnails in the folder: about 30 MB."""
MAX_CACHED_BYTES: Final = 1_000_000
"""Of one file there: ten times what noise of this size takes."""
SLACK: Final = 100
"""So many more may be there before the oldest go: looking at the age of all of them takes longer than counting."""
SUFFIX: Final = ".thumbnail"

_THREADS: Final = 2
_EVICTION_LOCK: Final = threading.Lock()


def thumbnail(picture: Picture, *, read: Callable[[Picture], bytes], cache: Path | None = None) -> bytes | None:
    """A JPEG of a picture, or a WebP where it has transparency, of at most `EDGE` pixels either way.

    None where the picture is gone or broken. `read` gives the picture's bytes, or raises a GptImageError; `cache` is a
    folder of this program's own, made here for its owner alone. Blocks: call it in a thread.
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
            _write_cached(kept, small)
    return small


def thumbnails(
    pictures: Iterable[Picture], *, read: Callable[[Picture], bytes], cache: Path | None = None
) -> list[bytes | None]:
    """The same for several pictures, in their order, two at a time."""
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(partial(thumbnail, read=read, cache=cache), pictures))


def make_thumbnail(data: bytes) -> bytes | None:
    """Scale a PNG, JPEG or WebP down to at most `EDGE` pixels either way, and encode it; None if it is broken."""
    try:
        with opened(data) as image:
            return encode(Step(_scaled_down(image), QUALITY)).data
    except ValueError:
        return None


def _scaled_down(image: "Image.Image") -> "Image.Image":
    from PIL import Image

    mode = "RGBA" if image.has_transparency_data else "RGB"
    ratio = min(1.0, EDGE / image.width, EDGE / image.height)
    size = (max(1, round(image.width * ratio)), max(1, round(image.height * ratio)))
    image.draft("RGB", size)
    image.load()
    # Averaging whole pixels first costs a quarter of a resize, which has the rest to do.
    factor = (max(1, image.width // size[0]), max(1, image.height // size[1]))
    if image.mode != mode:
        image = image.convert(mode)
    if max(factor) > 1:
        image = image.reduce(factor)
    if image.size != size:
        image = image.resize(size, Image.Resampling.BICUBIC)  # pyright: ignore[reportUnknownMemberType] - numpy's
    return without_opaque_alpha(image)


def _looks_unchanged(picture: Picture) -> bool:
    """Whether the file looks as it was saved; if not, `read` says what it is."""
    try:
        found = picture.path.lstat()
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == picture.record.size_bytes


def _read_cached(path: Path) -> bytes | None:
    """A thumbnail that was kept and still is one, and this user's own."""
    try:
        with os.fdopen(open_no_follow(path, os.O_RDONLY), "rb") as file:
            found = os.fstat(file.fileno())
            own = not hasattr(os, "geteuid") or found.st_uid == os.geteuid()
            if not (own and stat.S_ISREG(found.st_mode) and found.st_size <= MAX_CACHED_BYTES):
                return None
            data = file.read(MAX_CACHED_BYTES)
    except OSError:
        return None
    return data if _is_thumbnail(data) else None


def _is_thumbnail(data: bytes) -> bool:
    try:
        if facts(data).format == "png":
            return False
        with opened(data) as image:
            image.load()
            return max(image.size) <= EDGE
    except ValueError:
        return False


def _write_cached(path: Path, data: bytes) -> None:
    """Write a thumbnail in one step, and let the oldest go where there are too many."""
    folder = path.parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Not durable: what a power cut takes is made again.
    write_file([data], [path], replace=True, durable=False, mode=0o600)
    with _EVICTION_LOCK:
        _evict_oldest(folder)


def _evict_oldest(folder: Path) -> None:
    with os.scandir(folder) as entries:
        ours = [entry for entry in entries if entry.name.endswith(SUFFIX)]
    if len(ours) <= MAX_CACHED + SLACK:
        return
    ages: list[tuple[int, str]] = []
    for entry in ours:
        # Another process may be at the same.
        with suppress(OSError):
            ages.append((entry.stat(follow_symlinks=False).st_mtime_ns, entry.path))
    for _, old in sorted(ages, key=itemgetter(0))[:-MAX_CACHED]:
        with suppress(OSError):
            os.unlink(old)  # noqa: PTH108 - a string, as the folder gave it
