"""Reads and replaces a client's configuration file, which other programs read and write as well.

It is replaced in one step, so that a reader finds the old text or the new one, also after a kill. A file that is a link
stays one: what it leads to is replaced. Beside it lies a copy of what was there before.
"""

import os
import stat
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from ..database.liveness import try_lock
from ..errors import SetupError
from ..paths.safe_open import open_no_follow, open_regular
from ..storage.atomic_write import PART_SUFFIX, give_name, part_name, write_file

MAX_BYTES: Final = 50_000_000
LOCK_TIMEOUT_S: Final = 10
_BACKUP: Final = "gpt-image-2-backup"
_PRIVATE: Final = 0o600


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A configuration file as it was read."""

    path: Path
    """The path that the client knows."""
    target: Path
    """The file itself, where `path` is a link."""
    text: str | None
    """What is in it; None if there is no file."""

    @property
    def others_can_read(self) -> bool:
        """Whether other users of this computer can read the file."""
        return self.text is not None and os.name != "nt" and bool(self.target.stat().st_mode & 0o044)

    def check_writable(self) -> None:
        """Check that the person has not write-protected the file; raises SetupError if they have."""
        if self.text is not None and not self.target.stat().st_mode & stat.S_IWUSR:
            raise SetupError(f"{self.path} is write-protected, so it was left alone.")

    def backups(self) -> list[Path]:
        """The copies of earlier contents that lie beside it, the newest first."""
        return sorted(self.target.parent.glob(f"{_escaped(self.target.name)}.{_BACKUP}-*"), reverse=True)


def read_config(path: Path) -> ConfigFile:
    """Read a client's file.

    Raises:
        SetupError: it cannot be read, is no file, is too large, or is not in UTF-8.

    """
    try:
        target = path.resolve()
        try:
            status = target.stat()
        except FileNotFoundError:
            return ConfigFile(path, target, None)
        if not stat.S_ISREG(status.st_mode):
            raise SetupError(f"{path} is no file, so it was left alone.")
        if status.st_size > MAX_BYTES:
            raise SetupError(f"{path} has {status.st_size:,} bytes; at most {MAX_BYTES:,} are read.")
        # Decoded from bytes: every line end stays as it is.
        return ConfigFile(path, target, target.read_bytes().decode())
    except UnicodeDecodeError:
        raise SetupError(f"{path} is not in UTF-8, so it was left alone. Save it in UTF-8, and try again.") from None
    except (OSError, RuntimeError) as error:
        raise SetupError(f"{path} cannot be read ({_reason(error)}).") from None


def read_backup(path: Path) -> bytes | None:
    """What is in a copy of earlier contents; None if it is not such a copy as this program makes, or cannot be read."""
    try:
        with open_regular(path, most=MAX_BYTES) as file:
            return file.read(MAX_BYTES)
    except OSError:
        return None


def replace_config(file: ConfigFile, text: str | None, *, keep_old: bool = True) -> Path | None:
    """Write a file's new text, or with None remove the file; give the path of the copy of what was there.

    `keep_old` says whether such a copy is made.

    Raises:
        SetupError: it is write-protected, was changed by another program since it was read, or cannot be written.

    """
    target = file.target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(target):
            _check_unchanged(file)
            file.check_writable()
            _remove_parts(target)
            backup = _back_up(file, file.text) if keep_old and file.text is not None else None
            if text is None:
                target.unlink()
            else:
                _write(file, text)
            if read_config(file.path).text != text:
                raise SetupError(
                    f"{file.path} does not hold what was written: another program wrote it at the same time. Close the"
                    " client, and run the command once more."
                )
            return backup
    except OSError as error:
        raise SetupError(f"{file.path} cannot be written ({_reason(error)}).") from None


def _check_unchanged(file: ConfigFile) -> None:
    now = read_config(file.path)
    if (now.text, now.target) != (file.text, file.target):
        raise SetupError(f"{file.path} was changed meanwhile by another program. Run the command once more.")


def _write(file: ConfigFile, text: str) -> None:
    """Write the new text beside the file, and give it the file's name at once after looking whether that has changed.

    A client writes its file whenever it likes, and syncing takes long enough for that.
    """
    target, is_new = file.target, file.text is None
    # A new one is private: it may hold the key.
    mode = _PRIVATE if is_new else stat.S_IMODE(target.stat().st_mode) & 0o666
    name = target.with_name(part_name(_part_prefix(target)))
    part = write_file([text.encode()], [name], part_prefix=_part_prefix(target), mode=mode)
    try:
        _check_unchanged(file)
        give_name(part, [target], replace=not is_new)
    finally:
        part.unlink(missing_ok=True)


def _back_up(file: ConfigFile, text: str) -> Path:
    for backup in file.backups():
        if read_backup(backup) == text.encode():
            return backup
    stamp = f"{file.target.name}.{_BACKUP}-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
    names = (file.target.with_name(f"{stamp}{end}") for end in ("", *(f"-{number}" for number in range(2, 100))))
    return write_file([text.encode()], names, part_prefix=_part_prefix(file.target), mode=_PRIVATE)


def _part_prefix(target: Path) -> str:
    return f".{target.name}.gpt-image-2-"


def _remove_parts(target: Path) -> None:
    """Remove what an earlier run left that was killed while it wrote."""
    for part in target.parent.glob(f"{_escaped(_part_prefix(target))}*{PART_SUFFIX}"):
        part.unlink(missing_ok=True)


def _escaped(name: str) -> str:
    """A file's name as a pattern that matches it alone."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in name)


@contextmanager
def _locked(target: Path) -> Generator[None]:
    """Hold the lock under which this program changes a file; raises SetupError if another run holds it for long."""
    path = target.with_name(f"{_part_prefix(target)}lock")
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    while True:
        with os.fdopen(open_no_follow(path, os.O_RDWR | os.O_CREAT), "r+b", buffering=0) as held:
            is_locked = try_lock(held) and _is_still(path, held.fileno())
            if is_locked:
                try:
                    yield
                finally:
                    # Windows removes no open file, and there another run that has opened it meanwhile keeps it.
                    if sys.platform != "win32":
                        with suppress(OSError):
                            path.unlink()
        if is_locked:
            if sys.platform == "win32":
                with suppress(OSError):
                    path.unlink()
            return
        if time.monotonic() > deadline:
            raise SetupError(f"Another run of this command is changing {target}. Try again when it has ended.")
        time.sleep(0.05)


def _is_still(path: Path, descriptor: int) -> bool:
    """Whether an open file has this path: the run that had its lock before may have removed it."""
    try:
        return path.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
