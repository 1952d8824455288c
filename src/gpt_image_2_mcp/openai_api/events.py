"""Reads the events of a streamed answer (server-sent events) out of its bytes.

The SDK has a reader of its own, which gives up at the first event that is garbled. Here such an event is left out:
the picture stands in a later one.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast


def read_events(pieces: Iterable[bytes]) -> Iterator[Mapping[str, Any]]:
    """The events whose data is a JSON object, as soon as each is complete."""
    data: list[bytes] = []
    for line in _lines(pieces):
        if line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
        elif not line and data:
            yield from _event(data)
            data = []
    # A stream that breaks off behind its last event lacks the empty line.
    yield from _event(data)


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The lines without their ends, which may be LF, CR LF or CR; the last one may be cut."""
    begun: list[bytes] = []
    for piece in pieces:
        if b"\n" not in piece and b"\r" not in piece:
            begun.append(piece)
            continue
        text = b"".join([*begun, piece])
        # A CR at the very end may be half of a CR LF.
        text, held = (text[:-1], b"\r") if text.endswith(b"\r") else (text, b"")
        *lines, rest = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        yield from lines
        begun = [rest + held]
    yield b"".join(begun).rstrip(b"\r")


def _event(data: list[bytes]) -> Iterator[Mapping[str, Any]]:
    try:
        event = json.loads(b"\n".join(data))
    except (ValueError, RecursionError):
        return
    if isinstance(event, dict):
        yield cast("Mapping[str, Any]", event)
