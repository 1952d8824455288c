"""The front: passes lines between the client and the engine, and starts an engine when one is needed.

It reads the messages only as far as it must: it keeps the opening of the connection, which every new engine is given,
and the ids of the requests that are not answered, to answer them itself if the engine dies. One thread does all of it,
with `poll` and without a blocking read or write, since forking is safe only without other threads.

This module imports the standard library only; what it costs an idle server is in docs/performance.md.
"""

# The values of JSON have the type `Any`, which is imported for the type checkers only: `typing` takes time to load.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import json
import os
import select
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from ..handshake import HandshakeReplay
from ..pipes import READ_BYTES, READ_WITHIN_S, LineSplitter, StdioPipes
from ..signals import ending_signals, is_insistent
from .fork import Installation, fork_engine
from .lines import ANSWER, ENDED, IDLE, NOT_STARTED, QUESTION, READ, READY, STATE, UPGRADED

if TYPE_CHECKING:
    import socket
    from typing import Any

MAX_BUFFER_BYTES = 1024 * 1024
"""Bytes that wait for one side while it does not read; beyond it the other side is not read either."""
CHUNK_BYTES = 4096
"""Bytes that are written to the client at once: a pipe that `poll` calls writable takes as many without blocking."""
LAST_WRITE_MS = 2000
"""How long the front waits for a client that is leaving to read the last answers."""


class EngineStart:
    """What a new engine needs: its end of the socket, the opening of the connection, and the state of the chat."""

    __slots__ = ("pipes", "replay", "socket", "state")

    def __init__(self, end: "socket.socket", replay: HandshakeReplay, state: bytes) -> None:
        """`state` is what the engine before this one sent after `STATE`; b"" if there was none."""
        self.socket = end
        self.pipes = StdioPipes(end.fileno(), end.fileno())
        self.replay = replay
        self.state = state


def run_front(pipes: StdioPipes, replay: HandshakeReplay, installation: Installation) -> EngineStart | None:
    """Be the front until the client is gone, then exit the process.

    Returns in each new engine, and in the front only with None: the system forbids engines, so the caller goes on as
    the full server itself.
    """
    return _Front(pipes, replay, installation).run()


