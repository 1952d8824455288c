"""Replicas of a server: what one of them has not sent, another one makes, and what was sent is never sent again."""

import base64
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import anyio
import psycopg
import pytest
from patience import PATIENCE_S, look_again
from PIL import Image
from postgres_server import broken_off, expired
from promises import promise
from stdio_bench import calls, fetched, handed, job_of, reached, stands
from workbench import EDITS, SMALL, said

from gpt_image_2_mcp.database import leases
from gpt_image_2_mcp.database.url import PostgresUrl
from gpt_image_2_mcp.service.fleet import Fleet
from gpt_image_2_mcp.service.images import ImageService
from gpt_image_2_mcp.service.recovery import recover_rows

from .people import ALICE, Replica, replica

pytestmark = pytest.mark.anyio

FOX: dict[str, Any] = {"prompt": "a fox", "size": SMALL, "quality": "low"}
ONE_AT_A_TIME = {"GPT_IMAGE_2_MAX_CONCURRENCY": "1", "GPT_IMAGE_2_MAX_WAIT_S": "0.05"}

Query = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def query(team_database: PostgresUrl) -> Query:
    """Runs a statement past our own code, and gives its rows."""

    def run(statement: str) -> list[tuple[Any, ...]]:
        with closing(psycopg.connect(team_database.text, autocommit=True)) as connection:
            connection.execute("SELECT set_config('gpt_image_2.person', '*', false)")
            return connection.execute(statement.encode()).fetchall()

    return run


def fleet_of(opened: Replica, *, places: int = 10) -> Fleet:
    """A replica's part of the fleet."""

    @asynccontextmanager
    async def service_of(person: str) -> AsyncGenerator[ImageService]:
        yield opened.members[person].service

    shared = opened.shared
    model_for = shared.settings.model_for
    return Fleet(shared.everyone, shared.limiter, service_of, places=places, model_for=model_for)


def services_of(opened: Replica) -> list[ImageService]:
    return [member.service for member in opened.members.values()]


@asynccontextmanager
async def two(url: PostgresUrl, tmp_path: Path, /, **environ: str) -> AsyncGenerator[tuple[Replica, Replica]]:
    """Two replicas, each with a sandbox of its own, so that what each has sent is counted."""
    given = ONE_AT_A_TIME | environ
    async with (
        replica(url, tmp_path / "one", per_person_usd=None, **given) as one,
        replica(url, tmp_path / "other", per_person_usd=None, **given) as other,
    ):
        yield one, other


async def cut_off(url: PostgresUrl, look: Callable[[], Awaitable[None]], seen: Callable[[], bool]) -> None:
    """Leave all replicas without a lease and a connection, as killed ones are, until one that looks has `seen` it.

    One that has something to write still is connected again at once, and counts as alive: then it is done once more.
    """
    with anyio.fail_after(PATIENCE_S):
        while not seen():
            broken_off(url)
            expired(url)
            await look()


def fox(number: int) -> dict[str, Any]:
    return FOX | {"prompt": f"fox number {number}"}


async def test_a_replica_that_ends_passes_its_queue_on_and_finishes_what_it_has_sent(
    team_database: PostgresUrl, tmp_path: Path, query: Query
) -> None:
    async with two(team_database, tmp_path, GPT_IMAGE_2_BUDGET_PER_DAY_USD="10") as (one, other):
        alice = one.alice
        one.knobs.hold()
        sent = await handed(alice, "generate_image", **fox(1))
        await reached(alice, 1)
        queued = await handed(alice, "generate_image", **fox(2))
        await stands(alice, queued, "Next in the queue")
        await fleet_of(one).hand_over(services_of(one))
        refused = await alice.call("generate_image", **fox(3))
        assert "shutting down" in said(refused)
        assert ("", "queued") in query("SELECT owner, state FROM jobs")
        released = "SELECT state FROM charges WHERE state = 'released'"
        assert query(released) == [("released",)], "its money is free again"
        again = other.alice
        assert "Queued" in said(await again.call("get_image_job", job_id=queued))
        await fleet_of(other).look()
        assert not (await fetched(again, queued)).is_error
        one.knobs.release()
        assert not (await fetched(again, sent)).is_error
        assert (one.knobs.paid, other.knobs.paid) == (1, 1)
        assert query("SELECT DISTINCT state FROM jobs WHERE handover IS NULL") == [("done",)]
        assert query("SELECT count(*) FROM charges WHERE state = 'settled'") == [(2,)]


@pytest.mark.thorough
async def test_a_mask_that_was_found_on_one_replica_is_not_looked_for_again_on_another(
    team_database: PostgresUrl, tmp_path: Path
) -> None:
    image = Image.new("RGB", (1024, 640), "darkgreen")
    image.paste("red", (600, 300, 900, 450))
    image.save(out := BytesIO(), "PNG")
    photo = f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"
    wanted = {"prompt": "a bus", "images": [photo], "mask": "find the red car", "size": SMALL}
    async with two(team_database, tmp_path) as (one, other):
        alice, again = one.alice, other.alice
        # It is remembered from here on, and so found while the only place is taken.
        assert not (await alice.final("edit_image", **wanted)).is_error
        one.knobs.hold()
        await handed(alice, "generate_image", **fox(1))
        await reached(alice, 2)
        queued = await handed(alice, "edit_image", **wanted)
        await stands(alice, queued, "ueue")
        await fleet_of(one).hand_over(services_of(one))
        await fleet_of(other).look()
        result = await fetched(again, queued)
        one.knobs.release()
        assert not result.is_error, said(result)
        assert [seen.path for seen in again.seen()] == [EDITS], "nothing was looked for here"


