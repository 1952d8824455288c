"""What killed processes left half-written in a folder: whole pictures get a name, and anything less is removed."""

import os
import re
import secrets
import stat
import sys
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Final

from ..database.liveness import try_lock
from ..images import EXTENSION, SHOWN, identify
from ..images.formats import is_whole
from ..paths.safe_open import open_no_follow
from .atomic_write import PART_SUFFIX, give_name
from .local_folder import PART_PREFIX, SIDE_FOLDER, Name

MAX_BYTES: Final = 200_000_000
"""Bytes of a part file that are read: ten times the largest picture that the model makes."""

MAX_RESCUED: Final = 20
"""Pictures of one folder that are given a name at once: ten times what a process has under way when it is killed."""

MAX_REMOVED: Final = 1_000
"""Part files of a folder that are no pictures and are removed at once."""

OLD_S: Final = 60
"""Seconds after which no process writes a part file any longer: `LIMIT_S` is half of that."""

_OTHER_PART: Final = re.compile(rf"\.[0-9a-f]{{16,}}{re.escape(PART_SUFFIX)}")
"""The name of a part file that is no picture's: of a record, an exported copy or a gallery."""


def recover_parts(folder: Path) -> list[str]:
    """Put in order what killed processes left in a folder; a sentence for each picture found. Blocks.

    A picture that was written whole, as its header and its end tell, gets a name, since it was paid for; anything less
    is removed, and so are records and copies that have no name yet: they can be made again. A part file that a living
    process writes is locked, and stays; on a file system without locks, one that was changed in the last minute does.

    This reads the names of all files in the folder, so it is not done for every call.
    """
    found: list[str] = []
    try:
        pictures, others = _parts_in(folder)
        with suppress(FileNotFoundError):
            others += _parts_in(folder / SIDE_FOLDER)[1]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        return [f"The folder {folder} cannot be looked through ({error.strerror})."]
    left = sorted(pictures)[MAX_RESCUED:]
    if left:
        found.append(
            f"{len(left)} more files like {left[0]} stay: {MAX_RESCUED} of one folder are put in order at once."
        )
    for part in sorted({*pictures, *others[:MAX_REMOVED]} - {*left}):
        try:
            with os.fdopen(open_no_follow(part, os.O_RDWR), "rb", buffering=0) as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode) or not _is_left(file, status):
                    continue
                sentence = _recover(part, file, status, is_picture=part in pictures)
            if sentence:
                found.append(sentence)
        except FileNotFoundError:
            # Another process recovered it meanwhile.
            continue
        except OSError as error:
            found.append(f"{part} was left by a killed process and cannot be put in order ({error.strerror}).")
    return found


def _parts_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """The part files of pictures in a folder, and those of other files."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.name.endswith(PART_SUFFIX)]
    pictures = [folder / name for name in names if name.startswith(PART_PREFIX)]
    return pictures, [folder / name for name in names if _OTHER_PART.fullmatch(name)]


def _is_left(file: IO[bytes], status: os.stat_result) -> bool:
    """Whether no process writes a part file: it is not locked, or where files have no locks, it is old enough."""
    try:
        return try_lock(file)
    except OSError:
        return time.time() - status.st_mtime > OLD_S


def _recover(part: Path, file: IO[bytes], status: os.stat_result, *, is_picture: bool) -> str | None:
    """Name a part file or remove it while it is locked, so that no other process takes it for its own meanwhile."""
    # With two names, the process was killed between the two steps of renaming: the picture has its name already. An
    # empty file may be a living process's that has not locked it yet, and then makes another one.
    worthless = status.st_nlink > 1 or status.st_size == 0 or not is_picture
    data = b"" if worthless else file.read(MAX_BYTES)
    if sys.platform == "win32":
        # An open file can be neither renamed nor removed there.
        file.close()
    if worthless:
        part.unlink()
        return None
    # Nothing is decoded: a decoder is slow, and needs much memory for a small file that a stranger made.
    what, broken = identify(data)
    if broken or (what.format not in SHOWN and not is_whole(data)):
        part.unlink(missing_ok=True)
        return f"Removed {part.name}, a picture that a killed process had begun to write to {part.parent}."
    made = datetime.fromtimestamp(status.st_mtime).astimezone()
    name = Name("image", made, "rescued", secrets.token_hex(3))
    path = give_name(part, name.paths(part.parent, None, EXTENSION[what.format]))
    part.unlink(missing_ok=True)
    return f"Rescued {path}, a picture that a killed process had written and not named."
