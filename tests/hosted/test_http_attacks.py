"""What a client can do with HTTP itself: send slowly, send much, frame oddly, ask for what is not there."""

import json
import re
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import anyio
import anyio.lowlevel
import httpx2
import pytest
from anyio.abc import SocketStream
from patience import PATIENCE_S, look_again
from promises import promise
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from gpt_image_2_mcp.hosting import people as people_module
from gpt_image_2_mcp.hosting import request_room as request_room_module
from gpt_image_2_mcp.hosting import web_server as web_server_module
from gpt_image_2_mcp.hosting.readiness import Readiness
from gpt_image_2_mcp.hosting.request_room import SMALL, RequestRoom
from gpt_image_2_mcp.hosting.web_server import listen, web_server

from .conftest import ALICE
from .here import connected, ended, here
from .served import Served

pytestmark = pytest.mark.anyio

PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
LARGE = 2**20
A = "a"
"""The token of a person of `here`."""


def head(*lines: str, token: str | None = A, method: str = "POST", path: str = "/mcp") -> bytes:
    """The headers of a request; `lines` are more of them."""
    own = ["Host: localhost", "Content-Type: application/json", "Accept: application/json, text/event-stream"]
    own += [f"Authorization: Bearer {token}"] if token else []
    return "\r\n".join([f"{method} {path} HTTP/1.1", *own, *lines, "", ""]).encode()


# Slow clients.


@pytest.mark.parametrize("token", [None, "a"], ids=["without a token", "with one"])
async def test_a_request_that_was_refused_need_not_be_awaited_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str | None
) -> None:
    """Also where a byte of it comes now and then: each such connection is one that others cannot have."""
    monkeypatch.setattr(web_server_module, "HEADERS_WITHIN_S", 0.3)
    async with here(tmp_path) as server, await connected(server) as stream:
        length = "Content-Length: 1000000" if token is None else "Content-Length: 99999999999"
        await stream.send(head(length, token=token))

        async def drip() -> None:
            with anyio.CancelScope() as scope:
                try:
                    while True:
                        await stream.send(b" ")
                        await anyio.sleep(0.02)
                except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                    scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(drip)
            assert (await ended(stream)).startswith(b"HTTP/1.1 401 " if token is None else b"HTTP/1.1 413 ")
            tasks.cancel_scope.cancel()


async def test_a_client_that_does_not_read_its_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_server_module, "READ_WITHIN_S", 0.3)
    has_ended = anyio.Event()

    async def endless(_: Request) -> StreamingResponse:
        async def pieces() -> AsyncGenerator[bytes]:
            try:
                while True:
                    await anyio.lowlevel.checkpoint()
                    yield b" " * LARGE
            finally:
                has_ended.set()

        return StreamingResponse(pieces())

    with listen("127.0.0.1", 0) as sock:
        web = web_server(Starlette(routes=[Route("/", endless)]), grace_s=1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(web.serve, [sock])
            async with await anyio.connect_tcp("127.0.0.1", sock.getsockname()[1]) as stream:
                await stream.send(head(method="GET", path="/"))
                with anyio.fail_after(PATIENCE_S):
                    await has_ended.wait()
            web.should_exit = True


async def test_a_stream_of_news_that_is_asked_for_slowly_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_room_module, "BODY_WITHIN_S", 0.2)
    async with here(tmp_path) as server, await connected(server) as stream:
        await stream.send(head("Content-Length: 100", "Mcp-Method: subscriptions/listen") + b"{")
        assert (await ended(stream)).startswith(b"HTTP/1.1 408 ")


# Large requests.


