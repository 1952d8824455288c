"""Which path an argument names, and whether pictures may be written there.

`expand_path` turns an argument into an absolute path, `WritePolicy` decides about output folders, and `safe_prefix`
makes the part of a file name that a caller may choose. The policy checks the real path of a folder, with every link and
`..` resolved, and returns it: the caller has to write there, and not to the path of the argument.
"""

import ntpath
import os
import re
import tempfile
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from ..errors import BadRequest, shown
from . import denylist

MAX_PREFIX = 40
"""Characters of a file name that a caller chooses: readable in a list, and far below every system's limit of 255."""

MAX_PATH = 4096
"""Characters of a path: the limit of Linux, and more than those of the other systems."""

_WINDOWS_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", "clock", "conin", "conout"}
    | {f"{port}{number}" for port in ("com", "lpt") for number in range(10)}
)
_IS_WINDOWS = os.name == "nt"
_FILE_URL = re.compile(r"file:(?://(?P<host>[^/\\]*))?(?P<path>[/\\].*)?", re.IGNORECASE | re.DOTALL)
_NETWORK_SHARE = re.compile(r"[/\\]{2}")


def expand_path(text: str, *, working_dir: Path, home: Path) -> Path:
    """The absolute path of an argument: a path, one relative to `working_dir`, `~/…` or a `file://` URL.

    Links are not resolved.

    Raises:
        BadRequest: the argument is empty or too long, holds a NUL, or names another user's home (`~user`), another
            host or a device of Windows.
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
        real = real_path(self.working_dir / folder)
        if self.allow_unsafe:
            return real
        working_dir, home = real_path(self.working_dir), real_path(self.home)
        # The user's own folders are looked at only where they matter: one may be on a network drive that is gone, and
        # a picture is then saved in another folder.
        if self.allowed_dirs is None and not _refusal_reason(real, working_dir=working_dir, home=home, own=()):
            return real
        own = [real_path(directory) for directory in self.own_dirs]
        if real in own:
            return real
        reason = _refusal_reason(real, working_dir=working_dir, home=home, own=own)
        if reason:
            raise BadRequest(
                f"No picture is written to {shown(str(folder))}: {reason}. Choose another folder or leave output_dir "
                f"away; a person can set GPT_IMAGE_2_OUTPUT_DIR, or GPT_IMAGE_2_ALLOW_UNSAFE_OUTPUT_DIR=1."
            )
        allowed = self.allowed_dirs
        if allowed is not None and not denylist.is_in_any(real, [*map(real_path, allowed), *own]):
            raise BadRequest(
                f"{shown(str(folder))} is outside the folders that are open to this server "
                f"({denylist.describe_folders(allowed) or 'none'}): choose one of them or leave output_dir away; a "
                f"person can add a folder to GPT_IMAGE_2_ALLOWED_DIRS."
            )
        return real


def safe_prefix(text: str) -> str:
    """The start of a file name that is safe on every system: at most `MAX_PREFIX` of `A-Z a-z 0-9 - _`, or "".

    Accents are removed; everything else becomes "-". A name that Windows reserves for a device gets a "_" at its end.
    """
    # Cut before normalizing: NFKD can expand one character to eighteen, and only `MAX_PREFIX` are needed.
    folded = unicodedata.normalize("NFKD", text[: 4 * MAX_PREFIX])
    letters = "".join(character for character in folded if not unicodedata.combining(character))
    prefix = re.sub(r"[^A-Za-z0-9_]+", "-", letters).strip("-")[:MAX_PREFIX].strip("-")
    return f"{prefix}_" if prefix.lower() in _WINDOWS_DEVICES else prefix


def real_path(path: Path) -> Path:
    """The path with links and `..` resolved as far as it exists; never fails, and opens no file."""
    return Path(os.path.realpath(path))


def _refusal_reason(real: Path, *, working_dir: Path, home: Path, own: Sequence[Path]) -> str | None:
    """Why no picture may be written to a real path, for the error message; None if it may."""
    if real == Path(real.anchor):
        return "it is the root of the disk"
    secret = denylist.find_secret(real)
    if secret:
        names, holds = secret
        # The output folder that the user set may lie inside such a folder; then pictures go there.
        if not _is_in_users_folder(real, own, inside="/".join(names)):
            return f"it lies where secrets are kept ({holds})"
    hidden = _hidden_home_folder(real, home)
    if hidden and not working_dir.is_relative_to(hidden) and not _is_in_users_folder(real, own, inside=hidden):
        return "it is a hidden folder of the home, where programs keep their settings"
    for system in denylist.SYSTEM_FOLDERS:
        if not denylist.is_below(real, system.path) or any(
            denylist.is_below(real, other) for other in system.exceptions
        ):
            continue
        users_folders = [real_path(Path(tempfile.gettempdir())), *own]
        if system.holds_projects:
            users_folders += [folder for folder in (working_dir, home) if not denylist.is_below(system.path, folder)]
        if not _is_in_users_folder(real, users_folders, inside=system.path):
            return f"{system.path} is a system folder ({system.reason})"
    return None


def _is_in_users_folder(real: Path, folders: Sequence[Path], *, inside: Path | str) -> bool:
    """Whether a real path lies in one of the user's `folders`, and that folder lies `inside` a denied one."""
    return any(real.is_relative_to(folder) and denylist.is_below(folder, inside) for folder in folders)


def _hidden_home_folder(real: Path, home: Path) -> Path | None:
    """The hidden folder directly in the home that a real path lies in; None if there is none."""
    if not real.is_relative_to(home) or real == home:
        return None
    inside = real.relative_to(home)
    if inside.parts[0].startswith("."):
        return home / inside.parts[0]
    for folder, exceptions in denylist.HIDDEN_HOME_FOLDERS:
        if denylist.is_below(inside, folder) and not any(denylist.is_below(inside, other) for other in exceptions):
            return home / inside.parts[0]
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
    device = any(re.split(r"[.:$ ]", name)[0].lower() in _WINDOWS_DEVICES for name in re.split(r"[/\\]", rest))
    if _NETWORK_SHARE.match(path) or device or ":" in rest or (drive and not rest.startswith(("/", "\\"))):
        raise BadRequest(
            f"{shown(path)} is a network share, a device or an incomplete path: give a full path on a local disk."
        )
