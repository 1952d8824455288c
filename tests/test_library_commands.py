"""`gpt-image-2-mcp library`, as a person at a terminal and a script use it."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from album import flat, saved
from click.testing import CliRunner, Result
from inline_snapshot import snapshot
from patience import PATIENCE_S
from workbench import SMALL, encoded, without_ids

from gpt_image_2_mcp.app import EXPORTS
from gpt_image_2_mcp.catalogue.picture_record import Picture
from gpt_image_2_mcp.catalogue.sidecar import sidecar_of, write_sidecar
from gpt_image_2_mcp.cli.commands import commands
from gpt_image_2_mcp.library.export_record import ExportRecords
from gpt_image_2_mcp.paths.data_folder import data_folder
from gpt_image_2_mcp.paths.policy import WritePolicy
from gpt_image_2_mcp.persistence.unit_of_work import Repositories

NEWEST = "image-20261122-160000-00000c"
TURN = "session-20261122-150000-00000b"
OLDEST = "image-20261121-140000-00000a"
SESSION = f"session-{7:024x}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """GPT_IMAGE_2_OUTPUT_DIR; times are those of UTC."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    monkeypatch.setenv("GPT_IMAGE_2_OUTPUT_DIR", str(folder))
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        set_zone()
        yield folder
    set_zone()


def set_zone() -> None:
    """Have this process see TZ."""
    if sys.platform != "win32":
        time.tzset()


@pytest.fixture
def shelf(folder: Path) -> list[Picture]:
    """Three pictures in the catalogue, one of them the first turn of a session; the oldest first."""
    place = {"session_id": SESSION, "turn": 1, "parent": 0}
    origin = {"source": "cat.png", "sha256": "0" * 64}
    pictures = [
        saved(
            folder,
            flat((200, 30, 30)),
            name=OLDEST,
            made=datetime(2026, 11, 21, 14, tzinfo=UTC),
            prompt="A red fox\nin the snow",
            cost_usd="0.0412",
            project="foxes",
        ),
        saved(
            folder,
            flat((30, 30, 200)),
            name=TURN,
            kind="session",
            made=datetime(2026, 11, 22, 15, tzinfo=UTC),
            prompt="Make it blue",
            place=place,
            parents=[origin],
            model="gpt-image-2.5",
        ),
        saved(
            folder,
            flat((30, 200, 30)),
            name=NEWEST,
            made=datetime(2026, 11, 22, 16, tzinfo=UTC),
            prompt="A green frog, ä",
            cost_usd="0.2110",
        ),
    ]
    for picture in pictures:
        write_sidecar(picture, WritePolicy(Path("/"), Path("/"), allow_unsafe=True))
    put(*pictures)
    return pictures


def put(*pictures: Picture) -> None:
    """Write pictures into the catalogue as their making does."""
    repositories = Repositories(data_folder() / "gpt-image-2.db", keeps_history=True)
    with repositories.unit_of_work() as page:
        for picture in pictures:
            page.pictures.add(picture)
            if picture.record.position:
                page.sessions.restore(picture.record.position.session_id)
    repositories.close()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(commands, ["library", *arguments])


