"""What an earlier release wrote is read by this one: its database, its pictures with their records, its settings.

`compatibility/previous` was made by commit bee28ed with `compatibility/make.py`, and holds what that release answered.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from fault_proxy import DATABASE, paying
from patience import PATIENCE_S
from workbench import SMALL, Bench, said

from gpt_image_2_mcp.settings import Settings

pytestmark = pytest.mark.anyio

PREVIOUS = Path(__file__).parent / "compatibility" / "previous"
ANSWERS: dict[str, Any] = json.loads((PREVIOUS / "answers.json").read_text(encoding="utf-8"))
SETTINGS: dict[str, Any] = json.loads((PREVIOUS / "settings.json").read_text(encoding="utf-8"))

FOR_EVER = {"GPT_IMAGE_2_SESSION_TTL_MS": "0"}
"""The sessions of these files are older than an hour."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy, at home in `tmp_path` as if it had been made there today."""
    shutil.copytree(PREVIOUS / "Pictures", tmp_path / "pictures")
    for record in tmp_path.rglob(".gpt-image-2/*.json"):
        record.write_text(moved(record.read_text(encoding="utf-8"), tmp_path), encoding="utf-8")
    path = tmp_path / "data" / DATABASE
    path.parent.mkdir()
    shutil.copy(PREVIOUS / "gpt-image-2.db", path)

    def moved_here(text: str) -> str:
        return moved(text, tmp_path)

    with closing(sqlite3.connect(path)) as connection, connection:
        connection.create_function("moved", 1, moved_here)
        for table, columns in {
            "pictures": ("path", "parents"),
            "sessions": ("folder",),
            "jobs": ("request", "folder", "outcome"),
        }.items():
            for column in columns:
                connection.execute(f"UPDATE {table} SET {column} = moved({column})")  # noqa: S608 - names of the test's
        connection.execute("UPDATE charges SET day = ?", (datetime.now().astimezone().date().isoformat(),))
    return tmp_path


def moved(text: str, root: Path) -> str:
    """A text with the paths of the copy in place of those that it was made with."""
    pictures, work = (json.dumps(str(root / name))[1:-1] for name in ("pictures", "work"))
    return text.replace("/home/person/Pictures", pictures).replace("/home/person/foxes", work)


def answered(root: Path, tool: str) -> Any:
    """What the earlier release answered, at home in `root`."""
    return json.loads(moved(json.dumps(ANSWERS[tool]), root))


async def ours(bench: Bench, tool: str, **arguments: Any) -> dict[str, Any]:
    """What this release answers for programs."""
    result = await bench.call(tool, **arguments)
    assert not result.is_error, said(result)
    return {name: value for name, value in (result.meta or {}).items() if name.startswith("gpt-image-2/")}


def rows(path: Path, table: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY id")]  # noqa: S608 - names of the test's


@pytest.mark.parametrize(
    ("tool", "part"),
    [
        ("list_images", "Add an owl instead"),
        ("list_edit_sessions", "Add an owl instead"),
        ("image_costs", "'spent_today_usd': 0.051535"),
    ],
)
async def test_lists_and_costs_are_what_they_were(root: Path, tool: str, part: str) -> None:
    async with paying(root, FOR_EVER) as bench:
        answer = await ours(bench, tool)
    wanted = answered(root, tool)
    for costs in (answer, wanted):
        # What a picture would cost today is up to the published prices.
        costs.get("gpt-image-2/costs", {}).pop("estimate_usd", None)
    assert answer == wanted
    assert part in str(answer), "it answers something"


async def test_every_picture_is_shown_with_its_record(root: Path) -> None:
    wanted = answered(root, "show_image")
    assert len(wanted) == 7
    async with paying(root) as bench:
        for answer in wanted:
            assert await ours(bench, "show_image", image=answer["gpt-image-2/picture"]["id"]) == answer


async def test_words_of_prompts_are_found(root: Path) -> None:
    async with paying(root) as bench:
        found = await ours(bench, "list_images", query="zurich snow")
    assert [row["prompt"] for row in found["gpt-image-2/pictures"]] == ["A red fox in the snow, Zürich"] * 2


async def test_a_session_goes_on_from_its_last_turn_and_branches(root: Path) -> None:
    async with paying(root, FOR_EVER) as bench:
        look = {"session_id": ANSWERS["session"], "size": SMALL, "quality": "low"}
        report = (await bench.made("continue_edit_session", prompt="Add stars", **look)).report
        assert (report["turn"], report["parent_turn"]) == (4, 3)
        report = (await bench.made("continue_edit_session", prompt="Add rain", from_turn=2, **look)).report
        assert (report["turn"], report["parent_turn"]) == (5, 2)


async def test_every_job_is_told_as_it_ended(root: Path) -> None:
    jobs = rows(root / "data" / DATABASE, "jobs")
    assert [job["state"] for job in jobs].count("done") == 6
    assert [job["state"] for job in jobs].count("failed") == 2
    async with paying(root) as bench:
        for job in jobs:
            result = await bench.call("get_image_job", job_id=job["id"])
            outcome = json.loads(job["outcome"])
            if job["state"] == "failed":
                assert result.is_error
                assert outcome["error"] in said(result)
            else:
                images = (result.meta or {})["gpt-image-2/result"]["images"]
                assert [image["file_path"] for image in images] == [
                    image["path"] for image in outcome["report"]["images"]
                ]


def library(root: Path, database: Path, *arguments: str) -> str:
    """Run `gpt-image-2-mcp library`, which has to be content."""
    environ = {
        **os.environ,
        **FOR_EVER,
        "GPT_IMAGE_2_OUTPUT_DIR": str(root / "pictures"),
        "GPT_IMAGE_2_DATABASE_URL": f"sqlite:///{database}",
    }
    line = [sys.executable, "-m", "gpt_image_2_mcp", "library", *arguments]
    done = subprocess.run(line, capture_output=True, text=True, env=environ, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_check_finds_nothing(root: Path) -> None:
    assert library(root, root / "data" / DATABASE, "check") == "7 pictures checked: all are as they were made.\n"


@pytest.mark.thorough
def test_the_records_alone_make_the_same_catalogue(root: Path) -> None:
    again = root / "again.db"
    assert library(root, again, "rebuild", str(root / "pictures")).startswith("7 pictures added, 2 edit sessions")
    assert rows(again, "pictures") == rows(root / "data" / DATABASE, "pictures")
    sessions = rows(root / "data" / DATABASE, "sessions")
    assert [session["active"] for session in sessions].count(0) == 1
    # That a person has ended a session is not in the records.
    assert rows(again, "sessions") == [session | {"active": 1} for session in sessions]


def test_every_setting_is_known_with_its_default() -> None:
    settings = Settings.read({})
    now = {alias: getattr(settings, name) for alias, name in Settings.variables().items()}
    assert json.loads(json.dumps({name: now.get(name, "unknown") for name in SETTINGS}, default=str)) == SETTINGS
