"""Reads the events of a streamed answer (server-sent events) out of its bytes.

The SDK has a reader of its own, which gives up at the first event that is garbled. Here such an event is left out:
the picture stands in a later one.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from ..errors import OutcomeUnknown
from .bounded_body import MAX_PARTS, MAX_PICTURE_BYTES, count_parts

MAX_LINE_BYTES = MAX_PICTURE_BYTES + 64 * 1024
"""Bytes of a line: a picture, and what is said about it."""
MAX_DATA_LINES = 100
"""Lines of one event's data; OpenAI's have one."""


def read_events(pieces: Iterable[bytes]) -> Iterator[Mapping[str, Any]]:
    """The events whose data is a JSON object, as soon as each is complete.

    Raises:
        OutcomeUnknown: a line is longer than a picture.

    """
    data: list[bytes] = []
    for line in _lines(pieces):
        if line.startswith(b"data:"):
            # An event of many lines is none of an image API's, and each line takes up memory.
            data = [*data, line[5:].removeprefix(b" ")] if len(data) < MAX_DATA_LINES else data
        elif not line and data:
            yield from _event(data)
            data = []
    # A stream that breaks off behind its last event lacks the empty line.
    yield from _event(data)


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The lines without their ends, which may be LF, CR LF or CR; the last one may be cut."""
    begun = bytearray()
    for piece in pieces:
        begun += piece
        if b"\n" not in piece and b"\r" not in piece:
            if len(begun) > MAX_LINE_BYTES:
                raise OutcomeUnknown(f"The API's stream has a line of more than {MAX_LINE_BYTES:,} bytes.")
            continue
        # A CR at the very end may be half of a CR LF.
        held = b"\r" if begun.endswith(b"\r") else b""
        text = bytes(begun.removesuffix(b"\r"))
        *lines, rest = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        yield from lines
        begun = bytearray(rest + held)
    yield bytes(begun).rstrip(b"\r")


def _event(data: list[bytes]) -> Iterator[Mapping[str, Any]]:
    text = b"\n".join(data)
    try:
        event = json.loads(text) if count_parts(text) <= MAX_PARTS else None
    except (ValueError, RecursionError):
        return
    if isinstance(event, dict):
        yield cast("Mapping[str, Any]", event)
