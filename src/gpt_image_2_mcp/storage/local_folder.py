"""Saved pictures: where they go, what they are called, and how their bytes get onto the disk.

A picture is on the disk whole under its final name, or not there at all: it is written beside, synced, and given
its name in one step that cannot replace another file.
"""

import errno
import hashlib
import os
import secrets
import stat
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from io import FileIO
from pathlib import Path
from typing import IO, Literal

from ..database.liveness import lock
from ..errors import BadRequest, CannotSave, SessionError
from ..images import MIME, Facts

Kind = Literal["image", "edit", "session"]

SIDE_FOLDER = ".gpt-image-2"
"""Beside the pictures, for what is not a picture that somebody asked for."""

MAX_READ_BACK = 200_000_000
"""Bytes of a picture that is read again: ten times the largest that the model makes."""

PART_PREFIX = ".gpt-image-2-"
PART_SUFFIX = ".part"
"""A picture on its way to its name is called by these: hidden, and recognisable to whoever cleans up after a kill."""


@dataclass(frozen=True, slots=True)
class Name:
    """What the pictures of one request are called: `<kind>-<time>-<token>[-<prefix>][-<number>]`."""

    kind: Kind
    when: datetime
    prefix: str = ""
    token: str = ""

    @classmethod
    def new(cls, kind: Kind, prefix: str = "") -> "Name":
        """Name what is made now, by the local clock; `prefix` is already safe."""
        return cls(kind, datetime.now().astimezone(), prefix, secrets.token_hex(3))

    def stem(self, number: int | None) -> str:
        """The file's name without its extension; `number` is None where there is one picture only."""
        parts = (self.kind, f"{self.when:%Y%m%d-%H%M%S}", self.token, self.prefix, str(number or ""))
        return "-".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class SavedImage:
    """A picture on the disk: the API's bytes, and what they are."""

    path: Path
    facts: Facts
    size_bytes: int
    sha256: str

    @property
    def id(self) -> str:
        """The file's name without its extension."""
        return self.path.stem

    @property
    def mime_type(self) -> str:
        """By the bytes."""
        return MIME[self.facts.format]


def default_folder(*, working_dir: Path, home: Path) -> Path:
    """`gpt-image-2/<project>/` in the person's Pictures; no project where a person works at home or nowhere."""
    from platformdirs import user_pictures_path

    return user_pictures_path() / "gpt-image-2" / (project_of(working_dir, home) or "")


def project_of(working_dir: Path, home: Path) -> str | None:
    """The name of the git root, or of the working directory; None where a person works at home or nowhere."""
    root = next((d for d in (working_dir, *working_dir.parents) if (d / ".git").exists()), working_dir)
    return None if root in (home, Path(root.anchor)) else root.name


