"""A replica is killed after a picture was paid for: what it had saved is listed when it starts again, and told."""

import random
from contextlib import closing
from pathlib import Path

import anyio
import anyio.to_thread
import httpx2
import psycopg
import pytest
from fault_proxy import until
from mcp import Client
from mcp_types import CallToolResult
from patience import PATIENCE_S, look_again, rounds
from ports import free_port
from postgres_server import Server
from promises import promise
from stdio_bench import Box
from workbench import META, SMALL, said

from gpt_image_2_mcp.database.url import PostgresUrl

from .served import Served, served
from .test_fleet_processes import TOKEN, answered, begun, environ, has_bytes, rows

pytestmark = [pytest.mark.anyio, pytest.mark.thorough]

KILLS = rounds(5, 25)
SETTLED = "released"
"""The state of a charge whose answer says that it is the sandbox's, and was not billed."""


def saved(folder: Path) -> list[Path]:
    """The pictures on the disk of a server."""
    return sorted(path for path in folder.rglob("image-*.png") if "people" in path.parts)


def charges(database: PostgresUrl) -> list[str]:
    with closing(psycopg.connect(database.text)) as connection:
        connection.execute("SELECT set_config('gpt_image_2.person', '*', false)")
        return [state for (state,) in connection.execute("SELECT state FROM charges").fetchall()]


async def ended(client: Client, job_id: str) -> CallToolResult:
    """Ask for a job until it is not lost any more."""
    with anyio.fail_after(PATIENCE_S):
        while "its answer is lost" in said(result := await answered(client, job_id)):
            await look_again()
    return result


async def killed(server: Served) -> None:
    server.process.kill()
    await anyio.to_thread.run_sync(server.process.wait)


@promise("Several replicas", "What a killed replica had saved is listed when it starts again, and its job has it")
async def test_a_replica_is_killed_at_random_moments_after_payment(
    tmp_path: Path, team_database: PostgresUrl, box: Box
) -> None:
    chance = random.Random(11)  # noqa: S311 - the moments of a test
    env = environ(tmp_path, team_database, box, GPT_IMAGE_2_BUDGET_PER_DAY_USD="1000")
    with served(tmp_path / "other", env=env) as other:
        async with other.client(TOKEN) as again:
            lost = 0
            for number in range(KILLS):
                await box.turn(hold=True)
                with served(tmp_path / "one", env=env) as one:
                    async with one.client(TOKEN) as alice:
                        job_id = await begun(alice, f"{number} foxes")
                        await box.reached(number + 1)
                        before = set(saved(one.folder))
                        await box.release()
                        await box.reached(number + 1, what="paid")
                        await anyio.sleep(chance.uniform(0, 0.4))
                        await killed(one)
                there = set(saved(tmp_path / "one")) - before
                assert len(there) <= 1
                with served(tmp_path / "one", env=env):
                    if there:
                        assert await has_bytes(again, await ended(again, job_id))
                    else:
                        result = await answered(again, job_id)
                        assert not result.is_error or "It may have been billed" in said(result)
                        lost += result.is_error or False
                assert await box.count("started") == number + 1, "nothing is sent again by itself"
                assert len(charges(team_database)) == number + 1
            assert set(charges(team_database)) <= {SETTLED, "unknown"}
            assert lost < KILLS
            assert rows(team_database, "state IN ('queued', 'sent')") == 0


async def test_a_replica_is_killed_before_the_row_of_its_picture_is_written(
    tmp_path: Path, team_database: PostgresUrl, box: Box
) -> None:
    env, port = environ(tmp_path, team_database, box), free_port()
    await box.turn(hold=True)
    with served(tmp_path / "other", env=env) as other:
        async with other.client(TOKEN) as again:
            with served(tmp_path / "one", env=env) as one, closing(psycopg.connect(team_database.text)) as connection:
                async with one.client(TOKEN) as alice:
                    job_id = await begun(alice, "a fox")
                    await box.reached(1)
                    connection.execute("LOCK TABLE pictures IN ACCESS EXCLUSIVE MODE")
                    await box.release()
                    await anyio.to_thread.run_sync(until, lambda: any((tmp_path / "store").rglob("image-*.png")))
                    await killed(one)
                connection.rollback()
            told = said(await answered(again, job_id))
            assert "It may have been billed" in told
            assert "is listed as soon as that server runs again" in told
            assert "Nothing was made yet" in said(await again.call_tool("list_images", {}))
            with served(tmp_path / "one", env={**env, "GPT_IMAGE_2_METRICS_PORT": str(port)}):
                result = await ended(again, job_id)
                metrics = httpx2.get(f"http://127.0.0.1:{port}/metrics").text.splitlines()
                assert [line.rpartition(" ")[2] for line in metrics if 'outcome="lost"' in line] == ["1.0"]
                assert await has_bytes(again, result)
                assert "had saved this picture" in said(result)
                (picture,) = (result.meta or {})[META]["images"]
                assert picture["id"] in said(await again.call_tool("list_images", {}))
                assert "a fox" in said(await again.call_tool("show_image", {"image": picture["id"]}))
            assert await box.count("started") == 1


@promise("Several replicas", "What waited for the database when a server was killed is written without its person")
async def test_what_waited_for_the_database_is_written_without_its_person(
    tmp_path: Path, team_database: PostgresUrl, postgres_server: Server, box: Box
) -> None:
    env = environ(tmp_path, team_database, box)
    await box.turn(hold=True)
    with served(tmp_path / "one", env=env) as one:
        async with one.client(TOKEN) as alice:
            job_id = await begun(alice, "a fox")
            await box.reached(1)
            await anyio.to_thread.run_sync(postgres_server.stop)
            try:
                await box.release()
                await anyio.to_thread.run_sync(until, lambda: any(one.folder.rglob("waiting-*.jsonl")))
                await killed(one)
            finally:
                await anyio.to_thread.run_sync(postgres_server.start)
    with served(tmp_path / "one", env=env), served(tmp_path / "other", env=env) as other:
        async with other.client(TOKEN) as again:
            assert await has_bytes(again, await ended(again, job_id))
    assert charges(team_database) == [SETTLED]
    assert await box.count("started") == 1


@promise(
    "Several replicas", "What the sandbox of a server makes is in other tables, and in a part of the store of its own"
)
async def test_the_sandbox_of_a_server_and_its_real_pictures_do_not_mix(
    tmp_path: Path, team_database: PostgresUrl, box: Box
) -> None:
    env = environ(tmp_path, team_database, box, GPT_IMAGE_2_MAX_WAIT_S=str(PATIENCE_S))
    draw = {"prompt": "a fox", "size": SMALL, "quality": "low"}
    with served(tmp_path / "one", env=env) as real, served(tmp_path / "one", "--sandbox", env=env) as sandbox:
        async with real.client(TOKEN) as alice, sandbox.client(TOKEN) as trying:
            made = [await client.call_tool("generate_image", draw) for client in (alice, trying)]
            assert all([await has_bytes(client, one) for client, one in zip((alice, trying), made, strict=True)])
            for client, one, another in ((alice, *made), (trying, *reversed(made))):
                own, other = (each.meta[META]["images"][0]["id"] for each in (one, another) if each.meta)
                listed = said(await client.call_tool("list_images", {}))
                assert (own in listed, other in listed) == (True, False)
    stored = {path.relative_to(tmp_path / "store").parts[0] for path in (tmp_path / "store").rglob("image-*.png")}
    assert stored == {"pictures", "sandbox"}
    assert charges(team_database) == [SETTLED]
    assert await box.count("paid") == 1
