"""What is under way of one person, and what they were asked, is out of reach of another one who knows its id."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import pytest
from fault_proxy import until
from mcp import Client
from mcp_types import CallToolResult, ElicitRequestParams, ElicitResult, InputRequiredResult, InputResponses
from patience import PATIENCE_S
from postgres_server import Server
from promises import promise
from stdio_bench import Box, fetched, handed, reached
from workbench import META, SMALL, Bench, said

from gpt_image_2_mcp.database.people import FENCED
from gpt_image_2_mcp.database.url import PostgresUrl

from .conftest import ALICE as ALICES_TOKEN
from .conftest import BOB as BOBS_TOKEN
from .people import ALICE
from .served import SECRET, asking, served
from .test_fleet_processes import rows
from .test_isolation import rows_of, server_of_two

pytestmark = pytest.mark.anyio

LOW = {"size": SMALL, "quality": "low"}
CLICK = "0123456789abcdef" * 2


async def clicked(bench: Bench, prompt: str) -> dict[str, Any]:
    """What the page is answered to a click."""
    result = await bench.call("studio_app", op="generate", click=CLICK, prompt=prompt, quality="low", size=SMALL)
    assert not result.is_error, said(result)
    return json.loads(said(result))


async def picture_of(bench: Bench, job: str) -> str:
    """The picture of a click's job, once it is made."""
    with anyio.fail_after(PATIENCE_S):
        while not (state := json.loads(said(await bench.call("studio_app", op="job", job=job))))["done"]:
            pass
    (picture,) = state["pictures"]
    return picture


@pytest.mark.parametrize("is_held", [False, True], ids=["made", "under way"])
async def test_the_number_of_another_persons_click_is_a_click_of_ones_own(
    team_database: PostgresUrl, postgres_server: Server, tmp_path: Path, *, is_held: bool
) -> None:
    async with server_of_two(team_database, tmp_path) as process:
        alice, bob = process.alice, process.bob
        if is_held:
            process.knobs.hold()
        job = (await clicked(alice, "an aardvark"))["job"]
        if is_held:
            await reached(alice, 1)
        else:
            await picture_of(alice, job)
        before = rows_of(postgres_server, team_database, ALICE)
        own = (await clicked(bob, "a mouse"))["job"]
        assert rows_of(postgres_server, team_database, ALICE) == before
        process.knobs.release()
        pictures = [await picture_of(bench, of) for bench, of in ((alice, job), (bob, own))]
        assert len(set(pictures)) == 2
        assert process.knobs.paid == 2
        assert (await clicked(bob, "a mouse"))["job"] == own, "a second time, it is the same click"
        assert process.knobs.paid == 2


async def test_what_is_under_way_of_another_person_is_neither_fetched_nor_stopped(
    team_database: PostgresUrl, postgres_server: Server, tmp_path: Path
) -> None:
    environ = {"GPT_IMAGE_2_MAX_WAIT_S": "0.05", "GPT_IMAGE_2_MAX_CONCURRENCY": "1"}
    async with server_of_two(team_database, tmp_path, **environ) as process:
        alice, bob = process.alice, process.bob
        process.knobs.hold()
        sent = await handed(alice, "generate_image", prompt="an aardvark", **LOW)
        await reached(alice, 1)
        waits = await handed(alice, "generate_image", prompt="another aardvark", **LOW)
        batch = said(await alice.call("make_batch", items=[{"prompt": "a third aardvark", **LOW}]))
        (batch_id,) = {word.strip(":,.'") for word in batch.split() if word.startswith("batch-")}
        before = rows_of(postgres_server, team_database, ALICE)
        for job_id in (sent, waits, batch_id, f"{batch_id}-1"):
            for tool, more in (
                ("get_image_job", {}),
                ("cancel_image_job", {}),
                ("cancel_image_job", {"abandon": True}),
            ):
                assert "There is no" in await bob.refused(tool, job_id=job_id, **more), (tool, job_id)
            for op in ("job", "cancel"):
                assert "There is no" in await bob.refused("studio_app", op=op, job=job_id), (op, job_id)
        assert rows_of(postgres_server, team_database, ALICE) == before
        process.knobs.release()
        for job_id in (sent, waits):
            assert not (await fetched(alice, job_id)).is_error


