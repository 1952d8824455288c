"""Takes stdin and stdout for the protocol alone, before anything is loaded that might print.

Afterwards stdin reads nothing, and what a library or a child process writes to stdout lands on stderr. The standard
library's lightest part only: this is loaded before the first message is answered.
"""

import os
from io import BufferedReader

MAX_LINE_BYTES = 128 * 1024 * 1024
"""A message: one input picture of 50 MB as a data URL, and some room."""


class StdioPipes:
    """The client's two ends: a stream to read lines from, a descriptor to write to."""

    __slots__ = ("_stdin", "_stdout")

    def __init__(self, stdin: BufferedReader, stdout: int) -> None:
        """Read from `incoming`, write to the descriptor `outgoing`."""
        self._stdin = stdin
        self._stdout = stdout

    def read_line(self) -> bytes:
        """One line, b"" at the end; of one that is too long the beginning, which is no JSON. Blocks."""
        line = self._stdin.readline(MAX_LINE_BYTES)
        rest = line
        while len(rest) == MAX_LINE_BYTES and not rest.endswith(b"\n"):
            rest = self._stdin.readline(MAX_LINE_BYTES)
        return line if rest is line else line[:100] + b"\n"

    def write(self, data: bytes) -> None:
        """Write all of it; a client that is gone loses nothing but the answer. Blocks."""
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._stdout, view) :]
        except OSError:
            pass


def take_over_stdio() -> StdioPipes:
    """Move the wire to descriptors of our own."""
    pipes = StdioPipes(os.fdopen(os.dup(0), "rb"), os.dup(1))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return pipes