async def test_a_call_that_waits_gets_the_id_of_its_job_when_the_replica_ends(
    team_database: PostgresUrl, tmp_path: Path
) -> None:
    async with two(team_database, tmp_path, GPT_IMAGE_2_MAX_WAIT_S=str(PATIENCE_S)) as (one, other):
        alice = one.alice
        one.knobs.hold()
        async with calls(alice) as running:
            running.start("generate_image", **fox(1))
            await reached(alice, 1)
            waiting = running.start("generate_image", **fox(2))
            await waiting.told(lambda message: "queue" in message)
            await fleet_of(one).hand_over(services_of(one))
            job_id = job_of(await waiting.answer())
            await fleet_of(other).look()
            assert not (await fetched(other.alice, job_id)).is_error
            one.knobs.release()
        assert other.knobs.paid == 1


async def test_what_a_killed_replica_had_in_its_queue_is_made_by_another_and_not_by_itself_when_it_wakes(
    team_database: PostgresUrl, tmp_path: Path, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that the first replica renews nothing by itself.
    monkeypatch.setattr(leases, "LEASE_SECONDS", 100 * PATIENCE_S)
    async with two(team_database, tmp_path) as (one, other):
        alice, bob = one.alice, other.bob
        one.knobs.hold()
        sent = await handed(alice, "generate_image", **fox(1))
        await reached(alice, 1)
        queued = await handed(alice, "generate_image", **fox(2))
        await stands(alice, queued, "Next in the queue")
        other.knobs.hold()
        fleet = fleet_of(other)
        await fleet.look()
        assert query("SELECT count(DISTINCT owner) FROM jobs") == [(1,)], "its owner is alive"
        await cut_off(team_database, fleet.look, lambda: query("SELECT count(DISTINCT owner) FROM jobs") == [(2,)])
        await reached(bob, 1)
        one.knobs.release()
        # The first replica goes on: its sent picture comes, and it leaves the other one where it is by now.
        assert not (await fetched(alice, sent)).is_error
        other.knobs.release()
        assert not (await fetched(alice, queued)).is_error
        assert not (await fetched(other.alice, queued)).is_error
        assert (one.knobs.paid, other.knobs.paid) == (1, 1)
        assert query("SELECT DISTINCT state FROM jobs") == [("done",)]


async def test_claims_go_round_between_people_and_stop_where_enough_wait(
    team_database: PostgresUrl, tmp_path: Path, query: Query
) -> None:
    async with two(team_database, tmp_path) as (one, other):
        alice, bob = one.alice, one.bob
        one.knobs.hold()
        await handed(alice, "generate_image", **fox(0))
        await reached(alice, 1)
        many = [await handed(alice, "generate_image", **fox(number)) for number in range(1, 4)]
        his = await handed(bob, "generate_image", **FOX)
        for job_id in many:
            await stands(alice, job_id, "ueue")
        await stands(bob, his, "ueue")
        await fleet_of(one).hand_over(services_of(one))
        other.knobs.hold()
        fleet = fleet_of(other, places=1)
        await fleet.look()
        await reached(other.alice, 1)
        for _ in range(2):
            await fleet.look()
        # One of hers that began, one of his that waits, and no more.
        assert query("SELECT person FROM jobs WHERE owner = ''") == [(ALICE,), (ALICE,)]
        other.knobs.release()
        one.knobs.release()


async def test_a_job_that_no_replica_took_for_an_hour_is_forgotten(
    team_database: PostgresUrl, tmp_path: Path, query: Query
) -> None:
    async with two(team_database, tmp_path) as (one, other):
        alice = one.alice
        one.knobs.hold()
        await handed(alice, "generate_image", **fox(1))
        await reached(alice, 1)
        queued = await handed(alice, "generate_image", **fox(2))
        await stands(alice, queued, "ueue")
        await fleet_of(one).hand_over(services_of(one))
        query("UPDATE jobs SET created_us = created_us - 3601000000 WHERE owner = '' RETURNING 1")
        await fleet_of(other).look()
        again = other.alice
        assert "There is no job" in said(await again.call("get_image_job", job_id=queued))
        one.knobs.release()
    assert other.knobs.paid == 0


async def test_the_same_call_on_another_replica_joins_what_waits_or_was_passed_on(
    team_database: PostgresUrl, tmp_path: Path
) -> None:
    async with two(team_database, tmp_path) as (one, other):
        alice, again = one.alice, other.alice
        one.knobs.hold()
        await handed(alice, "generate_image", **fox(1))
        await reached(alice, 1)
        queued = await handed(alice, "generate_image", **FOX)
        await stands(alice, queued, "ueue")
        joined = await handed(again, "generate_image", **FOX)
        await stands(again, joined, queued)
        await fleet_of(one).hand_over(services_of(one))
        await fleet_of(other).look()
        assert not (await fetched(again, joined)).is_error
        one.knobs.release()
        assert other.knobs.paid == 1


async def test_a_sent_job_of_a_killed_replica_is_lost_told_once_and_not_sent_again_by_itself(
    team_database: PostgresUrl, tmp_path: Path, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "LEASE_SECONDS", 100 * PATIENCE_S)
    async with two(team_database, tmp_path) as (one, other), replica(team_database, tmp_path / "third") as third:
        alice = one.alice
        one.knobs.hold()
        sent = await handed(alice, "generate_image", **FOX)
        await reached(alice, 1)
        recover = partial(recover_rows, other.shared.everyone, other.shared.settings.model_for)
        await cut_off(team_database, recover, lambda: query("SELECT state FROM jobs") == [("lost",)])
        assert other.knobs.paid == 0
        again, then = other.alice, third.alice
        text = said(await again.final("generate_image", **FOX))
        assert "its answer is lost. It may have been billed" in text
        # Another replica knows that it was told, which is written after the answer: the same call is a new wish.
        with anyio.fail_after(PATIENCE_S):
            while query("SELECT bool_and(fetched) FROM jobs") != [(True,)]:
                await look_again()
        assert not (await then.call("generate_image", **FOX)).is_error
        assert "is lost" in said(await then.call("get_image_job", job_id=sent))
        assert (other.knobs.paid, third.knobs.paid) == (0, 1)
        one.knobs.release()


@promise("Several replicas", "The same batch is made once if two replicas get it at the same moment")
async def test_the_same_batch_on_two_replicas_at_the_same_moment_is_made_once(
    team_database: PostgresUrl, tmp_path: Path
) -> None:
    async with two(team_database, tmp_path, GPT_IMAGE_2_PICTURES_PER_MINUTE="250") as (one, other):
        benches = [one.alice, other.alice]
        ids: list[str] = []

        async def make(number: int) -> None:
            result = await benches[number].call("make_batch", items=["a cat", "a dog"], common={"quality": "low"})
            ids.append((result.meta or {})["gpt-image-2/batch"]["job_id"])

        async with anyio.create_task_group() as tasks:
            for number in range(2):
                tasks.start_soon(make, number)
        assert ids[0] == ids[1]
        with anyio.fail_after(PATIENCE_S):
            while "2 of 2" not in said(await benches[0].call("get_image_job", job_id=ids[0])):
                await look_again()
        assert one.knobs.paid + other.knobs.paid == 2


@promise("Several replicas", "What waits on one replica can be cancelled on another, and is not sent then")
async def test_a_job_in_the_queue_of_one_replica_is_cancelled_on_another(
    team_database: PostgresUrl, tmp_path: Path, query: Query
) -> None:
    async with two(team_database, tmp_path, GPT_IMAGE_2_BUDGET_PER_DAY_USD="10") as (one, other):
        alice, again = one.alice, other.alice
        one.knobs.hold()
        sent = await handed(alice, "generate_image", **fox(1))
        await reached(alice, 1)
        queued = await handed(alice, "generate_image", **fox(2))
        await stands(alice, queued, "Next in the queue")
        assert "There is no job" in said(await other.bob.call("cancel_image_job", job_id=queued)), "it is not his"
        told = said(await again.call("cancel_image_job", job_id=queued))
        assert f"{queued} is stopped. Nothing of it was sent" in told
        assert "sent to the API already and is billed" in said(await again.call("cancel_image_job", job_id=sent))
        one.knobs.release()
        for bench in (alice, again):
            assert "stopped before anything was sent" in said(await fetched(bench, queued))
            assert not (await fetched(bench, sent)).is_error
        assert (one.knobs.paid, other.knobs.paid) == (1, 0)
        states = sorted(query("SELECT state FROM charges"))
        assert states == [("released",), ("settled",)], "its money is free again"
        # It was cancelled, and not made: the same call is a new wish.
        assert not (await again.call("generate_image", **fox(2))).is_error


async def test_jobs_that_ended_long_ago_are_deleted_for_all_people(
    team_database: PostgresUrl, query: Query, tmp_path: Path
) -> None:
    async with replica(team_database, tmp_path, per_person_usd=None) as one:
        for bench in (one.alice, one.bob):
            await bench.call("generate_image", **fox(1))
        await one.alice.call("generate_image", **fox(2))
    query("UPDATE jobs SET ended_us = ended_us - 31 * 86400000000 WHERE request->>'prompt' LIKE '%1' RETURNING id")
    async with replica(team_database, tmp_path, per_person_usd=None):
        with anyio.fail_after(PATIENCE_S):
            while len(left := query("SELECT request->>'prompt' FROM jobs")) > 1:
                await look_again()
    assert left == [("fox number 2",)]
