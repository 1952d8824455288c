"""`last` and the numbers of a person are the same on every replica."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from postgres_server import Server
from workbench import SMALL, said

from gpt_image_2_mcp.database.url import PostgresUrl

from .people import ALICE, BOB, Replica, replica

pytestmark = pytest.mark.anyio

LOW = {"size": SMALL, "quality": "low"}


@pytest.fixture
def url(postgres_server: Server) -> Iterator[PostgresUrl]:
    url = postgres_server.team_database()
    yield url
    postgres_server.drop(url)


async def call(process: Replica, tool: str, person: str = ALICE, **arguments: object) -> str:
    """A call as a server for several people makes it."""
    member = process.members[person]
    await member.service.desk.load()
    text = said(await member.bench.final(tool, **arguments))
    await member.service.desk.save()
    return text


async def test_last_and_numbers_mean_the_same_on_every_replica(url: PostgresUrl, tmp_path: Path) -> None:
    async with replica(url, tmp_path) as one, replica(url, tmp_path) as other:
        await call(one, "generate_image", prompt="a fox", n=2, **LOW)
        assert "prompt: a fox" in await call(other, "show_image", image="last")
        assert "no `last`" in await call(other, "edit_image", BOB, images=["last"], prompt="a mouse", **LOW)
        await call(other, "generate_image", prompt="an owl", **LOW)
        assert "prompt: an owl" in await call(one, "show_image", image="last")
        assert "prompt: a fox" in await call(one, "show_image", image="2")
        await call(one, "list_images", contact_sheet=True)
        assert "prompt: an owl" in await call(other, "show_image", image="1")


async def test_what_is_not_saved_yet_is_not_replaced(url: PostgresUrl, tmp_path: Path) -> None:
    async with replica(url, tmp_path) as one, replica(url, tmp_path) as other:
        await call(one, "generate_image", prompt="a fox", **LOW)
        await other.alice.made("generate_image", prompt="an owl", **LOW)
        assert "prompt: an owl" in await call(other, "show_image", image="last")
        assert "prompt: an owl" in await call(one, "show_image", image="last")


async def test_a_last_of_long_ago_is_named_once(url: PostgresUrl, tmp_path: Path) -> None:
    async with replica(url, tmp_path) as process:
        await call(process, "generate_image", prompt="a fox", **LOW)
        desk = process.members[ALICE].service.desk
        await call(process, "show_image", image="last")
        assert desk.reminder() is None
        with closing(psycopg.connect(url.text, autocommit=True)) as connection:
            connection.execute("SELECT set_config('gpt_image_2.person', %s, false)", (ALICE,))
            connection.execute("UPDATE desks SET changed = changed - interval '31 minutes'")
        await call(process, "show_image", image="the last picture")
        assert (desk.reminder() or "").startswith("'the last picture' is image-2")
        assert desk.reminder() is None
        await call(process, "generate_image", prompt="an owl", **LOW)
        await call(process, "show_image", image="last")
        assert desk.reminder() is None
