"""Serving one client on stdin and stdout, from the first byte to the exit.

The end of stdin and the first SIGTERM or SIGINT mean the same: take nothing new, let
the studio finish what is paid for, exit with 0. A second signal ends the process at once.
"""

import logging
import os
import signal
import sys
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any, BinaryIO, cast

import anyio
import anyio.to_thread
from mcp.server.stdio import stdio_server

from .server import build_server
from .start import read_settings, started_studio
from .wire import Wire

MAX_LINE_BYTES = 128 * 1024 * 1024
"""A message: one input picture of 50 MB as a data URL, and some room."""
MAX_UNHEARD_BYTES = 4 * 1024 * 1024
"""What is read from a client that takes nothing: over 10,000 requests."""


def run(wire: Wire, *, sandbox: bool) -> None:
    """Serve until the client is gone, then leave the process."""
    try:
        anyio.run(_serve, wire, sandbox)
    finally:
        sys.stderr.flush()
    # A reader parked in a thread would keep the interpreter waiting for a line that never comes.
    os._exit(0)


async def _serve(wire: Wire, sandbox: bool) -> None:
    settings = read_settings(sandbox=sandbox)
    # Before the SDK does: what it sets up is meant for a terminal and breaks lines.
    logging.basicConfig(
        format="gpt-image-2-mcp: %(message)s", level=logging.INFO if settings.debug else logging.WARNING
    )
    for problem in settings.problems:
        sys.stderr.write(f"gpt-image-2-mcp: {problem}\n")
    # The SDK has no public way from its server to a transport with streams of one's own.
    server = build_server(lambda: started_studio(settings))._lowlevel_server  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    sink = _Sink(wire.outgoing)
    lines = _Lines(wire.incoming, sink)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_watch_signals, lines)
        # Both do what the SDK asks of a text file, which is less than its signature says.
        async with stdio_server(cast("Any", lines), cast("Any", sink)) as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options())
        tasks.cancel_scope.cancel()


async def _watch_signals(lines: "_Lines") -> None:
    if sys.platform == "win32":
        return
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for received in signals:
            if lines.stopped:
                os._exit(128 + received)
            lines.stop()


class _Sink:
    """What goes to the client; a client that is gone loses nothing but the answer."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._writing = anyio.Lock()
        self.written = 0

    async def write(self, text: str) -> None:
        async with self._writing:
            work = partial(self._write, text.encode("utf-8", "surrogatepass"))
            await anyio.to_thread.run_sync(work, abandon_on_cancel=True)

    async def flush(self) -> None:
        """Nothing is buffered."""

    async def unblocked(self) -> None:
        """Wait until the client has taken what is being written."""
        async with self._writing:
            pass

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                count = os.write(self._descriptor, view)
                self.written += count
                view = view[count:]
        except OSError:
            return


class _Lines:
    """What the client sends, line by line, until it or a signal ends it; what the SDK needs of a text file."""

    def __init__(self, wire: BinaryIO, sink: _Sink) -> None:
        self._wire = wire
        self._sink = sink
        self._reading: anyio.CancelScope | None = None
        self.stopped = False

    def stop(self) -> None:
        self.stopped = True
        if self._reading is not None:
            self._reading.cancel()

    async def __aiter__(self) -> AsyncGenerator[str]:
        written, unheard = 0, 0
        while not self.stopped:
            line = b""
            with anyio.CancelScope() as self._reading:
                if unheard > MAX_UNHEARD_BYTES:
                    await self._sink.unblocked()
                line = await anyio.to_thread.run_sync(self._read, abandon_on_cancel=True)
            if not line:
                return
            # A client that asks and never reads is heard for a while only: its answers pile up in memory.
            unheard = unheard + len(line) if self._sink.written == written else 0
            written = self._sink.written
            yield line.decode("utf-8", "replace")

    def _read(self) -> bytes:
        """One line; of one that is too long the beginning, which is no JSON, and the rest is thrown away."""
        line = self._wire.readline(MAX_LINE_BYTES)
        rest = line
        while len(rest) == MAX_LINE_BYTES and not rest.endswith(b"\n"):
            rest = self._wire.readline(MAX_LINE_BYTES)
        return line if rest is line else line[:100] + b"\n"
