"""Bounds the body of each answer before anything else reads it: its size, what it unpacks to, and its time.

Answers are asked for without compression, but a proxy may compress them all the same. They are unpacked here and not by
httpx2, which unpacks each piece as a whole: 64 kB of gzip become 64 MB, and those may be gzip again.
"""

import zlib
from collections.abc import Callable, Generator, Iterator

import httpx2

from .loose_parser import may_hold_picture

MAX_WORDS_BYTES = 64 * 1024
"""Bytes of an answer that holds no picture, such as an error: a page of a proxy has some thousand."""
MAX_PICTURE_BYTES = 48 * 1024 * 1024
"""Bytes of one picture in an answer: at 3840x2160, 33 MB that no compression helps are 44 MB in base64."""
MAX_LAYERS = 2
"""How often an answer may be compressed: one proxy behind another."""
MAX_PARTS = 100_000
"""Objects, lists and values of an answer's JSON: one with ten pictures has some hundred."""
MAX_PADDING_BYTES = 1024 * 1024
"""Bytes that a compressed answer may have more than what is in it; without a bound, it could go on for ever."""
MAX_SMALL_PIECES = 100_000
"""Pieces of an answer with fewer than `_SMALL` bytes: each takes time, however little is in it."""
CUT = "cut"
"""The key of `Response.extensions` that says that more of the body came than was read."""

_PIECE = 256 * 1024
_SMALL = 64
_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


def bound_body(response: httpx2.Response, with_deadline: Callable[[Iterator[bytes]], Iterator[bytes]]) -> None:
    """Replace the body of an answer whose head has arrived, so that reading it ends.

    An error ends silently behind `MAX_WORDS_BYTES`, or, if it may have a picture in it, behind `MAX_PICTURE_BYTES`.
    An answer with pictures is counted by its reader, which knows how many were asked for.
    """
    encodings = response.headers.get_list("content-encoding", split_commas=True)
    layers = [name for encoding in encodings if (name := encoding.strip().lower()) not in ("", "identity")]
    if layers:
        del response.headers["content-encoding"]
    response.stream = _BoundedBody(response, response.stream, layers, with_deadline)


def count_parts(content: bytes) -> int:
    """About how many values JSON has. Parsed, `[[],[],[]` takes thirty times as much memory as its text."""
    return sum(content.count(sign) for sign in (b"{", b"[", b","))


class _BoundedBody(httpx2.SyncByteStream):
    def __init__(
        self,
        response: httpx2.Response,
        stream: object,
        layers: list[str],
        with_deadline: Callable[[Iterator[bytes]], Iterator[bytes]],
    ) -> None:
        assert isinstance(stream, httpx2.SyncByteStream)
        self._response = response
        self._stream = stream
        self._layers = layers
        self._with_deadline = with_deadline

    def __iter__(self) -> Iterator[bytes]:
        pieces = _few(self._with_deadline(iter(self._stream)))
        # One that is in an unknown encoding, or in too many, is read as it is, and kept so.
        if len(self._layers) <= MAX_LAYERS and all(layer in _WINDOW_BITS for layer in self._layers):
            for layer in reversed(self._layers):
                pieces = _unpacked_without_padding(pieces, layer)
        return pieces if _holds_pictures(self._response) else self._cut(pieces)

    def _cut(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        begun, limit = bytearray(), MAX_WORDS_BYTES
        count = parts = 0
        for piece in pieces:
            if limit == MAX_WORDS_BYTES:
                begun += piece[: limit - count]
                if count + len(piece) > limit and may_hold_picture(bytes(begun)):
                    limit = MAX_PICTURE_BYTES
            yield piece[: limit - count]
            count += len(piece)
            parts += count_parts(piece)
            if count > limit or parts > MAX_PARTS:
                self._response.extensions[CUT] = True
                return

    def close(self) -> None:
        self._stream.close()


def _holds_pictures(response: httpx2.Response) -> bool:
    """Whether an answer is one of those that hold pictures, and not one about an uploaded file."""
    return response.is_success and ("/files" not in response.request.url.path or is_results(response))


def is_results(response: httpx2.Response) -> bool:
    """Whether an answer is a file of a batch's results, which is read line by line and may be long."""
    return response.request.method == "GET" and response.request.url.path.endswith("/content")


def _few(pieces: Iterator[bytes]) -> Iterator[bytes]:
    small = 0
    for piece in pieces:
        small += len(piece) < _SMALL
        if small > MAX_SMALL_PIECES:
            raise httpx2.DecodingError("the answer comes in too many small pieces")
        yield piece


def _unpacked_without_padding(packed: Iterator[bytes], layer: str) -> Iterator[bytes]:
    """Unpack a compressed body of which nearly all is content, and not, for example, empty blocks."""
    came = given = 0

    def counted() -> Iterator[bytes]:
        nonlocal came
        for piece in packed:
            came += len(piece)
            if came > given + MAX_PADDING_BYTES:
                raise httpx2.DecodingError("the compressed answer has nothing in it")
            yield piece

    for piece in _unpacked(counted(), layer):
        given += len(piece)
        yield piece


def _unpacked(pieces: Iterator[bytes], layer: str) -> Iterator[bytes]:
    """Unpack a compressed body, in pieces of at most `_PIECE` bytes.

    What cannot be unpacked is passed on as it came, so that it is read or kept: the picture in it is paid for, and some
    proxies call a body compressed that is not, or change it on the way.
    """
    unpacker = zlib.decompressobj(_WINDOW_BITS[layer])
    has_begun = is_bare = is_damaged = False
    for piece in pieces:
        packed = piece
        while packed:
            if is_damaged:
                yield packed
                break
            unpack_again = unpacker.copy().decompress
            try:
                unpacked = unpacker.decompress(packed, _PIECE)
            except zlib.error:
                if layer == "deflate" and not has_begun:
                    # Some servers call it deflate and leave its head out.
                    unpacker, has_begun, is_bare = zlib.decompressobj(-zlib.MAX_WBITS), True, True
                    continue
                # Without a head, it may never have been compressed.
                packed = packed if is_bare else (yield from _unpacked_to_damage(unpack_again, packed))
                is_damaged = True
                continue
            has_begun = True
            if unpacked:
                yield unpacked
            packed = unpacker.unconsumed_tail
            if unpacker.eof:
                # There may be another part behind this one: gzip allows that.
                packed = unpacker.unused_data
                unpacker = zlib.decompressobj(_WINDOW_BITS[layer])


def _unpacked_to_damage(unpack: Callable[[bytes], bytes], packed: bytes) -> Generator[bytes, None, bytes]:
    """Unpack what stands before a damaged place; returns the rest as it came, which is all if nothing was unpacked."""
    has_begun = False
    for at in range(len(packed)):
        try:
            unpacked = unpack(packed[at : at + 1])
        except zlib.error:
            return packed[at:] if has_begun else packed
        if unpacked:
            has_begun = True
            yield unpacked
    return b""
