"""One request as the backend reads it, one answer as it sends it, and the bill for both."""

import base64
import contextlib
import gzip
import json
import re
import socket
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Literal

from .pictures import picture

Route = Literal["generations", "edits", "responses"]

OUTPUT_TOKENS = 120
"""Output tokens of a picture: fewer than any estimate has."""
PARTIAL_TOKENS = 100
NANO_USD_PER_OUTPUT_TOKEN = 30_000
"""The published price of gpt-image-2: 30 dollars for a million tokens."""
SILENCE_S = 8.0
"""Long beside the life of a server that is killed."""


@dataclass
class Request:
    """What the backend reads of a request."""

    path: str
    body: bytes

    @property
    def n(self) -> int:
        found = self._option(rb"([0-9]+)", b"n")
        return int(found) if found else 1

    @property
    def stream(self) -> bool:
        return self._option(rb"(true)", b"stream") is not None

    @property
    def partial_images(self) -> int:
        found = self._option(rb"([0-9]+)", b"partial_images")
        return int(found) if found and self.stream else 0

    @property
    def format(self) -> str:
        return (self._option(rb'"?(png|jpeg|webp)', b"output_format") or b"png").decode().upper()

    def _option(self, value: bytes, name: bytes) -> bytes | None:
        """An option's value, from JSON or from a form."""
        found = re.search(rb'"%b":\s*%b' % (name, value), self.body)
        found = found or re.search(rb'name="%b"\r\n(?:[^\r\n]+\r\n)*\r\n%b' % (name, value), self.body)
        return found[1] if found else None


def read_request(incoming: BinaryIO) -> Request | None:
    """Read a request; None at the end of the connection."""
    first = incoming.readline()
    if not first.strip():
        return None
    headers: dict[str, str] = {}
    while (line := incoming.readline()).strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(incoming.readline(), 16):
            body += incoming.read(size)
            incoming.readline()
        incoming.readline()
    else:
        body = incoming.read(int(headers.get("content-length", 0)))
    return Request(first.split()[1].decode(), body)


@dataclass
class Bill:
    """One request, as the backend saw it."""

    wish: str
    route: Route
    pictures: int = 0
    """How many pictures are billed."""
    nano_usd: int = 0
    made: list[bytes] = field(default_factory=list[bytes])
    """The pictures that were made, whether or not they went out: a part of a reset answer may have arrived."""
    whole: list[bytes] = field(default_factory=list[bytes])
    """The pictures that went out to their last byte, in an answer that the connection took."""
    content: bytes = b""
    """What went out of the body of an answer with a status of 2xx."""


