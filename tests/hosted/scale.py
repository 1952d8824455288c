"""What a person waits for where many others use the same database, in medians; a part of `make bench-hosting`.

The same person has the same pictures in two databases: in one there is nobody else, in the other there is a crowd. Each
thing is done in both in turn; how long it takes in all, and within the database. It needs the tests' parts.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

import sqlalchemy as sa
from fault_proxy import Unmarked
from mcp import Client
from mcp_types import ResourceTemplateReference
from postgres_server import running_server
from sqlalchemy import event
from workbench import KEY, SMALL, said

from gpt_image_2_mcp.admin import spending
from gpt_image_2_mcp.admin.forget import forget_rows
from gpt_image_2_mcp.app import open_service
from gpt_image_2_mcp.billing.audit_table import AuditTable
from gpt_image_2_mcp.billing.budgets import Budgets, ChargeEntry
from gpt_image_2_mcp.catalogue.stored_file_table import StoredFileTable
from gpt_image_2_mcp.cli.admin import AUDIT_PAGE
from gpt_image_2_mcp.database.leases import Lease
from gpt_image_2_mcp.database.people import EVERYONE
from gpt_image_2_mcp.database.store import open_store
from gpt_image_2_mcp.database.url import PostgresUrl
from gpt_image_2_mcp.persistence.unit_of_work import Repositories
from gpt_image_2_mcp.picture_store.folder_store import FolderStore
from gpt_image_2_mcp.sandbox import SandboxTransport, build_sandbox
from gpt_image_2_mcp.server.factory import build_server
from gpt_image_2_mcp.settings import Settings
from gpt_image_2_mcp.shared_parts import SharedParts, open_shared

from .crowd import COMMON, RARE, SECOND, SPAN, SYMBOL, Crowd, fill, name_of

ME: Final = name_of(0)
BUDGETS: Final = Budgets(Decimal(10), Decimal(10**6), Decimal(10**4))
HALF_A_YEAR: Final = datetime.now(UTC) - SPAN / 2
MONTH: Final = {"since": HALF_A_YEAR.isoformat(), "until": (HALF_A_YEAR + timedelta(days=30)).isoformat()}
NO_FILES: Final = 1000
"""Files on disks that are looked for at once."""


@dataclass
class Place:
    """The person in one of the databases."""

    shared: SharedParts
    client: Client
    picture: str = ""
    """The id of the newest picture, whose file is there."""
    in_database: float = 0.0
    """Seconds that statements have taken so far."""
    own: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    within: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Milliseconds that each thing took, in all and in the database."""

    async def call(self, tool: str, **arguments: Any) -> str:
        """Call a tool, and give what it says."""
        result = await self.client.call_tool(tool, arguments)
        assert not result.is_error, said(result)
        return said(result)

    async def everyone(self, work: Callable[[Repositories], object]) -> None:
        """What a replica does beside all people."""
        await self.shared.everyone.run(work)

    async def mine(self, work: Callable[[Repositories], object]) -> None:
        """The same for the person."""
        repositories = Repositories(self.shared.database, person=ME, keeps_history=True)
        await asyncio.to_thread(work, repositories)

    async def timed(self, name: str, ask: "Ask") -> None:
        """Do a thing, and note how long that takes."""
        began, inside = time.perf_counter(), self.in_database
        await ask(self)
        self.own[name].append((time.perf_counter() - began) * 1000)
        self.within[name].append((self.in_database - inside) * 1000)


Ask = Callable[[Place], Awaitable[object]]


def calling(tool: str, **arguments: Any) -> Ask:
    """A call; `{picture}` is the id of the newest picture."""

    async def ask(place: Place) -> str:
        filled = {
            name: value.format(picture=place.picture) if isinstance(value, str) else value
            for name, value in arguments.items()
        }
        return await place.call(tool, **filled)

    return ask


async def completed(place: Place) -> None:
    """The ids of pictures that a client offers."""
    wanted = {"name": "id", "value": place.picture[:14]}
    found = await place.client.complete(ResourceTemplateReference(uri="gpt-image-2://pictures/{id}"), wanted)
    assert found.completion.values


def _reserve(repositories: Repositories) -> None:
    ledger = repositories.ledger
    entry = ChargeEntry("gpt-image-2", "1024x1024", "low")
    ledger.delete(ledger.reserve(entry, estimate=Decimal("0.01"), budgets=BUDGETS))


