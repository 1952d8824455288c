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
from ..installation import REPLACED, Installation, refusal
from ..pipes import READ_BYTES, LineSplitter, StdioPipes
from ..signals import ending_signals, is_insistent
from .client_output import ClientOutput
from .fork import fork_engine
from .lines import ANSWER, ENDED, IDLE, NOT_STARTED, QUESTION, READ, READY, STATE

if TYPE_CHECKING:
    import socket
    from typing import Any

MAX_BUFFER_BYTES = 1024 * 1024
"""Bytes that wait for one side while it does not read; beyond it the other side is not read either."""


NEVER = float("inf")
GRACE = "GPT_IMAGE_2_SHUTDOWN_GRACE_S"
"""The setting that bounds how long an engine goes on without a client; importing `Settings` for it takes long."""
DEFAULT_GRACE_S = 300.0
LEAVE_AFTER_S = 5.0
"""How much longer than that the front waits for the engine to end: one that is stopped or hangs never does."""


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
        self._replay = replay
        self._opening, self._answered_id = replay.opening, replay.answered_id
        """The lines that every engine is given, and the id of the request among them that has been answered."""
        self._first_call_at = replay.first_call_at
        self._splitter = LineSplitter()
        self._held = [replay.line] if replay.line else list[bytes]()
        """Lines of the client that no engine has yet."""
        self._socket: socket.socket | None = None
        self._is_ready = self._is_retiring = self._is_shut = False
        self._from_engine = LineSplitter()
        self._to_engine = bytearray()
        self._to_client = ClientOutput(pipes.stdout)
        self._state = b""
        self._pending: dict[str, str] = {}
        """The method of each request that is not answered, by the JSON text of its id."""
        self._questions: set[str] = set()
        """The ids of the engine's own requests that the client has not answered."""
        self._input_ended_at: float | None = None
        """When the client closed stdin, or a signal came, by `time.monotonic`."""
        self._leave_at = NEVER
        """When the front ends although the engine has not, by `time.monotonic`."""
        self._is_stopped = False

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
            lines, self._splitter = self._pipes.take_read()
            self._take_lines(lines)
        while started is None:
            self._wait(awake)
            if self._socket is None and self._held:
                try:
                    started = self._start_engine()
                except OSError as error:
                    with suppress(OSError):
                        os.write(2, f"gpt-image-2-mcp: no engine could be started: {error}\n".encode())
                    self._refuse(NOT_STARTED)
            if self._socket is None and self._input_ended_at is not None and not self._to_client:
                os._exit(0)
            if time.monotonic() >= self._leave_at:
                with suppress(OSError):
                    os.write(2, b"gpt-image-2-mcp: the engine does not end, and is left as it is\n")
                os._exit(0)
        # This is the engine now.
        signal.set_wakeup_fd(-1)
        for number in (awake, waker, self._pipes.stdin, self._pipes.stdout):
            os.close(number)
        return started

    def _start_engine(self) -> EngineStart | None:
        """Fork an engine, and give it the lines that are held; gives its start in the engine itself."""
        if not self._installation.is_unchanged():
            self._refuse(REPLACED)
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
        self._first_call_at = None
        # It can be large, and the caller holds it.
        self._replay.line = b""
        held, self._held = self._held, []
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
        poll = select.poll()
        for number, events in self._wanted(awake, engine).items():
            # `poll` reports an end also where nothing is asked for, and would return at once again and again.
            if events:
                poll.register(number, events)
        due = min(self._leave_at, self._to_client.due_at(leaving_since=self._input_ended_at) or self._leave_at)
        ready = dict(poll.poll(None if due == NEVER else 1000 * max(0.0, due - time.monotonic())))
        if awake in ready:
            os.read(awake, READ_BYTES)
        if self._pipes.stdout in ready:
            self._to_client.write()
        if self._pipes.stdin in ready:
            self._read_client()
        # Behind the lines of the client: one of them may say that it has given a call up.
        self._confirm()
        if engine is not None:
            events = ready.get(engine.fileno(), 0)
            if events & select.POLLOUT:
                self._write_to_engine(engine)
            if events & ~select.POLLOUT:
                self._read_engine(engine)

    def _wanted(self, awake: int, engine: "socket.socket | None") -> dict[int, int]:
        """What to wait for, by descriptor: neither side is read while too much waits for the other."""
        wanted = {awake: select.POLLIN, self._pipes.stdout: select.POLLOUT if self._to_client else 0}
        if self._input_ended_at is None and len(self._to_engine) < MAX_BUFFER_BYTES and len(self._held) <= 1:
            wanted[self._pipes.stdin] = select.POLLIN
        if engine is not None:
            reading = select.POLLIN if len(self._to_client) < MAX_BUFFER_BYTES else 0
            wanted[engine.fileno()] = reading | (select.POLLOUT if self._to_engine else 0)
        return wanted

    # The client's side.

    def _read_client(self) -> None:
        if self._input_ended_at is not None:
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
        # The engine has not read this yet, and there may be a megabyte of it.
        self._to_engine.clear()
        self._end_input()

    def _end_input(self) -> None:
        self._input_ended_at = time.monotonic()
        self._leave_at = self._input_ended_at + _grace_s() + LEAVE_AFTER_S
        self._shut_down()

    def _confirm(self) -> None:
        """Tell the engine which answers count as read now."""
        for key in self._to_client.take_read(leaving_since=self._input_ended_at):
            if self._socket is not None and not self._is_retiring:
                self._to_engine += READ + key.encode() + b"\n"

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
        if self._socket is not None and not self._to_engine and (self._input_ended_at is not None or self._is_retiring):
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
        self._to_client.add(line, answer[1].decode() if answer else "")

    def _take_control(self, line: bytes) -> None:
        if line == READY:
            self._is_ready = True
        elif line.startswith(STATE):
            self._state = line[len(STATE) :]
        elif line == IDLE and not (self._pending or self._to_engine or self._held or self._to_client.is_unconfirmed):
            self._is_retiring = True
            self._shut_down()

    def _engine_ended(self) -> None:
        """Answer what the engine has not answered, unless it was to end."""
        self._socket = None
        self._to_engine.clear()
        self._questions.clear()
        if not self._is_retiring and self._input_ended_at is None:
            self._answer_pending(ENDED if self._is_ready else NOT_STARTED)

    def _answer_pending(self, reason: str) -> None:
        pending, self._pending = self._pending, {}
        for key, method in pending.items():
            self._to_client.add(refusal(json.loads(key), method, reason))


def _grace_s() -> float:
    try:
        return max(0.0, float(os.environ.get(GRACE, "")))
    except ValueError:
        return DEFAULT_GRACE_S
