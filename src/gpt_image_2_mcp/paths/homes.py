"""In whose home a path lies, and in which hidden folder or folder of a program, of a home or of a project.

A home is found by what it is and not by how it is spelt: by its name in any letter case, by the places in which systems
keep homes, and by the folder that a path leads to.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..errors import shown
from . import denylist
from .safe_open import exists

_HOME: Final = re.compile(
    r"(?P<disk>[a-z]:/|(?:volumes|mnt)/[^/]+/|(?:run/)?media/[^/]+/[^/]+/)?"
    r"(?:(?:(?:var/|usr/|export/)?home|users)/(?P<name>[^/]+)|(?:var/)?root)(?=/|$)"
)
"""A home in the text of a folded path, on this disk or on another one."""

_SHARED_HOMES: Final = frozenset({"shared", "public"})
"""Folders beside the homes of macOS and Windows that belong to all users."""

_OWN_DEPTH: Final = {".config": 2, ".cache": 2, ".local": 3, ".var": 3, "library": 3, "appdata": 3, "snap": 2}
"""Folders in a home that many programs share, and how deep the folder of one program lies, counted from the home."""


@dataclass(frozen=True, slots=True)
class Home:
    """The home that a path lies in."""

    folder: Path
    inside: Path
    """The rest of the path, seen from the home."""
    is_others: bool
    """Whether it is another user's."""


def find_home(real: Path, home: Path) -> Home | None:
    """The home that a real path lies in, where `home` is this user's; None if it lies in none. Blocks.

    A home on another disk is not another user's: disks are carried from one computer to the next.
    """
    own = denylist.fold_parts(home)
    names = denylist.fold_parts(real)
    if own and names[: len(own)] == own:
        return _home(real, own, is_others=False)
    found = _HOME.match("/".join(names))
    if found is None or found["name"] in _SHARED_HOMES:
        found_by_disk = next((parent for parent in (real, *real.parents) if _is_same(parent, home)), None)
        if found_by_disk is None:
            return None
        return Home(found_by_disk, real.relative_to(found_by_disk), is_others=False)
    parts = tuple(found[0].split("/"))
    on_other_disk = bool(found["disk"]) and own[:1] != parts[:1]
    # Some programs are started with a home of their own inside the user's.
    is_around_own = own[: len(parts)] == parts
    place = _home(real, parts, is_others=not (on_other_disk or is_around_own))
    return Home(place.folder, place.inside, is_others=False) if _is_same(place.folder, home) else place


@dataclass(frozen=True, slots=True)
class Hidden:
    """A hidden folder that a path lies in."""

    folder: Path
    """The folder of one program: of those that many programs share, such as `.config`, it is the one inside."""
    outermost: Path
    """The hidden folder itself."""
    reason: str
    """Why no picture belongs there, for an error message."""

    is_in_home: bool = False
    """Whether it is directly in a home, and not in a project."""
    is_git: bool = False
    """Whether it is what git keeps of a repository."""


def hidden_in_home(place: Home) -> Hidden | None:
    """The folder hidden in a home that a path lies in; None if the path is visible to the user."""
    inside = place.inside
    if not inside.parts:
        return None
    first = denylist.fold_parts(inside.parts[0])[0]
    if not first.startswith(".") and not any(
        denylist.is_below(inside, folder) and not any(denylist.is_below(inside, other) for other in exceptions)
        for folder, exceptions in denylist.HIDDEN_HOME_FOLDERS
    ):
        return None
    return Hidden(
        folder=place.folder.joinpath(*inside.parts[: _OWN_DEPTH.get(first, 1)]),
        outermost=place.folder / inside.parts[0],
        reason="it is a hidden folder of the home, where programs keep their settings",
        is_in_home=True,
    )


def find_hidden(real: Path, home: Path) -> list[Hidden]:
    """The hidden folders that a real path lies in, of homes and of projects. Blocks, as `find_home` does."""
    place = find_home(real, home)
    in_home = hidden_in_home(place) if place else None
    found = [in_home] if in_home else []
    for folder in reversed((real, *real.parents)):
        name = denylist.fold_parts(folder.name)[-1:]
        is_inside = name and not (in_home and in_home.folder.is_relative_to(folder))
        if is_inside and (name[0] == ".git" or _is_bare_repository(folder)):
            reason = f"{shown(folder.name)} is a hidden folder, where git keeps a repository"
            found.append(Hidden(folder, folder, reason, is_git=True))
        elif is_inside and name[0].startswith("."):
            reason = f"{shown(folder.name)} is a hidden folder, where programs keep their settings"
            found.append(Hidden(folder, folder, reason))
        elif is_inside and (name[0] in denylist.FILLED_FOLDERS or _is_marked(folder)):
            reason = f"{shown(folder.name)} is filled and emptied by a program, with packages or a cache"
            found.append(Hidden(folder, folder, reason))
    return found


def _is_bare_repository(folder: Path) -> bool:
    """Whether git keeps a repository in a folder itself, which has no working directory."""
    return exists(folder / "HEAD") and (folder.name.lower().endswith(".git") or exists(folder / "objects"))


def _is_marked(folder: Path) -> bool:
    """Whether a file in a folder says that a program fills it."""
    return any(exists(folder / name) for name in denylist.FILLED_MARKS)


def _home(real: Path, names: tuple[str, ...], *, is_others: bool) -> Home:
    """The home with these folded names, in which a real path lies."""
    for parent in (real, *real.parents):
        if denylist.fold_parts(parent) == names:
            return Home(parent, real.relative_to(parent), is_others)
    # Its names are not those of the path's own parts, as in a path of another system.
    return Home(real, Path(*denylist.fold_parts(real)[len(names) :]), is_others)


def _is_same(path: Path, home: Path) -> bool:
    try:
        return path.samefile(home)
    except OSError:
        return False
