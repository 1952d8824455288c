"""Serving one client on stdin and stdout, from its opening to the exit.

The end of stdin and the first SIGTERM or SIGINT mean the same: take nothing new, let the studio finish what is paid
for, exit with 0. A second signal ends the process at once.
"""

import os
import signal
import sys
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any, cast

import anyio
import anyio.to_thread
from mcp.server.stdio import stdio_server
from pydantic_core import from_json

from .front import Opening
from .server import build_server
from .start import log_to_stderr, read_settings, started_studio
from .wire import Wire

MAX_UNHEARD_BYTES = 4 * 1024 * 1024
"""What is read from a client that takes nothing: over 10,000 requests."""


def run(wire: Wire, opening: Opening, *, sandbox: bool) -> None:
    """Serve until the client is gone, then leave the process."""
    try:
        anyio.run(_serve, wire, opening, sandbox)
    finally:
        sys.stderr.flush()
    # A reader parked in a thread would keep the interpreter waiting for a line that never comes.
    os._exit(0)


async def _serve(wire: Wire, opening: Opening, sandbox: bool) -> None:
    settings = read_settings(sandbox=sandbox)
    log_to_stderr(settings)
    for problem in settings.problems:
        sys.stderr.write(f"gpt-image-2-mcp: {problem}\n")
    # The SDK has no public way from its server to a transport with streams of one's own.
    server = build_server(lambda: started_studio(settings, since=opening.arrived))._lowlevel_server  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    sink = _Sink(wire, answered=opening.answered)
    lines = _Lines(wire, sink, opening.lines)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_watch_signals, lines)
        # Both do what the SDK asks of a text file, which is less than its signature says.
        async with stdio_server(cast("Any", lines), cast("Any", sink)) as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options())
            sink.close()
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
    """What goes to the client."""

    def __init__(self, wire: Wire, *, answered: Any) -> None:
        self._wire = wire
        self._answered = answered
        self._writing = anyio.Lock()
        self._write: anyio.CancelScope | None = None
        self._closed = False
        self.written = 0

    async def write(self, text: str) -> None:
        if self._answered is not None and from_json(text).get("id") == self._answered:
            # What was heard again for the server's sake has its answer already.
            self._answered = None
            return
        async with self._writing:
            if self._closed:
                return
            data = text.encode("utf-8", "surrogatepass")
            with anyio.CancelScope() as self._write:
                self.written += await anyio.to_thread.run_sync(partial(self._wire.write, data), abandon_on_cancel=True)

    def close(self) -> None:
        """Give up what the client does not take: nobody waits for it any more."""
        self._closed = True
        if self._write is not None:
            self._write.cancel()

    async def flush(self) -> None:
        """Nothing is buffered."""

    async def unblocked(self) -> None:
        """Wait until the client has taken what is being written."""
        async with self._writing:
            pass


class _Lines:
    """What the client sends, line by line, until it or a signal ends it; what the SDK needs of a text file."""

    def __init__(self, wire: Wire, sink: _Sink, heard: list[bytes]) -> None:
        self._wire = wire
        self._sink = sink
        self._heard = heard
        self._reading: anyio.CancelScope | None = None
        self.stopped = False

    def stop(self) -> None:
        self.stopped = True
        if self._reading is not None:
            self._reading.cancel()

    async def __aiter__(self) -> AsyncGenerator[str]:
        for line in self._heard:
            yield line.decode("utf-8", "replace")
        written, unheard = 0, 0
        while not self.stopped:
            line = b""
            with anyio.CancelScope() as self._reading:
                if unheard > MAX_UNHEARD_BYTES:
                    await self._sink.unblocked()
                line = await anyio.to_thread.run_sync(self._wire.read, abandon_on_cancel=True)
            if not line:
                return
            # A client that asks and never reads is heard for a while only: its answers pile up in memory.
            unheard = unheard + len(line) if self._sink.written == written else 0
            written = self._sink.written
            yield line.decode("utf-8", "replace")
