"""Remembers that the backend at an address fails to stream pictures: each further try would be paid for and lost."""

import hashlib
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

FORGOTTEN_S: Final = 7 * 24 * 3600
"""Seconds after which a backend is asked for a stream again: it may have been mended."""


class FailedStreams:
    """The memory of one address: an empty file in the data folder, whose time of change is when a stream failed."""

    def __init__(self, folder: Path | None, address: str) -> None:
        """Use the data folder; None remembers for this process only, as the caller does by itself."""
        digest = hashlib.sha256(address.encode()).hexdigest()[:16]
        self._file = folder / f"no-stream-{digest}" if folder else None

    def has_failed(self) -> bool:
        """Whether a stream from the address has failed in the last week. Blocks."""
        try:
            return self._file is not None and time.time() - self._file.stat().st_mtime < FORGOTTEN_S
        except OSError:
            return False

    def note(self) -> None:
        """Remember that a stream failed just now. Blocks. Raises nothing."""
        if self._file is not None:
            with suppress(OSError):
                self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._file.touch(mode=0o600)