def ready_folder(folder: Path) -> None:
    """Make a folder and see that it can be written, before anything is paid for.

    Raises:
        BadRequest: it cannot be made or written.

    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise BadRequest(f"The folder {str(folder)!r} cannot be made ({why}). {_ELSEWHERE}") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BadRequest(f"The folder {str(folder)!r} cannot be written. {_ELSEWHERE}")


_ELSEWHERE = "Give another `output_dir`, or leave it out and have GPT_IMAGE_2_OUTPUT_DIR name a folder that can be."


def save(
    data: bytes,
    *,
    extension: str,
    name: Name,
    number: int | None,
    folders: tuple[Path, ...],
    judge: Callable[[Path], Path],
) -> tuple[Path, str | None]:
    """Write a picture into the first of `folders` that takes it, the temp folder being the last resort.

    `folders` are real paths; `judge` gives a path's real one and raises BadRequest where it may not be written, since a
    link may have been put there after the call was checked. Gives where it is, and a sentence where that is not in the
    first folder. Blocks: call it in a thread.

    Raises:
        CannotSave: no folder took it.

    """
    failures: list[str] = []
    last_resort = Path(os.path.realpath(tempfile.gettempdir())) / "gpt-image-2"
    for folder in (*folders, last_resort):
        try:
            ready(folder, judge)
            write = partial(_write, data, folder=folder, name=name, number=number, extension=extension)
            try:
                path = write()
            except (BlockingIOError, FileNotFoundError):
                # Another server's start took the file for a dead one's, between its making and its lock.
                path = write()
        except OSError as error:
            failures.append(f"{folder} ({error.strerror or type(error).__name__})")
            continue
        except BadRequest:
            failures.append(f"{folder} (it leads to another place than when the call was checked)")
            continue
        return path, f"Saved in {folder}, since this could not be written: {failures[0]}." if failures else None
    raise CannotSave(
        f"The picture was made and paid for, but could not be saved anywhere: {'; '.join(failures)}."
        " Make room or set GPT_IMAGE_2_OUTPUT_DIR to a folder that can be written."
    )


def save_as(data: bytes, path: Path, *, judge: Callable[[Path], Path]) -> bool:
    """Write a file whole under a name of its own; False where there is one, which stays as it is. Blocks.

    Raises:
        CannotSave: the folder cannot be written; `judge` is that of `save`.

    """
    # Not called like a picture that was paid for: what a kill leaves of a copy is nothing to rescue.
    part = path.with_name(f".{secrets.token_hex(8)}{PART_SUFFIX}")
    try:
        ready(path.parent, judge)
        if path.exists() or path.is_symlink():
            return False
        _write_new(data, part, path)
    except FileExistsError:
        return False
    except (OSError, BadRequest) as error:
        why = (isinstance(error, OSError) and error.strerror) or str(error)
        raise CannotSave(f"{path} cannot be written ({why}). Make room, or choose another folder.") from None
    return True


def open_as_is(path: Path, flags: int) -> int:
    """Open what lies there now without waiting for it: a pipe would hold up whoever opens it."""
    return os.open(
        path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    )


def ready(folder: Path, judge: Callable[[Path], Path]) -> None:
    """Make a folder, if it is still the place that was checked; judged before it is made, and as it is then."""
    for make in (True, False):
        if judge(folder) != folder:
            raise BadRequest("It is a link now.")
        if make:
            folder.mkdir(parents=True, exist_ok=True)


def ready_side_folder(folder: Path, judge: Callable[[Path], Path]) -> Path:
    """Make `SIDE_FOLDER` in a folder of pictures, judged as `ready` does it; raises BadRequest where it is a link.

    It is judged by the folder that it is in: in a home it would be one of those where programs keep their settings.
    """
    ready(folder, judge)
    ready(folder / SIDE_FOLDER, lambda side: Path(os.path.realpath(side)))
    return folder / SIDE_FOLDER


def keep_beside(data: bytes, name: str, *, folder: Path, judge: Callable[[Path], Path]) -> Path:
    """Write a file into the side folder of `folder`, whole or not at all; one of that name that is there stays.

    Raises:
        OSError: it cannot be written.
        BadRequest: the folder leads to another place now.

    """
    path = ready_side_folder(folder, judge) / name
    with suppress(FileExistsError):
        _write_new(data, path.with_name(f"{secrets.token_hex(8)}{PART_SUFFIX}"), path)
    return path


def _write_new(data: bytes, part: Path, path: Path) -> None:
    """Write a file beside its place, as `part`, and give it its name; raises FileExistsError where that is taken."""
    try:
        with part.open("xb") as file:
            file.write(data)
        _give_name(part, path)
    finally:
        part.unlink(missing_ok=True)


def regular_file(file: IO[bytes]) -> bool:
    """Whether an open file is one, and no pipe or device."""
    return stat.S_ISREG(os.fstat(file.fileno()).st_mode)


def is_file(path: Path) -> bool:
    """Whether there is one, as far as this user can see; a link counts for what it leads to."""
    return os.path.isfile(path)  # noqa: PTH113 - pathlib's fails where a folder is closed or a name too long


def is_there(path: Path) -> bool:
    """Whether anything is, as far as this user can see; a link counts for itself."""
    return os.path.lexists(path)


def read_back(path: Path, sha256: str) -> bytes:
    """Read a picture that was saved earlier and has to be the same still. Blocks: call it in a thread.

    Raises:
        SessionError: it is gone, or was changed.

    """
    try:
        with os.fdopen(open_as_is(path, os.O_RDONLY), "rb") as file:
            data = file.read(MAX_READ_BACK) if regular_file(file) else b""
    except OSError as error:
        raise SessionError(f"The picture {path} is gone or cannot be read ({error.strerror}).") from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise SessionError(f"The picture {path} was changed since it was made.")
    return data


def _held(file: FileIO) -> bool:
    """Lock a file that is being written; where there are no locks nobody can take it for a dead one's either."""
    try:
        return lock(file)
    except OSError:
        return True


def _write(data: bytes, *, folder: Path, name: Name, number: int | None, extension: str) -> Path:
    part = folder / f"{PART_PREFIX}{secrets.token_hex(8)}{PART_SUFFIX}"
    try:
        with part.open("xb", buffering=0) as file:
            # Held until the picture has its name: whoever looks for leftovers sees that this one is not.
            if not _held(file):
                raise BlockingIOError(errno.EAGAIN, "somebody tidies up at this moment")
            file.write(data)
            os.fsync(file.fileno())
            if sys.platform != "win32":
                return named(part, folder, name, number, extension)
        return named(part, folder, name, number, extension)
    finally:
        part.unlink(missing_ok=True)


def named(part: Path, folder: Path, name: Name, number: int | None, extension: str) -> Path:
    """Give a written file its name, with another token where that is taken, and sync its folder."""
    while True:
        path = folder / f"{name.stem(number)}.{extension}"
        try:
            _give_name(part, path)
        except FileExistsError:
            name = replace(name, token=secrets.token_hex(3))
        else:
            _sync_folder(folder)
            return path


def _give_name(part: Path, path: Path) -> None:
    """Rename without replacing: a hard link fails where the name is taken, as a rename does on Windows only."""
    try:
        path.hardlink_to(part)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):
        # A file system without hard links (exFAT, some network shares).
        if path.exists():
            raise FileExistsError(path) from None
        part.rename(path)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
