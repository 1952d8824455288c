"""The questions of `test_isolation` once more, as two people ask them: over HTTP, with tokens, in both eras.

And what people are told without asking: the news of a stream, and progress. Where both tokens are one person's, the
same questions and streams have to tell something.
"""

import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import anyio
import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.subscriptions import Subscription
from mcp.shared.subscriptions import ResourcesListChanged, ResourceUpdated
from patience import MOMENT_S, PATIENCE_S, look_again
from postgres_server import Server
from promises import promise
from stdio_bench import Box
from workbench import SMALL, Bench, encoded, said

from gpt_image_2_mcp.database.url import PostgresUrl
from gpt_image_2_mcp.sandbox import Knobs

from .conftest import ALICE, BOB
from .served import ERAS, SECRET, Era, Served, served, write_tokens
from .test_isolation import Known, at_work, questions, rows_of, tells, what_is_told

pytestmark = [pytest.mark.anyio, pytest.mark.thorough]

LOW = {"size": SMALL, "quality": "low"}
PERSON = "token|alice"


@dataclass
class Two:
    """A server, and a client of each of two people."""

    server: Served
    alice: Bench
    bob: Bench
    known: Known
    nobody: Known


async def sent(_: str, link: Mapping[str, Any]) -> None:
    """Send a picture to an upload's link, as a client is told to."""
    async with httpx2.AsyncClient(timeout=PATIENCE_S) as http:
        (await http.put(link["url"], content=encoded(), headers=link["headers"])).raise_for_status()


def bench(client: Client, folder: Path) -> Bench:
    """A client of a server in another process, of which there is nothing to look at."""
    return Bench(client, Knobs(), folder, folder, folder, cast("Any", None))


@asynccontextmanager
async def two(
    database: PostgresUrl, folder: Path, box: Box, era: Era, *, bob: str = "bob", message_handler: Any = None
) -> AsyncGenerator[Two]:
    """Run a server on which Alice has something of everything; `bob` is the name of Bob's token."""
    # A file may have two lines of one name.
    tokens = write_tokens(folder, {"alice": ALICE})
    lines = tokens.read_text(encoding="utf-8") + write_tokens(folder, {bob: BOB}, name="more").read_text(
        encoding="utf-8"
    )
    tokens.write_text(lines, encoding="utf-8")
    env = {
        **box.environ,
        "GPT_IMAGE_2_DATABASE_URL": database.text,
        "GPT_IMAGE_2_SECRET": SECRET,
        "GPT_IMAGE_2_TOKENS_FILE": str(tokens),
        "GPT_IMAGE_2_PICTURES_PER_MINUTE": "10000",
        "GPT_IMAGE_2_MAX_WAIT_S": str(PATIENCE_S),
    }
    with served(folder / "served", env=env) as server:
        async with (
            server.client(ALICE, era=era) as first,
            server.client(BOB, era=era, message_handler=message_handler) as second,
        ):
            people = bench(first, folder), bench(second, folder)
            known, nobody = await at_work(*people, sent, person=PERSON)
            yield Two(server, *people, known, nobody)


@promise("Several people", "Over HTTP, in both versions of the protocol, no question with another person's ids is told")
@pytest.mark.parametrize("era", ERAS)
async def test_nothing_of_another_person_is_told_or_changed_over_http(
    era: Era, team_database: PostgresUrl, postgres_server: Server, tmp_path: Path, box: Box
) -> None:
    async with two(team_database, tmp_path, box, era) as people:
        before, paid = rows_of(postgres_server, team_database, PERSON), await box.count("paid")
        assert await what_is_told(people.bob.client, people.known, people.nobody) == {}
        assert rows_of(postgres_server, team_database, PERSON) == before
        # Of Bob's calls, those that name nothing of Alice are made.
        assert await box.count("paid") == paid


@pytest.mark.parametrize("era", ERAS)
async def test_where_both_tokens_are_one_persons_the_questions_tell_something_over_http(
    era: Era, team_database: PostgresUrl, tmp_path: Path, box: Box
) -> None:
    """Those that cost nothing: all of them are asked so in memory."""
    async with two(team_database, tmp_path, box, era, bob="alice") as people:
        client = people.bob.client
        asked = [one for one in await questions(client) if re.match(r"read |complete |list|show_image\(", one.name)]
        told = {one.name for one in asked if await tells(one, client, people.known, people.nobody)}
        assert sorted({one.name for one in asked} - told) == []


# What is told without being asked for.


def uris(known: Known) -> list[str]:
    return [
        f"gpt-image-2://sessions/{known.session}",
        f"gpt-image-2://pictures/{known.picture}",
        f"gpt-image-2://jobs/{known.job}",
        f"gpt-image-2://batches/{known.batch}",
    ]


