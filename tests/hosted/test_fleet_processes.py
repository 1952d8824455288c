"""Two replicas as processes, on one PostgreSQL and one folder: one ends, is killed, or stops; the database restarts."""

import os
import random
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import psycopg
import pytest
from fault_proxy import until
from mcp import Client, MCPError
from mcp_types import CallToolResult, ImageContent
from patience import PATIENCE_S, look_again, rounds
from postgres_server import Server
from promises import promise
from stdio_bench import Box, job_of
from workbench import JOB, META, SMALL, said

from gpt_image_2_mcp.database.url import PostgresUrl

from .served import SECRET, Served, served, write_tokens

pytestmark = [pytest.mark.anyio, pytest.mark.thorough]

TOKEN = "a-token-of-alice-for-the-tests-0123456789"
LEASE_S = 3
BATCH = "gpt-image-2/batch"
PICTURES = rounds(10, 50)


def environ(folder: Path, database: PostgresUrl, box: Box, **more: str) -> dict[str, str]:
    """The environment of a replica."""
    return {
        **box.environ,
        "GPT_IMAGE_2_DATABASE_URL": database.text,
        "GPT_IMAGE_2_SECRET": SECRET,
        "GPT_IMAGE_2_TOKENS_FILE": str(write_tokens(folder, {"alice": TOKEN})),
        "GPT_IMAGE_2_STORE_URL": (folder / "store").as_uri(),
        "GPT_IMAGE_2_LEASE_S": str(LEASE_S),
        "GPT_IMAGE_2_MAX_WAIT_S": "0.2",
        "GPT_IMAGE_2_MAX_CONCURRENCY": "1",
        "GPT_IMAGE_2_PICTURES_PER_MINUTE": "1000",
        **more,
    }


@asynccontextmanager
async def two(
    folder: Path, database: PostgresUrl, box: Box, **more: str
) -> AsyncGenerator[tuple[Served, Client, Served, Client]]:
    """Two replicas, each with a client of Alice."""
    env = environ(folder, database, box, **more)
    with served(folder / "one", env=env) as one, served(folder / "other", env=env) as other:
        async with one.client(TOKEN) as alice, other.client(TOKEN) as again:
            yield one, alice, other, again


async def begun(client: Client, prompt: str) -> str:
    """Begin a picture, and give the id of its job."""
    return job_of(await client.call_tool("generate_image", {"prompt": prompt, "size": SMALL, "quality": "low"}))


async def answered(client: Client, job_id: str) -> CallToolResult:
    """Ask for a job until it has ended; a server that does not answer is asked again."""
    with anyio.fail_after(PATIENCE_S):
        while True:
            try:
                result = await client.call_tool("get_image_job", {"job_id": job_id})
            except MCPError:
                await look_again()
                continue
            if JOB not in (result.meta or {}):
                return result
            await look_again()


async def has_bytes(client: Client, result: CallToolResult) -> bool:
    """Whether the picture of an answer can be read at a replica."""
    assert not result.is_error, said(result)
    assert any(isinstance(block, ImageContent) for block in result.content)
    (picture,) = (result.meta or {})[META]["images"]
    found = await client.read_resource(f"gpt-image-2://pictures/{picture['id']}")
    return bool(found.contents)


def rows(database: PostgresUrl, condition: str) -> int:
    with psycopg.connect(database.text, autocommit=True) as connection:
        connection.execute("SELECT set_config('gpt_image_2.person', '*', false)")
        found: Any = connection.execute(f"SELECT count(*) FROM jobs WHERE {condition}".encode())  # noqa: S608 - our own
        return found.fetchone()[0]


async def sent_and_queued(client: Client, database: PostgresUrl) -> tuple[str, str]:
    """Begin two jobs; gives their ids once the first is sent, and the second is in the queue."""
    jobs = await begun(client, "a fox"), await begun(client, "an owl")
    await anyio.to_thread.run_sync(
        until, lambda: rows(database, "state = 'queued'") == rows(database, "state = 'sent'") == 1
    )
    return jobs


