"""The transport: a stream is one, a caller that leaves is noticed, nothing stays behind."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import httpx2
import pytest
from patience import PATIENCE_S

from gpt_image_2_mcp.sandbox import SandboxTransport

pytestmark = pytest.mark.anyio

START: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": [(b"x-a", b"1")]}
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


def body(data: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


def client_of(app: Any) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=SandboxTransport(app), base_url="http://sandbox.test", timeout=PATIENCE_S)


def alone() -> bool:
    """Whether no task but those of the test and its runner is left."""
    return not [task for task in asyncio.all_tasks() if task.get_name().startswith("sandbox ")]


async def test_chunks_are_handed_on_as_they_are_sent() -> None:
    gate = anyio.Event()

    async def app(_scope: Any, _receive: Receive, send: Send) -> None:
        await send(START)
        await send(body(b"one"))
        await gate.wait()
        await send(body(b"two", more=False))

    with anyio.fail_after(PATIENCE_S):
        async with client_of(app) as http, http.stream("GET", "/") as answer:
            chunks = answer.aiter_raw()
            assert await anext(chunks) == b"one"
            gate.set()
            assert [chunk async for chunk in chunks] == [b"two"]
    assert alone()


async def test_the_app_gets_the_request_as_it_is_sent() -> None:
    seen: list[Any] = []

    async def chunks() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        seen.append({key: scope[key] for key in ("method", "path", "raw_path", "query_string", "scheme", "server")})
        seen.append(dict(scope["headers"])[b"x-b"])
        seen.extend([await receive() for _ in range(3)])
        await send(START)
        await send(body(b"", more=False))

    async with client_of(app) as http:
        answer = await http.post("/a%20b?c=d", content=chunks(), headers={"x-b": "2"})
    assert (answer.status_code, answer.headers["x-a"], answer.content) == (200, "1", b"")
    assert seen == [
        {
            "method": "POST",
            "path": "/a b",
            "raw_path": b"/a%20b",
            "query_string": b"c=d",
            "scheme": "http",
            "server": ("sandbox.test", None),
        },
        b"2",
        {"type": "http.request", "body": b"one", "more_body": True},
        {"type": "http.request", "body": b"two", "more_body": True},
        {"type": "http.request", "body": b"", "more_body": False},
    ]


async def test_an_app_is_told_when_its_caller_leaves() -> None:
    told = anyio.Event()

    async def app(_scope: Any, receive: Receive, send: Send) -> None:
        await receive()
        await send(START)
        await send(body(b"one"))
        assert await receive() == {"type": "http.disconnect"}
        told.set()

    with anyio.fail_after(PATIENCE_S):
        async with client_of(app) as http:
            async with http.stream("GET", "/"):
                pass
            assert told.is_set()
            assert alone()


@pytest.mark.parametrize("deaf", ["waits", "sends"])
async def test_an_app_that_does_not_listen_is_cancelled_when_its_caller_leaves(deaf: str) -> None:
    ended: list[str] = []

    async def app(_scope: Any, _receive: Receive, send: Send) -> None:
        try:
            await send(START)
            while deaf == "sends":
                await send(body(b"more"))
                await asyncio.sleep(0)
            await anyio.sleep_forever()
        finally:
            ended.append("ended")

    with anyio.fail_after(PATIENCE_S):
        async with client_of(app) as http:
            async with http.stream("GET", "/"):
                pass
            assert ended == ["ended"]
    assert alone()


async def test_a_cancelled_request_ends_its_app() -> None:
    started, ended = anyio.Event(), anyio.Event()

    async def app(_scope: Any, _receive: Receive, _send: Send) -> None:
        started.set()
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()

    with anyio.fail_after(PATIENCE_S):
        async with client_of(app) as http:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(http.get, "/")
                await started.wait()
                tasks.cancel_scope.cancel()
            await ended.wait()
    assert alone()


async def test_an_answer_may_be_closed_in_another_task_than_it_was_opened_in() -> None:
    """Where a transport uses cancel scopes, this fails."""

    async def app(_scope: Any, _receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep_forever)
            await send(START)
            await send(body(b"one"))

    opened: list[httpx2.Response] = []
    http = client_of(app)

    async def open_one() -> None:
        opened.append(await http.send(http.build_request("GET", "/"), stream=True))

    with anyio.fail_after(PATIENCE_S):
        await asyncio.create_task(open_one())
        await asyncio.create_task(opened[0].aclose())
        assert alone()
        await http.aclose()


async def test_closing_the_client_ends_what_is_still_open() -> None:
    async def app(_scope: Any, _receive: Receive, send: Send) -> None:
        await send(START)
        await anyio.sleep_forever()

    with anyio.fail_after(PATIENCE_S):
        http = client_of(app)
        await http.send(http.build_request("GET", "/"), stream=True)
        assert not alone()
        await http.aclose()
        assert alone()


async def test_a_bug_of_the_app_is_raised_and_not_hidden() -> None:
    async def before(_scope: Any, _receive: Receive, _send: Send) -> None:
        raise LookupError("before")

    async def after(scope: Any, _receive: Receive, send: Send) -> None:
        await send(START)
        await send(body(b"one", more=scope["path"] == "/more"))
        raise LookupError("after")

    async with client_of(before) as http:
        with pytest.raises(LookupError, match="before"):
            await http.get("/")
    async with client_of(after) as http:
        for path in ("/", "/more"):
            with pytest.raises(LookupError, match="after"):
                await http.get(path)


async def test_an_app_that_ends_too_early_is_a_lost_connection() -> None:
    async def silent(_scope: Any, _receive: Receive, _send: Send) -> None:
        pass

    async def short(_scope: Any, _receive: Receive, send: Send) -> None:
        await send(START)
        await send(body(b"one"))

    async with client_of(silent) as http:
        with pytest.raises(httpx2.RemoteProtocolError, match="without sending a response"):
            await http.get("/")
    async with client_of(short) as http:
        with pytest.raises(httpx2.RemoteProtocolError, match="peer closed connection"):
            await http.get("/")
