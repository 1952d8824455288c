"""Answers a client's handshake from a recording, before the full server is loaded.

A user has many MCP servers, most of them idle, and the client waits for the first answer of each. Importing the SDK
takes about a second; answering from `handshake.json` takes a small part of that, and an idle process stays small.

- The recording has what the full server answers to the first messages of every client: `initialize` or
  `server/discover`, `ping`, and the lists that never change. `record_handshake` makes it, and a test compares it with
  the server.
- `answer_handshake` gives these answers as long as the client sends only such messages, in the form that known clients
  use. It does not decide anything else: the first message that is different or wrong ends it.
- It then returns a `HandshakeReplay`. The full server is loaded, and reads those messages again that would have changed
  its state, so that it goes on as if it had answered the handshake itself.

This module imports the standard library only. See `README.md` in this folder.
"""

# The values of JSON have the type `Any`, which is imported for the type checkers only: `typing` takes time to load.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import json
import os
import signal
import time
from typing import TYPE_CHECKING

from .signals import ending_signals

if TYPE_CHECKING:
    from typing import Any

    from .pipes import StdioPipes

RECORDING = os.path.join(os.path.dirname(__file__), "handshake.json")  # noqa: PTH118, PTH120 - pathlib costs 5 ms

VERSION = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
CLIENT = "io.modelcontextprotocol/clientInfo"


class HandshakeReplay:
    """Lines that the full server reads before those that still come on stdin."""

    __slots__ = ("answered_id", "first_call_at", "line", "opening")

    def __init__(self, opening: "list[bytes]", line: bytes, answered_id: "Any") -> None:
        """Keep the lines, and the id of the one request among them that was answered (None: there is none).

        `opening` are the lines that change the server's state, and `line` is the one that needs the full server; b""
        if none does. The full server answers the request once more; `OutboundStream` drops this second answer.
        """
        self.opening = opening
        self.line = line
        self.answered_id = answered_id
        self.first_call_at = time.monotonic() if b'"tools/call"' in line else None
        """When the tool call arrived that the server is loaded for, by `time.monotonic`; None if it is no tool call.

        How long a call may take is counted from here, so that it includes the loading.
        """

    def take_lines(self) -> "list[bytes]":
        """Give away all lines, in the order in which they came: the last one may hold pictures, and is not kept."""
        line, self.line = self.line, b""
        return [*self.opening, *filter(None, [line])]


