"""People of one server, each with a client in memory; the pictures cost money."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from fault_proxy import Unmarked
from mcp import Client
from mcp_types import CallToolResult
from patience import LONG_WAIT
from workbench import KEY, SMALL, said

from gpt_image_2_mcp.app import open_service
from gpt_image_2_mcp.database.url import PostgresUrl
from gpt_image_2_mcp.generation.charge_ends import Audit
from gpt_image_2_mcp.picture_store.store import PictureStore
from gpt_image_2_mcp.sandbox import SandboxTransport, build_sandbox
from gpt_image_2_mcp.server.factory import build_server
from gpt_image_2_mcp.settings import Settings
from gpt_image_2_mcp.shared_parts import open_shared

ALICE = "https://login.example.com|alice"
BOB = "token|bob"


class Member:
    """A person with a client."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def draw(self, prompt: str) -> CallToolResult:
        """Have a small picture made."""
        result = await self.client.call_tool("generate_image", {"prompt": prompt, "size": SMALL, "quality": "low"})
        assert not result.is_error, said(result)
        return result


@asynccontextmanager
async def team(
    url: PostgresUrl, folder: Path, *people: str, audit: Audit = "on", store: PictureStore | None = None
) -> AsyncGenerator[list[Member]]:
    """Open a service for each person, on one database."""
    settings = Settings.read({"OPENAI_API_KEY": KEY, "GPT_IMAGE_2_DATABASE_URL": url.text, **LONG_WAIT})
    transport = Unmarked(SandboxTransport(build_sandbox()))
    async with AsyncExitStack() as stack:
        opened = open_shared(settings, transport=transport, data_dir=folder, for_people=True, audit=audit, store=store)
        shared = await stack.enter_async_context(opened)

        async def member(person: str) -> Member:
            service = open_service(settings, working_dir=folder, home=folder, shared=shared, person=person)
            return Member(await stack.enter_async_context(Client(build_server(lambda: service))))

        yield [await member(person) for person in people]
