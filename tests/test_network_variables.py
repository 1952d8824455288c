"""The proxies and certificates of a user's environment: they are used, and what is wrong with them is named."""

import gc
import os
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path

import anyio
import httpx2
import pytest
from anyio.abc import SocketAttribute
from certificate import certificate
from mcp import Client
from patience import PATIENCE_S
from workbench import KEY, SMALL, Bench, Benches, said

from gpt_image_2_mcp.app import open_service
from gpt_image_2_mcp.openai_api import client, retry
from gpt_image_2_mcp.sandbox import Knobs
from gpt_image_2_mcp.server.factory import build_server
from gpt_image_2_mcp.settings import Settings

pytestmark = pytest.mark.anyio

FOX = {"prompt": "a fox", "size": SMALL, "quality": "low"}
SECURE, PLAIN = "https://api.invalid/v1", "http://api.invalid/v1"
"""Addresses that no name server knows: a request for them goes no further than the proxy."""

Serve = Callable[[socket.socket], None]


@contextmanager
def listening(serve: Serve) -> Generator[str]:
    """A server on loopback that lets `serve` have each connection; gives `127.0.0.1:port`, and ends with the test."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with closing(connection), suppress(OSError):
                        serve(connection)

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            with suppress(OSError):
                # Wakes the thread, whose `accept` would keep the port open.
                server.shutdown(socket.SHUT_RDWR)


def saying(answer: str) -> Serve:
    """Read a request, give this answer, and close the connection."""

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer.encode())

    return serve


def reset(connection: socket.socket) -> None:
    """Close the connection with a request unread, which resets it."""
    connection.recv(1)


def silent(connection: socket.socket) -> None:
    """Read a request and answer nothing, until the other side leaves."""
    while connection.recv(65536):
        pass


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not sent is sent again; no test waits for that."""
    monkeypatch.setattr(retry, "FIRST_WAIT_S", 0.001)


@asynccontextmanager
async def reaching(url: str, root: Path) -> AsyncGenerator[Bench]:
    """A server whose backend is at this address, with the real HTTP client."""
    environ = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": url, "GPT_IMAGE_2_OUTPUT_DIR": str(root / "pictures")}
    service = open_service(Settings.read(environ), working_dir=root, home=root, data_dir=root / "data")
    server = build_server(lambda: service)
    async with Client(server) as client:
        yield Bench(client, Knobs(), root / "pictures", root, root, server)


async def refusal(url: str, root: Path) -> str:
    """What a call is refused with; nothing may be counted as spent for it."""
    async with reaching(url, root) as bench:
        text = await bench.refused("generate_image", **FOX)
        spent = said(await bench.call("image_costs"))
        assert "Spent today: $0.0000." in spent, spent
    assert "program" not in text
    return text


# A proxy that does not do its part.


