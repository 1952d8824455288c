"""The services of people within one process: opened when they are needed, closed when they are idle, and bounded."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx2
import pytest
from anyio.abc import SocketStream
from fault_proxy import Unmarked
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from patience import PATIENCE_S, look_again
from starlette.applications import Starlette
from starlette.routing import Route
from workbench import KEY, SMALL, said

from gpt_image_2_mcp.app import open_service
from gpt_image_2_mcp.errors import DatabaseUnusable
from gpt_image_2_mcp.hosted_settings import HostedSettings
from gpt_image_2_mcp.hosting import endpoint as endpoint_module
from gpt_image_2_mcp.hosting import web_server as web_server_module
from gpt_image_2_mcp.hosting.authentication import open_authentication
from gpt_image_2_mcp.hosting.endpoint import Endpoint
from gpt_image_2_mcp.hosting.people import People, open_people
from gpt_image_2_mcp.hosting.person import Person
from gpt_image_2_mcp.hosting.web_server import listen, web_server
from gpt_image_2_mcp.sandbox import Knobs, SandboxTransport, build_sandbox
from gpt_image_2_mcp.server.hosting import Hosting, hosted_tools
from gpt_image_2_mcp.service.images import ImageService
from gpt_image_2_mcp.settings import Settings
from gpt_image_2_mcp.shared_parts import open_shared

from .served import write_tokens

pytestmark = pytest.mark.anyio


class Here:
    """A server in this process, for people with the tokens `a`, `b` and `c`."""

    def __init__(self, address: str, people: People, knobs: Knobs) -> None:
        self.address = address
        self.people = people
        self.knobs = knobs
        self.fails = False
        """Whether no service can be opened."""

    @asynccontextmanager
    async def client(self, token: str) -> AsyncGenerator[Client]:
        headers = {"authorization": f"Bearer {token}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=PATIENCE_S) as http,
            Client(streamable_http_client(f"{self.address}/mcp", http_client=http)) as client,
        ):
            yield client

    async def status(self, token: str) -> int:
        """The status of an answer to a request that is no call."""
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        async with httpx2.AsyncClient(timeout=PATIENCE_S) as http:
            return (await http.post(f"{self.address}/mcp", content=b"{", headers=headers)).status_code


@asynccontextmanager
async def here(folder: Path, *, idle_s: float = 600, max_open: int = 10) -> AsyncGenerator[Here]:
    settings = Settings.read({"OPENAI_API_KEY": KEY, "GPT_IMAGE_2_MAX_WAIT_S": "0.2"}).model_copy(
        update={"hosted": True, "output_dir": str(folder / "pictures")}
    )
    hosted = HostedSettings.read(
        {"GPT_IMAGE_2_TOKENS_FILE": str(write_tokens(folder, {name: name for name in ("a", "b", "c")}))}
    )
    knobs = Knobs()
    hosting = Hosting(None, anyio.CapacityLimiter(2), hosted_tools())

    @asynccontextmanager
    async def service_of(person: Person) -> AsyncGenerator[ImageService]:
        if server.fails:
            raise DatabaseUnusable(None, "cannot be reached")
        async with open_service(settings, working_dir=folder, home=folder, shared=shared, person=person.key) as service:
            yield service

    with listen("127.0.0.1", 0) as sock:
        async with (
            open_authentication(hosted) as authentication,
            open_shared(
                settings, transport=Unmarked(SandboxTransport(build_sandbox(knobs=knobs))), data_dir=folder
            ) as shared,
            open_people(service_of, lambda _: hosting, idle_s=idle_s, max_open=max_open) as people,
            anyio.create_task_group() as tasks,
        ):
            app = Starlette(routes=[Route("/mcp", Endpoint(authentication, people))])
            web = web_server(app, grace_s=1)
            server = Here(f"http://127.0.0.1:{sock.getsockname()[1]}", people, knobs)
            tasks.start_soon(web.serve, [sock])
            try:
                yield server
            finally:
                server.knobs.release()
                web.should_exit = True


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


async def ended(stream: SocketStream) -> bytes:
    """What comes until the server closes the connection."""
    received = b""
    with anyio.fail_after(PATIENCE_S):
        try:
            while True:
                received += await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return received


async def connected(server: Here) -> SocketStream:
    return await anyio.connect_tcp("127.0.0.1", int(server.address.rpartition(":")[2]))


async def test_a_connection_that_sends_no_headers_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_server_module, "HEADERS_WITHIN_S", 0.2)
    async with here(tmp_path) as server:
        for sent in (b"", b"POST /mcp HTTP/1.1\r\nHost: loc"):
            async with await connected(server) as stream:
                if sent:
                    await stream.send(sent)
                assert await ended(stream) == b""


async def test_a_request_whose_body_does_not_come_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_module, "BODY_WITHIN_S", 0.2)
    async with here(tmp_path) as server, await connected(server) as stream:
        head = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer a\r\n"
        await stream.send(head + b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
        assert (await ended(stream)).startswith(b"HTTP/1.1 408 ")