async def answered(stream: SocketStream) -> tuple[str, Mapping[str, str]]:
    """The status and the headers of an answer."""
    received = b""
    with anyio.fail_after(PATIENCE_S):
        while b"\r\n\r\n" not in received:
            received += await stream.receive()
    status, *lines = received.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    return status.split()[1], {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


@promise("Several people", "Large requests of all people together, and of each, are bounded; one more is told to wait")
@pytest.mark.parametrize("length", ["Content-Length: 1048576", "Transfer-Encoding: chunked"])
async def test_large_requests_are_bounded_over_all_people_and_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: str
) -> None:
    monkeypatch.setattr(request_room_module, "ROOM_WITHIN_S", 0.3)
    one = LARGE if "1048576" in length else 16 * LARGE
    room = RequestRoom(everyone=3 * one, each=2 * one)
    async with here(tmp_path, room=room) as server, AsyncExitStack() as stack:

        async def begin(token: str) -> SocketStream:
            """Send more than what needs no room, and no end."""
            stream = await stack.enter_async_context(await connected(server))
            begun = b" " * (SMALL + 1)
            await stream.send(
                head(length, token=token) + (begun if one == LARGE else b"%x\r\n%b\r\n" % (SMALL + 1, begun))
            )
            return stream

        async def is_refused(token: str) -> bool:
            status, headers = await answered(await begin(token))
            return (status, headers["retry-after"], headers["connection"]) == ("503", "10", "close")

        async def takes(size: int) -> None:
            with anyio.fail_after(PATIENCE_S):
                while room.size != size:
                    await look_again()

        first = [await begin("a"), await begin("a")]
        await takes(2 * one)
        assert await is_refused("a"), "beyond what one person may have"
        await begin("b")
        await takes(3 * one)
        assert await is_refused("c"), "beyond what all may have together"
        assert await server.status("c") == 400, "a small request needs no room"
        for stream in first:
            await stream.aclose()
        await takes(one)
        await begin("c")
        await takes(2 * one)


async def test_one_person_does_not_have_all_connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people_module, "MAX_REQUESTS", 3)
    async with here(tmp_path) as server, AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(await connected(server)) for _ in range(3)]
        for stream in streams:
            await stream.send(head("Content-Length: 100") + b"{")
        with anyio.fail_after(PATIENCE_S):
            while await server.status("a") != 503:
                await look_again()
        assert await server.status("b") == 400
        await streams.pop().aclose()
        with anyio.fail_after(PATIENCE_S):
            while await server.status("a") == 503:
                await look_again()


async def test_a_large_request_that_is_answered_gives_its_room_back(tmp_path: Path) -> None:
    room = RequestRoom(everyone=LARGE, each=LARGE)
    async with here(tmp_path, room=room) as server, httpx2.AsyncClient(timeout=PATIENCE_S) as http:
        headers = {"authorization": "Bearer a", "content-type": "application/json", "accept": "*/*"}
        for _ in range(3):
            answer = await http.post(f"{server.address}/mcp", content=b" " * LARGE, headers=headers)
            assert answer.status_code == 400
        assert room.size == 0


# How a request is framed.


def sent(server: Served, data: bytes) -> bytes:
    """What comes back for these bytes until the server closes the connection, which they have to bring about."""
    received = b""
    with socket.create_connection(("127.0.0.1", int(server.address.rpartition(":")[2])), PATIENCE_S) as connection:
        connection.sendall(data)
        # Where the server has closed before it has read everything.
        with suppress(ConnectionResetError):
            while piece := connection.recv(65536):
                received += piece
    return received


CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(PING), PING)
NEXT = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
ODD: Mapping[str, bytes] = {
    "a length and chunks": head("Content-Length: 5", "Transfer-Encoding: chunked", token=ALICE) + CHUNKED,
    "chunks and a length": head("Transfer-Encoding: chunked", "Content-Length: 5", token=ALICE) + CHUNKED,
    "two lengths": head("Content-Length: 39", "Content-Length: 40", token=ALICE) + PING,
    "a negative length": head("Content-Length: -1", token=ALICE) + PING,
    "a length with a sign": head("Content-Length: +39", token=ALICE) + PING,
    "another coding": head("Transfer-Encoding: xchunked", token=ALICE) + PING,
    "two codings": head("Transfer-Encoding: chunked, identity", token=ALICE) + CHUNKED,
    "a space before the colon": head("Transfer-Encoding : chunked", token=ALICE) + CHUNKED,
    "a NUL": head("X: a\0b", token=ALICE) + PING,
    "a chunk without end": head("Transfer-Encoding: chunked", token=ALICE) + b"fffffffffffffffffffffff\r\n",
    "too many headers": head(*(f"X-{number}: {'a' * 1000}" for number in range(200)), token=ALICE) + PING,
}


