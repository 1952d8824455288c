"""Two people on one server, each of whom knows the other's ids, see nothing of each other.

Once more with the fence of the database taken away: then each of the questions has to show something, since one that
cannot would prove nothing.
"""

from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import cast

import anyio
import anyio.to_thread
import psycopg
import pytest
from fault_proxy import until
from mcp import MCPError
from mcp.shared.subscriptions import ResourcesListChanged
from mcp_types import ResourceTemplateReference
from patience import PATIENCE_S
from postgres_server import Server
from promises import promise
from psycopg import sql
from stdio_bench import fetched, handed, reached
from workbench import SMALL, Bench, said

from gpt_image_2_mcp.billing.budgets import ChargeEntry
from gpt_image_2_mcp.billing.ledger import Ledger
from gpt_image_2_mcp.database.people import FENCED
from gpt_image_2_mcp.database.store import open_store
from gpt_image_2_mcp.database.url import PostgresUrl
from gpt_image_2_mcp.errors import DatabaseUnusable

from .people import ALICE, replica

pytestmark = pytest.mark.anyio

LOW = {"size": SMALL, "quality": "low"}
SECRET = "aardvark"
"""A word of every prompt of Alice."""
SYMBOL = "\N{BADGER}"
"""What the index of words does not know."""


def take_the_fence_away(team_database: PostgresUrl) -> None:
    with closing(psycopg.connect(team_database.text, autocommit=True)) as connection:
        for table in FENCED:
            connection.execute(sql.SQL("ALTER TABLE {} DISABLE ROW LEVEL SECURITY").format(sql.Identifier(table)))


@dataclass(frozen=True)
class Known:
    """What Bob has heard of Alice: ids, and nothing that they stand for."""

    picture: str
    session: str
    job: str
    batch: str


async def at_work(alice: Bench) -> Known:
    """Alice makes one of everything."""
    made = await alice.made("generate_image", prompt=f"an {SECRET} {SYMBOL} on a hill", size=SMALL, quality="low")
    picture: str = made.report["images"][0]["id"]
    started = await alice.made(
        "start_edit_session", images=[picture], prompt=f"the {SECRET} at night", size=SMALL, quality="low"
    )
    batch = await alice.call("make_batch", items=[{"prompt": f"an {SECRET} in the rain", **LOW}])
    assert not batch.is_error, said(batch)
    text = said(await alice.call("get_image_job"))
    job_id, batch_id = (next(word for word in text.split() if word.startswith(kind)) for kind in ("job-", "batch-"))
    return Known(picture, started.session_id, job_id.strip(":,."), batch_id.strip(":,."))


Question = Callable[[Bench, Known], Awaitable[str]]
"""What Bob asks, and what he hears."""

NOBODY = Known(
    "image-20261122-120000-abcdef", "session-0123456789abcdef01234567", "job-0123456789ab", "batch-0123456789ab"
)
"""Ids of nothing: what is asked with them is answered as what is asked with the ids of Alice."""


def calling(tool: str, **arguments: object) -> Question:
    """A call of a tool; `{picture}` and the like in an argument are ids of Alice."""

    async def ask(bench: Bench, known: Known) -> str:
        def filled(value: object) -> object:
            if isinstance(value, list):
                return [filled(part) for part in cast("list[object]", value)]
            return value.format(**vars(known)) if isinstance(value, str) else value

        return said(await bench.call(tool, **{name: filled(value) for name, value in arguments.items()}))

    return ask


def reading(address: str) -> Question:
    async def ask(bench: Bench, known: Known) -> str:
        try:
            found = await bench.client.read_resource(address.format(**vars(known)))
        except MCPError as error:
            return str(error)
        return f"{found.contents[0].mime_type} {found.model_dump_json()[:300]}"

    return ask


async def listed_resources(bench: Bench, _: Known) -> str:
    return (await bench.client.list_resources()).model_dump_json()


