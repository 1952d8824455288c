"""Downloads a picture from an `http` or `https` URL.

`fetch` follows redirects (`check_url` checks each of them), has one deadline for everything, and counts and checks the
body while it arrives: a body that does not begin like a picture, or is too large, is not read any further. It uses
httpcore2 directly and not httpx2's client, which would add proxies from the environment, cookies and decompression.
"""

import ssl
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING

import anyio

from ..errors import UnreadableSource
from ..images.formats import HEAD, taken_format
from ..images.other_formats import why_not_taken
from ..images.validate import MAX_BYTES
from .url_policy import check_url, display_url, resolve_redirect

if TYPE_CHECKING:
    import httpcore2

    from .public_connect import Resolver

DEADLINE = 15.0
"""Seconds for everything: name resolution, connections, redirects and the body."""

MAX_REDIRECTS = 3
"""Redirects that are followed: enough for a link shortener, one to https and one to a file store."""


class NotFetched(UnreadableSource):
    """A URL that may be fetched did not give its body this time."""


NO_CONNECTION = "there is no connection to it, and pictures are fetched without a proxy"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_OK = 200
# zlib's window size (`wbits`) for each encoding; None: the body is not compressed.
_WINDOWS = {"": None, "identity": None, "gzip": 31, "x-gzip": 31, "deflate": 15}
_CHUNK = 1 << 16
_HEADERS = [
    (b"Accept", b"image/png, image/jpeg, image/webp, image/*;q=0.5"),
    (b"Accept-Encoding", b"identity"),
    (b"User-Agent", b"gpt-image-2-mcp"),
]


async def fetch(
    url: str,
    *,
    allowed: Iterable[str] = (),
    deadline: float = DEADLINE,
    max_bytes: int = MAX_BYTES,
    resolve: "Resolver | None" = None,
    tls: ssl.SSLContext | None = None,
    hold: Callable[[int], None] | None = None,
    pinned: Mapping[str, str] | None = None,
    arrived: bytearray | None = None,
) -> bytes:
    """Download the bytes at a URL; they begin like a picture that is taken, but are not decoded here.

    With `arrived`, whatever comes is taken, and is in there as far as it came if the download fails.

    `allowed` are hosts (`host` or `host:port`) that need not be public, and `pinned` such hosts with the one address at
    which they need not be; `deadline` is in seconds. `hold` is called with the number of bytes that are kept in memory
    next, again and again; what it raises ends the download.

    Raises:
        NotFetched: it cannot be fetched now.
        UnreadableSource: the URL is refused, or leads to no picture.
    """
    import httpcore2

    where = display_url(url)
    with anyio.move_on_after(deadline):
        try:
            return await _fetch_with_redirects(
                url,
                allowed=tuple(allowed),
                max_bytes=max_bytes,
                resolve=resolve,
                tls=tls,
                hold=hold,
                pinned=pinned or {},
                arrived=arrived,
            )
        except httpcore2.ConnectError as exc:
            # httpcore2 keeps the original exception in `args`, and not as the cause.
            insecure = any(isinstance(cause, ssl.SSLError) for cause in exc.args)
            reason = NO_CONNECTION
            if insecure:
                reason = "TLS with it fails, since its certificate is not valid for it, or it speaks none"
        except (httpcore2.NetworkError, httpcore2.ProtocolError, zlib.error):
            reason = "the connection broke, or what came over it is no valid answer"
        except httpcore2.TimeoutException:
            reason = NO_CONNECTION
        except OSError as exc:
            # httpcore2 has errors of its own for connections: this one comes from reading the certificates.
            reason = f"the certificates that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read ({exc.strerror})"
        raise NotFetched(f"{where} cannot be fetched: {reason}. Check the URL, or give a file's path instead.")
    raise NotFetched(f"{where} cannot be fetched within {deadline:g} seconds: give the path of a file, or another URL.")


