"""Fetching a picture from the web: which addresses, by which way, how much and for how long.

Only loopback is ever connected to, by an exception that each test makes; all other addresses are judged as values.
"""

import gzip
import io
import ipaddress
import re
import socket
import ssl
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.abc
import httpcore2
import pytest
from anyio.streams.tls import TLSListener
from certificate import certificate
from hypothesis import example, given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from patience import PATIENCE_S
from PIL import Image
from promises import promise

from gpt_image_2_mcp.errors import UnreadableSource
from gpt_image_2_mcp.inputs import download as fetching
from gpt_image_2_mcp.inputs.download import fetch
from gpt_image_2_mcp.inputs.public_connect import GuardedBackend, resolve_by_system
from gpt_image_2_mcp.inputs.url_policy import check_url, display_url, is_allowed_host, is_public, resolve_redirect

anyio_test = pytest.mark.anyio


def picture() -> bytes:
    into = io.BytesIO()
    Image.new("RGB", (8, 8)).save(into, "PNG")
    return into.getvalue()


PICTURE = picture()


def response(body: bytes = PICTURE, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def redirect(location: str, status: int = 302) -> bytes:
    return response(b"", f"Location: {location}", status=f"{status} Found")


@asynccontextmanager
async def serving(
    answer: Callable[[bytes], bytes | AsyncIterator[bytes]], *, tls: ssl.SSLContext | None = None
) -> AsyncGenerator[str]:
    """`host:port` of a server on loopback that gives `answer` to a request's head and hangs up."""

    async def handle(stream: anyio.abc.ByteStream) -> None:
        async with stream:
            try:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += await stream.receive()
                said = answer(head)
                if isinstance(said, bytes):
                    await stream.send(said)
                else:
                    async for piece in said:
                        await stream.send(piece)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, ssl.SSLError):
                pass

    plain = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = plain.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - of anyio, not of a database
    listener = TLSListener(plain, tls, standard_compatible=False) if tls else plain
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, handle)
        yield f"127.0.0.1:{port}"
        tasks.cancel_scope.cancel()


def always(*answers: str) -> Callable[[str, int], Awaitable[Sequence[str]]]:
    """A name server that gives the same answers to every question."""

    async def resolve(_: str, __: int) -> Sequence[str]:
        return list(answers)

    return resolve


async def refusal(url: str, **options: object) -> str:
    with pytest.raises(UnreadableSource) as caught:
        await fetch(url, **options)  # type: ignore[arg-type]
    assert caught.value.__cause__ is None
    return str(caught.value)


# Addresses, as values.

NOT_PUBLIC = [
    "0.0.0.0",  # noqa: S104 - to be refused
    "10.1.2.3",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:0:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::8.8.8.8",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700::1%eth0",
    "fec0::1",
    "ff02::1",
    "",
    "localhost",
    "127.1",
    "0x7f.0.0.1",
    "2130706433",
    "0177.0.0.1",
    "127.0.0.1.",
    "[::1]",
]


@promise("Fetching", "Only public addresses are fetched from.")
@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_an_address_off_the_public_internet_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.1",
        "172.15.255.255",
        "172.32.0.0",
        "223.255.255.255",
        "2606:4700::1111",
        "2a00:1450::1",
        "2001:4860:4860::8888",
    ],
)
def test_an_address_of_the_public_internet_is_public(address: str) -> None:
    assert is_public(address)