async def goes_on(people: Two) -> None:
    """Alice makes a picture, a turn and a batch."""
    await people.alice.made("generate_image", prompt="an aardvark at noon", **LOW)
    session = people.known.session
    await people.alice.made("continue_edit_session", prompt="at dusk", session_id=session, **LOW)
    batch = await people.alice.call("make_batch", items=[{"prompt": "an aardvark asleep", **LOW}])
    assert not batch.is_error, said(batch)


def listening(bench: Bench, known: Known) -> AbstractAsyncContextManager[Subscription]:
    """A stream of everything that this person can subscribe to, and of all that Alice has."""
    return bench.client.listen(resources_list_changed=True, resource_subscriptions=uris(known))


async def hears(events: Subscription, heard: list[Any]) -> None:
    async for event in events:
        heard.append(event)  # noqa: PERF401 - it goes on until it is cancelled


async def until_heard(heard: list[Any], is_it: Callable[[list[Any]], bool]) -> None:
    with anyio.fail_after(PATIENCE_S):
        while not is_it(heard):
            await look_again()


@promise("Several people", "Whoever subscribes to what another person has hears nothing of it")
@pytest.mark.parametrize("bob", ["bob", "alice"], ids=["another person", "the same person"])
async def test_a_stream_tells_of_what_its_own_person_does(
    bob: str, team_database: PostgresUrl, tmp_path: Path, box: Box
) -> None:
    async with two(team_database, tmp_path, box, "auto", bob=bob) as people:
        heard: dict[str, list[Any]] = {"alice": [], "bob": []}
        async with (
            listening(people.alice, people.known) as own,
            listening(people.bob, people.known) as others,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(hears, own, heard["alice"])
            tasks.start_soon(hears, others, heard["bob"])
            await goes_on(people)
            turned = ResourceUpdated(uri=uris(people.known)[0])
            await until_heard(heard["alice"], lambda events: turned in events)
            if bob == "alice":
                await until_heard(heard["bob"], lambda events: turned in events)
            else:
                # Nothing that comes late either, and the stream works: it tells of a picture of his own.
                await anyio.sleep(MOMENT_S)
                assert heard["bob"] == []
                await people.bob.made("generate_image", prompt="a mouse at noon", **LOW)
                await until_heard(heard["bob"], bool)
                assert set(heard["bob"]) == {ResourcesListChanged()}
            tasks.cancel_scope.cancel()


@pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")
async def test_an_older_client_can_subscribe_to_nothing_and_hears_nothing(
    team_database: PostgresUrl, tmp_path: Path, box: Box
) -> None:
    """Its requests have no connection on which something could be told later."""
    heard = list[Any]()

    async def hear(message: Any) -> None:
        heard.append(message)

    async with two(team_database, tmp_path, box, "legacy", message_handler=hear) as people:
        client = people.bob.client
        resources = client.server_capabilities.resources
        assert resources is None or not resources.subscribe
        for uri in (*uris(people.known), f"gpt-image-2://pictures/{people.known.own}"):
            with pytest.raises(MCPError, match="Method not found"):
                await client.session.subscribe_resource(uri)  # pyright: ignore[reportDeprecated]
        stream = httpx2.get(people.server.url, headers={"authorization": f"Bearer {BOB}"}, timeout=PATIENCE_S)
        assert stream.status_code == httpx2.codes.METHOD_NOT_ALLOWED
        await goes_on(people)
        await people.bob.call("list_images")
        assert heard == []


@pytest.mark.parametrize("era", ERAS)
async def test_each_person_hears_the_progress_of_their_own_calls_alone_over_http(
    era: Era, team_database: PostgresUrl, tmp_path: Path, box: Box
) -> None:
    async with two(team_database, tmp_path, box, era) as people:
        heard: dict[str, list[str]] = {"alice": [], "bob": []}

        async def call(name: str, bench: Bench, tool: str, **arguments: Any) -> None:
            async def note(progress: float, total: float | None, message: str | None) -> None:
                heard[name].append(f"{progress} {total} {message}")

            result = await bench.client.call_tool(tool, arguments, progress_callback=note)
            assert not result.is_error, said(result)

        await box.turn(hold=True)
        async with anyio.create_task_group() as tasks:

            async def draw() -> None:
                await call("alice", people.alice, "generate_image", prompt="an aardvark", **LOW)

            tasks.start_soon(draw)
            with anyio.fail_after(PATIENCE_S):
                while not heard["alice"]:
                    await call("bob", people.bob, "list_images")
            await box.release()
        assert heard["bob"] == []
