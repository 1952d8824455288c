"""Saved pictures: what they are called, and which folder takes them.

A picture is on the disk whole under its final name, or not there at all: `atomic_write` is how.
"""

import errno
import os
import re
import secrets
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

from ..errors import BadRequest, CannotSave
from ..images import MIME, Facts
from ..paths.policy import WritePolicy
from ..paths.safe_open import exists, open_no_follow
from .atomic_write import write_file
from .open_folder import OpenFolder, hide_on_windows, open_resolved
from .time_limit import run_in_time

Kind = Literal["image", "edit", "session"]

SIDE_FOLDER = ".gpt-image-2"
"""The folder beside the pictures for their records, partial pictures and kept originals."""

SIDE_FOLDER_MODE = 0o700
"""Records hold prompts, and folders of pictures are often open to all."""

RAW_PREFIX, RAW_SUFFIX = "unread-", ".bin"
"""How the name of a raw answer begins and ends that is kept because no picture was found in it."""

PART_PREFIX = ".gpt-image-2-"
"""How the name of a picture begins that is still being written: recovery after a kill looks for these."""

EXACT_SUFFIX = "-exact"
"""How the name of a composite ends: an exact edit, made from the picture that the API sent."""

TRANSPARENT_SUFFIX = "-transparent"
"""How the name of a picture ends whose background was taken off here."""

PRIVATE_PREFIX = "gpt-image-2-"
"""How the names of the folders begin that are the last resort."""

PAUSES_S = (0.5, 2.0)
"""Seconds before each further try to save a picture that no folder has taken: it is paid for."""


_SIZED = re.compile(r"(.+)-\d+x\d+")


def saved_files(folder: Path, stem: str) -> list[Path]:
    """The files in a folder that have the names of a job's pictures, whose names begin with `stem`. Blocks.

    The stem may come out of a database that others write to: it is compared, and is no pattern.

    Raises:
        OSError: the folder cannot be listed.

    """
    suffixes = rf"{EXACT_SUFFIX}|{TRANSPARENT_SUFFIX}|-\d+x\d+"
    own_name = re.compile(rf"{re.escape(stem)}(-\d+)?({suffixes})?\.[a-z0-9]+")
    return sorted(path for path in folder.iterdir() if own_name.fullmatch(path.name))


def has_bytes(path: Path, data: bytes) -> bool:
    """Whether a regular file has exactly these bytes. Blocks; raises nothing."""
    with suppress(OSError), os.fdopen(open_no_follow(path, os.O_RDONLY), "rb") as file:
        return os.fstat(file.fileno()).st_size == len(data) and file.read(len(data)) == data
    return False


@dataclass(frozen=True, slots=True)
class MadeFrom:
    """What the name of a picture says of the one that it was made from here."""

    role: Literal["model", "derived_from"]
    of: tuple[str, ...]
    """The names that one may have, without extension; the first that is there is it."""


def made_from(stem: str) -> MadeFrom | None:
    """What a picture was made from, by its name without extension; None if it says nothing of that."""
    for suffix in (EXACT_SUFFIX, TRANSPARENT_SUFFIX):
        if stem.endswith(suffix):
            return MadeFrom("model", (stem.removesuffix(suffix),))
    if sized := _SIZED.fullmatch(stem):
        base = sized[1]
        return MadeFrom("derived_from", (f"{base}{EXACT_SUFFIX}", f"{base}{TRANSPARENT_SUFFIX}", base))
    return None


@dataclass(frozen=True, slots=True)
class Name:
    """What the pictures of one request are called: `<kind>-<time>-<token>[-<prefix>][-<number>][-<suffix>]`."""

    kind: Kind
    when: datetime
    prefix: str = ""
    token: str = ""
    suffix: str = ""

    @classmethod
    def new(cls, kind: Kind, prefix: str = "") -> "Name":
        """Name what is made now, by the local clock; `prefix` is safe in a file's name already."""
        return cls(kind, datetime.now().astimezone(), prefix, secrets.token_hex(3))

    def stem(self, number: int | None) -> str:
        """The file's name without its extension; `number` is None where there is one picture only."""
        parts = (self.kind, f"{self.when:%Y%m%d-%H%M%S}", self.token, self.prefix, str(number or ""))
        return "-".join(part for part in parts if part) + self.suffix

    def paths(self, folder: Path, number: int | None, extension: str) -> Generator[Path]:
        """The paths to try in `folder`: this name, then the same with other random tokens."""
        name = self
        while True:
            yield folder / f"{name.stem(number)}.{extension}"
            name = replace(name, token=secrets.token_hex(3))


@dataclass(frozen=True, slots=True)
class SavedImage:
    """A picture on the disk: the API's bytes, a composite, or one in another size, and what they are."""

    path: Path
    facts: Facts
    size_bytes: int
    sha256: str
    broken: bool = False
    """Whether the file is damaged: it is kept as it came, and not shown."""
    made_from: str | None = None
    """The id of the picture that this one was made from here; None for what the API sent."""
    also_from: str | None = None
    """The id of a second picture that it was made from: the same subject on another ground."""
    proof: Mapping[str, Any] | None = None
    """What was counted in it; see `pixels.proof_text`, and `pixels.matte_text` for a transparent background."""
    ground_prompt: str | None = None
    """What was sent about the ground behind the subject, with the prompt or in its place; None where nothing was."""
    change: str | None = None
    """How a picture was brought to the size that was asked for; None for one that was not."""

    @property
    def id(self) -> str:
        """The file's name without its extension."""
        return self.path.stem

    @property
    def role(self) -> Literal["delivered", "transparent", "exact", "model"]:
        """What it is of its job: what was asked for in another size, a composite, or what the API sent."""
        if self.change:
            return "delivered"
        if self.made_from is None:
            return "model"
        return "transparent" if self.path.stem.endswith(TRANSPARENT_SUFFIX) else "exact"

    @property
    def mime_type(self) -> str:
        """The MIME type, by the bytes."""
        return MIME[self.facts.format]


