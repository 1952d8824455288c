"""Takes stdin and stdout for the protocol alone, before anything is loaded that might print.

On stdio, stdout carries one JSON message a line; a single line of anything else breaks the connection. So the two
descriptors are moved away: afterwards descriptor 0 reads nothing, and descriptor 1 is stderr. What a library or a child
process prints lands there, and a child process that reads stdin takes no message away.

Uses only the lightest part of the standard library, since this is loaded before the first message is answered.
"""

import os
from _thread import allocate_lock

MAX_LINE_BYTES = 128 * 1024 * 1024
"""A message: one input picture of 50 MB as a data URL, and some room."""
READ_WITHIN_S = 10.0
"""A client that is still there so long after an answer was written counts as having read it. One that closes stdin
before may have left it in the pipe: the same call again then gets the picture that is paid already."""
READ_BYTES = 64 * 1024
"""Bytes that are read at once: what a pipe holds on Linux."""


class LineSplitter:
    """Puts lines together out of the pieces in which they arrive.

    Of a line longer than `MAX_LINE_BYTES` only the beginning is given, which is no JSON; the rest is skipped.
    """

    __slots__ = ("_begun", "_size")

    def __init__(self) -> None:
        """Begin without a piece."""
        self._begun: list[bytes] = []
        """The pieces of the unfinished line."""
        self._size = 0

    def feed(self, piece: bytes) -> list[bytes]:
        """Take a piece; gives the lines that it completes, each with its line end."""
        *ends, rest = piece.split(b"\n")
        lines: list[bytes] = []
        for end in ends:
            self._keep(end + b"\n")
            lines.append(self.flush())
        self._keep(rest)
        return lines

    def flush(self) -> bytes:
        """Give the unfinished line as it is; b"" if there is none."""
        line = b"".join(self._begun)
        if self._size > MAX_LINE_BYTES:
            line = line[:100] + b"\n"
        self._begun, self._size = [], 0
        return line

    def _keep(self, piece: bytes) -> None:
        if piece and self._size <= MAX_LINE_BYTES:
            self._begun.append(piece)
        self._size += len(piece)


class StdioPipes:
    """The client's two pipes: lines are read from one and written to the other. Both methods block."""

    __slots__ = ("_lines", "_splitter", "_writing", "stdin", "stdout")

    def __init__(self, stdin: int, stdout: int) -> None:
        """Read from the descriptor `stdin`, write to the descriptor `stdout`."""
        self.stdin = stdin
        self.stdout = stdout
        self._splitter = LineSplitter()
        self._writing = allocate_lock()
        """Held for each write, so that messages of several threads stay whole."""
        self._lines: list[bytes] = []
        """Complete lines that were read and not given yet, the next one last."""

    def read_line(self) -> bytes:
        """Read one line; b"" at the end of the stream."""
        while not self._lines:
            try:
                piece = os.read(self.stdin, READ_BYTES)
            except ConnectionError:
                # A socket says so instead of ending, if the other side was killed.
                piece = b""
            if not piece:
                return self._splitter.flush()
            self._lines = self._splitter.feed(piece)[::-1]
        return self._lines.pop()

    def take_read(self) -> tuple[list[bytes], LineSplitter]:
        """Give away what was read and not given yet: complete lines, and the unfinished one."""
        lines, self._lines = self._lines[::-1], []
        return lines, self._splitter

    def write(self, data: bytes) -> bool:
        """Write all of the data; False if the client has closed the pipe: work that is paid goes on."""
        view = memoryview(data)
        try:
            with self._writing:
                while view:
                    view = view[os.write(self.stdout, view) :]
        except OSError:
            return False
        return True


def take_over_stdio() -> StdioPipes:
    """Move the client's pipes to new descriptors, and put /dev/null and stderr in the old places."""
    pipes = StdioPipes(os.dup(0), os.dup(1))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return pipes