@promise("Several replicas", "What a replica has not sent when it ends, another one makes; what it has sent, it saves")
async def test_a_replica_that_is_told_to_end_loses_nothing(
    tmp_path: Path, team_database: PostgresUrl, box: Box
) -> None:
    await box.turn(hold=True)
    async with two(tmp_path, team_database, box) as (one, alice, _, again):
        jobs = await sent_and_queued(alice, team_database)
        one.process.send_signal(signal.SIGTERM)
        await box.reached(2)
        await box.release()
        for job_id in jobs:
            assert await has_bytes(again, await answered(again, job_id))
        assert await anyio.to_thread.run_sync(one.process.wait, PATIENCE_S) == 0
        assert await box.count("paid") == 2


@promise("Several replicas", "What a killed replica had sent is told as perhaps billed, and never sent again by itself")
async def test_of_a_killed_replica_the_queue_is_made_and_what_was_sent_is_told_as_lost(
    tmp_path: Path, team_database: PostgresUrl, box: Box
) -> None:
    await box.turn(hold=True)
    async with two(tmp_path, team_database, box) as (one, alice, _, again):
        sent, queued = await sent_and_queued(alice, team_database)
        one.process.kill()
        await box.reached(2)
        await box.release()
        assert await has_bytes(again, await answered(again, queued))
        assert "its answer is lost. It may have been billed" in said(await answered(again, sent))
        assert await box.count("started") == 2


@promise("Several replicas", "A call that a killed replica broke off and that is repeated at once is not paid twice")
async def test_a_call_that_a_killed_replica_broke_off_is_repeated_at_once_and_not_sent_again(
    tmp_path: Path, team_database: PostgresUrl, box: Box
) -> None:
    """Before the lease of the killed one is over: the repeated call waits for what became of the first."""
    await box.turn(hold=True)
    fox = {"prompt": "a fox", "size": SMALL, "quality": "low"}
    more = {"GPT_IMAGE_2_LEASE_S": "10", "GPT_IMAGE_2_MAX_WAIT_S": str(PATIENCE_S)}
    async with two(tmp_path, team_database, box, **more) as (one, _, _, again):

        async def broken_off() -> None:
            with suppress(httpx2.HTTPError, MCPError, ExceptionGroup):
                async with one.client(TOKEN) as alice:
                    await alice.call_tool("generate_image", fox)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(broken_off)
            await box.reached(1)
            one.process.kill()
        await box.release()
        told = await again.call_tool("generate_image", fox)
        assert "its answer is lost. It may have been billed" in said(told)
        assert await box.count("started") == 1
        assert await has_bytes(again, await again.call_tool("generate_image", fox))
        assert await box.count("started") == 2, "who knows what became of the first decides for another one"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGSTOP")
async def test_a_replica_that_is_stopped_for_longer_than_its_lease_goes_on_and_nothing_is_sent_twice(
    tmp_path: Path, team_database: PostgresUrl, box: Box
) -> None:
    await box.turn(hold=True)
    async with two(tmp_path, team_database, box) as (one, alice, _, again):
        jobs = await sent_and_queued(alice, team_database)
        os.kill(one.process.pid, signal.SIGSTOP)
        try:
            await box.release()
            assert await has_bytes(again, await answered(again, await begun(again, "a hen")))
            await anyio.sleep(2 * LEASE_S)
        finally:
            os.kill(one.process.pid, signal.SIGCONT)
        for job_id in jobs:
            assert await has_bytes(again, await answered(again, job_id))
        assert await box.count("paid") == 3


async def batch_of(client: Client, lines: int) -> str:
    """Begin a batch, and give its id."""
    items = [f"fox number {number}" for number in range(1, lines + 1)]
    result = await client.call_tool("make_batch", {"items": items, "common": {"size": SMALL, "quality": "low"}})
    assert not result.is_error, said(result)
    batch_id: str = (result.meta or {})[BATCH]["job_id"]
    return batch_id