def ensure_writable(folder: Path) -> None:
    """See that a folder can be written, or made if it is not there, before anything is paid for. It is not made yet.

    Raises:
        BadRequest: it cannot be made or written.

    """
    elsewhere = "Give another `output_dir`, or leave it out and have GPT_IMAGE_2_OUTPUT_DIR name a folder that can be."
    there = next(parent for parent in (folder, *folder.parents) if exists(parent))
    if not there.is_dir():
        raise BadRequest(f"The folder {str(folder)!r} cannot be made ({os.strerror(errno.ENOTDIR)}). {elsewhere}")
    if not os.access(there, os.W_OK | os.X_OK):
        raise BadRequest(f"The folder {str(folder)!r} cannot be written. {elsewhere}")


def open_side_folder(folder: Path, policy: WritePolicy) -> OpenFolder:
    """Open `SIDE_FOLDER` in a folder of pictures, and make it if it is not there; raises as `open_resolved` does.

    `policy` resolves the folder that it is in: the side folder itself is hidden, and would be refused as one of those
    where programs keep their settings.
    """
    with open_resolved(folder, policy) as pictures:
        side = pictures.subfolder(SIDE_FOLDER, SIDE_FOLDER_MODE)
    hide_on_windows(side.path)
    return side


def save_image(
    data: bytes,
    *,
    extension: str,
    name: Name,
    number: int | None,
    folders: tuple[Path, ...],
    policy: WritePolicy,
    meanwhile: Callable[[], object] = lambda: None,
) -> tuple[Path, str | None]:
    """Write a picture into the first of `folders` that takes it, a private temporary one being the last. Blocks.

    `folders` are real paths; `policy` resolves each again, since a link may have been put there after the call was
    checked. If no folder takes it, all are tried again after each of `PAUSES_S`: a process without descriptors or a
    disk that is full may be so for a moment only. Gives the path, and a sentence where that is not in the first folder.
    `meanwhile` is run in this thread while another one writes, at each try; what it raises is dropped.

    Raises:
        CannotSave: no folder took it.

    """
    failures: list[str] = []
    for pause in (0, *PAUSES_S):
        time.sleep(pause)
        failures.clear()
        for place in (*folders, None):
            folder = place or Path("a temporary folder")
            try:
                folder = place or last_resort()
                names = name.paths(folder, number, extension)
                path = run_in_time(folder, partial(_write_image, data, folder, names, policy), meanwhile=meanwhile)
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


def last_resort() -> Path:
    """The folder in which a paid picture is saved if no other folder takes it: one that only this user can enter.

    Raises:
        OSError: it cannot be made.

    """
    found = private_folders()
    return found[0] if found else Path(os.path.realpath(tempfile.mkdtemp(prefix=PRIVATE_PREFIX)))


def private_folders() -> list[Path]:
    """The folders in the temporary one that `last_resort` made for this user; another user's are not among them."""
    folder = Path(os.path.realpath(tempfile.gettempdir()))
    found: list[Path] = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(PRIVATE_PREFIX) and entry.is_dir(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                # On Windows, the temporary folder is a user's own.
                if os.name == "nt" or (status.st_uid == os.geteuid() and not status.st_mode & 0o077):
                    found.append(folder / entry.name)
    return sorted(found)


def save_copy(data: bytes, path: Path, *, policy: WritePolicy) -> bool:
    """Write a file whole under a name of its own; False where the name is taken: that file stays. Blocks.

    Raises:
        CannotSave: the folder cannot be written.

    """
    try:
        with open_resolved(path.parent, policy) as folder:
            if folder.stat(path.name) is not None:
                return False
            write_file([data], [path], folder=folder)
    except FileExistsError:
        return False
    except (OSError, BadRequest) as error:
        why = (isinstance(error, OSError) and error.strerror) or str(error)
        raise CannotSave(f"{path} cannot be written ({why}). Make room, or choose another folder.") from None
    return True


def save_beside(data: bytes, name: str, *, folder: Path, policy: WritePolicy, durable: bool = True) -> Path:
    """Write a file into the side folder of `folder`, and give its path; one of that name that is there stays. Blocks.

    `durable` waits until the disk has it.

    Raises:
        OSError: it cannot be written.
        BadRequest: the folder leads to another place now.

    """

    def write() -> Path:
        with open_side_folder(folder, policy) as side:
            path = side.path / name
            with suppress(FileExistsError):
                write_file([data], [path], folder=side, durable=durable)
            return path

    return run_in_time(folder, write)


def _write_image(data: bytes, folder: Path, names: Iterable[Path], policy: WritePolicy) -> Path:
    with open_resolved(folder, policy) as place:
        return write_file([data], names, folder=place, part_prefix=PART_PREFIX)
