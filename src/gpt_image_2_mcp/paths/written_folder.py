"""Folders as people and models write them: in quotes, with variables of a shell, with a drive, or named like a file."""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from ..errors import BadRequest, shown

_VARIABLE = re.compile(r"\$\{(\w+)\}|\$([A-Za-z_]\w*)|%([A-Za-z_]\w*)%")
_DRIVE = re.compile(r"([A-Za-z]):[\\/](.*)", re.DOTALL)
_PICTURE_FILE = re.compile(r".+\.(?:png|jpe?g|webp|gif|avif|heic|tiff?)", re.IGNORECASE | re.DOTALL)


def unquoted_folder(text: str) -> str:
    """A folder's path without white space and one pair of quotes around it."""
    path = text.strip()
    return path[1:-1].strip() if len(path) > 1 and path[0] == path[-1] and path[0] in "\"'`" else path


def expand_variables(text: str, environ: Mapping[str, str]) -> str:
    """A path with `$NAME`, `${NAME}` and `%NAME%` replaced, where the environment has that variable."""
    return _VARIABLE.sub(lambda found: environ.get(found[1] or found[2] or found[3]) or found[0], text)


def first_variable(text: str) -> str | None:
    """The first variable in a path, as it is written there; None if there is none."""
    found = _VARIABLE.search(text)
    return found[0] if found else None


def check_written_folder(text: str, path: Path) -> None:
    """Check that a text means a folder, which `path` is: that nothing is left to be expanded. Blocks.

    Raises:
        BadRequest: it holds a variable, or ends like a picture's file name, and no such folder exists.

    """
    if os.path.isdir(path):  # noqa: PTH112 - pathlib's fails where a folder is closed or a name too long
        return
    if variable := first_variable(text):
        raise BadRequest(
            f"`output_dir` {shown(text)} has the variable {variable} in it, and variables are replaced in settings"
            " only: write the path out, or begin it with ~/ for the home."
        )
    if _PICTURE_FILE.fullmatch(path.name):
        raise BadRequest(
            f"`output_dir` is a folder, and {shown(text)} ends like the name of a picture: give the folder alone. A"
            " word for the file's name goes into `filename_prefix`, and the name of an exported file into `to`."
        )


def check_drive(text: str) -> None:
    """Check that a path names no drive; for systems that have none.

    Raises:
        BadRequest: it begins with a drive.

    """
    found = _DRIVE.match(text)
    if found is None:
        return
    system = {"darwin": "macOS", "linux": "Linux"}.get(sys.platform, sys.platform)
    mounted = Path("/mnt") / found[1].lower()
    here = (
        f": here that is {str(mounted / found[2].replace(chr(92), '/'))!r}"
        if mounted.is_dir()
        else ", which has no drives: give a path that begins with / or ~/"
    )
    raise BadRequest(f"{shown(text)} is a path of Windows, and this server runs on {system}{here}.")