async def ended(client: Client, batch_id: str) -> dict[str, Any]:
    """Ask for a batch until it has ended; gives how."""
    with anyio.fail_after(2 * PATIENCE_S):
        while True:
            with suppress(MCPError):
                result = await client.call_tool("get_image_job", {"job_id": batch_id})
                status: dict[str, Any] = (result.meta or {})[BATCH]
                if status["state"] == "ended":
                    return status
            await look_again()


@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL", "SIGSTOP"])
async def test_another_replica_goes_on_with_a_batch(
    tmp_path: Path, team_database: PostgresUrl, box: Box, how: str
) -> None:
    """Of one that is told to end or is killed; one that was stopped for longer than its lease goes on itself."""
    if not hasattr(signal, how):
        pytest.skip("Windows has no such signal")
    await box.turn(hold=True)
    async with two(tmp_path, team_database, box) as (one, alice, _, again):
        batch_id = await batch_of(alice, 6)
        await box.reached(1)
        os.kill(one.process.pid, getattr(signal, how))
        try:
            if how == "SIGSTOP":
                # One that sleeps keeps its connection: it is known to be there, and goes on itself.
                await anyio.sleep(2 * LEASE_S)
            else:
                # The other one sends while the first line is not answered yet.
                await box.reached(2)
            status = (await again.call_tool("get_image_job", {"job_id": batch_id})).meta or {}
            assert status[BATCH]["state"] == "open"
            await box.release()
        finally:
            if how == "SIGSTOP":
                os.kill(one.process.pid, signal.SIGCONT)
        last = await ended(again, batch_id)
        is_lost = how == "SIGKILL"
        assert (last["done"], last["failed"], last["retryable"]) == (6 - is_lost, [], [])
        text = said(await again.call_tool("get_image_job", {"job_id": batch_id}))
        assert ("1 may be billed without an answer" in text) == is_lost
        assert await box.count("started") == 6
        assert rows(team_database, "state = 'done'") == 6 - is_lost
        if how == "SIGTERM":
            assert await anyio.to_thread.run_sync(one.process.wait, PATIENCE_S) == 0


@promise("Several replicas", "A database that restarts loses no picture that was acknowledged, and none is paid twice")
async def test_the_database_restarts_at_random_moments_while_two_replicas_make_pictures(
    tmp_path: Path, team_database: PostgresUrl, postgres_server: Server, box: Box
) -> None:
    chance = random.Random(7)  # noqa: S311 - the moments of a test
    await box.turn(delay_s=0.3)
    async with two(tmp_path, team_database, box, GPT_IMAGE_2_MAX_CONCURRENCY="3") as (_, alice, _, again):
        jobs = list[str]()
        is_over = anyio.Event()

        async def restart() -> None:
            while not is_over.is_set():
                await anyio.sleep(chance.uniform(0.2, 2.0))
                await anyio.to_thread.run_sync(postgres_server.stop)
                await anyio.sleep(chance.uniform(0.0, 0.5))
                await anyio.to_thread.run_sync(postgres_server.start)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(restart)
            for number in range(PICTURES):
                try:
                    client = (alice, again)[number % 2]
                    made = await client.call_tool("generate_image", {"prompt": f"{number} foxes", "size": SMALL})
                    jobs.append(job_of(made))
                except (MCPError, AssertionError, KeyError):
                    # Refused, since the database was away: nothing was acknowledged.
                    continue
                await anyio.sleep(chance.uniform(0.0, 0.3))
            is_over.set()
        answers = [await answered((again, alice)[number % 2], job_id) for number, job_id in enumerate(jobs)]
        made = [answer for answer in answers if not answer.is_error]
        # One whose sending could not be written down is not sent.
        assert made, [said(answer) for answer in answers]
        for answer in made:
            assert await has_bytes(alice, answer)
        assert await box.count("started") <= PICTURES
        assert len(made) <= await box.count("paid")