@pytest.mark.parametrize("what", ODD)
def test_a_request_that_two_programs_could_read_differently_is_refused(served_team: Served, what: str) -> None:
    """What follows it is not taken for a request: a proxy may have taken it for a part of the first one."""
    received = sent(served_team, ODD[what] + NEXT)
    assert re.findall(rb"HTTP/1.1 (\d+) ", received) in ([b"400"], []), received[:200]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example.com\r\nX-Forwarded-Host: localhost", 421),
        ("images.example.com:0", 421),
        ("images.example.com.", 421),
        ("localhost#evil", 421),
        ("localhost?evil", 421),
        ("localhost evil", 421),
        ("127.1", 421),
        ("0.0.0.0", 421),  # noqa: S104
        ("[::ffff:1.2.3.4]", 421),
        ("IMAGES.example.com", 401),
        ("localhost\r\nX-Forwarded-Host: evil.example.com\r\nForwarded: host=evil.example.com", 401),
    ],
)
def test_only_the_host_counts_for_the_name(served_team: Served, host: str, status: int) -> None:
    received = sent(served_team, f"POST /mcp HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert received.startswith(b"HTTP/1.1 %d " % status), received[:200]


def test_a_whole_address_as_the_target_is_no_other_way_in(served_team: Served) -> None:
    for target in ("http://evil.example.com/mcp", "http://localhost/mcp", "http://localhost/healthz"):
        received = sent(served_team, head("Connection: close", path=target))
        assert received.startswith(b"HTTP/1.1 404 "), received[:200]


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "FOO")
PATHS = (
    "/",
    "/mcp",
    "/mcp/",
    "//mcp",
    "/MCP",
    "/mcp%00",
    "/mcp/x",
    "/healthz",
    "/healthz/../mcp",
    "/readyz",
    "/metrics",
    "/.well-known/oauth-protected-resource/mcp",
    "/pictures/x",
    "/pictures/../uploads/x",
    "/shown/%2e%2e%2f%2e%2e%2fetc/passwd",
    "/uploads/%252e%252e/x",
)


def test_without_a_token_no_route_and_no_method_gives_or_does_anything(served_team: Served) -> None:
    """And none leads elsewhere: a redirection to the name of the request, by http, would take the token along."""
    open_ones = {"/healthz", "/readyz", "/.well-known/oauth-protected-resource/mcp"}
    for path in PATHS:
        for method in METHODS:
            received = sent(served_team, head("Connection: close", token=None, method=method, path=path))
            status = int(received.split(b" ", 2)[1])
            is_open = path in open_ones and method in {"GET", "HEAD"}
            assert status in ({200} if is_open else {401, 403, 404, 405}), (method, path, received[:200])
            assert b"location:" not in received.lower()


@pytest.mark.parametrize("path", ["/mcp", "/mcp/"])
def test_the_protocol_is_spoken_with_and_without_a_slash_at_the_end(served_team: Served, path: str) -> None:
    received = sent(
        served_team, head(f"Content-Length: {len(PING)}", "Connection: close", token=ALICE, path=path) + PING
    )
    assert received.startswith(b"HTTP/1.1 200 "), received[:200]