def completing(template: str, kind: str) -> Question:
    async def ask(bench: Bench, known: Known) -> str:
        wanted = {"name": "id", "value": getattr(known, kind)[:-4]}
        found = await bench.client.complete(ResourceTemplateReference(uri=template), wanted)
        return " ".join(found.completion.values)

    return ask


QUESTIONS: dict[str, Question] = {
    "the list": calling("list_images"),
    "a search": calling("list_images", query=SECRET),
    "a search for a symbol": calling("list_images", query=SYMBOL),
    "a sheet": calling("list_images", contact_sheet=True),
    "the turns of a session": calling("list_images", session_id="{session}"),
    "a picture": calling("show_image", image="{picture}"),
    "a picture, by a part of its id": calling("show_image", image="gpt-image-2://pictures/{picture}"),
    "an edit of a picture": calling("edit_image", images=["{picture}"], prompt="a mouse", **LOW),
    "the same again": calling("generate_image", like="{picture}"),
    "the price of the same again": calling("image_costs", like="{picture}"),
    "files of a picture": calling("export_image", image="{picture}", to=["512x512"]),
    "what was spent": calling("image_costs"),
    "the jobs": calling("get_image_job"),
    "a job": calling("get_image_job", job_id="{job}"),
    "a batch": calling("get_image_job", job_id="{batch}"),
    "a batch once more": calling("make_batch", retry="{batch}"),
    "the sessions": calling("list_edit_sessions"),
    "a picture's resource": reading("gpt-image-2://pictures/{picture}"),
    "a session's resource": reading("gpt-image-2://sessions/{session}"),
    "the resources": listed_resources,
    "the completion of a picture's id": completing("gpt-image-2://pictures/{id}", "picture"),
    "the completion of a session's id": completing("gpt-image-2://sessions/{id}", "session"),
    "a session that goes on": calling("continue_edit_session", session_id="{session}", prompt="a mouse", **LOW),
    "a session that ends": calling("end_edit_session", session_id="{session}"),
}


async def tells(question: str, bob: Bench, known: Known) -> bool:
    """Whether the answer to a question tells anything of what Alice has: that an id is of something, for example."""
    ask = QUESTIONS[question]
    answer, of_nothing = [plain(await ask(bob, ids), ids) for ids in (known, NOBODY)]
    if question == "what was spent":
        return "Spent today: $0.0000." not in answer
    return SECRET in answer or answer != of_nothing


def plain(answer: str, known: Known) -> str:
    """The answer without the ids that the question had."""
    for kind, name in vars(known).items():
        answer = answer.replace(name, kind)
    return answer


@promise(
    "Several people",
    "Row-level security of PostgreSQL fences everything that a person has; another one's ids tell nothing",
)
@pytest.mark.parametrize("is_fenced", [True, False], ids=["fenced", "fence taken away"])
async def test_a_person_who_knows_all_ids_of_another_sees_nothing(
    team_database: PostgresUrl, tmp_path: Path, *, is_fenced: bool
) -> None:
    async with replica(team_database, tmp_path) as process:
        alice, bob = process.alice, process.bob
        known = await at_work(alice)
        paid = process.knobs.paid
        if not is_fenced:
            take_the_fence_away(team_database)
        told = [question for question in QUESTIONS if await tells(question, bob, known)]
        if is_fenced:
            assert told == []
            assert process.knobs.paid == paid
            assert SECRET in said(await alice.call("list_images"))
            assert said(await alice.call("list_edit_sessions")).count(known.session) == 1
        else:
            # Its words have a mark of the person, too.
            assert sorted(set(QUESTIONS).difference(told)) == ["a search"]


