"""`last` and the numbers of a person are the same on every replica."""

from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from workbench import SMALL, Bench, said

from gpt_image_2_mcp.database.url import PostgresUrl

from .people import ALICE, replica

pytestmark = pytest.mark.anyio

LOW = {"size": SMALL, "quality": "low"}


async def call(bench: Bench, tool: str, **arguments: object) -> str:
    return said(await bench.final(tool, **arguments))


async def test_last_and_numbers_mean_the_same_on_every_replica(team_database: PostgresUrl, tmp_path: Path) -> None:
    async with replica(team_database, tmp_path) as one, replica(team_database, tmp_path) as other:
        await call(one.alice, "generate_image", prompt="a fox", n=2, **LOW)
        assert "prompt: a fox" in await call(other.alice, "show_image", image="last")
        assert "no `last`" in await call(other.bob, "edit_image", images=["last"], prompt="a mouse", **LOW)
        await call(other.alice, "generate_image", prompt="an owl", **LOW)
        assert "prompt: an owl" in await call(one.alice, "show_image", image="last")
        assert "prompt: a fox" in await call(one.alice, "show_image", image="2")
        await call(one.alice, "list_images", contact_sheet=True)
        assert "prompt: an owl" in await call(other.alice, "show_image", image="1")


async def test_a_last_of_long_ago_is_named_until_there_is_a_newer_one(
    team_database: PostgresUrl, tmp_path: Path
) -> None:
    named = "'the last picture' is image-2"
    async with replica(team_database, tmp_path) as process:
        alice = process.alice
        await call(alice, "generate_image", prompt="a fox", **LOW)
        assert named not in await call(alice, "show_image", image="the last picture")
        with closing(psycopg.connect(team_database.text, autocommit=True)) as connection:
            connection.execute("SELECT set_config('gpt_image_2.person', %s, false)", (ALICE,))
            connection.execute("UPDATE desks SET changed = changed - interval '31 minutes'")
        assert named in await call(alice, "show_image", image="the last picture")
        assert named not in await call(alice, "list_images")
        await call(alice, "generate_image", prompt="an owl", **LOW)
        assert named not in await call(alice, "show_image", image="the last picture")
