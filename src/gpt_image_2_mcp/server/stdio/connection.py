"""The SDK's server for one client on stdio, the streams to it, and who is told what they do.

To import this module is to import the SDK, which takes a third of a second.
"""

from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING

import anyio

from ...service.images import ImageService
from ..factory import build_server
from ..sdk import serve_streams
from ..tools import all_tools
from .handshake import HandshakeReplay
from .pipes import READ_WITHIN_S, StdioPipes
from .streams import InboundStream, OutboundStream

if TYPE_CHECKING:
    from .engine.control import EngineControl

CALLED_WITHIN_S = 5.0
"""How long the server may take to read the call whose job was begun before it was loaded."""

all_tools()
"""Here, since it takes as long as a small module, and this module is imported beside the event loop."""


async def serve_connection(
    pipes: StdioPipes,
    replay: HandshakeReplay,
    service: ImageService,
    *,
    control: "EngineControl | None",
    ended: anyio.Event,
) -> None:
    """Serve until the client is gone, or until `ended` is set: no further message is read then.

    `control` is given if this process is an engine.
    """
    server = build_server(lambda: nullcontext(service))

    def note_read(request_id: int | str) -> None:
        server.calls.note_read(request_id, service)

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
    server.room.outbound = outbound
    on_control = partial(control.handle, on_read=note_read) if control else None
    on_cancelled = partial(server.calls.take_back, service=service)
    inbound = InboundStream(pipes, outbound, replay.take_lines(), on_control=on_control, on_cancelled=on_cancelled)

    async def stop() -> None:
        await ended.wait()
        inbound.stop()

    async def give_up_ahead() -> None:
        await anyio.sleep(CALLED_WITHIN_S)
        service.give_up_ahead()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stop)
        tasks.start_soon(outbound.run)
        tasks.start_soon(inbound.run)
        tasks.start_soon(give_up_ahead)
        if control:
            tasks.start_soon(control.run, service, server, inbound)
        await serve_streams(server, inbound.receiver, outbound.sender)
        # A client that reads nothing blocks the write of an answer; this process does not wait for it.
        tasks.cancel_scope.cancel()
