"""What is taken into the catalogue can be read out again, by every command and tool, and taken out for good."""

import hashlib
import json
import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import pytest
from album import flat
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp import Client
from patience import rounds
from promises import promise

from gpt_image_2_mcp.app import open_user_service
from gpt_image_2_mcp.catalogue.sidecar import FORMAT, VERSION
from gpt_image_2_mcp.cli.commands import commands
from gpt_image_2_mcp.paths.data_folder import data_folder
from gpt_image_2_mcp.server.factory import build_server
from gpt_image_2_mcp.settings import Settings

PICTURE = flat((200, 30, 30), (16, 16))
TEXT = st.text(st.characters(codec=None, categories=None), max_size=40)
"""Any characters at all, halves of surrogate pairs and control characters among them."""
LONG = st.one_of(TEXT, st.sampled_from(["", " ", "\0", "a" * 32_000, "\ud800" * 300, "\u202e'\"<b>&\n" * 9]))
SHORT = st.one_of(TEXT, st.sampled_from(["", "x" * 300, "\ud800", "\x1b]0;x\x07", "é" * 150]))
NUMBER = st.one_of(
    st.integers(), st.sampled_from([-(10**15), 10**15, 0, -1, 2**63, -(2**63), 10**12, 10**400]), st.floats()
)
VALUE = st.one_of(st.none(), st.booleans(), NUMBER, SHORT)
VALUES: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.one_of(st.sampled_from(["size", "quality", "n", "broken", "format"]), SHORT), VALUE
)
TOKENS = st.one_of(st.integers(0, 10**12), NUMBER)
MADE = st.one_of(
    st.datetimes(timezones=st.timezones()).map(datetime.isoformat),
    st.sampled_from(
        [
            "1971-01-01T00:00:00+23:59",
            "2199-12-31T23:59:59-01:00",
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:59-14:00",
            (datetime.now(UTC) + timedelta(hours=23)).isoformat(),
            (datetime.now(UTC) + timedelta(hours=25)).isoformat(),
        ]
    ),
)
TURN = st.one_of(st.integers(0, 12), st.sampled_from([10_000, 10_001, 100_000, 100_001, -1]))
RECORD: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"prompt": LONG, "model": SHORT, "made": MADE},
    optional={
        "kind": st.sampled_from(["image", "edit", "session"]),
        "parameters": VALUES,
        "applied": VALUES,
        "usage": st.fixed_dictionaries(
            {"input_tokens": TOKENS, "output_tokens": TOKENS}, optional={"image_tokens": TOKENS}
        ),
        "cost_usd": st.one_of(NUMBER, st.decimals(0, 1_000_000, places=12).map(str), st.just("NaN"), SHORT),
        "parents": st.lists(
            st.fixed_dictionaries(
                {"source": LONG, "sha256": st.just("0" * 64)},
                optional={"path": LONG, "role": st.sampled_from(["image", "mask"]), "id": SHORT},
            ),
            max_size=3,
        ),
        "client": SHORT,
        "project": SHORT,
        "job_id": SHORT,
        "request_id": SHORT,
        "place": st.fixed_dictionaries(
            {"session_id": st.sampled_from([f"session-{n:024x}" for n in range(2)]), "turn": TURN, "parent": TURN},
            optional={"late": st.booleans(), "asked": st.booleans()},
        ),
    },
)


def write(folder: Path, records: Iterable[dict[str, Any]]) -> list[str]:
    """Write pictures with these records into a folder, and give their ids."""
    (folder / ".gpt-image-2").mkdir(parents=True, exist_ok=True)
    ids = list[str]()
    for number, record in enumerate(records):
        picture_id = f"image-20261122-140300-{number:06x}"
        path = folder / f"{picture_id}.png"
        path.write_bytes(PICTURE)
        head = {"record": FORMAT, "version": VERSION, "file": path.name, "id": picture_id, "kind": "image"}
        facts = {"sha256": hashlib.sha256(PICTURE).hexdigest(), "size_bytes": len(PICTURE), "format": "png"}
        body = {**head, **facts, "width": 16, "height": 16, **record}
        (folder / ".gpt-image-2" / f"{picture_id}.json").write_text(json.dumps(body), encoding="utf-8")
        ids.append(picture_id)
    return ids


