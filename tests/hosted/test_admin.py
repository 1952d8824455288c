"""`gpt-image-2-mcp admin`: what the operator of a server for a team sees, and how a person is forgotten."""

import json
import os
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import psycopg
import pytest
from click.testing import CliRunner, Result
from psycopg import sql
from workbench import KEY

from gpt_image_2_mcp.cli import admin as admin_commands
from gpt_image_2_mcp.cli.commands import commands
from gpt_image_2_mcp.database.lazy_store import LazyStore
from gpt_image_2_mcp.database.url import PostgresUrl
from gpt_image_2_mcp.paths.data_folder import data_folder
from gpt_image_2_mcp.picture_store.keys import person_part
from gpt_image_2_mcp.picture_store.open_store import open_store
from gpt_image_2_mcp.picture_store.upkeep import Upkeep

from .team import ALICE, BOB, team


def admin(*arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(commands, ["admin", *arguments], input=typed)


def printed(*arguments: str) -> Any:
    result = admin(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def made(team_database: PostgresUrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PostgresUrl:
    """A team of two, of whom alice had two pictures made and bob one; the environment is the server's."""

    async def draw() -> None:
        store = open_store(address, unset=tmp_path, secret=b"", base_url="")
        async with team(team_database, data_folder(), ALICE, BOB, audit="with prompts", store=store) as (alice, bob):
            await alice.draw("a red fox")
            await alice.draw("a blue fox")
            await bob.draw("a green fox")

    address = (tmp_path / "store").as_uri()
    anyio.run(draw)
    monkeypatch.setenv("GPT_IMAGE_2_STORE_URL", address)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("GPT_IMAGE_2_DATABASE_URL", team_database.text)
    return team_database


def count(url: PostgresUrl, table: str, person: str) -> int:
    with closing(psycopg.connect(url.text)) as connection:
        connection.execute("SELECT set_config('gpt_image_2.person', %s, false)", (person,))
        row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
        assert row is not None
        return row[0]


@pytest.mark.thorough
def test_people_and_spending_are_listed_as_json_and_as_tables(made: PostgresUrl) -> None:
    del made
    people = printed("people")
    assert [(one["person"], one["pictures"]) for one in people] == [(ALICE, 2), (BOB, 1)]
    spent = {one["what"]: one["usd"] for one in printed("spend")}
    assert spent == {one["person"]: one["usd"] for one in people}
    assert spent[ALICE] == 2 * spent[BOB] > 0
    (day,) = printed("spend", "--by", "day", "--since", "yesterday")
    assert (day["requests"], day["usd"]) == (3, pytest.approx(sum(spent.values())))
    (model,) = printed("spend", "--by", "model")
    assert (model["what"], model["pictures"]) == ("gpt-image-2", 3)
    assert printed("spend", "--since", "2099-01-01") == []
    head, *rows = admin("spend").stdout.splitlines()
    assert head.split() == ["person", "requests", "pictures", "dollars", "unknown"]
    assert [row.split()[:3] for row in rows] == [[ALICE, "2", "2"], [BOB, "1", "1"]]
    head, first, *_ = admin("audit").stdout.splitlines()
    assert head.split()[:6] == ["when", "person", "tool", "model", "dollars", "outcome"]
    assert first.endswith("a red fox")


@pytest.mark.thorough
def test_the_audit_says_who_had_what_made(made: PostgresUrl) -> None:
    del made
    first, second, third = printed("audit")
    assert (first["person"], first["tool"], first["outcome"]) == (ALICE, "generate_image", "settled")
    assert first["request_id"].startswith("req_")
    assert first["job"].startswith("job-")
    assert (second["person"], third["person"], third["prompt"]) == (ALICE, BOB, "a green fox")


def test_an_audit_of_several_pages_is_printed_as_one_of_one_page(
    made: PostgresUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    del made
    whole = admin("audit", "--json").stdout
    head, *rows = admin("audit").stdout.splitlines()
    for lines in (1, 2, 3):
        monkeypatch.setattr(admin_commands, "AUDIT_PAGE", lines)
        assert admin("audit", "--json").stdout == whole
        printed_rows = [row for row in admin("audit").stdout.splitlines() if not row.startswith("when")]
        assert [row.split() for row in printed_rows] == [row.split() for row in rows]
    assert len(rows) == 3
    assert head.startswith("when")
    assert printed("audit", "--since", "2099-01-01") == []


def test_a_person_who_is_forgotten_leaves_money_without_a_name(made: PostgresUrl, tmp_path: Path) -> None:
    before = printed("spend", "--by", "day")
    result = admin("forget", ALICE, typed=f"{ALICE}\n")
    assert result.exit_code == 0, result.output
    for table in ("pictures", "picture_words", "jobs", "sessions", "desks"):
        assert count(made, table, ALICE) == (1 if table == "picture_words" else 0)
    assert [one["what"] for one in printed("spend")] == ["forgotten", BOB]
    assert printed("spend", "--by", "day") == before
    assert [(line["person"], line["number"]) for line in printed("audit")] == [(None, 1), (None, 1), (BOB, 2)]
    assert count(made, "pictures", BOB) == 1
    files = [path.relative_to(tmp_path / "store") for path in (tmp_path / "store").rglob("*.png")]
    assert [path.parts[:2] for path in files] == [("pictures", person_part(BOB))]
    assert [path.name for path in (data_folder() / "people").iterdir()] == [person_part(BOB)]
    again = admin("forget", ALICE, "--yes")
    assert "There is nothing of" in again.output


def test_another_replica_removes_what_a_forgotten_person_had_on_its_disk(made: PostgresUrl, tmp_path: Path) -> None:
    pictures = [tmp_path / "people" / person_part(person) / "pictures" for person in (ALICE, BOB)]
    for folder in pictures:
        folder.mkdir(parents=True)
        for name in ("old.png", "new.png"):
            (folder / name).write_bytes(b"a fox")
        os.utime(folder / "old.png", (0, 0))
    assert admin("forget", ALICE, "--yes").exit_code == 0
    # What the same name has after that is another person's, or theirs when they have come back.
    os.utime(pictures[0] / "new.png", (2**32, 2**32))
    store = open_store((tmp_path / "store").as_uri(), unset=tmp_path, secret=b"", base_url="")
    database = LazyStore(made, connections=2)
    Upkeep(store, database, tmp_path).remove_forgotten()
    database.close()
    left = sorted(path.relative_to(tmp_path / "people") for path in (tmp_path / "people").rglob("*.png"))
    assert left == sorted(
        [
            Path(person_part(ALICE), "pictures", "new.png"),
            Path(person_part(BOB), "pictures", "new.png"),
            Path(person_part(BOB), "pictures", "old.png"),
        ]
    )


def test_a_person_is_not_forgotten_by_mistake_or_with_work_under_way(made: PostgresUrl) -> None:
    for typed in ("", "y\n", "alice\n"):
        result = admin("forget", ALICE, typed=typed)
        assert (result.exit_code, "Nothing was deleted." in result.output) == (1, True)
    with closing(psycopg.connect(made.text)) as connection, connection:
        connection.execute("SELECT set_config('gpt_image_2.person', %s, false)", (ALICE,))
        connection.execute("UPDATE charges SET state = 'sent' WHERE id = (SELECT min(id) FROM charges)")
    result = admin("forget", ALICE, "--yes")
    assert (result.exit_code, "has 1 request under way" in result.output) == (1, True)
    assert count(made, "pictures", ALICE) == 2


def test_what_waits_in_the_database_is_put_into_the_store(made: PostgresUrl, tmp_path: Path) -> None:
    key = f"pictures/{person_part(ALICE)}/fox-0123456789abcdef.png"
    with closing(psycopg.connect(made.text)) as connection, connection:
        connection.execute("SELECT set_config('gpt_image_2.person', %s, false)", (ALICE,))
        connection.execute("INSERT INTO outbox (key, data, made_us) VALUES (%s, %s, 1)", (key, b"a fox"))
    result = admin("drain")
    assert (result.exit_code, "1 file of the outbox." in result.output) == (0, True)
    assert (tmp_path / "store" / key).read_bytes() == b"a fox"
    assert count(made, "outbox", ALICE) == 0


def test_it_works_on_the_database_of_a_server_alone() -> None:
    result = admin("people")
    assert (result.exit_code, "set GPT_IMAGE_2_DATABASE_URL" in result.output) == (1, True)