@given(address=st.ip_addresses())
def test_no_address_is_public_that_python_calls_special(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    special = not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified
    assert not (special and is_public(str(address)))


@given(
    address=st.ip_addresses(v=4),
    prefix=st.sampled_from(["::ffff:0:0/96", "::/96", "64:ff9b::/96", "2002::/16"]),
)
def test_no_ipv4_address_is_public_within_ipv6(address: ipaddress.IPv4Address, prefix: str) -> None:
    network = ipaddress.IPv6Network(prefix)
    shift = 128 - 32 - (network.prefixlen if network.prefixlen == 16 else 96)
    assert not is_public(str(ipaddress.IPv6Address(int(network.network_address) | int(address) << shift)))


# URLs, as values.


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "0x7f.1",
        "0x7f000001",
        "0x7f.0.0.0x1",
        "2130706433",
        "127.1",
        "017700000001",
        "0177.0.0.1",
        "127.0.0.1.",
        "0",
        "8.8.8",  # public, but not the way to write it
        "134744072",
        "0x",
        "1.1.1.1.1",
        "256.256.256.256",
        "a.127",
        "%31%32%37.0.0.1",
        "127%2e0.0.1",
        "localhost%00.example.com",
        "127。0。0。1",
        "\uff11\uff12\uff17.0.0.1",
        "①②⑦.0.0.1",
        "localhost.",
        "example.com.",
        ".example.com",
        "-",
        "exa mple.com",
        "exa\tmple.com",
        "example.com\\@127.0.0.1",
        "example.com\\.evil",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[fe80::1%25eth0]",
        "[fe80::1%eth0]",
        "[2606:4700::1%25lo]",
        "[::]",
        "[::1",
        "::1",
        "[not an address]",
        "169.254.169.254",
        "[fd00:ec2::254]",
    ],
)
def test_a_host_that_is_not_public_or_spelt_oddly_is_refused_before_it_is_resolved(host: str) -> None:
    with pytest.raises(UnreadableSource):
        check_url(f"http://{host}/a.png")


@promise("Fetching", "Only on ports 80 and 443, and only by plain addresses.")
@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/a.png",
        "file:///etc/passwd",
        "gopher://example.com/",
        "data:image/png;base64,AAAA",
        "//example.com/a.png",
        "example.com/a.png",
        "http:/a.png",
        "http:a.png",
        "http://",
        "http:///a.png",
        "https://user@example.com/",
        "https://user:password@example.com/",
        "https://:@example.com/",
        "https://@example.com/",
        "https://example.com@127.0.0.1/",
        "https://example.com:8443/",
        "https://example.com:22/",
        "https://example.com:0/",
        "https://example.com:-80/",
        "https://example.com:x/",
        "https://example.com/a\r\nHost: x",
        "https://example.com/" + "a" * 20_000,
        "",
    ],
)
def test_a_url_that_is_not_plain_is_refused(url: str) -> None:
    with pytest.raises(UnreadableSource) as caught:
        check_url(url)
    assert len(str(caught.value)) < 500
    assert "password@" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "authority", "path"),
    [
        ("https://example.com", "example.com", b"/"),
        ("HTTPS://EXAMPLE.com:443/a b?c=d#e", "example.com", b"/a%20b?c=d"),
        ("http://example.com:443/", "example.com:443", b"/"),
        ("https://8.8.8.8/a.png", "8.8.8.8", b"/a.png"),
        ("https://[2606:4700::1111]:80/", "[2606:4700::1111]:80", b"/"),
        ("https://bücher.example/ü", "xn--bcher-kva.example", b"/%C3%BC"),
        ("https://my_bucket.example.com/@me", "my_bucket.example.com", b"/@me"),
        ("https://1password.com/", "1password.com", b"/"),
    ],
)
def test_a_plain_url_is_taken_apart(url: str, authority: str, path: bytes) -> None:
    target = check_url(url)
    assert (target.authority, target.path) == (authority, path)


def test_a_refusal_names_the_rule_the_value_and_the_way_out() -> None:
    with pytest.raises(UnreadableSource) as caught:
        check_url("http://169.254.169.254/latest/meta-data?token=secret")
    assert str(caught.value) == snapshot(
        "'http://169.254.169.254/latest/meta-data?…' is not fetched: '169.254.169.254' is not a public internet "
        "address, and private networks are off limits. Give the path of a file instead; a person can allow the host in "
        "GPT_IMAGE_2_ALLOWED_URL_HOSTS."
    )


