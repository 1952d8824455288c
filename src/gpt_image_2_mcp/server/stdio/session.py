"""Serving one client on stdin and stdout, from its opening to the exit.

The end of stdin and the first SIGTERM or SIGINT mean the same: take nothing new, let the studio finish what is paid
for, exit with 0. A second signal ends the process at once.
"""

import os
import signal
import sys

import anyio

from ...app import log_to_stderr, open_user_service, read_settings
from ..factory import build_server
from ..sdk import serve_streams
from .handshake import HandshakeReplay
from .pipes import StdioPipes
from .streams import InboundStream, OutboundStream


def run(pipes: StdioPipes, replay: HandshakeReplay, *, sandbox: bool) -> None:
    """Serve until the client is gone, then leave the process."""
    try:
        anyio.run(_serve, pipes, replay, sandbox)
    finally:
        sys.stderr.flush()
    # A reader parked in a thread would keep the interpreter waiting for a line that never comes.
    os._exit(0)


async def _serve(pipes: StdioPipes, replay: HandshakeReplay, sandbox: bool) -> None:
    settings = read_settings(sandbox=sandbox)
    log_to_stderr(settings)
    for problem in settings.problems:
        sys.stderr.write(f"gpt-image-2-mcp: {problem}\n")
    server = build_server(lambda: open_user_service(settings, first_call_at=replay.first_call_at))
    outbound = OutboundStream(pipes, answered_id=replay.answered_id)
    inbound = InboundStream(pipes, outbound, replay.lines)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_watch_signals, inbound)
        tasks.start_soon(outbound.run)
        tasks.start_soon(inbound.run)
        await serve_streams(server, inbound.receiver, outbound.sender)
        # Nobody waits any more for what the client has not taken.
        tasks.cancel_scope.cancel()


async def _watch_signals(inbound: InboundStream) -> None:
    if sys.platform == "win32":
        return
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for received in signals:
            if inbound.stopped:
                os._exit(128 + received)
            inbound.stop()
