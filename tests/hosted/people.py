"""People of one server in one process: a service and a client for each, over parts that they share."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
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
class Member:
    """A person with a client."""

    bench: Bench
    service: ImageService


@dataclass
class Replica:
    """One process of a server for several people, as far as it is in memory; its pictures cost money."""

    shared: SharedParts
    knobs: Knobs
    members: dict[str, Member]

    @property
    def alice(self) -> Bench:
        return self.members[ALICE].bench

    @property
    def bob(self) -> Bench:
        return self.members[BOB].bench


@asynccontextmanager
async def replica(
    url: PostgresUrl, data_dir: Path, /, *, per_person_usd: Decimal | None = None, **environ: str
) -> AsyncGenerator[Replica]:
    """Open the shared parts of one process, and a service for Alice and for Bob."""
    settings = Settings.read({"OPENAI_API_KEY": KEY, "GPT_IMAGE_2_DATABASE_URL": url.text, **LONG_WAIT, **environ})
    knobs = Knobs()
    transport = Unmarked(SandboxTransport(build_sandbox(knobs=knobs)))
    async with AsyncExitStack() as stack:
        shared = await stack.enter_async_context(
            open_shared(
                settings, transport=transport, data_dir=data_dir, for_people=True, per_person_usd=per_person_usd
            )
        )
        members = {person: await _member(stack, shared, person, knobs) for person in (ALICE, BOB)}
        # Before the services close, which wait for requests that a failed test holds.
        stack.callback(knobs.release)
        yield Replica(shared, knobs, members)


async def _member(stack: AsyncExitStack, shared: SharedParts, person: str, knobs: Knobs) -> Member:
    folder = shared.folder_of(person)
    assert folder is not None
    services = list[ImageService]()

    @asynccontextmanager
    async def opened() -> AsyncGenerator[ImageService]:
        outside = Path("/nowhere")
        async with open_service(
            shared.settings, working_dir=outside, home=outside, shared=shared, person=person
        ) as service:
            services.append(service)
            yield service

    server = build_server(opened)
    client = await stack.enter_async_context(Client(server))
    return Member(Bench(client, knobs, folder / "pictures", folder, folder, server), services[0])
