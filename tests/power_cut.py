"""What a disk has after a power cut: nothing that was not synced.

A file's bytes are on the disk from its `fsync`, a name from the `fsync` of its folder. A folder itself is there once
anything in it is, as journaling file systems have it.
"""

import os
import stat
import threading
from pathlib import Path

import pytest


class Disk:
    """Notes what each `fsync` brings to the disk."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._files: dict[int, bytes] = {}
        """What files hold on the disk, by inode."""
        self._folders: dict[int, dict[str, int]] = {}
        """What names folders have on the disk, and whose they are; by inode."""
        self._lock = threading.Lock()
        sync = os.fsync

        def noted(descriptor: int) -> None:
            sync(descriptor)
            self._note(descriptor)

        monkeypatch.setattr(os, "fsync", noted)

    def _note(self, descriptor: int) -> None:
        status = os.fstat(descriptor)
        with self._lock:
            if stat.S_ISDIR(status.st_mode):
                with os.scandir(descriptor) as entries:
                    self._folders[status.st_ino] = {entry.name: entry.inode() for entry in entries}
            else:
                # By its path, since it was opened for writing only.
                path = Path(f"/proc/self/fd/{descriptor}")
                self._files[status.st_ino] = path.read_bytes()

    def after_power_cut(self, folder: Path) -> dict[str, bytes]:
        """The files below a folder, by their path in it; one that has its name and not its bytes is empty."""
        found: dict[str, bytes] = {}
        for place in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
            for name, inode in self._folders.get(place.stat().st_ino, {}).items():
                path = place / name
                if not path.is_dir():
                    found[str(path.relative_to(folder))] = self._files.get(inode, b"")
        return found