class Exchange:
    """One request and its answer; the functions in `kinds` use this to answer."""

    def __init__(self, connection: socket.socket, request: Request, bill: Bill, attempt: int, address: str) -> None:
        """`attempt` counts the requests for this wish from 1; `address` is the backend's own, `http://host:port`."""
        self.socket = connection
        self.bill = bill
        self.attempt = attempt
        self.address = address
        self.route: Route = bill.route
        self.n = request.n
        self.stream = request.stream
        self.partial_images = request.partial_images
        self.is_closed = False
        """The connection is not used for a further request."""
        self.label = f"{bill.wish} {attempt}"
        self.pictures = [picture(f"{self.label} {number}", request.format) for number in range(self.n)]
        self.bill.made += self.pictures
        self.links: dict[str, tuple[Bill, bytes]] = {}

    def charge(self) -> None:
        """Bill what was asked for."""
        self.bill.pictures = self.n
        self.bill.nano_usd = self.n * (OUTPUT_TOKENS + PARTIAL_TOKENS * self.partial_images) * NANO_USD_PER_OUTPUT_TOKEN

    def usage(self) -> dict[str, Any]:
        """The token counts, as OpenAI reports them."""
        output = self.n * (OUTPUT_TOKENS + PARTIAL_TOKENS * self.partial_images)
        details = {"text_tokens": 10, "image_tokens": 0}
        return {
            "input_tokens": 10,
            "output_tokens": output,
            "total_tokens": 10 + output,
            "input_tokens_details": details,
        }

    def json(self, encode: Callable[[bytes], str] = lambda data: base64.b64encode(data).decode(), **more: Any) -> bytes:
        """The whole answer as JSON; `more` replaces fields of it."""
        if self.route == "responses":
            call = {"type": "image_generation_call", "status": "completed", "result": encode(self.pictures[0])}
            body = {
                "id": "resp_1",
                "object": "response",
                "status": "completed",
                "output": [call],
                "tool_usage": {"image_gen": self.usage()},
                "usage": {"input_tokens": 50, "output_tokens": 20, "total_tokens": 70},
            }
        else:
            body = {
                "created": 1,
                "data": [{"b64_json": encode(data)} for data in self.pictures],
                "size": "1024x1024",
                "quality": "low",
                "usage": self.usage(),
            }
        return json.dumps(body | more).encode()

    def events(self, encode: Callable[[bytes], str] = lambda data: base64.b64encode(data).decode()) -> list[bytes]:
        """The events of a stream: one for each unfinished picture, and the last with the picture."""
        kind = "image_edit" if self.route == "edits" else "image_generation"
        partial = base64.b64encode(picture(f"{self.label} partial")).decode()
        events: list[dict[str, Any]] = [
            {"type": f"{kind}.partial_image", "partial_image_index": number, "b64_json": partial}
            for number in range(self.partial_images)
        ]
        events.append({"type": f"{kind}.completed", "b64_json": encode(self.pictures[0]), "usage": self.usage()})
        return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]

    def content(self) -> tuple[bytes, str]:
        """A right answer's body, and its content type."""
        return (b"".join(self.events()), "text/event-stream") if self.stream else (self.json(), "application/json")

    def good(self) -> None:
        """Answer as OpenAI does."""
        content, kind = self.content()
        self.answer(content, kind)

    def answer(
        self,
        content: bytes,
        kind: str | None = "application/json",
        *,
        status: str = "200 OK",
        headers: Sequence[str] = (),
        framing: Literal["length", "chunked", "trailers", "close", "gzip"] = "length",
        length: int | None = None,
        cut: int | None = None,
        pieces: int = 1,
    ) -> None:
        """Send an answer.

        `length` is the content-length that it claims, `cut` ends it, and the connection, after so many bytes of the
        body, and `pieces` says in how many parts the body is sent.
        """
        lines = [f"HTTP/1.1 {status}", *([f"content-type: {kind}"] if kind else []), *headers, "x-request-id: req_1"]
        body = content
        match framing:
            case "length":
                lines.append(f"content-length: {len(content) if length is None else length}")
            case "gzip":
                body = gzip.compress(content)
                lines += ["content-encoding: gzip", f"content-length: {len(body)}"]
            case "chunked" | "trailers":
                middle = len(content) // 2
                halves = [half for half in (content[:middle], content[middle:]) if half]
                body = b"".join(b"%x\r\n%s\r\n" % (len(half), half) for half in halves)
                body += b"0\r\nx-checksum: 1\r\n\r\n" if framing == "trailers" else b"0\r\n\r\n"
                lines.append("transfer-encoding: chunked")
            case "close":
                self.is_closed = True
        if cut is not None or length is not None:
            self.is_closed = True
        sent = body if cut is None else body[:cut]
        if self.is_closed:
            lines.append("connection: close")
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n")
        step = max(1, -(-len(sent) // pieces))
        for place in range(0, len(sent), step):
            self.send(sent[place : place + step])
            if pieces > 1:
                time.sleep(0.002)
        if status.startswith("2") or b"b64_json" in content:
            # In chunks, what was sent is more than what it carries: the sizes between the halves.
            overhead = len(body) - len(content) if framing in ("chunked", "trailers") else 0
            self.delivered(content if cut is None else content[: max(0, cut - overhead)])

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def delivered(self, content: bytes) -> None:
        """Note what has gone out: the pictures that are whole in `content` count as sent."""
        self.bill.content = content
        plain = re.sub(rb"\s|\\[nr]", b"", content.replace(b"\\/", b"/")).translate(bytes.maketrans(b"-_", b"+/"))
        self.bill.whole += [
            data for data in self.pictures if data in content or base64.b64encode(data).rstrip(b"=") in plain
        ]

    def refuse(self, status: str, error: Any, *, headers: Sequence[str] = ()) -> None:
        """Answer with an error object of OpenAI's; nothing is billed by that."""
        self.answer(json.dumps({"error": error}).encode(), status=status, headers=headers)

    def reset(self) -> None:
        """Break the connection off with an RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
        self.is_closed = True

    def stall(self) -> None:
        """Send nothing more until the other side goes, or `SILENCE_S` have passed, as it may be asked again later."""
        self.is_closed = True
        self.socket.settimeout(SILENCE_S)
        with contextlib.suppress(OSError):
            while self.socket.recv(4096):
                pass


Answer = Callable[[Exchange], None]
