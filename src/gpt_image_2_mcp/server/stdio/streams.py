"""The transport between one client's pipes and the SDK's server: lines on one side, messages on the other.

It replaces the SDK's own stdio transport, which lacks two things:

- **An answer to malformed requests.** The SDK drops a line that it cannot parse, and the client waits in vain. Here
  such a line is answered with a JSON-RPC error, if its id can be read.
- **Back-pressure.** The SDK reads on while a client does not read its answers, and keeps all of them in memory. Here
  `InboundStream` stops reading while too many answers or too many bytes wait (`OutboundStream.wait_for_room`). Then the
  pipe fills up, and the client's own write blocks until it reads again.

Reading and writing a pipe blocks, so both run in worker threads. The memory streams to and from the server have no
buffer: a message is handed over when the other side takes it, so the tasks that wait to send are the waiting answers.
"""

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

import anyio
import anyio.to_thread
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCResponse,
    jsonrpc_message_adapter,
)
from pydantic_core import PydanticSerializationError, from_json

from ...errors import shorten
from .pipes import StdioPipes

MAX_WAITING_ANSWERS = 64
"""Answers that may wait while another one is written; each may contain previews of some hundred kB."""
MAX_UNANSWERED_BYTES = 4 * 1024 * 1024
"""Bytes that may be read during one blocked write: over 10,000 short requests.

The answers to them may still be in the making, where `MAX_WAITING_ANSWERS` does not count them.
"""
MAX_ERROR_TEXT = 300
"""Characters of an error's message. The SDK writes short ones, but some repeat a text of the client in full."""


class OutboundStream:
    """Writes the server's messages to the client, one after another."""

    def __init__(
        self,
        pipes: StdioPipes,
        *,
        answered_id: Any,
        before: Callable[[], bytes] | None = None,
        on_answered: Callable[[int | str], None] | None = None,
    ) -> None:
        """Write to `pipes`, but drop the answer to the request `answered_id`, which the handshake has answered.

        `before` gives what is written before each message; b"" for nothing. `on_answered` is called with the id of each
        request whose answer was written.
        """
        self._on_answered = on_answered
        self._pipes = pipes
        self._before = before
        self._answered_id = answered_id
        self._written = anyio.Event()
        self._is_writing = False
        self._unanswered_bytes = 0
        self.sender: MemoryObjectSendStream[SessionMessage]
        """The end that the server sends its messages to."""
        self.sender, self._receiver = anyio.create_memory_object_stream[SessionMessage](0)

    async def run(self) -> None:
        """Write until the server closes `sender`."""
        async with self._receiver:
            async for sent in self._receiver:
                await self._write(sent.message)

    @property
    def waiting(self) -> int:
        """The messages that wait for the client to read, the one that is being written among them."""
        return self._receiver.statistics().tasks_waiting_send + self._is_writing

    async def wait_for_write(self) -> None:
        """Wait until a message is written."""
        await self._written.wait()

    async def wait_for_room(self) -> None:
        """Wait while the client blocks a write and too many answers or bytes wait behind it."""
        while self._is_writing and (
            self.waiting > MAX_WAITING_ANSWERS or self._unanswered_bytes > MAX_UNANSWERED_BYTES
        ):
            await self.wait_for_write()

    def count_read(self, size: int) -> None:
        """Count the bytes of a line that was read; the next finished write resets the count."""
        self._unanswered_bytes += size

    async def _write(self, message: JSONRPCMessage) -> None:
        if self._answered_id is not None and getattr(message, "id", None) == self._answered_id:
            # The server has read this request again (`HandshakeReplay`), and this is its second answer.
            self._answered_id = None
            return
        if isinstance(message, JSONRPCError):
            message = message.model_copy(update={"error": _shorten_error(message.error)})
        data = (self._before() if self._before else b"") + _line(message)
        self._is_writing = True
        is_written = await anyio.to_thread.run_sync(partial(self._pipes.write, data), abandon_on_cancel=True)
        self._is_writing = False
        if is_written and self._on_answered and isinstance(message, JSONRPCResponse):
            self._on_answered(message.id)
        self._unanswered_bytes = 0
        written, self._written = self._written, anyio.Event()
        written.set()