def library(*args: str, code: int | None = 0, answer: str | None = None) -> Result:
    """Run a command of the library; `code` is its exit code, None any but a crash."""
    done = CliRunner().invoke(commands, ["library", *args], input=answer)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    assert code in (None, done.exit_code), done.output
    return done


def listed() -> list[str]:
    return [row["id"] for row in json.loads(library("list", "--limit", "1000", "--json").stdout)["pictures"]]


async def read_with_tools(ids: Iterable[str]) -> None:
    """Have every tool that reads the catalogue read all of it."""
    service = open_user_service(Settings.read({"OPENAI_API_KEY": "sk-test"}))
    async with Client(build_server(lambda: service)) as client:
        calls: list[tuple[str, dict[str, Any]]] = [
            ("list_images", {}),
            ("list_images", {"contact_sheet": True}),
            ("list_edit_sessions", {}),
            ("image_costs", {"prompt": "a fox"}),
            ("get_image_job", {}),
            *(("show_image", {"image": picture_id}) for picture_id in ids),
        ]
        for tool, arguments in calls:
            result = await client.call_tool(tool, arguments)
            assert "error in this program" not in str(result.content), (tool, result.content)
        for resource in (await client.list_resources()).resources:
            await client.read_resource(str(resource.uri))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for pictures, and a catalogue of its own."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("GPT_IMAGE_2_OUTPUT_DIR", str(tmp_path / "pictures"))
    return tmp_path / "pictures"


