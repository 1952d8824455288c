"""The services of people within one process: opened when they are needed, closed when they are idle, and bounded."""

from pathlib import Path

import anyio
import pytest
from patience import PATIENCE_S, look_again
from workbench import SMALL, said

from gpt_image_2_mcp.hosting import request_room as request_room_module
from gpt_image_2_mcp.hosting import web_server as web_server_module
from gpt_image_2_mcp.hosting.people import People

from .here import connected, ended, here

pytestmark = pytest.mark.anyio


async def count_of(people: People, count: int) -> None:
    """Wait until so many people are served."""
    with anyio.fail_after(PATIENCE_S):
        while people.count != count:
            await look_again()


async def test_an_idle_person_is_closed_and_opened_again(tmp_path: Path) -> None:
    async with here(tmp_path, idle_s=0.1) as server:
        assert await server.status("a") == 400
        await count_of(server.people, 0)
        assert await server.status("a") == 400


async def test_a_person_with_a_job_is_not_closed(tmp_path: Path) -> None:
    async with here(tmp_path, idle_s=0.1) as server:
        server.knobs.hold()
        async with server.client("a") as client:
            started = await client.call_tool("generate_image", {"prompt": "a fox", "size": SMALL, "quality": "low"})
        assert "get_image_job" in said(started)
        assert await server.status("b") == 400
        await count_of(server.people, 1)
        server.knobs.release()
        await count_of(server.people, 0)
        assert list_of(tmp_path)


def list_of(folder: Path) -> list[Path]:
    return list(folder.rglob("*.png"))


async def test_one_more_person_than_may_be_takes_the_place_of_an_idle_one(tmp_path: Path) -> None:
    async with here(tmp_path, max_open=2) as server:
        for token in ("a", "b", "c", "a"):
            assert await server.status(token) == 400
            assert server.people.count <= 2


async def test_where_all_are_busy_one_more_is_told_to_come_later(tmp_path: Path) -> None:
    async with here(tmp_path, max_open=1) as server:
        server.knobs.hold()
        async with server.client("a") as client:
            await client.call_tool("generate_image", {"prompt": "a fox", "size": SMALL, "quality": "low"})
        assert await server.status("b") == 503
        server.knobs.release()
        with anyio.fail_after(PATIENCE_S):
            while await server.status("b") != 400:
                await look_again()


async def test_a_service_that_cannot_be_opened_is_an_error_and_tried_again(tmp_path: Path) -> None:
    async with here(tmp_path) as server:
        server.fails = True
        assert await server.status("a") == 503
        server.fails = False
        assert await server.status("a") == 400


# Clients that send slowly.


async def test_a_connection_that_sends_no_headers_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_server_module, "HEADERS_WITHIN_S", 0.2)
    async with here(tmp_path) as server:
        for sent in (b"", b"POST /mcp HTTP/1.1\r\nHost: loc"):
            async with await connected(server) as stream:
                if sent:
                    await stream.send(sent)
                assert await ended(stream) == b""


async def test_a_request_whose_body_does_not_come_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_room_module, "BODY_WITHIN_S", 0.2)
    async with here(tmp_path) as server, await connected(server) as stream:
        head = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer a\r\n"
        await stream.send(head + b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
        assert (await ended(stream)).startswith(b"HTTP/1.1 408 ")
