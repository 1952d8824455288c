"""Folders and files that are never read or written, and why: the lists that reading and writing share.

This module owns the lists and how they are matched; but for `is_in`, it works on path names only. Secrets are matched
by their names anywhere in a path, not only below the user's home, since other homes, backups and containers keep theirs
under the same names. Names are compared without regard to case, as most disks of macOS and Windows do, and
a folder that a system shows under a second path counts as one (`fold_parts`).
"""

import functools
import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

SECRET_FOLDERS: tuple[tuple[str, str], ...] = (
    (".ssh", "SSH keys"),
    (".gnupg", "GnuPG keys"),
    (".aws", "AWS credentials"),
    (".azure", "Azure credentials"),
    (".config/gcloud", "Google Cloud credentials"),
    ("AppData/Roaming/gcloud", "Google Cloud credentials"),
    (".kube", "Kubernetes credentials"),
    (".docker", "Docker credentials"),
    (".config/containers", "container registry credentials"),
    (".config/gh", "GitHub credentials"),
    ("AppData/Roaming/GitHub CLI", "GitHub credentials"),
    (".config/hub", "GitHub credentials"),
    (".config/glab-cli", "GitLab credentials"),
    (".config/git", "Git credentials"),
    (".config/doctl", "DigitalOcean credentials"),
    (".config/heroku", "Heroku credentials"),
    (".config/rclone", "cloud storage credentials"),
    (".oci", "Oracle Cloud credentials"),
    (".bluemix", "IBM Cloud credentials"),
    (".terraform.d", "Terraform credentials"),
    (".vault.d", "Vault credentials"),
    (".config/op", "1Password"),
    (".1password", "1Password"),
    ("AppData/Local/1Password", "1Password"),
    ("Library/Application Support/1Password", "1Password"),
    ("Library/Group Containers/2BUA8C4S2C.com.1password", "1Password"),
    (".password-store", "a password store"),
    (".config/Bitwarden", "Bitwarden"),
    (".config/Bitwarden CLI", "Bitwarden"),
    (".local/share/keyrings", "a keyring"),
    (".local/share/kwalletd", "a keyring"),
    (".config/kwalletd", "a keyring"),
    (".pki", "certificates and keys"),
    (".minisign", "signing keys"),
    (".config/age", "encryption keys"),
    (".config/sops", "encryption keys"),
    (".bitcoin", "a wallet"),
    (".electrum", "a wallet"),
    (".mozilla", "a browser profile"),
    (".thunderbird", "a mail profile"),
    (".config/google-chrome", "a browser profile"),
    (".config/chromium", "a browser profile"),
    (".config/BraveSoftware", "a browser profile"),
    (".config/microsoft-edge", "a browser profile"),
    (".config/vivaldi", "a browser profile"),
    (".config/opera", "a browser profile"),
    ("Library/Keychains", "a keychain"),
    ("Library/Cookies", "cookies"),
    ("Library/Safari", "a browser profile"),
    ("Library/Mail", "mail"),
    ("Library/Messages", "messages"),
    ("Library/Application Support/Google/Chrome", "a browser profile"),
    ("Library/Application Support/Chromium", "a browser profile"),
    ("Library/Application Support/BraveSoftware", "a browser profile"),
    ("Library/Application Support/Microsoft Edge", "a browser profile"),
    ("Library/Application Support/Firefox", "a browser profile"),
    ("Library/Application Support/Arc", "a browser profile"),
    ("AppData/Local/Google/Chrome", "a browser profile"),
    ("AppData/Local/BraveSoftware", "a browser profile"),
    ("AppData/Local/Microsoft/Edge", "a browser profile"),
    ("AppData/Roaming/Mozilla", "a browser profile"),
    ("AppData/Roaming/Microsoft/Credentials", "Windows credentials"),
    ("AppData/Local/Microsoft/Credentials", "Windows credentials"),
    ("AppData/Roaming/Microsoft/Crypto", "Windows keys"),
    ("AppData/Roaming/Microsoft/Protect", "Windows keys"),
    ("AppData/Local/Microsoft/Vault", "Windows credentials"),
    ("config/google-chrome", "a browser profile"),
    ("etc/ssl/private", "TLS keys"),
    ("etc/shadow", "passwords"),
    ("etc/gshadow", "passwords"),
    ("etc/ssh", "SSH keys"),
    ("run/secrets", "a container's secrets"),
)
"""Folders that are never read or written: the last names of their paths, and what they hold."""

SECRET_FILES: tuple[str, ...] = (
    ".netrc",
    "_netrc",
    ".pgpass",
    ".my.cnf",
    ".git-credentials",
    ".npmrc",
    ".yarnrc.yml",
    ".pypirc",
    ".vault-token",
    ".boto",
    ".s3cfg",
    ".dockercfg",
    ".htpasswd",
    ".env",
    ".bash_history",
    ".zsh_history",
    ".python_history",
    ".psql_history",
    ".mysql_history",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    "master.key",
)
"""Names of files that hold credentials; none is a picture, and an error must not reveal whether one exists."""

