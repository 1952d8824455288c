"""`OpenFolder`: a folder that was opened once, and in which files are made, named and removed through its descriptor.

A path leads to another place as soon as one of its folders is exchanged for a link. A descriptor stays with the folder
that was checked, wherever that is moved to. Windows has no such calls; there, each step goes by the path.
"""

import errno
import os
import stat
import sys
import time
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from ..errors import BadRequest
from ..paths import denylist
from ..paths.policy import WritePolicy
from ..paths.safe_open import open_regular, path_of_descriptor
from .sync import sync_to_disk

_BY_DESCRIPTOR: Final = {os.open, os.link, os.mkdir, os.rename, os.stat, os.unlink} <= os.supports_dir_fd
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)

REPLACE_WAITS_S: Final = (0.02, 0.05, 0.1, 0.3, 0.6) if sys.platform == "win32" else ()
"""Waits between the tries to replace a file that another program has open: Windows refuses that until it is closed.
Virus scanners and the search index open what is new, and close it soon."""

MOVED: Final = "It leads to another place now."
"""Why nothing is written into a folder that was exchanged since it was checked."""


class OpenFolder:
    """An open folder; a context manager, which closes it. Names are those of files in it, without folders."""

    def __init__(self, path: Path, descriptor: int | None) -> None:
        """Take over a descriptor of the folder; None to go by its path."""
        self.path: Final = path
        self.descriptor: Final = descriptor

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)

    def create(self, name: str, mode: int) -> IO[bytes]:
        """Create a file, and open it for writing; `mode` is its permission bits before the umask.

        Raises:
            OSError: there is such a name, or the file cannot be created.

        """
        # Buffered: small chunks are collected, and a write that the disk took only a part of is continued.
        return open(self._name(name), "xb", opener=partial(os.open, mode=mode, dir_fd=self.descriptor))

    def read(self, name: str, *, most: int) -> IO[bytes]:
        """Open a file for reading; raises OSError if it is a link or no regular file, or has more bytes than `most`."""
        return open_regular(self._name(name), most=most, within=self.descriptor)

    def open(self, name: str, flags: int, mode: int) -> int:
        """Open a file as `os.open` does."""
        return os.open(self._name(name), flags, mode, dir_fd=self.descriptor)

    def rename(self, name: str, new: str, *, replace: bool) -> None:
        """Rename a file in one step; raises FileExistsError if the name is taken, unless it is to `replace` that file.

        Without `replace` this makes a hard link, which fails where the name is taken; the old name stays.
        """
        source, target, place = self._name(name), self._name(new), self.descriptor
        if replace:
            _replace(source, target, place)
            return
        try:
            os.link(source, target, src_dir_fd=place, dst_dir_fd=place)
        except FileExistsError:
            raise
        except (OSError, NotImplementedError):
            # A file system without hard links (exFAT, some network shares).
            if self.stat(new) is not None:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target) from None
            os.rename(source, target, src_dir_fd=place, dst_dir_fd=place)

    def unlink(self, name: str) -> None:
        """Remove a file if it is there."""
        with suppress(FileNotFoundError):
            os.unlink(self._name(name), dir_fd=self.descriptor)

    def stat(self, name: str) -> os.stat_result | None:
        """What has a name in the folder, a link for itself; None if nothing has it."""
        try:
            return os.stat(self._name(name), dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def sync(self) -> None:
        """Have the names in the folder on the disk; raises OSError where the file system cannot."""
        if self.descriptor is not None:
            sync_to_disk(self.descriptor)

    def subfolder(self, name: str, mode: int | None = None) -> "OpenFolder":
        """Open a folder in this one; with `mode`, make it if it is not there.

        Raises:
            BadRequest: it is a link.
            OSError: it cannot be made or opened.

        """
        path = self.path / name
        if mode is not None:
            with suppress(FileExistsError):
                os.mkdir(self._name(name), mode, dir_fd=self.descriptor)
        if not _BY_DESCRIPTOR:
            if path.is_symlink():
                raise BadRequest("It is a link now.")
            return OpenFolder(path, None)
        found = self.stat(name)
        if found is not None and stat.S_ISLNK(found.st_mode):
            raise BadRequest("It is a link now.")
        return OpenFolder(path, _open(name, self.descriptor))

    def _name(self, name: str) -> str:
        return name if self.descriptor is not None else str(self.path / name)


def hide_on_windows(path: Path) -> None:
    """Hide a folder whose name begins with a dot, which hides nothing on Windows."""
    if sys.platform == "win32":
        import ctypes

        # What it gives is not looked at: a folder that is seen does no harm.
        ctypes.windll.kernel32.SetFileAttributesW(str(path), stat.FILE_ATTRIBUTE_HIDDEN)


def open_folder(path: Path) -> OpenFolder:
    """Open a folder of this program's own; raises OSError."""
    return OpenFolder(path, _open(path) if _BY_DESCRIPTOR else None)


def open_resolved(folder: Path, policy: WritePolicy) -> OpenFolder:
    """Open a folder that `policy` resolved, and make it if it is not there. Blocks.

    It is resolved again before it is opened, and the path of what was opened is checked: nothing that is exchanged
    between the steps makes this open another folder, or make one elsewhere.

    Raises:
        OSError: it cannot be made or opened.
        BadRequest: it leads to another place now, or may not be written.

    """
    if policy.resolve_writable(folder) != folder:
        raise BadRequest(MOVED)
    if not _BY_DESCRIPTOR:
        folder.mkdir(parents=True, exist_ok=True)
        if policy.resolve_writable(folder) != folder:
            raise BadRequest(MOVED)
        return OpenFolder(folder, None)
    return _open_or_make(folder, policy)


def open_if_there(folder: Path, policy: WritePolicy) -> OpenFolder | None:
    """Open a folder as `open_resolved` does; None if it is not there. Blocks; raises the same."""
    if policy.resolve_writable(folder) != folder:
        raise BadRequest(MOVED)
    try:
        return _open_checked(folder, policy) if _BY_DESCRIPTOR else OpenFolder(folder.resolve(strict=True), None)
    except FileNotFoundError:
        return None


def _open_or_make(folder: Path, policy: WritePolicy) -> OpenFolder:
    """Open the folder that a real path leads to; what is missing is made step by step, each in the one before it."""
    try:
        return _open_checked(folder, policy)
    except FileNotFoundError:
        if folder == folder.parent:
            raise
        with _open_or_make(folder.parent, policy) as parent:
            return parent.subfolder(folder.name, 0o777)


def _open_checked(folder: Path, policy: WritePolicy) -> OpenFolder:
    """Open the folder that a real path leads to, and check that it is that one."""
    place = OpenFolder(folder, _open(folder))
    descriptor = place.descriptor
    assert descriptor is not None
    with ExitStack() as stack:
        stack.push(place)
        real = path_of_descriptor(descriptor, folder, os.fstat(descriptor))
        if real != folder and not _is_spelling(real, folder, descriptor, policy):
            raise BadRequest(MOVED)
        stack.pop_all()
    return place


def _is_spelling(real: Path | None, folder: Path, descriptor: int, policy: WritePolicy) -> bool:
    """Whether an open folder is the one of its path though the system gives it another: in other letters, or whole."""
    if real is None:
        return False
    if denylist.fold_parts(real) == denylist.fold_parts(folder):
        return True
    return policy.resolve_writable(real) == real and os.path.samestat(folder.stat(), os.fstat(descriptor))


def _open(path: Path | str, within: int | None = None) -> int:
    try:
        return os.open(path, _FLAGS, dir_fd=within)
    except PermissionError:
        # A folder that may be written and not listed.
        if not hasattr(os, "O_PATH"):
            raise
        return os.open(path, _FLAGS | os.O_PATH, dir_fd=within)


def _replace(source: str | Path, target: str | Path, place: int | None) -> None:
    """Give a file the name of another one, which goes; raises OSError if it cannot be, on Windows after some tries."""
    for wait in REPLACE_WAITS_S:
        try:
            os.replace(source, target, src_dir_fd=place, dst_dir_fd=place)
        except PermissionError:
            time.sleep(wait)
        else:
            return
    os.replace(source, target, src_dir_fd=place, dst_dir_fd=place)
