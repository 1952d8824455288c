"""`ReadPolicy`: from which folders pictures are read, for one user, and which files a person is asked about first."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from . import denylist
from .homes import find_home, hidden_in_home
from .policy import real_path

PASTED: Final = {"Claude Code": ".claude/image-cache", "Gemini CLI": ".gemini/tmp"}
"""The folders in a home in which clients keep the pictures that a person pastes into a chat, by the client's name.

The others keep them inside, or in the system's temporary folder.
"""


@dataclass(frozen=True, slots=True)
class PrivateFile:
    """A file that is read only if the person says so."""

    path: Path
    """Its real path."""
    reason: str
    """What it lies in, for a sentence: "it lies in …"."""
    is_pasted: bool
    """Whether a client keeps pictures there that the person pasted, so that it is read where no one can be asked."""


@dataclass(frozen=True, slots=True)
class ReadPolicy:
    """Where pictures may be read.

    With `allowed_dirs` they are read in these folders and in those of `own_dirs` only. Without them, they are read
    everywhere but in places that a person does not take for folders of pictures: see `find_private`. `own_dirs` gives
    the folders that the user has set.
    """

    working_dir: Path
    home: Path
    allowed_dirs: tuple[Path, ...] | None = None
    own_dirs: Callable[[], Sequence[Path]] = tuple

    def readable_dirs(self) -> list[Path] | None:
        """The folders to which reading is restricted; None if it is not."""
        return None if self.allowed_dirs is None else [*self.allowed_dirs, *self.own_dirs()]

    def find_private(self, real: Path) -> PrivateFile | None:
        """Whether the file of a real path is read only if the person says so. Blocks.

        Such are files in hidden folders of any home and in other users' homes, and the caches of browsers and chats:
        these hold pictures that programs put there. A folder of this kind is open if the user has set it or a folder in
        it, or if the working directory is in that very one.
        """
        if self.allowed_dirs is not None:
            return None
        home = real_path(self.home)
        for folder, outermost, reason in _private_folders(real, home):
            users_folders = map(real_path, (Path(tempfile.gettempdir()), *self.own_dirs()))
            is_open = denylist.is_in(real_path(self.working_dir), folder) or any(
                denylist.is_below(place, outermost) and denylist.is_in(real, place) for place in users_folders
            )
            if not is_open:
                pasted = any(denylist.is_in(real, home / folder) for folder in PASTED.values())
                return PrivateFile(real, reason, is_pasted=pasted)
        return None


def _private_folders(real: Path, home: Path) -> list[tuple[Path, Path, str]]:
    """Each private folder that a path lies in: that of the program, the outermost one, and what it is."""
    found: list[tuple[Path, Path, str]] = []
    place = find_home(real, home)
    if place and place.is_others:
        found.append((place.folder, place.folder, "another user's home"))
    hidden = hidden_in_home(place) if place else None
    if hidden:
        found.append((hidden.folder, hidden.outermost, "a folder of a home where programs keep their data"))
    cache = denylist.find_cache(real)
    if cache:
        names, holds = cache
        folder = next((parent for parent in real.parents if denylist.fold_parts(parent) == names), real)
        found.append((folder, folder, holds))
    return found
