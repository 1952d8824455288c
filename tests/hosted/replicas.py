"""Replicas of one server for a team: one database and one picture store, a disk for each, and clients in memory."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from mcp import Client
from patience import LONG_WAIT
from workbench import KEY, Bench

from gpt_image_2_mcp.app import open_service
from gpt_image_2_mcp.database.url import PostgresUrl
from gpt_image_2_mcp.picture_store.open_store import open_store
from gpt_image_2_mcp.picture_store.store import PictureStore
from gpt_image_2_mcp.sandbox import Knobs, SandboxTransport, build_sandbox
from gpt_image_2_mcp.server.factory import build_server
from gpt_image_2_mcp.settings import Settings
from gpt_image_2_mcp.shared_parts import SharedParts, open_shared

ALICE = "https://login.example.com|alice"
BOB = "token|bob"
SECRET = b"the secret of all replicas, in the tests"
BASE_URL = "http://127.0.0.1:8000"


class Replica:
    """One process of the server."""

    def __init__(self, stack: AsyncExitStack, shared: SharedParts, knobs: Knobs, folder: Path) -> None:
        self.shared = shared
        self.knobs = knobs
        self.folder = folder
        self._stack = stack

    async def client_of(self, person: str) -> Bench:
        """A client of a person, at this replica."""
        service = open_service(
            self.shared.settings, working_dir=self.folder, home=self.folder, shared=self.shared, person=person
        )
        server = build_server(lambda: service)
        client = await self._stack.enter_async_context(Client(server))
        own = self.shared.folder_of(person)
        assert own is not None
        return Bench(client, self.knobs, own, own, own, server)


@asynccontextmanager
async def replica(
    folder: Path, store_url: str | None, database: PostgresUrl | None = None, **environ: str
) -> AsyncGenerator[Replica]:
    """Run a replica with `folder` as its disk; without a database server it has a file there."""
    given = {"GPT_IMAGE_2_DATABASE_URL": database.text} if database else {}
    settings = Settings.read({"OPENAI_API_KEY": KEY, **LONG_WAIT, **given, **environ})
    knobs = Knobs()
    async with AsyncExitStack() as stack:
        opened = open_shared(
            settings,
            transport=SandboxTransport(build_sandbox(knobs=knobs)),
            data_dir=folder,
            for_people=True,
            store=store_of(store_url, folder),
        )
        shared = await stack.enter_async_context(opened)
        stack.callback(knobs.release)
        yield Replica(stack, shared, knobs, folder)


def store_of(url: str | None, folder: Path) -> PictureStore:
    """The store of an address, as the server opens it."""
    return open_store(url, unset=folder / "store", secret=SECRET, base_url=BASE_URL)
