"""Answers that are right, and a connection that is not: framing, breaks, delays."""

import gzip
import time
from collections.abc import Mapping
from functools import partial

from .exchange import Answer, Exchange
from .kind import Kind


def _sent(**how: object) -> Answer:
    """A right answer, sent in this way."""

    def answer(x: Exchange) -> None:
        content, kind = x.content()
        x.answer(content, kind, **how)  # type: ignore[arg-type] # the table below is right

    return answer


def _cut(x: Exchange, *, tenths: int = 10, less: int = 0) -> None:
    content, kind = x.content()
    x.answer(content, kind, cut=len(content) * tenths // 10 - less)


def _cut_unframed(x: Exchange) -> None:
    """Without a content-length nothing tells that the end is missing."""
    content, kind = x.content()
    x.answer(content, kind, framing="close", cut=len(content) - 20)


def _cut_in_chunks(x: Exchange) -> None:
    content, kind = x.content()
    x.answer(content, kind, framing="chunked", cut=len(content) * 9 // 10)


def _wrong_length(x: Exchange, *, more: int) -> None:
    content, kind = x.content()
    length = len(content) + more
    x.answer(content, kind, length=length, cut=min(length, len(content)))


def _reset_in_body(x: Exchange) -> None:
    content, kind = x.content()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(content)}\r\n\r\n"
    x.send(head.encode() + content[: len(content) // 2])
    x.reset()


def _ended(x: Exchange, sent: bytes = b"") -> None:
    x.send(sent)
    x.is_closed = True


def _headers_only(x: Exchange) -> None:
    _ended(x, b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n")


def _byte_by_byte(x: Exchange) -> None:
    content, kind = x.content()
    for byte in f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(content)}\r\n\r\n".encode():
        x.send(bytes([byte]))
    x.send(content)
    x.delivered(content)


def _informed(x: Exchange, *, status: str) -> None:
    x.send(f"HTTP/1.1 {status}\r\nlink: </a.css>; rel=preload\r\n\r\n".encode())
    x.good()


def _old(x: Exchange) -> None:
    content, kind = x.content()
    x.send(f"HTTP/1.0 200 OK\r\ncontent-type: {kind}\r\n\r\n".encode() + content)
    x.is_closed = True
    x.delivered(content)


def _twice(x: Exchange) -> None:
    """The second answer must not be taken for that of the next request.

    Both are sent as one piece: a connection that an answer without a request reaches later is in use again by then.
    """
    content, kind = x.content()
    answer = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(content)}\r\n\r\n".encode() + content
    x.send(answer * 2)
    x.delivered(content)


def _slow(x: Exchange, *, seconds: float) -> None:
    time.sleep(seconds)
    x.good()


def _pause_in_body(x: Exchange) -> None:
    content, kind = x.content()
    x.send(f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(content)}\r\n\r\n".encode())
    x.send(content[: len(content) // 2])
    time.sleep(0.3)
    x.send(content[len(content) // 2 :])
    x.delivered(content)


def _both_lengths(x: Exchange) -> None:
    content, kind = x.content()
    x.answer(content, kind, headers=[f"content-length: {len(content)}"])


def _ill_headed(x: Exchange, *, line: str) -> None:
    """Behind a head that is no valid HTTP."""
    content, kind = x.content()
    x.is_closed = True
    x.answer(content, kind, headers=[line])


def _in_two_parts(x: Exchange) -> None:
    content, kind = x.content()
    middle = len(content) // 2
    body = gzip.compress(content[:middle]) + gzip.compress(content[middle:])
    x.answer(body, kind, headers=["content-encoding: gzip"])
    x.delivered(content)


def _silent_after(x: Exchange, sent: bytes) -> None:
    x.send(sent)
    x.stall()


def _silent_in_body(x: Exchange) -> None:
    content, kind = x.content()
    x.send(f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(content)}\r\n\r\n".encode())
    x.send(content[: len(content) // 2])
    x.stall()


CONNECTIONS: Mapping[str, Kind] = {
    "good": Kind(Exchange.good),
    "chunked": Kind(_sent(framing="chunked")),
    "chunked with trailers": Kind(_sent(framing="trailers")),
    "no length": Kind(_sent(framing="close")),
    "HTTP/1.0": Kind(_old),
    "gzip": Kind(_sent(framing="gzip")),
    "gzip in two parts": Kind(_in_two_parts),
    "called gzip": Kind(_sent(headers=["content-encoding: gzip"])),
    "called deflate": Kind(_sent(headers=["content-encoding: deflate"])),
    "a header without a colon": Kind(partial(_ill_headed, line="no header")),
    "two different lengths": Kind(partial(_ill_headed, line="content-length: 9")),
    "a header of 150 kB": Kind(partial(_ill_headed, line=f"x-header: {'y' * 150_000}")),
    "two equal lengths": Kind(_both_lengths),
    "status 201": Kind(_sent(status="201 Created")),
    "status 203": Kind(_sent(status="203 Non-Authoritative Information")),
    "no reason phrase": Kind(_sent(status="200")),
    "headers byte by byte": Kind(_byte_by_byte),
    "100 Continue first": Kind(partial(_informed, status="100 Continue")),
    "103 Early Hints first": Kind(partial(_informed, status="103 Early Hints")),
    "a hundred headers": Kind(_sent(headers=[f"x-header-{number}: {number}" for number in range(90)])),
    "body in fifty pieces": Kind(_sent(pieces=50)),
    "pause in the body": Kind(_pause_in_body),
    "slow": Kind(partial(_slow, seconds=0.4)),
    "slower": Kind(partial(_slow, seconds=1.0)),
    "answer written twice": Kind(_twice),
    "cut 20 bytes before the end": Kind(partial(_cut, less=20)),
    "cut at one tenth": Kind(partial(_cut, tenths=1)),
    "cut at the half": Kind(partial(_cut, tenths=5)),
    "cut at nine tenths": Kind(partial(_cut, tenths=9)),
    "cut at nine tenths of chunks": Kind(_cut_in_chunks),
    "cut without a length": Kind(_cut_unframed),
    "length 50 too small": Kind(partial(_wrong_length, more=-50)),
    "length 50 too large": Kind(partial(_wrong_length, more=50)),
    "reset in the body": Kind(_reset_in_body),
    "ended before the headers": Kind(_ended),
    "ended in the headers": Kind(partial(_ended, sent=b"HTTP/1.1 200 OK\r\ncontent-ty")),
    "ended after the headers": Kind(_headers_only),
    "reset before the headers": Kind(Exchange.reset),
    "garbled": Kind(partial(_ended, sent=b"\x16\x03\x01\x02\x00garbled\r\n\r\n")),
    "silent": Kind(Exchange.stall, "silent"),
    "silent after the status": Kind(partial(_silent_after, sent=b"HTTP/1.1 200 OK\r\n"), "silent"),
    "silent in the body": Kind(_silent_in_body, "silent"),
}