@pytest.mark.parametrize(
    "serve",
    [
        saying("HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n"),
        saying("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"),
        saying(""),
        saying("no HTTP\r\n\r\n"),
        reset,
    ],
    ids=["wants credentials", "refuses", "closes", "speaks no HTTP", "resets"],
)
async def test_a_proxy_that_makes_no_tunnel_is_named_and_nothing_is_spent(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing but CONNECT has left the computer."""
    with listening(serve) as address:
        monkeypatch.setenv("HTTPS_PROXY", f"http://kim:hunter2@{address}")
        text = await refusal(SECURE, tmp_path)
    assert f"The proxy {address} of HTTPS_PROXY did not connect to https://api.invalid (" in text
    assert "nothing was sent or billed" in text
    assert "hunter2" not in text


async def test_a_proxy_that_does_not_answer_has_sent_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ANSWER_TIMEOUT_S", 0.05)
    with listening(silent) as address:
        monkeypatch.setenv("ALL_PROXY", address)
        text = await refusal(SECURE, tmp_path)
    assert f"The proxy {address} of ALL_PROXY did not connect to https://api.invalid" in text


@pytest.mark.parametrize("url", [SECURE, PLAIN])
async def test_a_dead_proxy_is_named(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{bound.getsockname()[1]}"
    variable = "HTTPS_PROXY" if url == SECURE else "HTTP_PROXY"
    monkeypatch.setenv(variable, f"http://{address}")
    text = await refusal(url, tmp_path)
    assert f"The proxy {address} of {variable} on the way to {url.removesuffix('/v1')} cannot be reached (" in text
    assert "Connection refused" in text


async def test_a_plain_proxy_that_wants_credentials_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = "<html>who are you?</html>"
    answer = f"HTTP/1.1 407 No\r\ncontent-type: text/html\r\ncontent-length: {len(page)}\r\n\r\n{page}"
    with listening(saying(answer)) as address:
        monkeypatch.setenv("HTTP_PROXY", f"http://{address}")
        text = await refusal(PLAIN, tmp_path)
    assert f"The proxy {address} of HTTP_PROXY answered 407: it wants credentials" in text


async def test_what_a_plain_proxy_drops_may_be_billed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It got the request itself, and may have passed it on."""
    with listening(saying("")) as address:
        monkeypatch.setenv("HTTP_PROXY", f"http://{address}")
        async with reaching(PLAIN, tmp_path) as bench:
            assert "may have been made and billed" in await bench.refused("generate_image", **FOX)


# SOCKS.


def relay(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
    with suppress(OSError):
        other.shutdown(socket.SHUT_WR)


def socks(connection: socket.socket) -> None:
    """SOCKS5 without credentials (RFC 1928), for hosts that are named or have an IPv4 address."""
    connection.recv(257)
    connection.sendall(b"\x05\x00")
    request = connection.recv(262)
    host = socket.inet_ntoa(request[4:8]) if request[3] == 1 else request[5:-2].decode()
    with socket.create_connection((host, int.from_bytes(request[-2:], "big"))) as target:
        connection.sendall(b"\x05\x00\x00\x01" + bytes(6))
        back = threading.Thread(target=relay, args=(target, connection), daemon=True)
        back.start()
        relay(connection, target)
        back.join(PATIENCE_S)


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
async def test_a_socks_proxy_is_used(
    scheme: str, sandbox_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening(socks) as address:
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://{address}")
        async with reaching(sandbox_url, tmp_path) as bench:
            made = await bench.made("generate_image", **FOX)
    assert made.path.is_file()


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
async def test_a_socks_proxy_that_breaks_off_has_sent_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(reset) as address:
        monkeypatch.setenv("ALL_PROXY", f"socks5://{address}")
        text = await refusal(PLAIN, tmp_path)
    assert f"The proxy {address} of ALL_PROXY did not connect to http://api.invalid" in text
    # httpcore2 leaves the connection to such a proxy for the garbage collector to close.
    gc.collect()


# Variables that are wrong.

WRONG_PROXIES = {
    "ftp://kim:hunter2@proxy.example:21": "'ftp://…@proxy.example:21'",
    "kim:hunter2@proxy.example:port": "'…@proxy.example:port'",
    "socks4://proxy.example": "'socks4://proxy.example'",
    "::::": "'::::'",
}


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY", "http_proxy"])
@pytest.mark.parametrize("value", WRONG_PROXIES)
async def test_a_wrong_proxy_is_named_with_its_value_and_a_way_out(
    variable: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    text = await refusal(SECURE, tmp_path)
    assert text == (
        f"{variable} must be the address of a proxy: http://host:port, https://host:port or socks5://host:port; it is"
        f" {WRONG_PROXIES[value]}. Correct or remove it in the client's configuration or in the shell."
    )


@pytest.mark.parametrize("value", ["/nowhere/ca.pem", "folder", "words", "~/ca.pem"])
async def test_certificates_that_cannot_be_read_are_named(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "words").write_text("no certificate")
    value = value if value[0] in "/~" else str(tmp_path / value)
    monkeypatch.setenv("SSL_CERT_FILE", value)
    text = await refusal(SECURE, tmp_path)
    # A long path is cut.
    rule = "SSL_CERT_FILE must be the absolute path of a PEM file with certificates; it is "
    assert text.startswith(f"{rule}{value[:40]!r}"[:-1])


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
async def test_certificates_that_cannot_be_read_are_named_for_a_picture_from_the_web(
    benches: Benches, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port: int = listener.extra(SocketAttribute.local_port)  # noqa: S610 - no Django
        bench = await benches.open(GPT_IMAGE_2_ALLOWED_URL_HOSTS=f"127.0.0.1:{port}")
        monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
        text = await bench.refused("edit_image", prompt="a hat", images=[f"https://127.0.0.1:{port}/a.png"])
        # httpcore2 leaves the connection for the garbage collector to close.
        gc.collect()
    assert "the certificates that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read (No such file" in text


async def test_a_certificate_that_is_not_known_names_the_way_out(tmp_path: Path) -> None:
    context, _ = certificate("api.invalid", tmp_path)

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True):
            pass

    with listening(serve) as address:
        text = await refusal(f"https://{address}/v1", tmp_path)
    assert f"The certificate of https://{address} is not known here" in text
    assert "set SSL_CERT_FILE" in text


@pytest.mark.thorough
def test_the_command_line_names_a_wrong_variable_without_a_traceback(tmp_path: Path) -> None:
    environ = {"OPENAI_API_KEY": KEY, "HOME": str(tmp_path), "ALL_PROXY": "socks4://127.0.0.1:1"}
    command = [sys.executable, "-m", "gpt_image_2_mcp", "generate", "a fox", "--size", SMALL]
    ran = subprocess.run(
        command, env={**os.environ, **environ}, capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    assert ran.returncode == 1
    assert "ALL_PROXY must be the address of a proxy" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_url_without_a_trace_is_not_taken_for_one_that_stopped_at_a_proxy() -> None:
    """A connection that is used again has no events of connecting: its request may have left."""
    from gpt_image_2_mcp.openai_api.connection_trace import trace_of

    assert not trace_of(httpx2.Request("POST", SECURE)).stopped_at_proxy