@pytest.mark.parametrize(
    ("entry", "host", "port", "allowed"),
    [
        ("nas.local", "nas.local", 80, True),
        ("NAS.local.", "nas.local", 443, True),
        ("nas.local", "nas.local", 8080, False),
        ("nas.local:8080", "nas.local", 8080, True),
        ("nas.local:8080", "nas.local", 80, False),
        (" nas.local ", "nas.local", 80, True),
        ("nas.local", "other.local", 80, False),
        ("local", "nas.local", 80, False),
        ("127.0.0.1:8080", "127.0.0.1", 8080, True),
        ("::1", "::1", 80, True),
        ("[0:0:0:0:0:0:0:1]:8080", "::1", 8080, True),
        ("[::1]", "::1", 8080, False),
        ("bücher.example", "xn--bcher-kva.example", 443, True),
        ("", "", 80, False),
        ("http://nas.local", "nas.local", 80, False),
        ("nas..local\0", "nas.local", 80, False),
    ],
)
def test_an_exception_is_for_its_host_and_port_only(entry: str, host: str, port: int, *, allowed: bool) -> None:
    assert is_allowed_host(host, port, [entry]) is allowed


@given(url=st.text() | st.from_regex(r"https?://[\w.:@\[\]%\\/?#-]{0,30}"))
@example(url="http://[::1]:80:80/")
@example(url="http://xn--/")
def test_every_text_is_a_judged_url_or_refused(url: str) -> None:
    try:
        target = check_url(url)
    except UnreadableSource:
        return
    assert re.fullmatch(r"[a-z0-9_.:-]+", target.host)
    assert target.port in {80, 443}
    assert target.path.isascii()
    assert not re.search(rb"[\x00-\x20]", target.path)


@pytest.mark.parametrize(
    ("location", "leads_to"),
    [
        ("/b.png", "https://example.com/b.png"),
        ("b.png?c", "https://example.com/folder/b.png?c"),
        ("//other.example/b", "https://other.example/b"),
        ("http://127.0.0.1/", "http://127.0.0.1/"),
        ("http://[x]/", "http://[x]/"),
    ],
)
def test_a_redirect_leads_where_it_says(location: str, leads_to: str) -> None:
    assert resolve_redirect("https://example.com/folder/a.png", location) == leads_to


def test_a_url_is_shown_without_what_may_be_a_key() -> None:
    assert display_url("https://kim:secret@example.com/a.png?sig=secret#secret") == "'https://example.com/a.png?…'"
    assert len(display_url("https://example.com/" + "a" * 900)) < 220


# Connecting.


@anyio_test
@pytest.mark.parametrize(
    "answers",
    [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["10.0.0.1", "8.8.8.8"], ["::1"], ["2606:4700::1111", "::ffff:10.0.0.1"]],
)
async def test_a_name_is_refused_if_one_of_its_addresses_is_not_public(
    monkeypatch: pytest.MonkeyPatch, answers: list[str]
) -> None:
    async def connect(*_: object, **__: object) -> None:
        pytest.fail("a connection was made")

    monkeypatch.setattr(httpcore2.AnyIOBackend, "connect_tcp", connect)
    message = await refusal("https://pictures.example/a.png", resolve=always(*answers))
    assert message == snapshot(
        "The picture is not fetched: 'pictures.example' is not a public internet address, and private networks are off "
        "limits. Give the path of a file instead; a person can allow the host in GPT_IMAGE_2_ALLOWED_URL_HOSTS."
    )
    assert not any(answer in message for answer in answers)


