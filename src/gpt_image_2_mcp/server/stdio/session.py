"""Runs the full server for one client on stdio, until the process exits.

The service is opened first. If the first call asks for a picture, its request is sent before the SDK's server is loaded
(`first_call`). The server then answers the call and all that follows (`connection`).

The end of stdin and the first SIGTERM, SIGINT or SIGHUP (a closed terminal) mean the same: read no further message, let
the service finish the requests that are paid for, exit with 0. A second SIGTERM or SIGINT ends the process at once,
with 128 and the signal's number.
"""

import gc
import importlib
import os
import sys
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from ...app import open_user_service, read_settings
from ...service.images import ImageService
from ...shared_parts import log_to_stderr
from .engine.control import EngineControl
from .first_call import read_first_call
from .handshake import HandshakeReplay
from .installation import NOT_LOADED, refuse
from .pipes import StdioPipes
from .signals import ending_signals, is_insistent

if TYPE_CHECKING:
    from .engine.front import EngineStart

CONNECT_S = 0.3
"""What a request's thread is given to connect and send, since modules that are loaded meanwhile slow it down."""
LOAD_AFTER_S = 5.0
"""The longest wait for the first request to be sent, until the server is loaded in any case: inputs can take long."""


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
    ended = anyio.Event()
    refused = b""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_watch_signals, ended)
        async with open_user_service(settings, first_call_at=replay.first_call_at) as service:
            # An answer counts as given when it was written, which `connection` says.
            service.confirm_answers()
            if control:
                control.recall(service)
            await _begin_first_call(replay, service, control)
            try:
                # In a thread, so that the job goes on meanwhile.
                await anyio.to_thread.run_sync(importlib.import_module, f"{__package__}.connection")
            except Exception as error:  # noqa: BLE001 - whatever is wrong with the files of the program
                # It was replaced or is damaged. The service still saves what is paid before it closes.
                sys.stderr.write(f"gpt-image-2-mcp: the server cannot be loaded: {error}\n")
                refused = replay.line
            else:
                from .connection import serve_connection

                # See `serve` on both.
                gc.freeze()
                gc.enable()
                await serve_connection(pipes, replay, service, control=control, ended=ended)
        if refused and not engine:
            # Only now, when what is paid is saved. The front of an engine says so itself.
            refuse(pipes, refused, NOT_LOADED)
        tasks.cancel_scope.cancel()


async def _begin_first_call(replay: HandshakeReplay, service: ImageService, control: EngineControl | None) -> None:
    """Start the job of a first call for a picture, and wait until its request was sent."""
    call = read_first_call(replay)
    if call and (job := await call.start(service, before=control.tell_ready if control else None)):
        if control:
            control.give_up_if_left()
        with anyio.move_on_after(LOAD_AFTER_S):
            await job.status.begun.wait()
        with anyio.move_on_after(CONNECT_S):
            await job.finished.wait()


async def _watch_signals(ended: anyio.Event) -> None:
    if sys.platform == "win32":
        return
    with anyio.open_signal_receiver(*ending_signals()) as signals:
        async for received in signals:
            if ended.is_set() and is_insistent(received):
                os._exit(128 + received)
            ended.set()
