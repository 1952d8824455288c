"""Which path an argument names, and whether pictures may be written there.

`expand_path` turns an argument into an absolute path, and `WritePolicy` decides about output folders. The policy checks
the real path of a folder, with every link and `..` resolved, and returns it: the caller has to write there, and not to
the path of the argument.
"""

import ntpath
import os
import re
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from ..errors import BadRequest, shown
from . import denylist
from .homes import Hidden, find_hidden
from .plain_names import ALLOWED, is_plain, is_utf8, is_windows_device, suggest_plain
from .written_folder import check_drive

MAX_PATH = 4096
"""Characters of a path: the limit of Linux, and more than those of the other systems."""

REAL_PATH_TRIES = 100
"""How often a path is resolved anew that is exchanged meanwhile: it takes microseconds, and one exchange needs two."""

_IS_WINDOWS = os.name == "nt"
_FILE_URL = re.compile(r"file:(?://(?P<host>[^/\\]*))?(?P<path>[/\\].*)?", re.IGNORECASE | re.DOTALL)
_NETWORK_SHARE = re.compile(r"[/\\]{2}")


def expand_path(text: str, *, working_dir: Path, home: Path) -> Path:
    """The absolute path of an argument: a path, one relative to `working_dir`, `~/…` or a `file://` URL.

    Links are not resolved.

    Raises:
        BadRequest: the argument is empty or too long, holds a NUL, or names another user's home (`~user`), another
            host, a device of Windows, or a drive on another system.
    """
    if len(text) > MAX_PATH:
        raise BadRequest(f"A path of {len(text):,} characters is too long: {MAX_PATH:,} are the most.")
    path = _from_file_url(text) if text[:5].lower() == "file:" else text
    if not path.strip():
        raise BadRequest("The path is empty: give the path of a file or folder.")
    try:
        is_invalid = b"\0" in os.fsencode(path)
    except UnicodeEncodeError:
        is_invalid = True
    if is_invalid:
        raise BadRequest(f"{shown(text)} holds a character that no path can have: remove it.")
    if not _IS_WINDOWS:
        check_drive(path)
    if path.startswith("~"):
        if path[1:2] not in {"", "/", os.sep}:
            raise BadRequest(
                f"{shown(text)} would be the home of another user: only '~/' is understood. Write the path out, "
                f"or './{shown(path)[1:-1]}' for a file whose name begins so."
            )
        return home / path[1:].lstrip("/" + os.sep)
    if _IS_WINDOWS:
        _refuse_unsafe_windows_path(path)
    elif path.startswith("//"):
        path = "/" + path.lstrip("/")
    return working_dir / path


@dataclass(frozen=True, slots=True)
class WritePolicy:
    """Which folders pictures may be written to, for one user.

    With `allowed_dirs`, pictures are written in these folders and in `own_dirs` only. `own_dirs` come from the user's
    settings and are allowed wherever they lie; so is everything in them, except a folder of secrets further down.
    `allow_unsafe` lifts every other rule.
    """

    working_dir: Path
    home: Path
    allowed_dirs: tuple[Path, ...] | None = None
    own_dirs: tuple[Path, ...] = ()
    allow_unsafe: bool = False

    def resolve_writable(self, folder: Path) -> Path:
        """The real path of a folder that pictures may be written to; the folder need not exist yet.

        Raises:
            BadRequest: the folder is refused; the text names the rule and the variable that changes it.

        """
        real = self._resolve(folder)
        if not is_utf8(real):
            raise BadRequest(
                f"No picture is written to {shown(str(real))}: its path has bytes that are no UTF-8, so no record could"
                " name it. Rename that folder, or choose another one with `output_dir` or GPT_IMAGE_2_OUTPUT_DIR."
            )
        return real

    def _resolve(self, folder: Path) -> Path:
        real = real_path(self.working_dir / folder)
        if self.allow_unsafe:
            return real
        working_dir, home = real_path(self.working_dir), real_path(self.home)
        # The user's own folders are looked at only where they matter: one may be on a network drive that is gone, and
        # a picture is then saved in another folder.
        if self.allowed_dirs is None and not self._refusal(real, working_dir=working_dir, home=home, own=()):
            return real
        own = [real_path(directory) for directory in self.own_dirs]
        if real in own:
            return real
        refusal = self._refusal(real, working_dir=working_dir, home=home, own=own)
        if refusal:
            raise BadRequest(f"No picture is written to {shown(str(folder))}: {refusal}")
        allowed = self.allowed_dirs
        if allowed is not None and not denylist.is_in_any(real, [*map(real_path, allowed), *own]):
            raise BadRequest(
                f"{shown(str(folder))} is outside the folders that are open to this server "
                f"({denylist.describe_folders(allowed) or 'none'}): choose one of them or leave output_dir out; a "
                f"person can add a folder to GPT_IMAGE_2_ALLOWED_DIRS."
            )
        return real

    def _refusal(self, real: Path, *, working_dir: Path, home: Path, own: Sequence[Path]) -> str | None:
        """Why no picture may be written to a real path, and what to do about it; None if it may."""
        allowed = [real_path(folder) for folder in self.allowed_dirs or ()]
        reason = _place_reason(real, working_dir=working_dir, home=home, own=own, allowed=allowed)
        if reason:
            return (
                f"{reason}. Choose another folder or leave output_dir out; a person can set GPT_IMAGE_2_OUTPUT_DIR, "
                f"or GPT_IMAGE_2_ALLOW_UNSAFE_OUTPUT_DIR=1."
            )
        name = _odd_new_name(real, [working_dir, *own, *allowed])
        if name is None:
            return None
        return (
            f"a new folder cannot be called {shown(name)}, since its name is to be plain ({ALLOWED}). Call it "
            f"{shown(suggest_plain(name))}, or name a folder that exists."
        )