@promise("Fetching", "A name is connected to at the address that was checked.")
@anyio_test
async def test_a_name_is_resolved_once_and_connected_to_where_it_was_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that answers publicly first and with loopback after that (DNS rebinding) gains nothing."""
    questions: list[tuple[str, int]] = []
    connected: list[tuple[str, int]] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        questions.append((host, port))
        return ["8.8.8.8"] if len(questions) == 1 else ["127.0.0.1"]

    async def connect(_: object, host: str, port: int, **__: object) -> None:
        connected.append((host, port))
        raise httpcore2.ConnectError

    def system(*_: object, **__: object) -> None:
        pytest.fail("the system was asked for an address")

    monkeypatch.setattr(httpcore2.AnyIOBackend, "connect_tcp", connect)
    monkeypatch.setattr(socket, "getaddrinfo", system)
    assert "no connection to it, and pictures are fetched without a proxy" in await refusal(
        "https://pictures.example/a.png", resolve=resolve
    )
    assert questions == [("pictures.example", 443)]
    assert connected == [("8.8.8.8", 443)]


@anyio_test
async def test_the_next_address_is_tried_when_one_is_dead() -> None:
    async with serving(lambda _: response()) as where:
        port = where.rpartition(":")[2]
        data = await fetch(
            f"http://pictures.example:{port}/",
            allowed={f"pictures.example:{port}"},
            resolve=always("127.0.0.2", "127.0.0.1"),
        )
    assert data == PICTURE


@anyio_test
async def test_a_name_that_nobody_knows_is_told() -> None:
    async def resolve(_: str, __: int) -> Sequence[str]:
        raise socket.gaierror

    assert "The address 'pictures.example' was not found: check the link" in await refusal(
        "https://pictures.example/", resolve=resolve
    )
    assert "no connection" in await refusal("https://pictures.example/", resolve=always())


@anyio_test
async def test_the_system_resolves_a_name() -> None:
    assert set(await resolve_by_system("localhost", 80)) <= {"127.0.0.1", "::1"}


@anyio_test
async def test_an_address_needs_no_name_server() -> None:
    backend = GuardedBackend(allowed=(), resolve=always("8.8.8.8"))
    with pytest.raises(UnreadableSource):
        await backend.connect_tcp("127.0.0.1", 80)
    with pytest.raises(UnreadableSource):
        await backend.connect_tcp("::1", 80, timeout=PATIENCE_S)


@promise("Fetching", "No proxy from the environment is used.")
@anyio_test
async def test_no_proxy_from_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def proxied(_: bytes) -> bytes:
        pytest.fail("the proxy was asked")

    async with serving(proxied) as proxy, serving(lambda _: response()) as where:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://{proxy}")
        assert await fetch(f"http://{where}/a.png", allowed={where}) == PICTURE


@anyio_test
async def test_tls_is_spoken_to_the_name_and_not_to_the_address(tmp_path: Path) -> None:
    server, trusting = certificate("pictures.example", tmp_path)
    async with serving(lambda _: response(), tls=server) as where:
        port = where.rpartition(":")[2]
        allowed = {f"pictures.example:{port}", f"other.example:{port}", where}
        options = {"allowed": allowed, "resolve": always("127.0.0.1")}
        assert await fetch(f"https://pictures.example:{port}/", tls=trusting, **options) == PICTURE  # type: ignore[arg-type]
        for url in (f"https://other.example:{port}/", f"https://{where}/"):
            assert "certificate is not valid" in await refusal(url, tls=trusting, **options)
        assert "certificate is not valid" in await refusal(f"https://pictures.example:{port}/", **options)


# The conversation.


@anyio_test
async def test_a_picture_is_asked_for_plainly() -> None:
    heads: list[bytes] = []

    def answer(head: bytes) -> bytes:
        heads.append(head)
        return response()

    async with serving(answer) as where:
        assert await fetch(f"http://{where}/a b.png?c=d#e", allowed={where}) == PICTURE
    assert heads == [
        f"GET /a%20b.png?c=d HTTP/1.1\r\nHost: {where}\r\nAccept: image/png, image/jpeg, image/webp, image/*;q=0.5\r\n"
        f"Accept-Encoding: identity\r\nUser-Agent: gpt-image-2-mcp\r\n\r\n".encode()
    ]


@promise("Fetching", "There are at most three redirects.")
@anyio_test
async def test_redirects_are_followed_three_times_and_no_more() -> None:
    def answer(head: bytes) -> bytes:
        left = int(head.split(b" ")[1][1:])
        return redirect(f"/{left - 1}", 301 + left % 3) if left else response()

    async with serving(answer) as where:
        assert await fetch(f"http://{where}/3", allowed={where}) == PICTURE
        assert "redirects more than 3 times" in await refusal(f"http://{where}/4", allowed={where})


@anyio_test
async def test_a_redirect_in_a_circle_ends() -> None:
    async with serving(lambda _: redirect("/")) as where:
        assert "redirects more than 3 times" in await refusal(f"http://{where}/", allowed={where})


@promise("Fetching", "Each redirect is checked again.")
@anyio_test
@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1/",
        "http://127.0.0.1:22/",
        "http://[::1]/",
        "//localhost.:80/",
        "http://user@8.8.8.8/",
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        "http://0x7f.1/",
        "http://[x]/",
        "http://metadata.internal/",
    ],
)
async def test_a_redirect_is_judged_like_the_url_itself(location: str) -> None:
    async with serving(lambda _: redirect(location)) as where:
        await refusal(f"http://{where}/", allowed={where}, resolve=always("169.254.169.254"))


@anyio_test
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (response(b"no", status="404 Not Found"), "HTTP status 404"),
        (response(status="206 Partial Content"), "HTTP status 206"),
        (response(status="302 Found"), "HTTP status 302"),
        (response(b"<!doctype html><html></html>", "Content-Type: image/png"), "is an HTML page"),
        (response(b"%PDF-1.7" + b"\0" * 20), "is a PDF"),
        (response(b"secret=abcdefgh"), "is no picture"),
        (response(b""), "is empty"),
        (response(PICTURE[:11]), "is no picture"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "no valid answer"),
        (b"", "no valid answer"),
        (response(length=len(PICTURE) + 1), "the connection broke"),
        (response(length=-1), "no valid answer"),
        (response(PICTURE, "Content-Encoding: br"), "not asked for"),
        (response(PICTURE, "Content-Encoding: gzip, gzip"), "not asked for"),
        (response(PICTURE, "Content-Encoding: gzip"), "no valid answer"),
        (response(PICTURE, "X: " + "y" * 200_000), "no valid answer"),
    ],
)
async def test_what_is_no_picture_is_told_without_a_byte_of_it(answer: bytes, words: str) -> None:
    async with serving(lambda _: answer) as where:
        message = await refusal(f"http://{where}/a.png", allowed={where})
    assert words in message
    assert not any(leak in message for leak in ("secret", "OpenSSH", "html>", "abcdefgh"))


@anyio_test
async def test_the_host_that_a_connection_is_refused_by_is_named() -> None:
    async with serving(lambda _: b"") as where:
        pass
    assert "there is no connection to it" in await refusal(f"http://{where}/", allowed={where})


@anyio_test
async def test_a_body_that_is_too_large_by_its_own_word_is_not_read() -> None:
    async with serving(lambda _: response(length=50_000_001)) as where:
        assert "has 50,000,001 bytes, and 50,000,000 is the most" in await refusal(f"http://{where}/", allowed={where})


async def endless(start: bytes) -> AsyncIterator[bytes]:
    yield start
    while True:
        yield b"\0" * 65_536


@promise("Fetching", "What goes on beyond 50 MB is cut off.")
@anyio_test
async def test_a_body_without_end_is_cut_off() -> None:
    """Neither a length nor an end: what has come is weighed."""
    head = b"HTTP/1.1 200 OK\r\n\r\n"
    async with serving(lambda _: endless(head + PICTURE)) as where:
        message = await refusal(f"http://{where}/", allowed={where}, max_bytes=1_000_000)
    assert "has over 1,000,000 bytes" in message


@anyio_test
async def test_a_body_that_does_not_begin_like_a_picture_is_not_read_to_its_end() -> None:
    async with serving(lambda _: endless(b"HTTP/1.1 200 OK\r\n\r\n<html>")) as where:
        with anyio.fail_after(PATIENCE_S):
            assert "is an HTML page" in await refusal(f"http://{where}/", allowed={where}, max_bytes=10**15)


@anyio_test
@pytest.mark.parametrize(
    ("name", "pack"), [("gzip", gzip.compress), ("X-GZip", gzip.compress), ("deflate", zlib.compress)]
)
async def test_a_body_that_comes_compressed_all_the_same_is_read(name: str, pack: Callable[[bytes], bytes]) -> None:
    async with serving(lambda _: response(pack(PICTURE), f"Content-Encoding: {name}")) as where:
        assert await fetch(f"http://{where}/", allowed={where}) == PICTURE


@anyio_test
async def test_what_comes_behind_the_end_of_a_compressed_body_is_not_read() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"
    async with serving(lambda _: endless(head + gzip.compress(PICTURE))) as where:
        assert await fetch(f"http://{where}/", allowed={where}) == PICTURE


@anyio_test
async def test_a_compressed_bomb_is_weighed_before_it_has_gone_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """20 MB from 20 kB: the limit is on what comes out, and it comes out in pieces."""
    weights: list[int] = []
    real = zlib.decompressobj

    class Watched:
        def __init__(self, window: int) -> None:
            self.inside = real(window)

        @property
        def unconsumed_tail(self) -> bytes:
            return self.inside.unconsumed_tail

        @property
        def eof(self) -> bool:
            return self.inside.eof

        def decompress(self, data: bytes, most: int) -> bytes:
            part = self.inside.decompress(data, most)
            weights.append(len(part))
            return part

    monkeypatch.setattr(fetching.zlib, "decompressobj", Watched)
    body = gzip.compress(PICTURE + bytes(20_000_000))
    async with serving(lambda _: response(body, "Content-Encoding: gzip")) as where:
        message = await refusal(f"http://{where}/", allowed={where}, max_bytes=100_000)
    assert "has over 100,000 bytes" in message
    assert max(weights) <= 65_536
    assert sum(weights) < 200_000


# Time.


async def dripping() -> AsyncIterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n\r\n" + PICTURE
    await anyio.sleep_forever()


@anyio_test
@pytest.mark.parametrize("silent", [True, False])
async def test_a_server_that_never_ends_meets_the_deadline(*, silent: bool) -> None:
    async def silence() -> AsyncIterator[bytes]:
        await anyio.sleep_forever()
        yield b""

    async with serving(lambda _: silence() if silent else dripping()) as where:
        with anyio.fail_after(PATIENCE_S):
            message = await refusal(f"http://{where}/", allowed={where}, deadline=0.05)
    assert "cannot be fetched within 0.05 seconds" in message


@promise("Fetching", "It takes 15 seconds at most, redirects and names included.")
@anyio_test
async def test_the_deadline_is_one_for_all_redirects_and_for_the_name() -> None:
    async def resolve(_: str, __: int) -> Sequence[str]:
        await anyio.sleep_forever()
        return []

    async with serving(lambda _: redirect("http://slow.example/")) as where:
        with anyio.fail_after(PATIENCE_S):
            message = await refusal(f"http://{where}/", allowed={where}, deadline=0.05, resolve=resolve)
    assert "within 0.05 seconds" in message


@anyio_test
async def test_an_address_that_does_not_answer_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    given_: list[float | None] = []

    async def connect(*_: object, **options: float | None) -> None:
        given_.append(options["timeout"])
        raise httpcore2.ConnectTimeout

    monkeypatch.setattr(httpcore2.AnyIOBackend, "connect_tcp", connect)
    answers = [f"8.8.8.{number}" for number in range(9)]
    assert "there is no connection" in await refusal("http://pictures.example/", resolve=always(*answers))
    assert given_ == [4.0] * 4