def answer_handshake(pipes: "StdioPipes") -> HandshakeReplay | None:
    """Answer until a message needs the full server; None if the client closes stdin before that.

    Blocks: there is no event loop yet.
    """
    for number in ending_signals():
        signal.signal(number, _exit_at_once)
    with open(RECORDING, encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs 5 ms
        responder = _Responder(json.load(file))
    while line := pipes.read_line():
        is_first = not responder.replayed
        answer = responder.answer(line)
        if answer is None:
            return HandshakeReplay(responder.replayed, line, responder.answered_id)
        pipes.write(answer)
        if is_first and _needs_recovery():
            return HandshakeReplay(responder.replayed, b"", responder.answered_id)
    return None


def modern_version() -> str:
    """Give the version of the protocol that has no handshake."""
    with open(RECORDING, encoding="utf-8") as file:  # noqa: PTH123 - as above
        return json.load(file)["modern_version"]


class _Responder:
    """Gives one client the recorded answers, and keeps the lines that the full server has to read again.

    The first request decides which protocol the connection speaks. Versions up to 2025-11-25 ("legacy") begin with
    `initialize`. Version 2026-07-28 ("modern") has no handshake: every request names the version in its `_meta`. The
    recording has the answers of each version by method, as indexes into one list of results.
    """

    def __init__(self, recorded: "dict[str, Any]") -> None:
        self._results: list[Any] = recorded["results"]
        self._legacy: dict[str, dict[str, int]] = recorded["legacy"]
        self._modern: dict[str, int] = recorded["modern"]
        self._modern_version: str = recorded["modern_version"]
        self._methods: dict[str, int] = {}
        """The answers of the version that this connection speaks; empty before the first request."""
        self.replayed: list[bytes] = []
        """The lines that change the server's state: the first request, and `notifications/initialized`.

        Asking for a list changes nothing, so those requests are not kept.
        """
        self.answered_id: Any = None
        """The id of the first request."""

    def answer(self, line: bytes) -> bytes | None:
        """Give the answer to a line, as a line; b"" if it needs none, None if the full server has to read it."""
        try:
            message = json.loads(line)
            method, request_id, params = message.get("method"), message.get("id"), message.get("params", {})
            meta = params.get("_meta", {})
            modern = VERSION in meta
        except (ValueError, AttributeError, TypeError, RecursionError):
            # This is no JSON object with JSON objects in it.
            return None
        if message.get("jsonrpc") != "2.0" or message.keys() - {"jsonrpc", "id", "method", "params"}:
            return None
        if method == "notifications/initialized" and self._methods is not self._modern and "id" not in message:
            if not self.replayed or params:
                return None
            self.replayed.append(line)
            return b""
        if type(request_id) not in (int, str) or not isinstance(method, str) or not is_known_meta(meta):
            return None
        # The first request chooses the protocol version, and every later one has to speak the same.
        methods = self._methods or self._answers_for(method, params, meta, modern=modern)
        if not methods or modern is not (methods is self._modern):
            return None
        # What is not recorded: other methods, a second `initialize`, and parameters such as a cursor.
        result = methods.get(method)
        if result is None or (self.replayed and (method == "initialize" or params.keys() - {"_meta"})):
            return None
        if modern and not self._is_modern(meta):
            return None
        if not self.replayed:
            self._methods, self.answered_id = methods, request_id
            self.replayed.append(line)
        body = {"jsonrpc": "2.0", "id": request_id, "result": self._results[result]}
        return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"

    def _answers_for(
        self, method: str, params: "dict[str, Any]", meta: "dict[str, Any]", *, modern: bool
    ) -> "dict[str, int]":
        """Choose the answers of the connection by its first request; none if that does not open one correctly."""
        if modern:
            return self._modern if self._is_modern(meta) and not params.keys() - {"_meta"} else {}
        version, capabilities, client = map(params.get, ("protocolVersion", "capabilities", "clientInfo"))
        if method != "initialize" or not isinstance(version, str):
            return {}
        if not (are_known_capabilities(capabilities) and is_known_client(client)):
            return {}
        # A server that does not know the client's version answers with its own newest one.
        return self._legacy.get(version, self._legacy[max(self._legacy)])

    def _is_modern(self, meta: "dict[str, Any]") -> bool:
        known = meta.get(VERSION) == self._modern_version and are_known_capabilities(meta.get(CAPABILITIES))
        return known and (CLIENT not in meta or is_known_client(meta[CLIENT]))


def is_known_meta(meta: "dict[str, Any]") -> bool:
    """Whether `_meta` has the form that known clients send. The SDK validates any other form."""
    own = {VERSION, CAPABILITIES, CLIENT}
    return type(meta.get("progressToken", 0)) in (int, str) and all(
        isinstance(value, str) for name, value in meta.items() if name not in own and name != "progressToken"
    )


def are_known_capabilities(capabilities: "Any") -> bool:
    """Whether a client's capabilities have the form that known clients send."""
    return type(capabilities) is dict and all(map(_is_known_capability, _values(capabilities)))


def _is_known_capability(capability: "Any") -> bool:
    if type(capability) is not dict:
        return False
    changes = capability.get("listChanged", False)
    others = [part for part in _values(capability) if part is not changes]
    return type(changes) is bool and all(type(part) is dict for part in others)


def is_known_client(client: "Any") -> bool:
    """Whether a client's name and version have the form that known clients send."""
    return (
        type(client) is dict and {"name", "version"} <= client.keys() and all(type(p) is str for p in _values(client))
    )


def _values(mapping: "Any") -> "list[Any]":
    return list(mapping.values())


def _exit_at_once(*_: object) -> None:
    """Handle a signal: no work is under way yet that would have to be finished."""
    os._exit(0)


def _needs_recovery() -> bool:
    """Whether a process was killed at work, so that the full server should be loaded at once and recover its jobs.

    A process that works with the database file keeps a locked file in the folder beside it (`database.liveness`). If
    that folder is empty, as it usually is, listing it answers the question. With `GPT_IMAGE_2_DATABASE_URL` set, the
    recovery starts when the first call loads the full server.
    """
    from platformdirs import user_data_dir

    folder = os.path.join(user_data_dir("gpt-image-2-mcp", appauthor=False), "gpt-image-2.db-alive")  # noqa: PTH118
    try:
        names = os.listdir(folder)  # noqa: PTH208
    except OSError:
        return False
    if not names:
        return False
    from pathlib import Path

    from ...database.liveness import has_dead_owners

    return has_dead_owners(Path(folder))
