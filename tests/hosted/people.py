"""People of one server in one process: a service and a client for each, over parts that they share."""

from collections.abc import AsyncGenerator, Callable
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
from gpt_image_2_mcp.picture_store.open_store import open_store
from gpt_image_2_mcp.sandbox import Knobs, SandboxTransport, build_sandbox
from gpt_image_2_mcp.server.factory import build_server
from gpt_image_2_mcp.server.hosting import Hosting
from gpt_image_2_mcp.service.images import ImageService
from gpt_image_2_mcp.settings import Settings
from gpt_image_2_mcp.shared_parts import SharedParts, open_shared

ALICE, BOB = "https://login.test|alice", "token|bob"
HERE = "http://here.test"
"""Where the links of the store lead."""


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
    url: PostgresUrl,
    data_dir: Path,
    hosting_of: Callable[[str], Hosting] | None = None,
    /,
    *,
    per_person_usd: Decimal | None = None,
    **environ: str,
) -> AsyncGenerator[Replica]:
    """Open the shared parts of one process, and a service for Alice and for Bob; with `hosting_of`, as `serve` does."""
    settings = Settings.read({"OPENAI_API_KEY": KEY, "GPT_IMAGE_2_DATABASE_URL": url.text, **LONG_WAIT, **environ})
    settings = settings.model_copy(update={"hosted": hosting_of is not None})
    knobs = Knobs()
    transport = Unmarked(SandboxTransport(build_sandbox(knobs=knobs)))
    async with AsyncExitStack() as stack:
        shared = await stack.enter_async_context(
            open_shared(
                settings,
                transport=transport,
                data_dir=data_dir,
                for_people=True,
                per_person_usd=per_person_usd,
                store=open_store(None, unset=data_dir / "store", secret=b"secret", base_url=HERE)
                if hosting_of
                else None,
            )
        )
        members = {
            person: await _member(stack, shared, person, knobs, hosting_of and hosting_of(person))
            for person in (ALICE, BOB)
        }
        # Before the services close, which wait for requests that a failed test holds.
        stack.callback(knobs.release)
        yield Replica(shared, knobs, members)


async def _member(
    stack: AsyncExitStack, shared: SharedParts, person: str, knobs: Knobs, hosting: Hosting | None
) -> Member:
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

    server = build_server(opened, hosting)
    client = await stack.enter_async_context(Client(server))
    return Member(Bench(client, knobs, folder / "pictures", folder, folder, server), services[0])