NEVER_READ: tuple[tuple[str, str], ...] = (
    ("/proc", "it shows the memory and environment of programs"),
    ("/sys", "it is the kernel's own"),
    ("/dev", "it holds devices"),
)
"""Folders from which nothing is read, and why: no user keeps pictures there."""


@dataclass(frozen=True, slots=True)
class SystemFolder:
    """A folder of the operating system: why no picture belongs there, and what inside it belongs to users after all."""

    path: str
    reason: str
    exceptions: tuple[str, ...] = ()
    """Folders inside it that do not belong to the system."""
    holds_projects: bool = False
    """Whether users keep projects in it; if so, pictures may be written to a working directory or a home in it."""


SYSTEM_FOLDERS: tuple[SystemFolder, ...] = (
    SystemFolder("/etc", "the system's settings"),
    SystemFolder("/bin", "the system's programs"),
    SystemFolder("/sbin", "the system's programs"),
    SystemFolder("/lib", "the system's libraries"),
    SystemFolder("/lib32", "the system's libraries"),
    SystemFolder("/lib64", "the system's libraries"),
    SystemFolder("/libx32", "the system's libraries"),
    SystemFolder("/usr/bin", "the system's programs"),
    SystemFolder("/usr/sbin", "the system's programs"),
    SystemFolder("/usr/lib", "the system's libraries"),
    # Container images have their working directory in `/usr/src/app`, and FreeBSD has its homes in `/usr/home`.
    SystemFolder("/usr", "installed programs", exceptions=("/usr/home",), holds_projects=True),
    SystemFolder("/boot", "what starts the computer"),
    SystemFolder("/efi", "what starts the computer"),
    SystemFolder("/proc", "the kernel's view of programs"),
    SystemFolder("/sys", "the kernel's own"),
    SystemFolder("/dev", "devices"),
    SystemFolder("/run", "the state of running services", exceptions=("/run/media",)),
    SystemFolder("/nix", "the package store"),
    # Fedora's immutable systems keep `/home`, `/mnt` and `/srv` in `/var`; build agents and web sites live there too.
    SystemFolder(
        "/var",
        "the data of services",
        exceptions=("/var/tmp", "/var/folders", "/var/home", "/var/mnt", "/var/srv"),  # noqa: S108 - named, not used
        holds_projects=True,
    ),
    SystemFolder("/System", "macOS itself"),
    SystemFolder("/Library", "settings of every user of this Mac"),
    SystemFolder("/Applications", "installed programs"),
    SystemFolder("C:/Windows", "Windows itself"),
    SystemFolder("C:/Program Files", "installed programs"),
    SystemFolder("C:/Program Files (x86)", "installed programs"),
    SystemFolder("C:/ProgramData", "the data of services"),
    SystemFolder("C:/Recovery", "what repairs Windows"),
    SystemFolder("C:/System Volume Information", "Windows itself"),
)
"""Where no picture is written unless the user's settings name the folder; on Windows on every drive."""

HIDDEN_HOME_FOLDERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Library", ("Library/Mobile Documents", "Library/CloudStorage")),
    ("AppData", ("AppData/Local/Temp",)),
    ("snap", ()),
)
"""Folders of a home that hold the data of programs, besides those with a leading dot, and the folders in them that
users do see: iCloud Drive and other cloud folders, and the temporary folder."""

FILLED_FOLDERS = ("node_modules", "bower_components", "site-packages", "dist-packages", "__pycache__")
"""Folders at any depth that programs fill and empty, in lower case."""
FILLED_MARKS = ("pyvenv.cfg", "CACHEDIR.TAG")
"""Files that mark such a folder, whatever it is called: a Python environment, and a cache that backups leave out."""

CACHES: tuple[tuple[str, str], ...] = (
    (".cache", "a program's cache"),
    ("Cache_Data", "a browser's cache"),
    ("cache2", "a browser's cache"),
    ("CacheStorage", "a browser's cache"),
    ("IndexedDB", "what a browser keeps of pages"),
    ("blob_storage", "what a browser keeps of pages"),
    ("tdata", "what a chat keeps"),
    ("attachments.noindex", "what a chat keeps"),
)
"""Folders in which browsers and chats keep pictures of other people and of private pages: their names at any depth."""

_ALIASES = (
    # The kernel's forms of a Windows path.
    re.compile(r"/+(?:\?\?|[?.])/(?=[a-z]:)"),
    # macOS shows the disk of the users a second time, and three of its folders under /private.
    re.compile(r"/system/volumes/data(?=/|$)"),
    re.compile(r"/private(?=/(?:etc|tmp|var)(?:/|$))"),
)
_DRIVE_OF_WSL = re.compile(r"/(?:mnt|cygdrive)/([a-z])(?=/|$)")


