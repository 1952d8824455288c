"""Opens a local picture file safely: `read_picture` contains the only `os.open` of an input.

A path is checked three times: as it is written, before the disk is touched, so that a refusal does not reveal what
exists; by its real path, so that no device is opened; and by the open descriptor, since a link can be replaced in
between. The bytes are read from that descriptor.
"""

import functools
import os
import stat
from collections.abc import Callable
from pathlib import Path

from ..errors import UnreadableSource, shown
from ..images.formats import HEAD, taken_format
from ..images.other_formats import why_not_taken
from ..images.validate import MAX_BYTES
from ..paths import denylist
from ..paths.plain_names import is_utf8
from ..paths.policy import real_path
from ..paths.read_policy import ReadPolicy
from ..paths.safe_open import path_of_descriptor

# Each system has some of these flags: do not wait for the writer of a pipe, do not pass the descriptor to child
# processes, do not make a terminal the controlling one, do not translate line ends.
_FLAGS = functools.reduce(
    lambda flags, name: flags | getattr(os, name, 0),
    ("O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY", "O_NOINHERIT"),
    os.O_RDONLY,
)

_MAX_SHOWN = 300


class NoSuchFile(UnreadableSource):
    """There is no file of this path."""


class PathRefused(NoSuchFile):
    """The person is at another computer: whether there is such a file was not looked up."""


def read_picture(
    path: Path,
    *,
    reference: str,
    policy: ReadPolicy,
    is_allowed: Callable[[Path], bool] = lambda _: False,
    any_format: bool = False,
    hold: Callable[[int], None] | None = None,
) -> tuple[bytes, Path]:
    """The bytes and the real path of a file that begins like a picture. Blocks: call it in a thread.

    `reference` is the argument as it was given, for error messages. `is_allowed` says of the real path of a private
    file whether the person has allowed it. With `any_format`, the file may be anything: its caller knows by a hash what
    it has to be. `hold` is called with the number of bytes before they are read.

    Raises:
        NoSuchFile: there is no file.
        UnreadableSource: the path may not be read, is no regular file, cannot be read, or holds no picture.
    """
    check_readable(path, reference=reference, policy=policy, is_allowed=is_allowed)
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError as exc:
        raise _open_error(exc, path=path, reference=reference) from None
    try:
        found = os.fstat(descriptor)
        real = path_of_descriptor(descriptor, path, found)
        if real is None or found.st_nlink == 0:
            raise UnreadableSource(f"{shown(reference)} was replaced while it was being opened: try again.")
        _check_real_path(real, reference=reference, policy=policy, is_allowed=is_allowed)
        if not stat.S_ISREG(found.st_mode):
            kind = "a folder" if stat.S_ISDIR(found.st_mode) else "no regular file"
            raise UnreadableSource(f"{shown(reference)} is {kind}: give the path of a file.")
        if found.st_size > MAX_BYTES:
            raise _too_large_error(reference)
        if hold:
            hold(found.st_size)
        return _read(descriptor, reference=reference, any_format=any_format), real
    except OSError:
        raise UnreadableSource(f"{shown(reference)} cannot be read: the disk or the network failed.") from None
    finally:
        os.close(descriptor)


def check_readable(
    path: Path, *, reference: str, policy: ReadPolicy, is_allowed: Callable[[Path], bool] = lambda _: False
) -> Path:
    """Check that a path may be read, without opening it; returns its real path. Arguments as for `read_picture`.

    Raises:
        UnreadableSource: the path may not be read.
    """
    _check_denylist(path, reference=reference)
    _check_denylist(Path(os.path.normpath(path)), reference=reference)
    real = real_path(path)
    _check_real_path(real, reference=reference, policy=policy, is_allowed=is_allowed)
    for found in (path, real):
        if not is_utf8(found):
            raise UnreadableSource(
                f"{shown(reference)} is not read: its path has bytes that are no UTF-8, so no record could name it."
                " Rename that file or folder, or copy the picture to another one."
            )
    return real


def _check_denylist(path: Path, *, reference: str) -> None:
    """Refuse secrets, and folders such as `/proc` that hold no files of users."""
    secret = denylist.find_secret(path)
    if secret:
        raise UnreadableSource(
            f"{shown(reference)} is never read, whether it exists or not: it is or leads to a place where secrets are "
            f"kept ({secret[1]}). Copy the picture to another folder."
        )
    for folder, reason in denylist.NEVER_READ:
        if denylist.is_below(path, folder):
            raise UnreadableSource(
                f"{shown(reference)} is never read, whether it exists or not: it is or leads into {folder}, and "
                f"{reason}. Copy the picture to another folder."
            )


def _check_real_path(real: Path, *, reference: str, policy: ReadPolicy, is_allowed: Callable[[Path], bool]) -> None:
    """Refuse a real path that is denied, outside of the folders that the user allows, or private and not allowed."""
    _check_denylist(real, reference=reference)
    readable_dirs = policy.readable_dirs()
    if readable_dirs is not None and not denylist.is_in_any(real, [real_path(folder) for folder in readable_dirs]):
        raise UnreadableSource(
            f"{shown(reference)} is outside the folders that are open to this server, whether it exists or not "
            f"({denylist.describe_folders(readable_dirs) or 'none'}): copy the picture into one of them; a person can "
            f"add a folder to GPT_IMAGE_2_ALLOWED_DIRS."
        )
    private = policy.find_private(real)
    if private and not is_allowed(real):
        raise UnreadableSource(
            f"{shown(reference)} is not read without the person's yes, whether it exists or not: it is in "
            f"{private.reason}. Copy the picture to another folder; a person can also start this server in that "
            f"folder, or name it in GPT_IMAGE_2_ALLOWED_DIRS."
        )


def _open_error(exc: OSError, *, path: Path, reference: str) -> UnreadableSource:
    if isinstance(exc, PermissionError):
        return UnreadableSource(f"{shown(reference)} cannot be opened: this server has no permission to read it.")
    if isinstance(exc, (FileNotFoundError, NotADirectoryError)):
        name = str(path)
        name = name if len(name) <= _MAX_SHOWN else f"{name[:_MAX_SHOWN]}…"
        return NoSuchFile(
            f"There is no file {name!r}. Give the full path of a file on the computer that this server runs on; "
            f"what was attached or pasted into the chat does not reach it."
        )
    return UnreadableSource(f"{shown(reference)} cannot be opened: it is no path of a regular file.")


def _read(descriptor: int, *, reference: str, any_format: bool) -> bytes:
    """All bytes of a file that begins like a picture; at most `MAX_BYTES`, even if the file grows meanwhile."""
    data = bytearray(os.read(descriptor, HEAD))
    if not any_format and taken_format(bytes(data)) is None:
        raise UnreadableSource(f"{shown(reference)} {why_not_taken(bytes(data))}")
    while len(data) <= MAX_BYTES and (piece := os.read(descriptor, min(1 << 20, MAX_BYTES + 1 - len(data)))):
        data += piece
    if len(data) > MAX_BYTES:
        raise _too_large_error(reference)
    return bytes(data)


def _too_large_error(reference: str) -> UnreadableSource:
    return UnreadableSource(f"{shown(reference)} has over {MAX_BYTES:,} bytes, which is the most: shrink it first.")