def _line(message: JSONRPCMessage) -> bytes:
    """A message as a line of JSON, with a question mark for each half of a surrogate pair.

    A file name whose bytes are no UTF-8 has such halves. No JSON in UTF-8 can contain them, and pydantic raises.
    """
    try:
        text = message.model_dump_json(by_alias=True, exclude_unset=True)
    except PydanticSerializationError:
        text = json.dumps(message.model_dump(by_alias=True, exclude_unset=True), ensure_ascii=False)
    return text.encode("utf-8", "replace") + b"\n"


class InboundStream:
    """Reads the client's lines and hands the messages to the server, until the end of stdin or `stop`."""

    def __init__(
        self,
        pipes: StdioPipes,
        outbound: OutboundStream,
        replayed: list[bytes],
        *,
        on_control: Callable[[bytes], None] | None,
        on_cancelled: Callable[[Mapping[str, Any]], None],
    ) -> None:
        """Give the server the `replayed` lines, then what comes through `pipes`; send errors to `outbound`.

        `on_control` is given the lines that begin with `#`, which are no messages, and `on_cancelled` the parameters of
        each cancellation: where the input ends right behind one, the server ends before it has looked at it.
        """
        self._on_control = on_control
        self._on_cancelled = on_cancelled
        self._pipes = pipes
        self._outbound = outbound
        self._replayed = replayed
        self.read_count = 0
        """Lines read so far: it grows as long as the client asks for something."""
        self._read_scope: anyio.CancelScope | None = None
        self.stopped = self.is_over = False
        self.receiver: MemoryObjectReceiveStream[SessionMessage | Exception]
        """The end that the server receives messages from."""
        self._sender, self.receiver = anyio.create_memory_object_stream[SessionMessage | Exception](0)

    def stop(self) -> None:
        """Read nothing more, and let the server finish what it has."""
        self.stopped = True
        if self._read_scope is not None:
            self._read_scope.cancel()

    async def run(self) -> None:
        """Read until the end or `stop`, then close the stream, which tells the server that the client is gone."""
        try:
            await self._read()
        finally:
            self.is_over = True

    async def _read(self) -> None:
        async with self._sender:
            while not self.stopped:
                line = b""
                with anyio.CancelScope() as self._read_scope:
                    line = await self._next_line()
                    if self._on_control and line.startswith(b"#"):
                        self._on_control(line)
                    elif line:
                        self.read_count += 1
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
            if isinstance(message, JSONRPCNotification) and message.method == "notifications/cancelled":
                self._on_cancelled(message.params or {})
            await self._sender.send(SessionMessage(message))
        elif error := _error_for(text):
            await self._outbound.sender.send(SessionMessage(error))


def _parse(text: str) -> JSONRPCMessage | None:
    try:
        return jsonrpc_message_adapter.validate_json(text, by_name=False)
    except ValueError:
        return None


def _without_surrogates(text: str) -> str:
    """The line with a question mark for each half of a surrogate pair, such as U+D83D alone.

    Models write them when they cut an emoji in two. JSON allows them, but no text in UTF-8 can contain them.
    """
    try:
        return json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8", "replace").decode()
    except (ValueError, RecursionError):
        return text


def _error_for(line: str) -> JSONRPCError | None:
    """The error that answers a malformed request; None if the line is no request, or has no id to answer to."""
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
    """The error with a message and data of a bounded length."""
    fields: dict[str, Any] = {"code": error.code, "message": shorten(error.message, MAX_ERROR_TEXT)}
    if isinstance(error.data, str):
        fields["data"] = shorten(error.data, MAX_ERROR_TEXT)
    elif error.data is not None and len(error.model_dump_json()) <= 10 * MAX_ERROR_TEXT:
        fields["data"] = error.data
    return ErrorData(**fields)
