"""Streams of events, right and wrong."""

import base64
import json
from collections.abc import Callable, Mapping

from .exchange import Answer, Exchange
from .kind import Kind

SSE = "text/event-stream"


def _changed(change: Callable[[list[bytes]], list[bytes]]) -> Answer:
    """The events of a right stream, changed."""
    return lambda x: x.answer(b"".join(change(x.events())), SSE, framing="close")


def _lines(data: bytes) -> str:
    text = base64.b64encode(data).decode()
    return "\n".join(text[place : place + 76] for place in range(0, len(text), 76))


def _windows(events: list[bytes]) -> list[bytes]:
    return [event.replace(b"\n", b"\r\n") for event in events]


def _without_completed(x: Exchange) -> None:
    """The unfinished picture is all that there is."""
    x.answer(b"".join(x.events()[:-1]), SSE, framing="close")


def _ends_with_error(x: Exchange) -> None:
    error = {"type": "error", "error": {"message": "The server had an error.", "code": "server_error"}}
    x.answer(
        b"".join([*x.events()[:-1], f"event: error\ndata: {json.dumps(error)}\n\n".encode()]), SSE, framing="close"
    )


def _refused(x: Exchange) -> None:
    """A backend that knows no streams; without one it answers."""
    if x.stream:
        x.refuse("400 Bad Request", {"message": "Unknown parameter: 'stream'.", "param": "stream", "code": "unknown"})
    else:
        x.charge()
        x.good()


def _lost_by_a_proxy(x: Exchange) -> None:
    """LiteLLM makes the picture, cannot pass the stream on, and puts it into its error."""
    stream = b"".join(x.events()).decode()
    error = {"message": f"litellm.APIError: 'str' object has no attribute 'model_dump'. Received: {stream}"}
    x.answer(json.dumps({"error": error | {"code": "500"}}).encode(), status="500 Internal Server Error")


def _lost_by_a_proxy_with_streams(x: Exchange) -> None:
    if x.stream:
        _lost_by_a_proxy(x)
    else:
        x.good()


STREAMS: Mapping[str, Kind] = {
    "stream": Kind(Exchange.good, "stream"),
    "stream that was not given": Kind(lambda x: x.answer(x.json()), "stream"),
    "stream with a garbled event": Kind(_changed(lambda events: [b"data: {garbled\n\n", *events]), "stream"),
    "stream with an unknown event": Kind(_changed(lambda events: [b'data: {"type": "ping"}\n\n', *events]), "stream"),
    "stream with comments": Kind(_changed(lambda events: [b": keep-alive\n\n", *events]), "stream"),
    "stream in lines of Windows": Kind(_changed(_windows), "stream"),
    "stream without its last empty line": Kind(_changed(lambda events: [*events[:-1], events[-1][:-1]]), "stream"),
    "stream with DONE after": Kind(_changed(lambda events: [*events, b"data: [DONE]\n\n"]), "stream"),
    "stream without event lines": Kind(
        _changed(lambda events: [event[event.index(b"data:") :] for event in events]), "stream"
    ),
    "stream with a broken partial": Kind(
        _changed(lambda events: [b'data: {"type": "image_generation.partial_image", "b64_json": "!"}\n\n', *events]),
        "stream",
    ),
    "stream with base64 in lines": Kind(lambda x: x.answer(b"".join(x.events(_lines)), SSE, framing="close"), "stream"),
    "stream without its picture": Kind(_without_completed, "stream"),
    "stream that ends with an error": Kind(_ends_with_error, "stream"),
    "stream refused": Kind(_refused, "stream", is_billed=False),
    "stream lost by a proxy": Kind(_lost_by_a_proxy_with_streams, "stream"),
}
