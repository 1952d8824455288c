"""One click in two processes at once: one of them sends it, and both tell what comes of it."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import psycopg
import pytest
from fault_proxy import Unmarked, paying
from next_chat import its_own_folders, text_of
from patience import PATIENCE_S, rounds
from promises import promise
from stdio_bench import Box, Program, reached, running
from test_studio import ask, click, done
from workbench import SMALL, Benches

from gpt_image_2_mcp.database.url import PostgresUrl
from gpt_image_2_mcp.shared_parts import DATABASE

pytestmark = pytest.mark.anyio

FOX: dict[str, Any] = {"prompt": "a fox", "size": SMALL, "quality": "low"}
URL = "GPT_IMAGE_2_DATABASE_URL"
PER_DAY = "GPT_IMAGE_2_BUDGET_PER_DAY_USD"


@pytest.fixture(params=["file", "postgres"])
def database(request: pytest.FixtureRequest) -> dict[str, str]:
    """The variables for each kind of database."""
    if request.param == "file":
        return {}
    url: PostgresUrl = request.getfixturevalue("postgres")
    return {URL: url.text}


def opened(root: Path, database: dict[str, str]) -> Any:
    """A connection to the database, for a `with` block."""
    return closing(psycopg.connect(database[URL]) if database else sqlite3.connect(root / "data" / DATABASE))


async def answered(program: Program, op: str, **arguments: Any) -> dict[str, Any]:
    """What a program answers to the page."""
    return json.loads(text_of(await program.answer(await program.call("studio_app", op=op, **arguments))))


async def outcome(program: Program, job: str) -> dict[str, Any]:
    with anyio.fail_after(PATIENCE_S):
        while not (found := await answered(program, "job", job=job))["done"]:
            pass
    return found


@pytest.mark.parametrize("database", ["file", pytest.param("postgres", marks=pytest.mark.thorough)], indirect=True)
@promise("Repetitions", "A click that two processes get at the same moment is paid for once.")
async def test_two_processes_that_get_the_same_click_at_once_pay_for_it_once(
    database: dict[str, str], tmp_path: Path, box: Box
) -> None:
    environ = {**its_own_folders(tmp_path, box), **database, PER_DAY: "100"}
    async with running(environ) as one, running(environ) as other:
        for program in (one, other):
            await program.greet()
            await answered(program, "open")
        for number in range(rounds(2, 25)):
            same = click()
            calls = [await each.call("studio_app", op="generate", click=same, **FOX) for each in (one, other)]
            for program, call in zip((one, other), calls, strict=True):
                assert text_of(await program.answer(call)) == f'{{"job": "job-{same}"}}'
            first, second = [await outcome(each, f"job-{same}") for each in (one, other)]
            assert first.get("pictures") == second.get("pictures"), (first, second)
            assert "error" not in first, first
            assert await box.count("started") == await box.count("paid") == number + 1


@pytest.mark.parametrize("budget", [{}, {PER_DAY: "5"}], ids=["no budget", "budget"])
async def test_a_process_that_was_taken_for_dead_sends_no_click_that_another_one_has(
    database: dict[str, str], benches: Benches, tmp_path: Path, budget: dict[str, str]
) -> None:
    """As of a computer that slept while the click waited for its place; the other one's charge stays as it is."""
    environ = {"GPT_IMAGE_2_MAX_CONCURRENCY": "1", **database, **budget}
    one, other = [await benches.open(environ, wrap=Unmarked, data_dir=tmp_path / "data") for _ in range(2)]
    one.knobs.hold()
    before = (await ask(one, "generate", click=click(), **FOX))["job"]
    await reached(one, 1)
    same = click()
    job = (await ask(one, "generate", click=same, **FOX))["job"]
    with opened(tmp_path, database) as connection:
        connection.execute(f"UPDATE jobs SET owner = 'gone' WHERE id = '{job}'")  # noqa: S608 - an id
        connection.commit()
    other.knobs.hold()
    assert (await ask(other, "generate", click=same, **FOX))["job"] == job
    await reached(other, 1)
    one.knobs.release()
    assert "error" not in await done(one, before)
    with anyio.fail_after(PATIENCE_S):
        while (await ask(one, "job", job=job))["state"] != "running":
            pass
    with opened(tmp_path, database) as connection:
        found = connection.execute("SELECT state FROM charges WHERE state != 'released' ORDER BY state").fetchall()
    assert found == [("sent",), ("settled",)]
    other.knobs.release()
    answer = await done(other, job)
    assert len(answer.get("pictures", ())) == 1, answer
    assert (await done(one, job))["pictures"] == answer["pictures"]
    assert (len(one.seen()), len(other.seen())) == (1, 1)


async def test_a_click_is_not_sent_while_the_database_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process may have it. A model's call is made, since nothing else has its job."""
    monkeypatch.setattr("gpt_image_2_mcp.database.sqlite.BUSY_SECONDS", 0.2)
    monkeypatch.setattr("gpt_image_2_mcp.database.retry.RETRY_SECONDS", 0.0)
    (tmp_path / "data").mkdir()
    async with paying(tmp_path) as bench:
        with closing(sqlite3.connect(tmp_path / "data" / DATABASE, isolation_level=None)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            job = (await ask(bench, "generate", click=click(), **FOX))["job"]
            assert "is held by another process. Try again" in (await done(bench, job))["error"]
            assert not bench.seen()
            await bench.made("generate_image", **FOX)
        job = (await ask(bench, "generate", click=click(), **FOX))["job"]
        assert len((await done(bench, job))["pictures"]) == 1


async def test_without_history_a_click_that_was_sent_before_is_not_sent_again(
    database: dict[str, str], benches: Benches, tmp_path: Path
) -> None:
    """Only the ledger tells of it."""
    environ = {**database, "GPT_IMAGE_2_HISTORY": "off"}
    one, other = [await benches.open(environ, wrap=Unmarked, data_dir=tmp_path / "data") for _ in range(2)]
    same = click()
    one.knobs.hold()
    job = (await ask(one, "generate", click=same, **FOX))["job"]
    await reached(one, 1)
    for again in (True, False):
        if not again:
            one.knobs.release()
            assert len((await done(one, job))["pictures"]) == 1
            other = await benches.open(environ, wrap=Unmarked, data_dir=tmp_path / "data")
        await ask(other, "generate", click=same, **FOX)
        assert "was sent before" in (await done(other, job))["error"]
        assert not other.seen()