def done(*arguments: str) -> Result:
    result = run(*arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def refused(*arguments: str) -> str:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def ids(*arguments: str) -> list[str]:
    return [picture["id"] for picture in json.loads(done(*arguments, "--json").stdout)["pictures"]]


def program(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gpt_image_2_mcp", *arguments]
    env = {**os.environ, **environ}
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=PATIENCE_S, check=False)


def test_pictures_are_listed_the_newest_first(shelf: list[Picture], folder: Path) -> None:
    del shelf
    result = done("list")
    assert result.stderr == ""
    assert result.stdout.replace(str(folder), "FOLDER") == snapshot("""\
image-20261122-160000-00000c  2026-11-22 16:00  288x288  $0.2110
  A green frog, ä
  FOLDER/image-20261122-160000-00000c.png
session-20261122-150000-00000b  2026-11-22 15:00  288x288  cost unknown  turn 1
  Make it blue
  FOLDER/session-20261122-150000-00000b.png
image-20261121-140000-00000a  2026-11-21 14:00  288x288  $0.0412
  A red fox in the snow
  FOLDER/image-20261121-140000-00000a.png
""")


def test_a_script_reads_whole_records(shelf: list[Picture]) -> None:
    answer = json.loads(done("list", "--json", "--limit", "1").stdout)
    assert answer["more"] is True
    (picture,) = answer["pictures"]
    assert picture["file_path"] == str(shelf[2].path)
    assert picture["prompt"] == "A green frog, ä"
    assert picture["cost_usd"] == pytest.approx(0.211)


PICKS: dict[str, tuple[Sequence[str], list[str]]] = {
    "by words": (["search", "red", "sno"], [OLDEST]),
    "by words of no picture": (["search", "red", "frog"], []),
    "a page": (["list", "--limit", "2"], [NEWEST, TURN]),
    "the next page": (["list", "--limit", "2", "--page", "2"], [OLDEST]),
    "since a day": (["list", "--since", "2026-11-22"], [NEWEST, TURN]),
    "until a day, to its end": (["list", "--until", "2026-11-21"], [OLDEST]),
    "between two times": (["list", "--since", "2026-11-22T14:30Z", "--until", "2026-11-22T15:30Z"], [TURN]),
    "of a project": (["list", "--project", "foxes"], [OLDEST]),
    "of a session": (["list", "--session", SESSION], [TURN]),
    "of a model": (["list", "--model", "gpt-image-2.5"], [TURN]),
    "by words and a day": (["search", "a", "--since", "2026-11-22"], [NEWEST]),
}


@pytest.mark.parametrize("pick", PICKS.values(), ids=PICKS)
def test_pictures_are_picked(pick: tuple[Sequence[str], list[str]], shelf: list[Picture]) -> None:
    del shelf
    arguments, expected = pick
    assert ids(*arguments) == expected


def test_an_empty_list_says_so(folder: Path) -> None:
    del folder
    hint = "No pictures. The sandbox's have a catalogue of their own: --sandbox.\n"
    assert done("list").stderr == done("search", "fox").stderr == hint
    assert done("list", "--sandbox").stderr == "No pictures.\n"
    assert done("list", "--page", "2").stderr == "No more pictures.\n"


def test_a_folder_without_records_is_said_to_be_one(folder: Path) -> None:
    (folder / "photo.png").write_bytes(encoded())
    result = done("rebuild", str(folder))
    assert result.stdout == "0 pictures added.\n"
    assert result.stderr == snapshot(
        "No records were found there: they lie in folders .gpt-image-2, beside the pictures.\n"
    )


def test_a_word_for_no_picture_is_answered_in_words_of_the_command_line(folder: Path) -> None:
    del folder
    for word in ("last", "7"):
        result = CliRunner().invoke(commands, ["--sandbox", "edit", "bluer", "-i", word])
        assert result.exit_code == 1
        assert "in this chat" in result.stderr
        assert "server" not in result.stderr


def test_more_pages_are_told_of(shelf: list[Picture]) -> None:
    del shelf
    assert done("list", "--limit", "2").stderr == "There are more: --page 2\n"
    assert done("list", "--limit", "3").stderr == ""


def test_a_wrong_time_is_one_line(folder: Path) -> None:
    del folder
    assert "'never' cannot be read as a time" in refused("list", "--since", "never")


def test_a_picture_is_shown_with_all_that_is_known_of_it(shelf: list[Picture], folder: Path) -> None:
    del shelf
    assert done("show", TURN).stdout.replace(str(folder), "FOLDER") == snapshot("""\
id: session-20261122-150000-00000b
file: FOLDER/session-20261122-150000-00000b.png
made: 2026-11-22 15:00:00 UTC
picture: 288x288 PNG, 882 bytes
sha256: 4da8142098a2b6886f0d65840050fec0401f6e9afa42fdc929fef90e315c5dfa
model: gpt-image-2.5; asked for: nothing in particular; came: not told
cost: unknown
made from: cat.png
session: session-000000000000000000000007, turn 1
0 originals: cat.png
1 "Make it blue"  <- the next turn is made from here
prompt: Make it blue
""")


def test_a_picture_is_named_by_its_file_or_as_the_last(shelf: list[Picture]) -> None:
    copy = Path("copy.png")
    shutil.copy(shelf[0].path, copy)
    assert json.loads(done("show", str(shelf[0].path), "--json").stdout)["id"] == OLDEST
    assert json.loads(done("show", "copy.png", "--json").stdout)["id"] == OLDEST
    assert json.loads(done("show", "last", "--json").stdout)["id"] == NEWEST


@pytest.mark.parametrize("image", ["image-20261122-160000-ffffff", "gone.png", "stranger.png", "last", "~/.ssh/id_rsa"])
def test_a_picture_that_is_not_known_is_one_line(image: str, folder: Path) -> None:
    del folder
    Path("stranger.png").write_bytes(encoded())
    refused("show", image)


def test_no_word_of_a_record_steers_the_terminal(folder: Path) -> None:
    """A prompt may come from a web page, and a record from anybody's folder."""
    evil = "\x1b]0;owned\x07\x1b[2J\x9b31m \u202egnp.exe\r"
    put(saved(folder, flat((1, 2, 3)), name=NEWEST, prompt=f"A fox {evil}", project=evil, parameters={evil: evil}))
    for command in (["list"], ["show", NEWEST]):
        out = done(*command).stdout
        assert "A fox" in out
        assert not set(evil) & set(out) - set("]0;owned[2J31m gnp.exe")


def test_everything_that_was_asked_for_is_copied(shelf: list[Picture]) -> None:
    result = done("export", "out", "--query", "fox")
    out = Path("out").absolute()
    assert (result.stdout, result.stderr) == (f"{out}\n", "1 picture copied.\n")
    assert (out / shelf[0].path.name).read_bytes() == shelf[0].path.read_bytes()
    assert sidecar_of(out / shelf[0].path.name).read_bytes() == sidecar_of(shelf[0].path).read_bytes()
    assert done("export", "out").stderr == "2 pictures copied, 1 were there already.\n"
    assert sorted(path.name for path in out.glob("*.png")) == sorted(picture.path.name for picture in shelf)


def test_an_export_replaces_no_file(shelf: list[Picture]) -> None:
    del shelf
    other = Path("out") / f"{OLDEST}.png"
    other.parent.mkdir()
    other.write_text("mine", encoding="utf-8")
    result = run("export", "out")
    assert result.exit_code == 1
    assert f"{other.absolute()} is another file already" in result.stderr
    assert other.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("name", ["/etc/pictures", "~/.ssh/pictures", "~/.config/pictures", "/"])
def test_nothing_is_written_where_nothing_belongs(name: str, shelf: list[Picture]) -> None:
    del shelf
    assert "No picture is written to" in refused("export", name)
    assert "No picture is written to" in refused("gallery", "-o", f"{name}/all.html")


def test_an_exported_folder_is_a_catalogue_for_somebody_else(
    shelf: list[Picture], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del shelf
    before = json.loads(done("list", "--json").stdout)["pictures"]
    done("export", str(tmp_path / "out"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "data"))
    assert ids("list") == []
    assert done("rebuild", str(tmp_path / "out")).stdout == "3 pictures added, 1 edit session restored.\n"
    after = json.loads(done("list", "--json").stdout)["pictures"]
    assert [picture.pop("file_path") for picture in after] != [picture.pop("file_path") for picture in before]
    assert after == before


def test_a_check_finds_nothing_where_all_is_well(shelf: list[Picture]) -> None:
    del shelf
    assert done("check").stdout == "3 pictures checked: all are as they were made.\n"


def test_a_check_knows_exports_named_after_their_picture(shelf: list[Picture], folder: Path) -> None:
    path, data = folder / f"{shelf[0].path.stem}-og-png.png", encoded()
    path.write_bytes(data)
    ExportRecords(data_folder() / EXPORTS).write({"sha256": hashlib.sha256(data).hexdigest()})
    assert done("check").stdout == "3 pictures checked: all are as they were made.\n"
    path.write_bytes(flat((9, 9, 9)))
    assert run("check").stdout.startswith("Not in the catalogue: 1\n")


def test_a_check_finds_what_is_missing_changed_and_unknown(shelf: list[Picture], folder: Path) -> None:
    shelf[0].path.unlink()
    shelf[1].path.write_bytes(flat((9, 9, 9)))
    sidecar_of(shelf[2].path).unlink()
    (folder / "image-20261122-170000-00000d.png").write_bytes(encoded())
    (folder / "holiday.png").write_bytes(encoded())
    result = run("check")
    assert result.exit_code == 1
    assert result.stdout.replace(str(folder), "FOLDER") == snapshot("""\
Missing: 1
  FOLDER/image-20261121-140000-00000a.png
  If they were moved, gpt-image-2-mcp library rebuild FOLDER finds them at their new place.
Changed or unreadable: 1
  The picture FOLDER/session-20261122-150000-00000b.png was changed since it was made.
  The catalogue keeps what they were: put the originals back.
Without their record beside them: 1
  FOLDER/image-20261122-160000-00000c.png
  gpt-image-2-mcp library export FOLDER copies pictures and writes their records anew.
Not in the catalogue: 1
  FOLDER/image-20261122-170000-00000d.png (no record)
  gpt-image-2-mcp library rebuild FOLDER takes in those that have a record.
""")
    found: dict[str, Any] = json.loads(run("check", "--json").stdout)
    assert found.pop("pictures") == 3
    ids = {kind: [one["id"] for one in findings] for kind, findings in found.items()}
    # The first run has written it anew, if it was still there when the newest pictures' records were looked for.
    assert ids.pop("unrecorded") in ([NEWEST], [])
    assert ids == {
        "missing": [OLDEST],
        "changed": [TURN],
        "damaged": [],
        "unknown": ["image-20261122-170000-00000d"],
    }


def test_a_check_keeps_to_the_folders_that_are_named(shelf: list[Picture], tmp_path: Path) -> None:
    shelf[0].path.unlink()
    (tmp_path / "other" / "deep").mkdir(parents=True)
    assert done("check", str(tmp_path / "other")).stdout == "0 pictures checked: all are as they were made.\n"
    (tmp_path / "other" / "deep" / "image-20261122-170000-00000d.png").write_bytes(encoded())
    assert run("check", str(tmp_path / "other")).stdout.startswith("Not in the catalogue: 1\n")


def test_a_moved_folder_is_missing_until_it_is_found(shelf: list[Picture], folder: Path, tmp_path: Path) -> None:
    del shelf
    folder.rename(tmp_path / "moved")
    assert run("check").stdout.startswith("Missing: 3\n")
    assert run("check", str(tmp_path / "moved")).stdout.startswith("Not in the catalogue: 3\n")
    assert done("rebuild", str(tmp_path / "moved")).stdout == "0 pictures added, 3 found at a new place.\n"
    done("check")


def test_a_place_that_no_disk_has_is_one_where_nothing_is(folder: Path) -> None:
    """The catalogue may come from another system."""
    picture = saved(folder, flat((1, 2, 3)), name=NEWEST)
    put(picture.model_copy(update={"path": folder / ("x" * 300) / picture.path.name}))
    assert run("check").stdout.startswith("Missing: 1\n")
    assert run("export", "out").stderr.startswith("0 pictures copied.\n")
    assert done("gallery").stderr.startswith("1 picture, ")
    refused("rebuild", "x" * 300)
    refused("gallery", "-o", f"{'x' * 300}.html")


def test_a_gallery_is_one_page(shelf: list[Picture]) -> None:
    shelf[0].path.unlink()
    result = done("gallery")
    page = Path("gallery.html").absolute()
    assert result.stdout == f"{page}\n"
    assert re.fullmatch(r"3 pictures, [0-9]+ kB\.\n", result.stderr)
    html = page.read_text(encoding="utf-8")
    assert html.count("data:image/jpeg;base64,") == 2
    assert "A green frog, ä" in html
    assert SESSION in html


def test_a_gallery_replaces_an_older_one_and_no_other_file(shelf: list[Picture]) -> None:
    del shelf
    done("gallery", "-o", "all.html")
    done("gallery", "-o", "all.html", "--query", "fox")
    assert "green frog" not in Path("all.html").read_text(encoding="utf-8")
    policy = """<meta http-equiv="Content-Security-Policy" content="default-src 'self'">"""
    for page in ("<!doctype html><p>mine", f"<!doctype html>\n<html lang='en'>\n<head>\n{policy}"):
        Path("thesis.html").write_text(page, encoding="utf-8")
        assert "is another file" in refused("gallery", "-o", "thesis.html")
    assert "ends in .html" in refused("gallery", "-o", "notes.txt")
    assert [path.name for path in Path().iterdir() if path.name.startswith(".")] == []


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_gallery_is_not_written_through_a_link(shelf: list[Picture]) -> None:
    del shelf
    done("gallery", "-o", "real.html")
    Path("link.html").symlink_to("real.html")
    assert "is another file" in refused("gallery", "-o", "link.html")


@pytest.mark.parametrize(
    "arguments", [["list"], ["search", "x"], ["show", "last"], ["export", "out"], ["check"], ["gallery"]]
)
def test_without_history_there_is_no_library(
    arguments: Sequence[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del folder
    monkeypatch.setenv("GPT_IMAGE_2_HISTORY", "off")
    assert "There is no catalogue: GPT_IMAGE_2_HISTORY is off" in refused(*arguments)


def test_a_wrong_setting_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del folder
    monkeypatch.setenv("GPT_IMAGE_2_SESSION_MAX", "many")
    assert "GPT_IMAGE_2_SESSION_MAX" in refused("list")


# The program itself.


@pytest.mark.thorough
def test_a_picture_is_made_found_lost_and_found_again(folder: Path) -> None:
    """Each step is a process of its own, without a key; the sandbox's catalogue is not the person's."""
    made = program("generate", "a red fox", "--size", SMALL, "--sandbox")
    path = Path(made.stdout.strip())
    assert json.loads(program("library", "list", "--json").stdout)["pictures"] == []
    before = program("--sandbox", "library", "search", "fox", "--json").stdout
    assert [picture["file_path"] for picture in json.loads(before)["pictures"]] == [str(path)]
    data = data_folder()
    for file in data.glob("gpt-image-2-sandbox.db*"):
        shutil.rmtree(file) if file.is_dir() else file.unlink()
    lost = program("library", "check", "--sandbox")
    assert (lost.returncode, lost.stdout.splitlines()[0]) == (1, "Not in the catalogue: 1")
    found = program("library", "rebuild", str(folder), "--sandbox")
    assert (found.returncode, found.stdout) == (0, "1 picture added.\n")
    assert program("--sandbox", "library", "search", "fox", "--json").stdout == before
    plain = program("library", "rebuild", str(folder))
    assert plain.stdout == "0 pictures added.\n"
    assert without_ids(plain.stderr) == snapshot(
        "1 picture left out: the sandbox's, which has a catalogue of its own. Rebuild with --sandbox to take them.\n"
    )


def test_without_a_command_it_says_what_there_is() -> None:
    result = done()
    assert result.stdout == done("--help").stdout
    assert "..." not in result.stdout.split("Commands:")[1]


def test_the_library_is_slow_for_nobody_who_asks_for_help() -> None:
    probe = (
        "import sys; sys.argv = ['gpt-image-2-mcp', 'library', '--help']\nfrom gpt_image_2_mcp.cli.main import main\n"
    )
    probe += "try:\n main()\nfinally:\n print(sorted({'openai', 'mcp', 'PIL', 'pydantic', 'rich'} & set(sys.modules)))"
    shown = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=PATIENCE_S
    )
    for command in ("list", "search", "show", "export", "rebuild", "check", "set-back", "gallery"):
        assert re.search(rf"^  {command} ", shown.stdout, re.MULTILINE)
    assert shown.stdout.endswith("[]\n")


def test_a_session_is_set_back_at_the_terminal(shelf: list[Picture], monkeypatch: pytest.MonkeyPatch) -> None:
    del shelf
    monkeypatch.setenv("GPT_IMAGE_2_SESSION_TTL_MS", "0")
    assert done("set-back", SESSION, "0").stdout == snapshot("""\
0 originals: cat.png  <- the next turn is made from here
1 "Make it blue"
""")
    assert done("set-back", SESSION, "1").stdout == snapshot("""\
0 originals: cat.png
1 "Make it blue"  <- the next turn is made from here
""")
    assert "has turns 1 to 1" in refused("set-back", SESSION, "2")
    assert "no active edit session" in refused("set-back", "session-1", "1")
