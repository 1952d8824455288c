"""People of one server in one process: a service and a client for each, over parts that they share."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from fault_proxy import Unmarked
from mcp import Client
from patience import LONG_WAIT
from workbench import KEY, Bench

from gpt_image_2_mcp.app import open_service
from gpt_image_2_mcp.database.url import PostgresUrl
from gpt_image_2_mcp.sandbox import Knobs, SandboxTransport, build_sandbox
from gpt_image_2_mcp.server.factory import build_server
from gpt_image_2_mcp.service.images import ImageService
from gpt_image_2_mcp.settings import Settings
from gpt_image_2_mcp.shared_parts import SharedParts, open_shared

ALICE, BOB = "https://login.test|alice", "token|bob"


@dataclass
class Replica:
    """One process of a server for several people, as far as it is in memory; its pictures cost money."""

    shared: SharedParts
    knobs: Knobs
    stack: AsyncExitStack
    benches: dict[str, Bench] = field(default_factory=dict[str, Bench])
    services: dict[str, ImageService] = field(default_factory=dict[str, ImageService])

    async def bench(self, person: str) -> Bench:
        """A client of a person."""
        if person not in self.benches:
            folder = self.shared.folder_of(person)
            assert folder is not None

            @asynccontextmanager
            async def opened() -> AsyncGenerator[ImageService]:
                settings, outside = self.shared.settings, Path("/nowhere")
                async with open_service(
                    settings, working_dir=outside, home=outside, shared=self.shared, person=person
                ) as service:
                    self.services[person] = service
                    yield service

            server = build_server(opened)
            client = await self.stack.enter_async_context(Client(server))
            self.stack.callback(self.knobs.release)
            self.benches[person] = Bench(client, self.knobs, folder / "pictures", folder, folder, server)
        return self.benches[person]


@asynccontextmanager
async def replica(url: PostgresUrl, data_dir: Path, /, **environ: str) -> AsyncGenerator[Replica]:
    """Open the shared parts of one process; services are closed with it."""
    given = {"OPENAI_API_KEY": KEY, "GPT_IMAGE_2_DATABASE_URL": url.text, **LONG_WAIT, **environ}
    per_person = given.pop("per_person", None)
    knobs = Knobs()
    transport = Unmarked(SandboxTransport(build_sandbox(knobs=knobs)))
    async with AsyncExitStack() as stack:
        shared = await stack.enter_async_context(
            open_shared(
                Settings.read(given),
                transport=transport,
                data_dir=data_dir,
                for_people=True,
                per_person_usd=None if per_person is None else Decimal(per_person),
            )
        )
        yield Replica(shared, knobs, stack)
