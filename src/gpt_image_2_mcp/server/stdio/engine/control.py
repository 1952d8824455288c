"""The engine's side of the connection with the front: that it is ready, the state of the chat, and when it is idle."""

import json
import select
import threading
from collections.abc import Callable

import anyio
import anyio.to_thread

from ....service.images import ImageService
from ...resources import PictureServer
from ..streams import InboundStream
from . import log
from .front import EngineStart
from .lines import IDLE, READY, STATE, WRITTEN

IDLE_CHECKS = 4
"""How often in `idle_s` the engine looks whether it has work."""


class EngineControl:
    """Tells the front of one engine what it has to know."""

    def __init__(self, start: EngineStart, *, idle_s: float) -> None:
        """Begin with what the front gave; `idle_s` seconds without work make the engine idle, 0: it never is."""
        self._start = start
        self._idle_s = idle_s
        self._service: ImageService | None = None
        self._sent = start.state
        log.tell_earlier_words()
        threading.Thread(target=self._watch_front, name="front", daemon=True).start()

    def news_of_state(self) -> bytes:
        """The line that gives the front the state of the chat; b"" if it has that already."""
        state = self._state()
        if state in (b"", self._sent):
            return b""
        self._sent = state
        return STATE + state

    def handle(self, line: bytes, *, on_written: Callable[[int | str], None]) -> None:
        """Handle a line of the front: it has written the answer to a request to the client."""
        if line.startswith(WRITTEN):
            on_written(json.loads(line[len(WRITTEN) :]))

    async def run(self, server: PictureServer, inbound: InboundStream) -> None:
        """Say that the engine is ready, and from then on when it is idle. The front decides whether it ends."""
        await server.opened.wait()
        self._service = service = server.service
        if service is None:
            return
        if self._start.state:
            service.recall(json.loads(self._start.state))
        await anyio.to_thread.run_sync(self._start.pipes.write, READY, abandon_on_cancel=True)
        seen = quiet = 0
        while self._idle_s:
            await anyio.sleep(self._idle_s / IDLE_CHECKS)
            is_quiet = inbound.read_count == seen and not (service.is_working or server.changes.is_subscribed)
            seen, quiet = inbound.read_count, quiet + 1 if is_quiet else 0
            if quiet >= IDLE_CHECKS:
                await anyio.to_thread.run_sync(self._start.pipes.write, IDLE, abandon_on_cancel=True)

    def _state(self) -> bytes:
        if self._service is None:
            return b""
        return json.dumps(self._service.remembered(), separators=(",", ":")).encode() + b"\n"

    def _watch_front(self) -> None:
        """Wait until the front is gone, then let stderr go to the log: the client's pipe must not be held open."""
        poll = select.poll()
        poll.register(self._start.socket, 0)
        poll.poll()
        log.replace_stderr()