class _Front:
    """The front of one client."""

    def __init__(self, pipes: StdioPipes, replay: HandshakeReplay, installation: Installation) -> None:
        self._pipes = pipes
        self._installation = installation
        self._opening, self._answered_id = replay.opening, replay.answered_id
        """The lines that every engine is given, and the id of the request among them that has been answered."""
        self._replay, self._first_call_at = replay, replay.first_call_at
        self._splitter = LineSplitter()
        self._held = [replay.line] if replay.line else list[bytes]()
        """Lines of the client that no engine has yet."""
        self._socket: socket.socket | None = None
        self._is_ready = self._is_retiring = self._is_shut = False
        self._from_engine = LineSplitter()
        self._to_engine = bytearray()
        self._to_client = bytearray()
        self._sent_bytes = self._written_bytes = 0
        """Bytes for the client that came so far, and those of them that were written."""
        self._unwritten: list[tuple[int, str]] = []
        """For each answer that is not written whole, where in all these bytes it ends, and the id of its request."""
        self._unconfirmed: list[tuple[float, str]] = []
        """For each answer that was written just now, when it counts as read, and the id of its request."""
        self._state = b""
        self._pending: dict[str, str] = {}
        """The method of each request that is not answered, by the JSON text of its id."""
        self._questions: set[str] = set()
        """The ids of the engine's own requests that the client has not answered."""
        self._client_reads = True
        self._input_ended = self._is_stopped = False

    def run(self) -> EngineStart | None:
        """Pass lines on until the client is gone; see `run_front`."""
        # A signal ends `poll` by a byte in this pipe.
        awake, waker = os.pipe()
        os.set_blocking(waker, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        for number in ending_signals():
            signal.signal(number, self._stop)
        try:
            # Also without a line that needs it: a killed process may have left work to recover.
            started = self._start_engine()
        except OSError:
            signal.set_wakeup_fd(-1)
            return None
        if started is None:
            self._replay.take_lines()
            lines, self._splitter = self._pipes.take_read()
            self._take_lines(lines)
        while started is None:
            self._wait(awake)
            if self._socket is None and self._held:
                try:
                    started = self._start_engine()
                except OSError:
                    self._refuse(NOT_STARTED)
            if self._socket is None and self._input_ended and not self._to_client:
                os._exit(0)
        # This is the engine now.
        signal.set_wakeup_fd(-1)
        for number in (awake, waker, self._pipes.stdin, self._pipes.stdout):
            os.close(number)
        return started

    def _start_engine(self) -> EngineStart | None:
        """Fork an engine, and give it the lines that are held; gives its start in the engine itself."""
        if not self._installation.is_unchanged():
            self._refuse(UPGRADED)
            return None
        # The engine has this line from the beginning, and not by the socket: it may begin with it while it loads.
        first = self._held[0] if self._held and b'"tools/call"' in self._held[0] else b""
        is_engine, end = fork_engine()
        if is_engine:
            for number in ending_signals():
                signal.signal(number, signal.SIG_DFL)
            replay = HandshakeReplay(self._opening, first, self._answered_id)
            replay.first_call_at = self._first_call_at
            return EngineStart(end, replay, self._state)
        end.settimeout(0)
        self._socket = end
        self._is_ready = self._is_retiring = self._is_shut = False
        self._from_engine = LineSplitter()
        held, self._held, self._first_call_at = self._held, [], None
        for line in held:
            if self._note(line) and line is not first:
                self._to_engine += line
        return None

    def _refuse(self, reason: str) -> None:
        """Answer what is held without an engine."""
        held, self._held = self._held, []
        for line in held:
            self._note(line)
        self._answer_pending(reason)

    def _wait(self, awake: int) -> None:
        """Wait until one side can be read or written, and pass on what is there."""
        engine = self._socket
        is_last = engine is None and self._input_ended
        poll = select.poll()
        for number, events in self._wanted(awake, engine).items():
            # `poll` reports an end also where nothing is asked for, and would return at once again and again.
            if events:
                poll.register(number, events)
        pause = 1000 * max(0.0, self._unconfirmed[0][0] - time.monotonic()) if self._unconfirmed else None
        ready = dict(poll.poll(LAST_WRITE_MS if is_last else pause))
        if is_last and not ready:
            os._exit(0)
        self._confirm()
        if awake in ready:
            os.read(awake, READ_BYTES)
        if self._pipes.stdout in ready:
            self._write_to_client()
        if self._pipes.stdin in ready:
            self._read_client()
        if engine is not None:
            events = ready.get(engine.fileno(), 0)
            if events & select.POLLOUT:
                self._write_to_engine(engine)
            if events & ~select.POLLOUT:
                self._read_engine(engine)

    def _wanted(self, awake: int, engine: "socket.socket | None") -> dict[int, int]:
        """What to wait for, by descriptor: neither side is read while too much waits for the other."""
        wanted = {awake: select.POLLIN, self._pipes.stdout: select.POLLOUT if self._to_client else 0}
        if not self._input_ended and len(self._to_engine) < MAX_BUFFER_BYTES and len(self._held) <= 1:
            wanted[self._pipes.stdin] = select.POLLIN
        if engine is not None:
            reading = select.POLLIN if len(self._to_client) < MAX_BUFFER_BYTES else 0
            wanted[engine.fileno()] = reading | (select.POLLOUT if self._to_engine else 0)
        return wanted

    # The client's side.

    def _read_client(self) -> None:
        if self._input_ended:
            return
        try:
            piece = os.read(self._pipes.stdin, READ_BYTES)
        except OSError:
            piece = b""
        lines = self._splitter.feed(piece)
        if not piece:
            lines = [line for line in [self._splitter.flush()] if line]
        self._take_lines(lines)
        if not piece:
            self._end_input()

    def _take_lines(self, lines: list[bytes]) -> None:
        """Pass lines of the client on, or hold them until there is an engine."""
        for line in lines:
            if self._socket is not None and not self._is_retiring:
                self._pass_to_engine(line)
                continue
            self._held.append(line)
            if b'"tools/call"' in line and self._first_call_at is None:
                self._first_call_at = time.monotonic()

    def _stop(self, number: int, _: object) -> None:
        """Handle a signal: read nothing more, and let the engine finish. The second one ends the front at once."""
        if self._is_stopped:
            if is_insistent(number):
                os._exit(128 + number)
            return
        self._is_stopped = True
        self._end_input()

    def _end_input(self) -> None:
        self._input_ended = True
        self._shut_down()

    def _write_to_client(self) -> None:
        try:
            count = os.write(self._pipes.stdout, self._to_client[:CHUNK_BYTES])
        except OSError:
            # The client has closed the pipe: what is paid goes on.
            self._client_reads = False
            self._to_client.clear()
            return
        del self._to_client[:count]
        self._written_bytes += count
        while self._unwritten and self._unwritten[0][0] <= self._written_bytes:
            self._unconfirmed.append((time.monotonic() + READ_WITHIN_S, self._unwritten.pop(0)[1]))

    def _confirm(self) -> None:
        """Tell the engine which answers count as read now; none does once the client has closed stdin."""
        while self._unconfirmed and (self._input_ended or self._unconfirmed[0][0] <= time.monotonic()):
            _, key = self._unconfirmed.pop(0)
            if self._socket is not None and not self._input_ended and not self._is_retiring:
                self._to_engine += READ + key.encode() + b"\n"

    def _send_to_client(self, line: bytes) -> None:
        if self._client_reads:
            self._to_client += line
            self._sent_bytes += len(line)

    # The engine's side.

    def _pass_to_engine(self, line: bytes) -> None:
        if self._note(line):
            self._to_engine += line

    def _note(self, line: bytes) -> bool:
        """Keep what has to be known of a client's line; whether it is for this engine."""
        try:
            message: Any = json.loads(line)
            method, has_id = message.get("method"), "id" in message
            key = json.dumps(message.get("id"))
            cancelled = message.get("params", {}).get("requestId") if method == "notifications/cancelled" else None
        except (ValueError, AttributeError, TypeError, RecursionError):
            # The server answers a malformed line if it can be answered.
            return True
        if method is None:
            # An answer to a question of an engine that is gone would be taken for one to this engine's question.
            if key not in self._questions:
                return False
            self._questions.discard(key)
        elif has_id:
            self._pending[key] = str(method)
            if method == "initialize" and not self._opening:
                self._opening, self._answered_id = [line], message["id"]
        elif method == "notifications/cancelled":
            self._pending.pop(json.dumps(cancelled), None)
        elif method == "notifications/initialized" and len(self._opening) == 1:
            self._opening.append(line)
        return True

    def _write_to_engine(self, engine: "socket.socket") -> None:
        try:
            del self._to_engine[: engine.send(self._to_engine[:MAX_BUFFER_BYTES])]
        except BlockingIOError:
            return
        except OSError:
            # It is gone; reading tells so as well.
            self._to_engine.clear()
        self._shut_down()

    def _shut_down(self) -> None:
        """Tell the engine that nothing more comes, once it has everything."""
        if self._socket is not None and not self._to_engine and (self._input_ended or self._is_retiring):
            import socket

            self._is_shut = True
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)

    def _read_engine(self, engine: "socket.socket") -> None:
        try:
            piece = engine.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if not piece:
            engine.close()
            self._engine_ended()
            return
        for line in self._from_engine.feed(piece):
            self._take(line)

    def _take(self, line: bytes) -> None:
        """Handle a line of the engine."""
        if line.startswith(b"#"):
            self._take_control(line)
            return
        answer = ANSWER.match(line)
        if answer:
            self._pending.pop(json.dumps(json.loads(answer[1])), None)
        elif found := QUESTION.match(line):
            self._questions.add(json.dumps(json.loads(found[1])))
        self._send_to_client(line)
        if answer and self._client_reads:
            self._unwritten.append((self._sent_bytes, answer[1].decode()))

    def _take_control(self, line: bytes) -> None:
        if line == READY:
            self._is_ready = True
        elif line.startswith(STATE):
            self._state = line[len(STATE) :]
        elif line == IDLE and not (self._pending or self._to_engine or self._held or self._unconfirmed):
            self._is_retiring = True
            self._shut_down()

    def _engine_ended(self) -> None:
        """Answer what the engine has not answered, unless it was to end."""
        self._socket = None
        self._to_engine.clear()
        self._questions.clear()
        if not self._is_retiring and not self._input_ended:
            self._answer_pending(ENDED if self._is_ready else NOT_STARTED)

    def _answer_pending(self, reason: str) -> None:
        pending, self._pending = self._pending, {}
        for key, method in pending.items():
            body: dict[str, Any] = {"jsonrpc": "2.0", "id": json.loads(key)}
            if method == "tools/call":
                body["result"] = {"content": [{"type": "text", "text": reason}], "isError": True}
            else:
                body["error"] = {"code": -32603, "message": reason}
            self._send_to_client(json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode() + b"\n")
