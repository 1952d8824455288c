"""Takes stdin and stdout for the protocol alone, before anything is loaded that might print.

On stdio, stdout carries one JSON message a line; a single line of anything else breaks the connection. So the two
descriptors are moved away: afterwards descriptor 0 reads nothing, and descriptor 1 is stderr. What a library or a child
process prints lands there, and a child process that reads stdin takes no message away.

Uses only the lightest part of the standard library, since this is loaded before the first message is answered.
"""

import os
from io import BufferedReader

MAX_LINE_BYTES = 128 * 1024 * 1024
"""A message: one input picture of 50 MB as a data URL, and some room."""


class StdioPipes:
    """The client's two pipes: lines are read from one and written to the other. Both methods block."""

    __slots__ = ("_stdin", "_stdout")

    def __init__(self, stdin: BufferedReader, stdout: int) -> None:
        """Read from `stdin`, write to the descriptor `stdout`."""
        self._stdin = stdin
        self._stdout = stdout

    def read_line(self) -> bytes:
        """Read one line; b"" at the end of the stream.

        Of a line longer than `MAX_LINE_BYTES` only the beginning is given, which is no JSON; the rest is skipped.
        """
        line = self._stdin.readline(MAX_LINE_BYTES)
        rest = line
        while len(rest) == MAX_LINE_BYTES and not rest.endswith(b"\n"):
            rest = self._stdin.readline(MAX_LINE_BYTES)
        return line if rest is line else line[:100] + b"\n"

    def write(self, data: bytes) -> None:
        """Write all of the data. If the client has closed the pipe, nothing happens: work that is paid goes on."""
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._stdout, view) :]
        except OSError:
            pass


def take_over_stdio() -> StdioPipes:
    """Move the client's pipes to new descriptors, and put /dev/null and stderr in the old places."""
    pipes = StdioPipes(os.fdopen(os.dup(0), "rb"), os.dup(1))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return pipes