async def test_last_and_numbers_are_those_of_the_person(team_database: PostgresUrl, tmp_path: Path) -> None:
    async with replica(team_database, tmp_path) as process:
        alice, bob = process.alice, process.bob
        made = await alice.made("generate_image", prompt=f"two {SECRET}s", n=2, **LOW)
        for word in ("1", "2"):
            assert "There is no picture number" in await bob.refused("show_image", image=word)
        assert "there is no `last`" in await bob.refused("edit_image", images=["last"], prompt="a mouse", **LOW)
        await bob.made("generate_image", prompt="a mouse", **LOW)
        assert SECRET in said(await alice.call("show_image", image="last"))
        assert made.report["images"][1]["id"] in said(await alice.call("show_image", image="2"))


async def test_the_same_call_of_another_person_is_a_picture_of_their_own(
    team_database: PostgresUrl, tmp_path: Path
) -> None:
    async with replica(team_database, tmp_path, GPT_IMAGE_2_MAX_WAIT_S="0.05") as process:
        alice, bob = process.alice, process.bob
        process.knobs.hold()
        first = await handed(alice, "generate_image", prompt=SECRET, **LOW)
        await reached(alice, 1)
        second = await handed(bob, "generate_image", prompt=SECRET, **LOW)
        await reached(bob, 2)
        process.knobs.release()
        for bench, job_id in ((alice, first), (bob, second)):
            answer = await fetched(bench, job_id)
            assert not answer.is_error, said(answer)
        assert process.knobs.paid == 2


@pytest.mark.thorough
async def test_news_are_for_the_person_who_made_something(team_database: PostgresUrl, tmp_path: Path) -> None:
    async with replica(team_database, tmp_path) as process:
        alice, bob = process.alice, process.bob
        known = await at_work(alice)
        address = f"gpt-image-2://sessions/{known.session}"
        async with bob.client.listen(resources_list_changed=True, resource_subscriptions=[address]) as events:
            await alice.made("continue_edit_session", session_id=known.session, prompt="brighter", **LOW)
            heard = list[object]()
            for prompt in ("a mouse", "a cat"):
                await bob.made("generate_image", prompt=prompt, **LOW)
                with anyio.fail_after(PATIENCE_S):
                    heard.append(await anext(aiter(events)))
        assert heard == [ResourcesListChanged(), ResourcesListChanged()]


async def test_what_a_killed_replica_left_is_settled_for_people_who_are_not_there(
    team_database: PostgresUrl, postgres_server: Server, tmp_path: Path
) -> None:
    store = open_store(team_database)
    Ledger(store.of(ALICE)).reserve(ChargeEntry("gpt-image-2", SMALL, "low"), estimate=Decimal(1), is_sent=True)
    store.close()
    with closing(postgres_server.connect(team_database.parts.path[1:])) as connection:
        states = "SELECT person, state FROM charges"
        assert connection.execute(states).fetchall() == [(ALICE, "sent")]
        async with replica(team_database, tmp_path):
            await anyio.to_thread.run_sync(until, lambda: connection.execute(states).fetchall() == [(ALICE, "unknown")])


async def test_a_server_for_several_people_is_not_opened_where_postgresql_does_not_keep_them_apart(
    team_database: PostgresUrl, postgres_server: Server, tmp_path: Path
) -> None:
    name = team_database.parts.path[1:]
    async with replica(team_database, tmp_path) as process:
        await process.shared.require_fence()
        take_the_fence_away(team_database)
        with pytest.raises(
            DatabaseUnusable, match="does not keep the rows of people apart in pictures, sessions, jobs"
        ):
            await process.shared.require_fence()
    async with replica(postgres_server.url(name), tmp_path) as process:
        with pytest.raises(DatabaseUnusable, match=r"as the superuser owner, .* Create a user for this server"):
            await process.shared.require_fence()
    postgres_server.run(f"ALTER ROLE team{name} BYPASSRLS")
    async with replica(team_database, tmp_path) as process:
        with pytest.raises(DatabaseUnusable, match=f"as the user with BYPASSRLS team{name}"):
            await process.shared.require_fence()