def _heartbeat(repositories: Repositories) -> None:
    lease = repositories.ledger_store.liveness
    assert isinstance(lease, Lease)
    lease._renew_alone()  # pyright: ignore[reportPrivateUsage] - what its thread does


def _look_for_queue(repositories: Repositories) -> None:
    with repositories.unit_of_work() as unit:
        owners = unit.queue.owners()
        unit.queue.forget_old(gone=owners)
        unit.queue.claim("nobody", gone=owners)
        unit.queue.open_batches(cheap=True)
        unit.queue.with_lost({"nobody"})
        unit.queue.under_way({"nobody"})


def _keep_up(repositories: Repositories) -> None:
    with repositories.unit_of_work() as unit:
        table = StoredFileTable(unit.pictures.connection)
        assert table.take_waiting() is None
        table.on_disks(NO_FILES)


def _on_all(work: Callable[[sa.Connection], object]) -> Ask:
    """What the operator asks."""

    def ask(repositories: Repositories) -> None:
        with repositories.unit_of_work(read_only=True) as unit:
            work(unit.pictures.connection)

    return lambda place: place.everyone(ask)


def _audit_of_a_day(connection: sa.Connection) -> None:
    AuditTable(connection).page((datetime.now(UTC) - timedelta(days=1), 0), AUDIT_PAGE)


def _spent_in_a_month(by: spending.By, connection: sa.Connection) -> None:
    spending.spent(connection, by, (datetime.now(UTC) - timedelta(days=30)).date())


OF_A_PERSON: dict[str, Ask] = {
    "list: the newest": calling("list_images"),
    "list: page 5": calling("list_images", page=5),
    "list: a rare word": calling("list_images", query=RARE),
    "list: a common word": calling("list_images", query=COMMON),
    "list: two common words": calling("list_images", query=f"{COMMON} {SECOND}"),
    "list: the begin of a word": calling("list_images", query=COMMON[:2]),
    "list: a word that is nowhere": calling("list_images", query="zeppelin"),
    "list: a symbol": calling("list_images", query=SYMBOL),
    "list: a month": calling("list_images", **MONTH),
    "list: a common word in a month": calling("list_images", query=COMMON, **MONTH),
    "image_costs": calling("image_costs"),
    "get_image_job: the jobs": calling("get_image_job"),
    "show_image: an id": calling("show_image", image="{picture}"),
    "show_image: last": calling("show_image", image="last"),
    "list_edit_sessions": calling("list_edit_sessions"),
    "completion of an id": completed,
    "generate_image": calling("generate_image", prompt="a fox", size=SMALL, quality="low"),
    "a reservation under three budgets": lambda place: place.mine(_reserve),
}
OF_A_REPLICA: dict[str, Ask] = {
    "the heartbeat": lambda place: place.everyone(_heartbeat),
    "the queue, every 2 s": lambda place: place.everyone(_look_for_queue),
    "the outbox, every 2 s": lambda place: place.everyone(_keep_up),
    "what killed processes left, every 60 s": lambda place: place.everyone(Repositories.recover),
    "when to look again": lambda place: place.everyone(Repositories.recover_again_in),
}
OF_THE_OPERATOR: dict[str, Ask] = {
    "admin people": _on_all(spending.people),
    "admin spend --by person": _on_all(partial(_spent_in_a_month, "person")),
    "admin spend --by day": _on_all(partial(_spent_in_a_month, "day")),
    "admin audit --since yesterday": _on_all(_audit_of_a_day),
}


@asynccontextmanager
async def opened(url: PostgresUrl, folder: Path) -> AsyncGenerator[Place]:
    """A replica on a database, with the service of the one person, who has just had a picture made."""
    environ = {"OPENAI_API_KEY": KEY, "GPT_IMAGE_2_DATABASE_URL": url.text}
    # No session is over, and no picture waits for its turn.
    settings = Settings.read({**environ, "GPT_IMAGE_2_SESSION_TTL_MS": "0", "GPT_IMAGE_2_PICTURES_PER_MINUTE": "9999"})
    transport = Unmarked(SandboxTransport(build_sandbox()))
    store = FolderStore(folder / "store", secret=b"secret", base_url="http://127.0.0.1")
    async with AsyncExitStack() as stack:
        shared = await stack.enter_async_context(
            open_shared(settings, transport=transport, data_dir=folder, for_people=True, audit="on", store=store)
        )
        service = open_service(settings, working_dir=folder, home=folder, shared=shared, person=ME)
        client = await stack.enter_async_context(Client(build_server(lambda: service)))
        place = Place(shared, client)
        _watch(shared.database.of().database.engine, place)
        await OF_A_PERSON["generate_image"](place)
        place.picture = next(
            word.strip(":,.") for word in (await place.call("list_images")).split() if word.startswith("image-")
        )
        yield place


