"""Runs the full server for one client on stdio, until the process exits.

The end of stdin and the first SIGTERM, SIGINT or SIGHUP (a closed terminal) mean the same: read no further message, let
the service finish the requests that are paid for, exit with 0. A second SIGTERM or SIGINT ends the process at once,
with 128 and the signal's number.
"""

import os
import sys
from functools import partial
from typing import TYPE_CHECKING

import anyio

from ...app import log_to_stderr, open_user_service, read_settings
from ..factory import build_server
from ..resources import PictureServer
from ..sdk import serve_streams
from .engine.control import EngineControl
from .handshake import HandshakeReplay
from .pipes import READ_WITHIN_S, StdioPipes
from .signals import ending_signals, is_insistent
from .streams import InboundStream, OutboundStream

if TYPE_CHECKING:
    from .engine.front import EngineStart


def run(pipes: StdioPipes, replay: HandshakeReplay, *, sandbox: bool, engine: "EngineStart | None") -> None:
    """Serve until the client is gone or a signal comes, then exit the process; this does not return.

    `engine` is how this process was started if it is the engine of a front; see `engine`.
    """
    try:
        anyio.run(_serve, pipes, replay, sandbox, engine)
    finally:
        sys.stderr.flush()
    # A normal exit joins all threads, and one of them waits in `read_line` for a line that may never come.
    os._exit(0)


async def _serve(pipes: StdioPipes, replay: HandshakeReplay, sandbox: bool, engine: "EngineStart | None") -> None:
    settings = read_settings(sandbox=sandbox)
    control = EngineControl(engine, idle_s=settings.engine_idle_s) if engine else None
    log_to_stderr(settings)
    for problem in settings.problems:
        sys.stderr.write(f"gpt-image-2-mcp: {problem}\n")
    server = build_server(lambda: open_user_service(settings, first_call_at=replay.first_call_at))

    def note_read(request_id: int | str) -> None:
        if server.service:
            server.calls.note_read(request_id, server.service)

    async def note_read_soon(request_id: int | str) -> None:
        await anyio.sleep(READ_WITHIN_S)
        if not inbound.is_over:
            note_read(request_id)

    def note_answered(request_id: int | str) -> None:
        tasks.start_soon(note_read_soon, request_id)

    outbound = OutboundStream(
        pipes,
        answered_id=replay.answered_id,
        before=control.news_of_state if control else None,
        # The front says so itself: what has left the engine has not reached the client yet.
        on_answered=None if control else note_answered,
    )
    on_control = partial(control.handle, on_read=note_read) if control else None
    inbound = InboundStream(pipes, outbound, replay.lines, on_control)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_watch_signals, inbound)
        tasks.start_soon(outbound.run)
        tasks.start_soon(inbound.run)
        tasks.start_soon(_confirm_answers, server)
        if control:
            tasks.start_soon(control.run, server, inbound)
        await serve_streams(server, inbound.receiver, outbound.sender)
        # A client that reads nothing blocks the write of an answer; this process does not wait for it.
        tasks.cancel_scope.cancel()


async def _confirm_answers(server: PictureServer) -> None:
    """Let an answer count as given when it was written, as soon as there is a service."""
    await server.opened.wait()
    if server.service:
        server.service.confirm_answers()


async def _watch_signals(inbound: InboundStream) -> None:
    if sys.platform == "win32":
        return
    with anyio.open_signal_receiver(*ending_signals()) as signals:
        async for received in signals:
            if inbound.stopped and is_insistent(received):
                os._exit(128 + received)
            inbound.stop()
