"""A budget of the bytes that input pictures take in memory, from before they are read until their call has ended."""

import threading
from typing import Final

from ..errors import TooMuchAtOnce

MAX_HELD: Final = 500_000_000
"""Bytes of the input pictures of all calls under way: those of one call with ten of the largest files (50 MB each), or
of many calls with ordinary ones. Calls wait with their pictures in memory until they are answered."""


class ByteBudget:
    """The bytes that all `Holding`s of a process share."""

    def __init__(self, most: int | None = None) -> None:
        """Allow `most` bytes; None stands for `MAX_HELD`."""
        self.most = MAX_HELD if most is None else most
        self._held = 0
        self._lock = threading.Lock()

    def change(self, by: int) -> None:
        """Hold so many bytes more, or fewer; raises TooMuchAtOnce if they would be too many."""
        with self._lock:
            if by > 0 and self._held + by > self.most:
                raise TooMuchAtOnce(
                    f"The input pictures of all calls under way may have {self.most:,} bytes together, and have"
                    f" {self._held:,} already: call again when another call has ended, or give smaller pictures."
                    " Nothing was sent or paid."
                )
            self._held += by


class Holding:
    """What one picture holds of a budget, for as long as this object lives: its image refers to it."""

    __slots__ = ("_budget", "_size")

    def __init__(self, budget: ByteBudget) -> None:
        """Hold nothing yet."""
        self._budget = budget
        self._size = 0

    def grow(self, by: int) -> None:
        """Hold more bytes, which are about to be read; raises TooMuchAtOnce."""
        self._budget.change(by)
        self._size += by

    def settle(self, size: int) -> None:
        """Hold exactly `size` bytes; raises TooMuchAtOnce."""
        self.grow(size - self._size)

    def __del__(self) -> None:
        """Give everything back."""
        self._budget.change(-self._size)
