"""Answers a client's opening while nothing is loaded: the handshake and the lists that never change.

A person has many servers, most of them idle, and a client waits for each one's first answer. So the answers that the
full server would give are kept in `handshake.json`, recorded from it (`make handshake`) and held against it by a test,
and whatever else a client sends hands over to the server proper, which is loaded then and gets the opening again.
Standard library only.
"""

# What JSON holds is unknown, and saying so at run time would load `typing`.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import json
import os
import signal
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from .pipes import StdioPipes

RECORDING = os.path.join(os.path.dirname(__file__), "handshake.json")  # noqa: PTH118, PTH120 - pathlib costs 5 ms

VERSION = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
CLIENT = "io.modelcontextprotocol/clientInfo"


class HandshakeReplay:
    """What the server proper is given: lines to hear first, and what was answered already."""

    __slots__ = ("answered_id", "first_call_at", "lines")

    def __init__(self, lines: "list[bytes]", answered_id: "Any") -> None:
        """Keep the lines, and the id of the request among them that was answered (None: there is none)."""
        self.lines = lines
        self.answered_id = answered_id
        self.first_call_at = time.monotonic() if lines and b'"tools/call"' in lines[-1] else None
        """When the call came that the server proper is loaded for; None where it is loaded for something else."""


def answer_handshake(pipes: "StdioPipes") -> HandshakeReplay | None:
    """Answer until a message needs the server proper; None where the client is gone before that."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit_at_once)
    with open(RECORDING, encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs 5 ms
        recorded = json.load(file)
    responder = _Responder(recorded)
    while line := pipes.read_line():
        opened = bool(responder.replayed)
        answer = responder.answer(line)
        if answer is None:
            return HandshakeReplay([*responder.replayed, line], responder.answered_id)
        pipes.write(answer)
        if not opened and _needs_recovery():
            return HandshakeReplay(responder.replayed, responder.answered_id)
    return None


class _Responder:
    """The state of one client's opening."""

    def __init__(self, recorded: "dict[str, Any]") -> None:
        self._results: list[Any] = recorded["results"]
        self._legacy: dict[str, dict[str, int]] = recorded["legacy"]
        self._modern: dict[str, int] = recorded["modern"]
        self._modern_version: str = recorded["modern_version"]
        self._methods: dict[str, int] = {}
        self.replayed: list[bytes] = []
        """What decides how the server proper takes the rest: the first request, and that it was acknowledged."""
        self.answered_id: Any = None
        """The id of that first request."""

    def answer(self, line: bytes) -> bytes | None:
        """The answer's line, b"" where none is due, None where the server proper has to hear it."""
        try:
            message = json.loads(line)
            method, request_id, params = message.get("method"), message.get("id"), message.get("params", {})
            meta = params.get("_meta", {})
            modern = VERSION in meta
        except (ValueError, AttributeError, TypeError, RecursionError):
            return None
        if message.get("jsonrpc") != "2.0" or message.keys() - {"jsonrpc", "id", "method", "params"}:
            return None
        if method == "notifications/initialized" and self._methods is not self._modern and "id" not in message:
            if not self.replayed or params:
                return None
            self.replayed.append(line)
            return b""
        if type(request_id) not in (int, str) or not isinstance(method, str) or not _is_known_meta(meta):
            return None
        methods = self._methods or self._answers_for(method, params, meta, modern=modern)
        if not methods or modern is not (methods is self._modern):
            return None
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
        """The answers of the protocol that a first request chooses; none where the request is out of order."""
        if modern:
            return self._modern if self._is_modern(meta) and not params.keys() - {"_meta"} else {}
        version, capabilities, client = map(params.get, ("protocolVersion", "capabilities", "clientInfo"))
        if method != "initialize" or not isinstance(version, str):
            return {}
        if not (_are_known_capabilities(capabilities) and _is_known_client(client)):
            return {}
        return self._legacy.get(version, self._legacy[max(self._legacy)])

    def _is_modern(self, meta: "dict[str, Any]") -> bool:
        known = meta.get(VERSION) == self._modern_version and _are_known_capabilities(meta.get(CAPABILITIES))
        return known and (CLIENT not in meta or _is_known_client(meta[CLIENT]))


def _is_known_meta(meta: "dict[str, Any]") -> bool:
    """Of the form that every client sends; anything else is for the server proper to judge."""
    own = {VERSION, CAPABILITIES, CLIENT}
    return type(meta.get("progressToken", 0)) in (int, str) and all(
        isinstance(value, str) for name, value in meta.items() if name not in own and name != "progressToken"
    )


def _are_known_capabilities(capabilities: "Any") -> bool:
    return type(capabilities) is dict and all(map(_is_known_capability, _values(capabilities)))


def _is_known_capability(capability: "Any") -> bool:
    if type(capability) is not dict:
        return False
    changes = capability.get("listChanged", False)
    others = [part for part in _values(capability) if part is not changes]
    return type(changes) is bool and all(type(part) is dict for part in others)


def _is_known_client(client: "Any") -> bool:
    return (
        type(client) is dict and {"name", "version"} <= client.keys() and all(type(p) is str for p in _values(client))
    )


def _values(mapping: "Any") -> "list[Any]":
    return list(mapping.values())


def _exit_at_once(*_: object) -> None:
    """Nothing is under way yet."""
    os._exit(0)


def _needs_recovery() -> bool:
    """Whether a killed process left something to put in order, which does not wait for the first picture."""
    from platformdirs import user_data_dir

    folder = os.path.join(user_data_dir("gpt-image-2-mcp", appauthor=False), "gpt-image-2.db-alive")  # noqa: PTH118
    try:
        signs = os.listdir(folder)  # noqa: PTH208
    except OSError:
        return False
    if not signs:
        return False
    from pathlib import Path

    from ...database.liveness import has_dead_owners

    return has_dead_owners(Path(folder))
