"""Serving one client on stdin and stdout, from the first byte to the exit.

The end of stdin and the first SIGTERM or SIGINT mean the same: take nothing new, let
the studio finish what is paid for, exit with 0. A second signal ends the process at once.
"""

import logging
import os
import signal
import sys
from collections.abc import AsyncGenerator
from typing import BinaryIO

import anyio
import anyio.to_thread
from mcp.server.stdio import stdio_server

from .server import build_server
from .start import read_settings, started_studio
from .wire import Wire


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
    lines = _Lines(wire.incoming)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_watch_signals, lines)
        async with stdio_server(lines, _Sink(wire.outgoing)) as (reading, writing):  # pyright: ignore[reportArgumentType]
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


class _Lines:
    """What the client sends, line by line, until it or a signal ends it; what the SDK needs of a text file."""

    def __init__(self, wire: BinaryIO) -> None:
        self._wire = wire
        self._reading: anyio.CancelScope | None = None
        self.stopped = False

    def stop(self) -> None:
        self.stopped = True
        if self._reading is not None:
            self._reading.cancel()

    async def __aiter__(self) -> AsyncGenerator[str]:
        while not self.stopped:
            line = b""
            with anyio.CancelScope() as self._reading:
                line = await anyio.to_thread.run_sync(self._wire.readline, abandon_on_cancel=True)
            if not line:
                return
            yield line.decode("utf-8", "replace")


class _Sink:
    """What goes to the client; a client that is gone loses nothing but the answer."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    async def write(self, text: str) -> None:
        await anyio.to_thread.run_sync(self._write, text.encode("utf-8", "surrogatepass"), abandon_on_cancel=True)

    async def flush(self) -> None:
        """Nothing is buffered."""

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError:
            return