def _watch(engine: sa.Engine, place: Place) -> None:
    def before(connection: sa.Connection, *_: object) -> None:
        connection.info["began"] = time.perf_counter()

    def after(connection: sa.Connection, *_: object) -> None:
        now = time.perf_counter()
        place.in_database += now - connection.info.pop("began", now)

    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)


async def measure(alone: PostgresUrl, crowded: PostgresUrl, folder: Path, rounds: int, only: str) -> None:
    """Do everything whose name has `only` in it in both, in turn, and print what came of it."""
    async with opened(alone, folder / "alone") as one, opened(crowded, folder / "crowd") as all_:
        everything = {**OF_A_PERSON, **OF_A_REPLICA, **OF_THE_OPERATOR}
        for name, ask in ((name, ask) for name, ask in everything.items() if only in name):
            times = rounds if name not in OF_THE_OPERATOR else 3
            for place in (one, all_):
                await ask(place)
            for number in range(times):
                for place in (one, all_) if number % 2 else (all_, one):
                    await place.timed(name, ask)
            _print_row(name, one, all_)


def _print_row(name: str, one: Place, all_: Place) -> None:
    cells = [
        f"{median(alone[name]):.1f} | {median(crowd[name]):.1f} | {median(crowd[name]) / median(alone[name]):.2f}"
        for alone, crowd in ((one.own, all_.own), (one.within, all_.within))
    ]
    sys.stdout.write(f"| {name} | {' | '.join(cells)} |\n")
    sys.stdout.flush()


def forgotten(url: PostgresUrl, person: str) -> float:
    """Seconds that it takes to forget a person."""
    store = open_store(url)
    try:
        began = time.perf_counter()
        forget_rows(store, person)
        return time.perf_counter() - began
    finally:
        store.close()


def starts(url: PostgresUrl) -> float:
    """Milliseconds that a process needs to open the database and to clear up what others left."""
    began = time.perf_counter()
    repositories = Repositories(url, person=EVERYONE, keeps_history=True)
    repositories.recover()
    took = time.perf_counter() - began
    repositories.close()
    return took * 1000


def main() -> None:
    """Fill two databases, and measure."""
    parser = argparse.ArgumentParser(description="what a person waits for where many others use the same database")
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", default="", metavar="TEXT", help="what has this in its name")
    parser.add_argument("--databases", nargs=2, metavar="URL", help="that are filled: of one person, and of the crowd")
    asked = parser.parse_args()
    crowd = Crowd(asked.people, asked.pictures)
    with tempfile.TemporaryDirectory(prefix="scale") as name, running_server() as server:
        urls = [PostgresUrl(url) for url in asked.databases or ()]
        for one in () if urls else (Crowd(1, crowd.each), crowd):
            began = time.monotonic()
            urls.append(server.team_database())
            fill(urls[-1], one)
            print(f"{one}: filled in {time.monotonic() - began:.0f} s", flush=True)  # noqa: T201 - the command's output
        sys.stdout.write("| | alone, ms | in the crowd | ratio | in the database: alone | in the crowd | ratio |\n")
        sys.stdout.write("|---|---|---|---|---|---|---|\n")
        asyncio.run(measure(urls[0], urls[1], Path(name), asked.rounds, asked.only))
        sys.stdout.write(f"a start: {' '.join(f'{median(starts(url) for _ in range(5)):.0f}' for url in urls)} ms\n")
        if asked.databases:
            return
        took = [forgotten(url, name_of(person)) for person, url in enumerate(urls)]
        sys.stdout.write(f"admin forget of one person: {' '.join(f'{seconds:.2f}' for seconds in took)} s\n")


if __name__ == "__main__":
    main()