@pytest.mark.thorough
@settings(
    max_examples=rounds(10, 100),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(records=st.lists(RECORD, min_size=1, max_size=6))
@promise("Records", "What `library rebuild` takes in, every command and tool reads again.")
def test_whatever_rebuild_takes_in_every_command_and_tool_reads_again(
    records: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with TemporaryDirectory() as place, monkeypatch.context() as patch:
        folder = Path(place).resolve() / "pictures"
        patch.setenv("XDG_DATA_HOME", str(Path(place) / "data"))
        patch.setenv("GPT_IMAGE_2_OUTPUT_DIR", str(folder))
        write(folder, records)
        library("rebuild", str(folder), code=None)
        taken = listed()
        library("rebuild", str(folder), code=None)
        assert listed() == taken
        library("check", code=None)
        library("search", "a")
        for picture_id in taken:
            library("show", picture_id)
            library("show", picture_id, "--json")
        library("gallery", "-o", str(folder / "gallery.html"))
        library("export", str(folder / "copies"))
        anyio.run(read_with_tools, taken)
        assert len(list((folder / "copies").glob("*.png"))) == len(taken)


@promise("Records", "A record cannot be newer than tomorrow, so it is not the newest of every list.")
@pytest.mark.parametrize("hours", [23, 25])
def test_a_record_is_no_newer_than_tomorrow(place: Path, hours: int) -> None:
    made = (datetime.now(UTC) + timedelta(hours=hours)).isoformat()
    write(place, [{"prompt": "a fox", "model": "m", "made": made}])
    said = library("rebuild", str(place), code=None).output
    assert ("in the future" in said) is (hours > 24)
    assert len(listed()) == (hours < 24)


def plain(count: int) -> list[dict[str, Any]]:
    made = datetime(2026, 11, 22, 14, tzinfo=UTC)
    return [
        {"prompt": f"fox number{n}", "model": "m", "made": (made + timedelta(hours=n)).isoformat()}
        for n in range(count)
    ]


DAMAGES = (
    "size_bytes = -1",
    "made_us = 9223372036854775807",
    "made_us = 'x'",
    "model = x'ff'",
    "format = 'exe'",
    "nano_usd = 'x'",
    "turn = 0, session_id = 'x'",
    "width = 10000000",
    "parameters = '[]'",
    "output_tokens = -5",
)


@promise("Records", "A row that cannot be read takes no other with it, and `library check` names it.")
@pytest.mark.parametrize("damage", DAMAGES)
def test_one_bad_row_takes_no_other_with_it_and_is_named(place: Path, damage: str) -> None:
    """Pages of two: the bad row is in the middle, and neither its page nor a later one may be lost."""
    ids = write(place, plain(5))
    library("rebuild", str(place))
    with sqlite3.connect(data_folder() / "gpt-image-2.db") as database:
        database.execute(f"UPDATE pictures SET {damage} WHERE id = ?", (ids[2],))  # noqa: S608 - the table above
    others = [ids[4], ids[3], ids[1], ids[0]]
    assert listed() == others
    pages = [json.loads(library("list", "--limit", "2", "--page", str(n), "--json").stdout) for n in (1, 2, 3)]
    assert [row["id"] for page in pages for row in page["pictures"]] == others
    found = json.loads(library("check", "--json", code=1).stdout)
    assert [row["id"] for row in found["damaged"]] == [ids[2]]
    assert found["unknown"] == []
    assert f"library forget {ids[2]}" in library("rebuild", str(place), code=None).output
    library("forget", "--yes", ids[2])
    library("rebuild", str(place))
    library("check", code=1)
    assert listed() == others


@promise("Records", "`library forget` removes a picture from the catalogue for good, and never its file.")
def test_a_picture_that_is_forgotten_is_gone_from_all_lists_and_its_file_stays(place: Path) -> None:
    ids = write(place, plain(3))
    library("rebuild", str(place))
    library("gallery", "-o", str(place / "gallery.html"))
    said = library("forget", ids[0], str(place / f"{ids[1]}.png"), answer="y\n").output
    assert f"{ids[0]}  {place / ids[0]}.png" in said
    assert "Forget 2 pictures? [y/N]" in said
    assert "2 pictures forgotten; the files stay." in said
    assert listed() == [ids[2]]
    assert json.loads(library("search", "number0", "--json").stdout)["pictures"] == []
    assert json.loads(library("search", "number2", "--json").stdout)["pictures"] != []
    assert sorted(path.name for path in place.glob("*.png")) == [f"{picture_id}.png" for picture_id in ids]
    assert [path.name for path in (place / ".gpt-image-2").iterdir()] == [f"{ids[2]}.json"]
    library("rebuild", str(place))
    assert listed() == [ids[2]]
    # The three have the same bytes, and so the same thumbnail: it goes with the last of them.
    assert len(list(place.parent.rglob("*.thumbnail"))) == 1
    library("forget", "-y", ids[2])
    assert list(place.parent.rglob("*.thumbnail")) == []


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_without_a_yes_nothing_is_forgotten(place: Path, answer: str) -> None:
    ids = write(place, plain(1))
    library("rebuild", str(place))
    library("forget", ids[0], answer=answer, code=1)
    assert listed() == ids


@pytest.mark.parametrize("name", ["image-20261122-140300-ffffff", "other/{}.png", "last"])
def test_what_is_not_in_the_catalogue_is_not_forgotten(place: Path, name: str) -> None:
    """A copy elsewhere has the name of a picture, and is not that picture."""
    ids = write(place, plain(1))
    library("rebuild", str(place))
    said = library("forget", "-y", ids[0], name.format(ids[0]), code=1).output
    assert "is not in the catalogue" in said
    assert listed() == ids


def test_a_session_whose_turns_are_all_forgotten_is_gone_and_can_be_taken_in_again(place: Path) -> None:
    session = f"session-{1:024x}"
    turn = {**plain(1)[0], "place": {"session_id": session, "turn": 1, "parent": 0}}
    ids = write(place, [turn])
    for _ in range(2):
        library("rebuild", str(place))
        assert session in library("show", ids[0]).output
        library("forget", "-y", ids[0])
        write(place, [turn])
