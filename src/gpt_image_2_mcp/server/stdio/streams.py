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

MAX_WAITING_ANSWERS = 64
"""Answers that may wait for the client to take one; each may hold previews of some hundred kB."""
MAX_UNANSWERED_BYTES = 4 * 1024 * 1024
"""What is read while the client takes nothing, for its answers are still to come: over 10,000 requests."""
MAX_ERROR_TEXT = 300
"""Characters of an error's text: the SDK's own are short sentences, and repeat what was asked for whole."""


class OutboundStream:
    """What goes to the client."""

    def __init__(self, pipes: StdioPipes, *, answered_id: Any) -> None:
        """Write to `pipes`; the request `answered` has its answer already."""
        self._pipes = pipes
        self._answered_id = answered_id
        self._written = anyio.Event()
        self._is_writing = False
        self._unanswered_bytes = 0
        self.sender: MemoryObjectSendStream[SessionMessage]
        """Where the server puts them."""
        self.sender, self._receiver = anyio.create_memory_object_stream[SessionMessage](0)

    async def run(self) -> None:
        """Write one after the other, until the server has no more."""
        async with self._receiver:
            async for waiting in self._receiver:
                await self._write(waiting.message)

    async def wait_for_room(self) -> None:
        """Wait while too much waits for a client that takes nothing."""
        while self._is_writing and (
            self._receiver.statistics().tasks_waiting_send > MAX_WAITING_ANSWERS
            or self._unanswered_bytes > MAX_UNANSWERED_BYTES
        ):
            await self._written.wait()

    def count_read(self, size: int) -> None:
        """Count the bytes of a message that was read."""
        self._unanswered_bytes += size

    async def _write(self, message: JSONRPCMessage) -> None:
        if self._answered_id is not None and getattr(message, "id", None) == self._answered_id:
            # What was heard again for the server's sake has its answer already.
            self._answered_id = None
            return
        if isinstance(message, JSONRPCError):
            message = message.model_copy(update={"error": _shorten_error(message.error)})
        line = message.model_dump_json(by_alias=True, exclude_unset=True) + "\n"
        data = line.encode("utf-8", "surrogatepass")
        self._is_writing = True
        await anyio.to_thread.run_sync(partial(self._pipes.write, data), abandon_on_cancel=True)
        self._is_writing = False
        self._unanswered_bytes = 0
        taken, self._written = self._written, anyio.Event()
        taken.set()


class InboundStream:
    """What the client sends, until it or a signal ends it."""

    def __init__(self, pipes: StdioPipes, outbound: OutboundStream, replayed: list[bytes]) -> None:
        """Read from `pipes`, after the lines that were `heard` already."""
        self._pipes = pipes
        self._outbound = outbound
        self._replayed = replayed
        self._read_scope: anyio.CancelScope | None = None
        self.stopped = False
        self.receiver: MemoryObjectReceiveStream[SessionMessage | Exception]
        """Where the server takes them."""
        self._sender, self.receiver = anyio.create_memory_object_stream[SessionMessage | Exception](0)

    def stop(self) -> None:
        """Read nothing more."""
        self.stopped = True
        if self._read_scope is not None:
            self._read_scope.cancel()

    async def run(self) -> None:
        """Hand on one after the other; the end of it is the server's."""
        async with self._sender:
            while not self.stopped:
                line = b""
                with anyio.CancelScope() as self._read_scope:
                    if line := await self._next_line():
                        await self._forward(line)
                if not line:
                    return

    async def _next_line(self) -> bytes:
        if self._replayed:
            return self._replayed.pop(0)
        await self._outbound.wait_for_room()
        line = await anyio.to_thread.run_sync(self._pipes.read_line, abandon_on_cancel=True)
        self._outbound.count_read(len(line))
        return line

    async def _forward(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace")
        message = _parse(text) or _parse(text := _without_surrogates(text))
        if message is not None:
            await self._sender.send(SessionMessage(message))
        elif refusal := _error_for(text):
            await self._outbound.sender.send(SessionMessage(refusal))


def _parse(text: str) -> JSONRPCMessage | None:
    try:
        return jsonrpc_message_adapter.validate_json(text, by_name=False)
    except ValueError:
        return None


def _without_surrogates(text: str) -> str:
    """A line without halves of surrogate pairs: models write them, JSON allows them, and no text can hold them."""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8", "replace").decode()
    except (ValueError, RecursionError):
        return text


def _error_for(line: str) -> JSONRPCError | None:
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


def _shorten_error(error: ErrorData) -> ErrorData:
    """The same without repeating at length what was asked for."""
    fields: dict[str, Any] = {"code": error.code, "message": shorten(error.message, MAX_ERROR_TEXT)}
    if isinstance(error.data, str):
        fields["data"] = shorten(error.data, MAX_ERROR_TEXT)
    elif error.data is not None and len(error.model_dump_json()) <= 10 * MAX_ERROR_TEXT:
        fields["data"] = error.data
    return ErrorData(**fields)
