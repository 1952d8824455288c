"""What goes to and fro between one client and the SDK's server: lines on the wire here, messages there.

The SDK drops what it cannot read, and keeps every answer that a client does not take. Here a request that cannot be
read is answered where its id can be, and nothing more is read while too much waits.
"""

import json
from functools import partial
from typing import Any, cast

import anyio
import anyio.to_thread
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import INVALID_PARAMS, INVALID_REQUEST, ErrorData, JSONRPCError, JSONRPCMessage, jsonrpc_message_adapter
from pydantic_core import from_json

from ...errors import shorten
from .pipes import StdioPipes

MAX_WAITING = 64
"""Answers that may wait for the client to take one; each may hold previews of some hundred kB."""
MAX_UNHEARD_BYTES = 4 * 1024 * 1024
"""What is read while the client takes nothing, for its answers are still to come: over 10,000 requests."""
MAX_ERROR_TEXT = 300
"""Characters of an error's text: the SDK's own are short sentences, and repeat what was asked for whole."""


class OutboundStream:
    """What goes to the client."""

    def __init__(self, wire: StdioPipes, *, answered: Any) -> None:
        """Write to `wire`; the request `answered` has its answer already."""
        self._wire = wire
        self._answered = answered
        self._taken = anyio.Event()
        self._is_writing = False
        self._asked = 0
        self.entry: MemoryObjectSendStream[SessionMessage]
        """Where the server puts them."""
        self.entry, self._waiting = anyio.create_memory_object_stream[SessionMessage](0)

    async def run(self) -> None:
        """Write one after the other, until the server has no more."""
        async with self._waiting:
            async for waiting in self._waiting:
                await self._write(waiting.message)

    async def room(self) -> None:
        """Wait while too much waits for a client that takes nothing."""
        while self._is_writing and (
            self._waiting.statistics().tasks_waiting_send > MAX_WAITING or self._asked > MAX_UNHEARD_BYTES
        ):
            await self._taken.wait()

    def asked(self, size: int) -> None:
        """Count the bytes of a message that was read."""
        self._asked += size

    async def _write(self, message: JSONRPCMessage) -> None:
        if self._answered is not None and getattr(message, "id", None) == self._answered:
            # What was heard again for the server's sake has its answer already.
            self._answered = None
            return
        if isinstance(message, JSONRPCError):
            message = message.model_copy(update={"error": _shortened(message.error)})
        line = message.model_dump_json(by_alias=True, exclude_unset=True) + "\n"
        data = line.encode("utf-8", "surrogatepass")
        self._is_writing = True
        await anyio.to_thread.run_sync(partial(self._wire.write, data), abandon_on_cancel=True)
        self._is_writing = False
        self._asked = 0
        taken, self._taken = self._taken, anyio.Event()
        taken.set()


class InboundStream:
    """What the client sends, until it or a signal ends it."""

    def __init__(self, wire: StdioPipes, answers: OutboundStream, heard: list[bytes]) -> None:
        """Read from `wire`, after the lines that were `heard` already."""
        self._wire = wire
        self._answers = answers
        self._heard = heard
        self._reading: anyio.CancelScope | None = None
        self.stopped = False
        self.exit: MemoryObjectReceiveStream[SessionMessage | Exception]
        """Where the server takes them."""
        self._entry, self.exit = anyio.create_memory_object_stream[SessionMessage | Exception](0)

    def stop(self) -> None:
        """Read nothing more."""
        self.stopped = True
        if self._reading is not None:
            self._reading.cancel()

    async def run(self) -> None:
        """Hand on one after the other; the end of it is the server's."""
        async with self._entry:
            while not self.stopped:
                line = b""
                with anyio.CancelScope() as self._reading:
                    if line := await self._next():
                        await self._hand_on(line)
                if not line:
                    return

    async def _next(self) -> bytes:
        if self._heard:
            return self._heard.pop(0)
        await self._answers.room()
        line = await anyio.to_thread.run_sync(self._wire.read, abandon_on_cancel=True)
        self._answers.asked(len(line))
        return line

    async def _hand_on(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace")
        message = _parsed(text) or _parsed(text := _mended(text))
        if message is not None:
            await self._entry.send(SessionMessage(message))
        elif refusal := _refusal(text):
            await self._answers.entry.send(SessionMessage(refusal))


def _parsed(text: str) -> JSONRPCMessage | None:
    try:
        return jsonrpc_message_adapter.validate_json(text, by_name=False)
    except ValueError:
        return None


def _mended(text: str) -> str:
    """A line without halves of surrogate pairs: models write them, JSON allows them, and no text can hold them."""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8", "replace").decode()
    except (ValueError, RecursionError):
        return text


def _refusal(line: str) -> JSONRPCError | None:
    """The answer to a request that is out of order; None where nobody can be told, or nobody asked."""
    try:
        found = from_json(line)
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    request = cast("dict[str, Any]", found)
    if "method" not in request or type(request.get("id")) not in (int, str):
        return None
    if request.get("jsonrpc") != "2.0":
        error = ErrorData(code=INVALID_REQUEST, message='`jsonrpc` must be "2.0".')
    elif not isinstance(request["method"], str):
        error = ErrorData(code=INVALID_REQUEST, message="`method` must be a string.")
    else:
        error = ErrorData(code=INVALID_PARAMS, message="`params` must be an object.")
    return JSONRPCError(jsonrpc="2.0", id=request["id"], error=error)


def _shortened(error: ErrorData) -> ErrorData:
    """The same without repeating at length what was asked for."""
    fields: dict[str, Any] = {"code": error.code, "message": shorten(error.message, MAX_ERROR_TEXT)}
    if isinstance(error.data, str):
        fields["data"] = shorten(error.data, MAX_ERROR_TEXT)
    elif error.data is not None and len(error.model_dump_json()) <= 10 * MAX_ERROR_TEXT:
        fields["data"] = error.data
    return ErrorData(**fields)
