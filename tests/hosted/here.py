"""A server for people in this process, with real connections, and the sandbox for OpenAI."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx2
from anyio.abc import SocketStream
from fault_proxy import Unmarked
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from patience import PATIENCE_S
from starlette.applications import Starlette
from starlette.routing import Route
from workbench import KEY

from gpt_image_2_mcp.app import open_service
from gpt_image_2_mcp.errors import DatabaseUnusable
from gpt_image_2_mcp.hosted_settings import HostedSettings
from gpt_image_2_mcp.hosting.authentication import open_authentication
from gpt_image_2_mcp.hosting.endpoint import Endpoint
from gpt_image_2_mcp.hosting.people import People, open_people
from gpt_image_2_mcp.hosting.person import Person
from gpt_image_2_mcp.hosting.request_room import RequestRoom
from gpt_image_2_mcp.hosting.web_server import listen, web_server
from gpt_image_2_mcp.sandbox import Knobs, SandboxTransport, build_sandbox
from gpt_image_2_mcp.server.hosting import Hosting, hosted_prompts, hosted_tools
from gpt_image_2_mcp.server.sealed_answers import sealing
from gpt_image_2_mcp.service.images import ImageService
from gpt_image_2_mcp.settings import Settings
from gpt_image_2_mcp.shared_parts import open_shared

from .served import write_tokens


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
async def here(
    folder: Path, *, idle_s: float = 600, max_open: int = 10, room: RequestRoom | None = None
) -> AsyncGenerator[Here]:
    settings = Settings.read({"OPENAI_API_KEY": KEY, "GPT_IMAGE_2_MAX_WAIT_S": "0.2"}).model_copy(
        update={"hosted": True, "output_dir": str(folder / "pictures")}
    )
    hosted = HostedSettings.read(
        {"GPT_IMAGE_2_TOKENS_FILE": str(write_tokens(folder, {name: name for name in ("a", "b", "c")}))}
    )
    knobs = Knobs()
    state = sealing(None, lambda _: "a")
    hosting = Hosting(state, anyio.CapacityLimiter(2), hosted_tools(), hosted_prompts())

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
            app = Starlette(routes=[Route("/mcp", Endpoint(authentication, people, room=room))])
            web = web_server(app, grace_s=1)
            server = Here(f"http://127.0.0.1:{sock.getsockname()[1]}", people, knobs)
            tasks.start_soon(web.serve, [sock])
            try:
                yield server
            finally:
                server.knobs.release()
                web.should_exit = True


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