def fold_parts(path: Path | str) -> tuple[str, ...]:
    """The names in a path in a form that is the same for all ways in which systems spell it; without the root.

    In lower case, without trailing dots and spaces, which Windows ignores, without characters that macOS ignores, with
    letters and their marks composed, which name the same on macOS, and without second paths to the same folder:
    `/System/Volumes/Data/Users/kim` is `users`, `kim`. A drive is a name of its own, so that `/mnt/c/Users` is `c:`,
    `users`.
    """
    return _fold(str(path))


@functools.lru_cache(512)  # A call for a picture asks four hundred times, for the same few folders.
def _fold(path: str) -> tuple[str, ...]:
    text = path.replace("\\", "/").casefold()
    for alias in _ALIASES:
        if found := alias.match(text):
            text = text[found.end() :]
    if drive := _DRIVE_OF_WSL.match(text):
        text = f"{drive[1]}:{text[drive.end() :]}"
    return tuple(_fold_name(name) for name in text.split("/") if name)


def _fold_name(name: str) -> str:
    plain = name
    if not name.isascii():
        visible = "".join(character for character in name if unicodedata.category(character) != "Cf")
        plain = unicodedata.normalize("NFC", visible)
    return plain.rstrip(". ") or name


def is_below(path: Path | str, folder: Path | str) -> bool:
    """Whether `path` is `folder` or lies in it.

    Use this to refuse only: it ignores letter case, and a folder with a drive stands for the same one on every drive.
    What the user allows is matched by `is_in_any`.
    """
    inner, outer = fold_parts(path), fold_parts(folder)
    if outer[:1] and outer[0].endswith(":"):
        if not (inner[:1] and inner[0].endswith(":")):
            return False
        inner, outer = inner[1:], outer[1:]
    return inner[: len(outer)] == outer


def find_cache(path: Path | str) -> tuple[tuple[str, ...], str] | None:
    """The outermost cache of a browser or a chat in which a path lies, as its `fold_parts`, and what it is."""
    names = fold_parts(path)
    for end in range(1, len(names)):
        for wanted, what in _folded_caches():
            if names[end - 1] == wanted:
                return names[:end], what
    return None


@functools.cache
def _folded_caches() -> tuple[tuple[str, str], ...]:
    return tuple((folder.casefold(), what) for folder, what in CACHES)


def is_root(path: Path | str) -> bool:
    """Whether a path is the root of a disk."""
    names = fold_parts(path)
    return not names or (len(names) == 1 and names[0].endswith(":"))


def find_secret(path: Path | str) -> tuple[tuple[str, ...], str] | None:
    """The outermost secret folder or file in a path, as its `fold_parts`, and what it holds; None if there is none."""
    return _secret_in(fold_parts(path))


@functools.lru_cache(512)
def _secret_in(names: tuple[str, ...]) -> tuple[tuple[str, ...], str] | None:
    for end in range(1, len(names) + 1):
        for wanted, holds in _folded_secret_folders():
            if names[max(0, end - len(wanted)) : end] == wanted:
                return names[:end], holds
    if names and (names[-1] in SECRET_FILES or names[-1].startswith(".env.")):
        return names, "credentials"
    return None


@functools.cache
def _folded_secret_folders() -> tuple[tuple[tuple[str, ...], str], ...]:
    return tuple((fold_parts(folder), holds) for folder, holds in SECRET_FOLDERS)


def is_in_any(path: Path, folders: Iterable[Path]) -> bool:
    """Whether a path is one of the folders or lies in one; all have to be real paths. Blocks: it may ask the disk."""
    return any(is_in(path, folder) for folder in folders)


def is_in(path: Path, folder: Path) -> bool:
    """Whether a real path is a folder or lies in it, by its names or by what they lead to.

    A folder has several real paths where a disk ignores letter case, and where it is shown in two places.
    """
    if path.is_relative_to(folder):
        return True
    if not is_below(path, folder):
        # The disk is asked only where the names say the same but for their spelling.
        return False
    try:
        wanted = folder.stat()
    except OSError:
        return False
    return any(_leads_to(parent, wanted) for parent in (path, *path.parents))


def _leads_to(path: Path, wanted: os.stat_result) -> bool:
    try:
        return os.path.samestat(path.stat(), wanted)
    except OSError:
        return False


def describe_folders(folders: Sequence[Path], *, most: int = 3) -> str:
    """The folders as text for an error message, at most `most` of them."""
    names = [repr(str(folder)) for folder in folders[:most]]
    return ", ".join([*names, f"and {len(folders) - most} more"] if len(folders) > most else names)