async def test_each_person_hears_the_progress_of_their_own_calls_alone(
    team_database: PostgresUrl, tmp_path: Path
) -> None:
    """Although the clients number their calls alike."""
    async with server_of_two(team_database, tmp_path) as process:
        heard: dict[str, list[float]] = {"alice": [], "bob": []}

        async def call(name: str, bench: Bench, tool: str, **arguments: Any) -> None:
            async def note(progress: float, total: float | None, message: str | None) -> None:
                del total, message
                heard[name].append(progress)

            await bench.client.call_tool(tool, arguments, progress_callback=note)

        process.knobs.hold()
        async with anyio.create_task_group() as tasks:

            async def draw() -> None:
                await call("alice", process.alice, "generate_image", prompt="an aardvark", **LOW)

            tasks.start_soon(draw)
            with anyio.fail_after(PATIENCE_S):
                while not heard["alice"]:
                    await call("bob", process.bob, "list_images")
            process.knobs.release()
        assert heard["bob"] == []


# The tables.

COMMON = {
    "schema_version": "of the database",
    "leases": "of processes",
    "pace": "one row for all",
    "audit": "added to by all, and read by the operator alone",
    "audit_people": "fenced by its own policy",
    "picture_words": "read with pictures alone; each word has a mark of the person",
}
"""The tables that are not fenced as all others are, and why."""