def test_a_connection_is_not_changed_to_another_protocol(served_team: Served) -> None:
    for upgrade in ("websocket", "h2c", "TLS/1.0"):
        lines = ("Upgrade: " + upgrade, "Connection: Upgrade", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==")
        received = sent(served_team, head(*lines, "Sec-WebSocket-Version: 13", token=ALICE, method="GET") + NEXT)
        assert received.startswith(b"HTTP/1.1 405 "), received[:200]


# What a request says.

CALL = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_images","arguments":%s}}'
BODIES: Mapping[str, bytes] = {
    "nothing": b"",
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "deep arguments": (CALL % ('{"query":' + "[" * 5000 + "]" * 5000 + "}")).encode(),
    "a batch": b"[" + PING + b"," + PING + b"]",
    "an answer to another's question": b'{"jsonrpc":"2.0","id":1,"result":{"action":"accept","content":{}}}',
    "an error in answer to another's question": b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}}',
    "the end of another's request": b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}',
    "progress of another's request": b'{"jsonrpc":"2.0","method":"notifications/progress",'
    b'"params":{"progressToken":1,"progress":1}}',
    "no id": b'{"jsonrpc":"2.0","id":null,"method":"ping"}',
    "an odd id": b'{"jsonrpc":"2.0","id":{},"method":"ping"}',
    "a huge id": b'{"jsonrpc":"2.0","id":' + b"9" * 5000 + b',"method":"ping"}',
    "a huge number": (CALL % ('{"page":' + "9" * 5000 + "}")).encode(),
    "no number": (CALL % '{"page":NaN}').encode(),
    "half of a surrogate pair": (CALL % '{"query":"\\ud800"}').encode(),
    "a NUL": (CALL % '{"query":"\\u0000"}').encode(),
    "no UTF-8": b'{"jsonrpc":"2.0","id":1,"method":"\xff"}',
    "UTF-16": PING.decode().encode("utf-16"),
    "a task of another": b'{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"x"}}',
    "a question of a server": b'{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{}}',
}
VERSIONS: tuple[str | None, ...] = (None, "2025-11-25", "2026-07-28", "9999", "x" * 5000)


def test_a_client_that_leaves_in_the_middle_of_its_request_is_not_worth_a_word(served_team: Served) -> None:
    for begun in (b"", b"{"):
        with socket.create_connection(("127.0.0.1", int(served_team.address.rpartition(":")[2]))) as connection:
            connection.sendall(head("Content-Length: 100", token=ALICE) + begun)
    assert served_team.post(ALICE, body=PING).status_code == 200
    assert not [line for line in served_team.said if "Traceback" in line]


@pytest.mark.thorough
def test_no_body_makes_the_server_fail(served_team: Served) -> None:
    """Nor do the ids of a session or of an event, which there are not."""
    for what, body in BODIES.items():
        for version in VERSIONS:
            headers = {"mcp-session-id": "other", "last-event-id": "1"}
            headers |= {"mcp-protocol-version": version} if version else {}
            answer = served_team.post(ALICE, body=body, headers=headers)
            assert answer.status_code < 500, (what, version, answer.text[:300])
            assert "Traceback" not in answer.text
            assert not answer.headers.get("mcp-session-id")
    assert not [line for line in served_team.said if "Traceback" in line]


async def test_the_database_is_asked_whether_it_answers_once_for_all_who_ask() -> None:
    """Anybody may ask, and each question would take one of its connections."""
    asked = 0

    async def is_reachable() -> bool:
        nonlocal asked
        asked += 1
        await anyio.sleep(0.05)
        return True

    readiness = Readiness(is_reachable)
    app = Starlette(routes=[Route("/readyz", readiness.readyz)])
    statuses: list[int] = []
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://here") as http:

        async def ask() -> None:
            statuses.append((await http.get("/readyz")).status_code)

        async with anyio.create_task_group() as tasks:
            for _ in range(100):
                tasks.start_soon(ask)
    assert statuses == [200] * 100
    assert asked <= 3


def test_what_everybody_may_ask_tells_nothing(served_team: Served) -> None:
    for path in ("/healthz", "/readyz"):
        answer = httpx2.get(f"{served_team.address}{path}", headers={"host": "anything"})
        assert (answer.text, answer.headers.get("server")) == ("ok", None)
    metadata = httpx2.get(f"{served_team.address}/.well-known/oauth-protected-resource/mcp").json()
    assert metadata.keys() <= {
        "resource",
        "authorization_servers",
        "bearer_methods_supported",
        "resource_name",
        "scopes_supported",
    }, json.dumps(metadata)
