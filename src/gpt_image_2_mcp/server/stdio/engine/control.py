"""The engine's side of the connection with the front: that it is ready, the state of the chat, and when it is idle."""

import asyncio
import json
import select
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from ....service.images import ImageService
from . import log
from .front import EngineStart
from .lines import IDLE, READ, READY, STATE

if TYPE_CHECKING:
    from ...resources import PictureServer
    from ..streams import InboundStream

IDLE_CHECKS = 4
"""How often in `idle_s` the engine looks whether it has work."""


class EngineControl:
    """Tells the front of one engine what it has to know."""

    def __init__(self, start: EngineStart, *, idle_s: float) -> None:
        """Begin with what the front gave; `idle_s` seconds without work make the engine idle, 0: it never is."""
        self._start = start
        self._idle_s = idle_s
        self._service: ImageService | None = None
        self._is_ready = False
        self._sent = start.state
        self._is_left = False
        """The client has ended the connection, which nothing reads while the server is loaded."""
        log.tell_earlier_words()
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._watch_front, name="front", daemon=True).start()

    def news_of_state(self) -> bytes:
        """The line that gives the front the state of the chat; b"" if it has that already."""
        state = self._state()
        if state in (b"", self._sent):
            return b""
        self._sent = state
        return STATE + state

    def handle(self, line: bytes, *, on_read: Callable[[int | str], None]) -> None:
        """Handle a line of the front: the answer to a request counts as read."""
        if line.startswith(READ):
            on_read(json.loads(line[len(READ) :]))

    def recall(self, service: ImageService) -> None:
        """Let the service go on with the state of the chat."""
        self._service = service
        if self._start.state:
            service.recall(json.loads(self._start.state))

    async def tell_ready(self) -> None:
        """Say that the engine is ready: before anything is sent to the API, and at the latest when the server is."""
        if not self._is_ready:
            self._is_ready = True
            await anyio.to_thread.run_sync(self._start.pipes.write, READY, abandon_on_cancel=True)

    async def run(self, service: ImageService, server: "PictureServer", inbound: "InboundStream") -> None:
        """Say when the engine is idle, from now on. The front decides whether it ends."""
        await self.tell_ready()
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

    def give_up_if_left(self) -> None:
        """Treat the first call as given up if its client is gone, so that the same call of its next server joins it."""
        if self._is_left and self._service is not None:
            self._service.give_up_ahead()

    def _watch_front(self) -> None:
        """Wait until the front is gone, then let stderr go to the log: the client's pipe must not be held open."""
        poll = select.poll()
        poll.register(self._start.socket, select.POLLRDHUP)
        poll.poll()
        self._is_left = True
        # The loop may be closed by now.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.give_up_if_left)
        poll.modify(self._start.socket, 0)
        poll.poll()
        log.replace_stderr()
