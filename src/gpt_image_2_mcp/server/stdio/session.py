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
from .handshake import Opening
from .pipes import StdioPipes
from .streams import InboundStream, OutboundStream


def run(wire: StdioPipes, opening: Opening, *, sandbox: bool) -> None:
    """Serve until the client is gone, then leave the process."""
    try:
        anyio.run(_serve, wire, opening, sandbox)
    finally:
        sys.stderr.flush()
    # A reader parked in a thread would keep the interpreter waiting for a line that never comes.
    os._exit(0)


async def _serve(wire: StdioPipes, opening: Opening, sandbox: bool) -> None:
    settings = read_settings(sandbox=sandbox)
    log_to_stderr(settings)
    for problem in settings.problems:
        sys.stderr.write(f"gpt-image-2-mcp: {problem}\n")
    server = build_server(lambda: open_user_service(settings, first_call_at=opening.arrived))
    answers = OutboundStream(wire, answered=opening.answered)
    questions = InboundStream(wire, answers, opening.lines)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_watch_signals, questions)
        tasks.start_soon(answers.run)
        tasks.start_soon(questions.run)
        await serve_streams(server, questions.exit, answers.entry)
        # Nobody waits any more for what the client has not taken.
        tasks.cancel_scope.cancel()


async def _watch_signals(questions: InboundStream) -> None:
    if sys.platform == "win32":
        return
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for received in signals:
            if questions.stopped:
                os._exit(128 + received)
            questions.stop()
