"""Whether a folder takes the pictures of a request: found out before the request is paid for."""

import errno
import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Final

from ..errors import BadRequest
from ..images import Format
from ..paths.policy import WritePolicy
from .atomic_write import part_name
from .open_folder import OpenFolder, open_resolved

BYTES_PER_PIXEL: Final[Mapping[Format, int]] = MappingProxyType({"png": 3, "jpeg": 1, "webp": 1})
"""What a picture takes at most, by format: a PNG as much as its colours take without compression."""

RECORD_BYTES: Final = 64 * 1024
"""What is written beside each picture: its record, and file system blocks that are not full."""

LONGEST_NAME: Final = 100
"""Characters of the longest path in a folder of pictures, that of a record in the side folder; an even number."""
WINDOWS_MAX_PATH: Final = 259
"""Characters of a path on a Windows that has not been told to allow longer ones."""

_CANNOT_ALLOCATE: Final = frozenset({errno.EBADF, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
"""How `posix_fallocate` says that the file system cannot allocate."""


def picture_bytes(size: tuple[int, int], kind: Format) -> int:
    """What a picture of this width and height, in pixels, takes at most, with its record."""
    return size[0] * size[1] * BYTES_PER_PIXEL[kind] + RECORD_BYTES


def ensure_room_in_one(folders: Iterable[Path], count: int, size: int, policy: WritePolicy) -> None:
    """See that one of `folders` takes `count` files of `size` bytes, as `ensure_room` does. Blocks.

    Raises:
        BadRequest: none does; it tells about the first.

    """
    refused: list[BadRequest] = []
    for folder in folders:
        try:
            ensure_room(folder, count, size, policy)
        except BadRequest as error:
            refused.append(error)
        else:
            return
    raise refused[0]


def ensure_room(folder: Path, count: int, size: int, policy: WritePolicy) -> None:
    """See that a folder takes `count` files of `size` bytes, before they are paid for. Blocks.

    As many files are created, their blocks are allocated, and they are removed at once. Creating them shows a file
    system that is read-only, has no inodes left or does not let this user write, and a process without descriptors;
    allocating shows a quota and a limit on the size of files. It takes about 0.3 ms for each on a disk.

    The files are not kept for the pictures: a picture takes minutes, its size is a guess, and a killed process would
    leave them all behind. If another program takes the room meanwhile, the picture is saved in another folder.

    The folder is made if it is gone; `policy` resolves it again.

    Raises:
        BadRequest: the folder does not take them.

    """
    try:
        with open_resolved(folder, policy) as place:
            disk = shutil.disk_usage(folder)
            # Some file systems do not tell their size.
            if not disk.total or disk.free >= count * size:
                _allocate(place, count, size)
                return
            why = f"{disk.free:,} bytes are free on its disk"
    except OSError as error:
        why = error.strerror or type(error).__name__
        if sys.platform == "win32" and is_long_for_windows(folder):
            why = f"the paths of the pictures would be longer than the {WINDOWS_MAX_PATH} characters that Windows takes"
    except BadRequest:
        why = "it leads to another place than when the call was checked"
    pictures = "the picture" if count == 1 else f"{count} pictures"
    raise BadRequest(
        f"The folder {str(folder)!r} cannot take {pictures} of up to {count * size:,} bytes: {why}. Nothing was sent or"
        " paid. Make room, or choose another folder with `output_dir` or GPT_IMAGE_2_OUTPUT_DIR."
    )


def is_long_for_windows(folder: PurePath) -> bool:
    """Whether paths of pictures and records in a folder may be longer than Windows takes."""
    return len(str(folder)) + 1 + LONGEST_NAME > WINDOWS_MAX_PATH


def _allocate(folder: OpenFolder, count: int, size: int) -> None:
    """Create files in `folder`, allocate their blocks, and remove them; raises OSError."""
    # Without O_APPEND, the C library writes into every block where the file system cannot allocate, which takes long.
    # With it, it refuses to.
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND
    with ExitStack() as stack:
        for _ in range(count):
            # Named like the part file of a record, so that recovery removes it after a kill and says nothing.
            # As long as the longest of their names, and on Windows as their longest path.
            name = part_name(".", LONGEST_NAME)
            descriptor = folder.open(name, flags, 0o600)
            stack.callback(folder.unlink, name)
            stack.callback(os.close, descriptor)
            if hasattr(os, "posix_fallocate"):
                try:
                    os.posix_fallocate(descriptor, 0, size)
                except OSError as error:
                    if error.errno not in _CANNOT_ALLOCATE:
                        raise