async def _fetch_with_redirects(
    url: str,
    *,
    allowed: tuple[str, ...],
    max_bytes: int,
    resolve: "Resolver | None",
    tls: ssl.SSLContext | None,
    hold: Callable[[int], None] | None,
    pinned: Mapping[str, str],
    arrived: bytearray | None,
) -> bytes:
    """Request a URL and follow at most `MAX_REDIRECTS` redirects; returns the body."""
    import httpcore2

    from .public_connect import guarded_pool, resolve_by_system

    pool = guarded_pool(allowed=allowed, resolve=resolve or resolve_by_system, tls=tls, pinned=pinned)
    async with pool:
        following = url
        for _ in range(MAX_REDIRECTS + 1):
            target = check_url(following, allowed=(*allowed, *pinned))
            request_url = httpcore2.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
            headers = [(b"Host", target.authority.encode("ascii")), *_HEADERS]
            async with pool.stream("GET", request_url, headers=headers) as response:
                location = _header(response, b"location")
                if response.status not in _REDIRECTS or not location:
                    where = display_url(following)
                    return await _read_body(response, where=where, max_bytes=max_bytes, hold=hold, arrived=arrived)
                following = resolve_redirect(following, location)
    raise UnreadableSource(
        f"{display_url(url)} redirects more than {MAX_REDIRECTS} times: give the URL of the picture itself."
    )


async def _read_body(
    response: "httpcore2.Response",
    *,
    where: str,
    max_bytes: int,
    hold: Callable[[int], None] | None,
    arrived: bytearray | None,
) -> bytes:
    """Read the body of a response; stops as soon as it is too large, or no picture where only that is taken."""
    if response.status != _OK:
        raise NotFetched(f"{where} answers with HTTP status {response.status}: check that anybody can open it.")
    length = _header(response, b"content-length")
    if length.isdecimal() and int(length[:20]) > max_bytes:
        raise UnreadableSource(
            f"{where} has {int(length[:20]):,} bytes, and {max_bytes:,} is the most: shrink it first."
        )
    body = bytearray() if arrived is None else arrived
    known = arrived is not None
    unpacker = _Unpacker(response, where=where)
    async with aclosing(response.aiter_stream()) as chunks:
        async for chunk in chunks:
            for part in unpacker.unpack(chunk):
                if hold:
                    hold(len(part))
                body += part
                if not known and len(body) >= HEAD:
                    _check_start(bytes(body), where=where)
                    known = True
                if len(body) > max_bytes:
                    raise UnreadableSource(f"{where} has over {max_bytes:,} bytes, which is the most: shrink it first.")
            if unpacker.is_at_end:
                break
    if not known:
        _check_start(bytes(body), where=where)
    return bytes(body)


def _check_start(body: bytes, *, where: str) -> None:
    if taken_format(body[:HEAD]) is None:
        raise UnreadableSource(f"{where} {why_not_taken(body[:HEAD])}")


class _Unpacker:
    """Decompresses a body in parts of at most 64 kB, so that a decompression bomb is noticed early."""

    def __init__(self, response: "httpcore2.Response", *, where: str) -> None:
        encoding = _header(response, b"content-encoding").strip().lower()
        if encoding not in _WINDOWS:
            raise UnreadableSource(f"{where} comes compressed in a way that was not asked for: give another URL.")
        window = _WINDOWS[encoding]
        self._inside = None if window is None else zlib.decompressobj(window)

    @property
    def is_at_end(self) -> bool:
        """Whether a compressed body is complete; zlib would keep all that comes behind it."""
        return self._inside is not None and self._inside.eof

    def unpack(self, chunk: bytes) -> Iterator[bytes]:
        if self._inside is None:
            yield chunk
            return
        while chunk and not self._inside.eof:
            part = self._inside.decompress(chunk, _CHUNK)
            chunk = self._inside.unconsumed_tail
            yield part


def _header(response: "httpcore2.Response", name: bytes) -> str:
    """The first header of this name; "" if there is none."""
    return next((value.decode("utf-8", "replace") for key, value in response.headers if key.lower() == name), "")
