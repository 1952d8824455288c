"""One click in two processes at once: one of them sends it, and both tell what comes of it."""

from pathlib import Path
from typing import Any

import anyio
import pytest
from next_chat import its_own_folders, text_of
from patience import PATIENCE_S, rounds
from promises import promise
from stdio_bench import Box, Program, running
from test_studio import click
from workbench import SMALL

from gpt_image_2_mcp.database.url import PostgresUrl

pytestmark = pytest.mark.anyio

FOX: dict[str, Any] = {"prompt": "a fox", "size": SMALL, "quality": "low"}
ROUNDS = rounds(2, 60)


async def answered(program: Program, op: str, **arguments: Any) -> dict[str, Any]:
    """What a program answers to the page."""
    import json

    return json.loads(text_of(await program.answer(await program.call("studio_app", op=op, **arguments))))


async def outcome(program: Program, job: str) -> dict[str, Any]:
    with anyio.fail_after(PATIENCE_S):
        while not (found := await answered(program, "job", job=job))["done"]:
            pass
    return found


@pytest.fixture(params=["file", "postgres"])
def database(request: pytest.FixtureRequest) -> dict[str, str]:
    """The variables for each kind of database."""
    if request.param == "file":
        return {}
    url: PostgresUrl = request.getfixturevalue("postgres")
    return {"GPT_IMAGE_2_DATABASE_URL": url.text}


@promise("Repetitions", "A click that two processes get at the same moment is paid for once.")
async def test_two_processes_that_get_the_same_click_at_once_pay_for_it_once(
    database: dict[str, str], tmp_path: Path, box: Box
) -> None:
    environ = {**its_own_folders(tmp_path, box), **database, "GPT_IMAGE_2_BUDGET_PER_DAY_USD": "100"}
    async with running(environ) as one, running(environ) as other:
        for program in (one, other):
            await program.greet()
            await answered(program, "open")
        for number in range(ROUNDS):
            same = click()
            calls = [await each.call("studio_app", op="generate", click=same, **FOX) for each in (one, other)]
            for program, call in zip((one, other), calls, strict=True):
                assert text_of(await program.answer(call)) == f'{{"job": "job-{same}"}}'
            first, second = [await outcome(each, f"job-{same}") for each in (one, other)]
            assert first["pictures"] == second["pictures"]
            assert "error" not in first
            assert await box.count("started") == await box.count("paid") == number + 1