def real_path(path: Path) -> Path:
    """The path with links and `..` resolved as far as it exists; opens no file.

    Raises:
        BadRequest: it is exchanged all the time, or the disk fails.

    """
    for _ in range(REAL_PATH_TRIES):
        # A link that is replaced by a folder in the middle of it fails.
        with suppress(OSError):
            return Path(os.path.realpath(path))
    raise BadRequest(f"{shown(str(path))} changes while it is looked at: try again.")


def _place_reason(
    real: Path, *, working_dir: Path, home: Path, own: Sequence[Path], allowed: Sequence[Path]
) -> str | None:
    """Why no picture may be written to the place of a real path, for the error message; None if it may."""
    if denylist.is_root(real):
        return "it is the root of the disk"
    secret = denylist.find_secret(real)
    if secret:
        names, holds = secret
        # The output folder that the user set may lie inside such a folder; then pictures go there.
        if not _is_in_users_folder(real, own, inside="/".join(names)):
            return f"it lies where secrets are kept ({holds})"
    temporary = real_path(Path(tempfile.gettempdir()))
    reason = _hidden_reason(real, find_hidden(real, home), working_dir, own=[temporary, *own], allowed=allowed)
    if reason:
        return reason
    for system in denylist.SYSTEM_FOLDERS:
        if not denylist.is_below(real, system.path) or any(
            denylist.is_below(real, other) for other in system.exceptions
        ):
            continue
        users_folders = [temporary, *own]
        if system.holds_projects:
            users_folders += [folder for folder in (working_dir, home) if not denylist.is_below(system.path, folder)]
        if not _is_in_users_folder(real, users_folders, inside=system.path):
            return f"{system.path} is a system folder ({system.reason})"
    return None


def _hidden_reason(
    real: Path, hidden_folders: Sequence[Hidden], working_dir: Path, *, own: Sequence[Path], allowed: Sequence[Path]
) -> str | None:
    """Why no picture may be written to a real path that lies in hidden folders; None if it may."""
    for hidden in hidden_folders:
        # Git starts programs in `.git`, and no project is there.
        if not hidden.is_git and denylist.is_in(working_dir, hidden.folder):
            continue
        users_folders = own if hidden.is_in_home else [*own, *allowed]
        if not _is_in_users_folder(real, users_folders, inside=hidden.outermost):
            return hidden.reason
    return None


def _is_in_users_folder(real: Path, folders: Sequence[Path], *, inside: Path | str) -> bool:
    """Whether a real path lies in one of the user's `folders`, and that folder lies `inside` a denied one."""
    return any(denylist.is_below(folder, inside) and denylist.is_in(real, folder) for folder in folders)


def _odd_new_name(real: Path, users_folders: Sequence[Path]) -> str | None:
    """The first name that is not plain among those that would be new folders; None if there is none.

    The names of the user's own folders may be any, and those above them.
    """
    for folder in reversed((real, *real.parents)):
        # The root of a disk has no name.
        if not folder.name or is_plain(folder.name):
            continue
        if not any(place.is_relative_to(folder) for place in users_folders) and not os.path.lexists(folder):
            return folder.name
    return None


def _from_file_url(url: str) -> str:
    """The path in a `file:` URL of this computer."""
    found = _FILE_URL.fullmatch(url)
    if found is None or not found["path"]:
        raise BadRequest(
            f"{shown(url)} is no file URL of this computer: it should look like file:///folder/picture.png."
        )
    if (found["host"] or "").lower() not in {"", "localhost"}:
        raise BadRequest(f"{shown(url)} names a file of another host: only files of this computer are read.")
    path = unquote(found["path"], errors="surrogateescape")
    # On Windows the drive comes after the first slash: file:///C:/pictures.
    return path[1:] if _IS_WINDOWS and re.match(r"[/\\][A-Za-z]:", path) else path


def _refuse_unsafe_windows_path(path: str) -> None:
    """Refuse network shares (opening one sends the user's login), devices, drive-relative paths and data streams."""
    drive, rest = ntpath.splitdrive(path)
    device = any(map(is_windows_device, re.split(r"[/\\]", rest)))
    # A "?" is in no name there, and in a path that begins `\??\` the kernel takes the rest for one of its own.
    has_own_meaning = any(character in rest for character in ":?")
    if _NETWORK_SHARE.match(path) or device or has_own_meaning or (drive and not rest.startswith(("/", "\\"))):
        raise BadRequest(
            f"{shown(path)} is a network share, a device or an incomplete path: give a full path on a local disk."
        )
