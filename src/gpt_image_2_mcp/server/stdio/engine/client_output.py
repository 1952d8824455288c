"""What waits to be written to the client, and which of the answers count as read.

This module imports the standard library only, as the front does.
"""

import os
import time

from ..pipes import READ_WITHIN_S

CHUNK_BYTES = 4096
"""Bytes that are written to the client at once: a pipe that `poll` calls writable takes as many without blocking."""
LAST_WRITE_S = 2.0
"""How long a client that is leaving may read nothing while answers wait for it; after that, none is kept for it."""


class ClientOutput:
    """The lines for one client."""

    def __init__(self, stdout: int) -> None:
        """Write to the descriptor `stdout`."""
        self._stdout = stdout
        self._waiting = bytearray()
        self._is_given_up = False
        self._last_write_at = 0.0
        """When the client last read, or had nothing to read, by `time.monotonic`."""
        self._added_bytes = self._written_bytes = 0
        """Bytes that were added so far, and those of them that were written."""
        self._unwritten: list[tuple[int, str]] = []
        """For each answer that is not written whole, where in all these bytes it ends, and the id of its request."""
        self._unconfirmed: list[tuple[float, str]] = []
        """For each answer that was written just now, when it counts as read, and the id of its request."""

    def __len__(self) -> int:
        """The number of bytes that wait."""
        return len(self._waiting)

    def add(self, line: bytes, answered_id: str = "") -> None:
        """Let a line wait. `take_read` tells of it by `answered_id`, the JSON text of its id, if it is an answer."""
        if self._is_given_up:
            return
        if not self._waiting:
            self._last_write_at = time.monotonic()
        self._waiting += line
        self._added_bytes += len(line)
        if answered_id:
            self._unwritten.append((self._added_bytes, answered_id))

    def write(self) -> None:
        """Write some of what waits; the client can be written to."""
        try:
            count = os.write(self._stdout, self._waiting[:CHUNK_BYTES])
        except OSError:
            # The client has closed the pipe: what is paid goes on.
            self._give_up()
            return
        del self._waiting[:count]
        self._written_bytes += count
        self._last_write_at = time.monotonic()
        while self._unwritten and self._unwritten[0][0] <= self._written_bytes:
            self._unconfirmed.append((self._last_write_at + READ_WITHIN_S, self._unwritten.pop(0)[1]))

    @property
    def is_unconfirmed(self) -> bool:
        """Whether an answer was written that does not count as read yet."""
        return bool(self._unconfirmed)

    def due_at(self, *, leaving_since: float | None) -> float | None:
        """When `take_read` has something to do, by `time.monotonic`; None if nothing is due."""
        due = [at for at, _ in self._unconfirmed[:1]]
        if leaving_since is not None and self._waiting:
            due.append(max(self._last_write_at, leaving_since) + LAST_WRITE_S)
        return min(due, default=None)

    def take_read(self, *, leaving_since: float | None) -> list[str]:
        """The ids of the answers that count as read now: none does once the client has closed stdin.

        A client that has closed stdin at `leaving_since`, and reads nothing any more, is given up.
        """
        now = time.monotonic()
        if leaving_since is not None:
            self._unconfirmed.clear()
            if self._waiting and now >= max(self._last_write_at, leaving_since) + LAST_WRITE_S:
                self._give_up()
        read: list[str] = []
        while self._unconfirmed and self._unconfirmed[0][0] <= now:
            read.append(self._unconfirmed.pop(0)[1])
        return read

    def _give_up(self) -> None:
        self._is_given_up = True
        self._waiting.clear()