def test_every_table_is_fenced_or_said_to_be_common(team_database: PostgresUrl, postgres_server: Server) -> None:
    """Each statement on a row of a person, also one that makes or changes it, and for the owner of the table too."""
    from gpt_image_2_mcp.database.store import open_store

    open_store(team_database).close()
    with closing(postgres_server.connect(team_database.parts.path[1:])) as connection:
        tables = {row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
        assert tables == {*FENCED, *COMMON}
        policies = connection.execute(
            "SELECT tablename, permissive, cmd, roles::text, with_check FROM pg_policies WHERE tablename = ANY(%s)",
            (list(FENCED),),
        ).fetchall()
        assert sorted(policies) == [(table, "PERMISSIVE", "ALL", "{public}", None) for table in sorted(FENCED)]
        forced = connection.execute(
            "SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity AND relkind = 'r'"
        ).fetchall()
        assert {name for (name,) in forced} == {*FENCED, "audit", "audit_people"}
        assert not connection.execute("SELECT viewname FROM pg_views WHERE schemaname = 'public'").fetchall()


# The question before a dear call.


class Recorded(httpx2.AsyncHTTPTransport):
    """The way to a server, on which the requests are noted."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[tuple[dict[str, str], bytes]] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append((dict(request.headers), await request.aread()))
        return await super().handle_async_request(request)


async def agree(_: object, __: ElicitRequestParams) -> ElicitResult:
    return ElicitResult(action="accept", content={"go_ahead": True})


@pytest.mark.thorough
@promise("Several people", "What a person answered to a question counts for this person and this call alone")
async def test_a_sealed_answer_counts_for_its_person_and_its_call_alone(
    team_database: PostgresUrl, tmp_path: Path, box: Box
) -> None:
    env = asking(tmp_path, team_database, box, {"alice": ALICES_TOKEN, "bob": BOBS_TOKEN})

    transport = Recorded()
    with served(tmp_path / "1", env=env) as server:
        async with server.client(ALICES_TOKEN, elicitation_callback=agree, transport=transport) as alice:
            made = await alice.call_tool("generate_image", {"prompt": "an aardvark", **LOW})
            assert not made.is_error, said(made)
        (headers, body) = next(one for one in transport.requests if b"requestState" in one[1])

        async def sent(token: str, content: bytes, to: str = server.url) -> str:
            own = {name: value for name, value in headers.items() if name not in {"content-length", "host"}}
            async with httpx2.AsyncClient(timeout=PATIENCE_S) as http:
                answer = await http.post(to, content=content, headers={**own, "authorization": f"Bearer {token}"})
            return answer.text

        async def count(token: str) -> int:
            async with server.client(token) as client:
                return said(await client.call_tool("list_images", {})).count("\n- image-")

        state = json.loads(body)["params"]["requestState"]
        assert "Invalid or expired requestState" in await sent(BOBS_TOKEN, body), "another person"
        other = body.replace(b"an aardvark", b"two aardvarks")
        assert "Invalid or expired requestState" in await sent(ALICES_TOKEN, other), "another call"
        for spoiled in (state[:-1], state[:-4] + "AAAA", "v1." + state, "", state.swapcase()):
            content = body.replace(state.encode(), spoiled.encode())
            assert "Made" not in await sent(ALICES_TOKEN, content), "a spoiled state"
        assert (await count(ALICES_TOKEN), await count(BOBS_TOKEN)) == (1, 0)
        # Of another server, with a secret of its own.
        with served(tmp_path / "2", env={**env, "GPT_IMAGE_2_SECRET": SECRET[::-1]}) as another:
            assert "Invalid or expired requestState" in await sent(ALICES_TOKEN, body, another.url)
        assert await count(ALICES_TOKEN) == 1


@promise("Several people", "An answer to a question is paid for once, however often and on whichever replica it comes")
async def test_a_sealed_answer_is_paid_for_once_on_all_replicas(
    team_database: PostgresUrl, tmp_path: Path, box: Box
) -> None:
    env = asking(
        tmp_path, team_database, box, {"alice": ALICES_TOKEN}, GPT_IMAGE_2_STORE_URL=(tmp_path / "store").as_uri()
    )
    arguments = {"prompt": "an aardvark", **LOW}
    with served(tmp_path / "1", env=env) as one, served(tmp_path / "2", env=env) as other:
        async with one.client(ALICES_TOKEN, elicitation_callback=agree) as alice:
            asked = await alice.session.call_tool("generate_image", arguments, allow_input_required=True)
            assert isinstance(asked, InputRequiredResult)
            assert asked.input_requests is not None
            answers: InputResponses = {
                name: ElicitResult(action="accept", content={"go_ahead": True}) for name in asked.input_requests
            }

            made = list[CallToolResult]()

            async def answer(client: Client) -> None:
                result = await client.session.call_tool(
                    "generate_image", arguments, input_responses=answers, request_state=asked.request_state
                )
                assert not result.is_error, said(result)
                made.append(result)

            async with other.client(ALICES_TOKEN, elicitation_callback=agree) as elsewhere:
                async with anyio.create_task_group() as tasks:
                    for client in (alice, elsewhere, alice):
                        tasks.start_soon(answer, client)
                # Each answer has left, so that the same words are a new wish on every replica.
                await anyio.to_thread.run_sync(until, lambda: rows(team_database, "NOT fetched") == 0)
                await answer(elsewhere)
                await answer(alice)
                # A client that has started again knows nothing of the picture either.
                async with other.client(ALICES_TOKEN, elicitation_callback=agree) as anew:
                    await answer(anew)
        pictures = {image["id"] for result in made for image in (result.meta or {})[META]["images"]}
        assert len(pictures) == 1
        assert sum("nothing was paid again" in said(result) for result in made) == len(made) - 1
        assert await box.count("paid") == 1
        async with other.client(ALICES_TOKEN, elicitation_callback=agree) as alice:
            assert not (await alice.call_tool("generate_image", arguments)).is_error
        assert await box.count("paid") == 2, "the same words are asked about anew, and are a new picture"
