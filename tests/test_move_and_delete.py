"""`library move` and `library delete`, and pictures whose files a person moved by hand."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE_S
from test_library_commands import NEWEST, OLDEST, TURN, done, folder, refused, run, shelf
from workbench import SMALL, Bench, said

from gpt_image_2_mcp.app import THUMBNAILS
from gpt_image_2_mcp.catalogue.picture_record import Picture
from gpt_image_2_mcp.catalogue.sidecar import sidecar_of
from gpt_image_2_mcp.library.sheet_files import keep_sheet
from gpt_image_2_mcp.storage.local_folder import SIDE_FOLDER

# The fixtures of the other file.
__all__ = ["folder", "shelf"]


@pytest.fixture
def trash(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files in the system's trash."""
    if sys.platform != "linux":
        pytest.skip("the trash of this system is not a folder that a test can choose")
    # The package looks for it when it is imported.
    for name in [name for name in sys.modules if name.startswith("send2trash")]:
        monkeypatch.delitem(sys.modules, name)
    return Path.home() / ".local" / "share" / "Trash" / "files"


def listed() -> str:
    return done("list").output


def test_a_picture_is_moved_with_its_record_and_the_catalogue_follows(shelf: list[Picture], tmp_path: Path) -> None:
    target = tmp_path / "site" / "img"
    before = shelf[0].path.read_bytes()
    moved = done("move", OLDEST, str(shelf[1].path), str(target))
    paths = [target / shelf[0].path.name, target / shelf[1].path.name]
    assert moved.stdout.split() == [str(path) for path in paths]
    assert paths[0].read_bytes() == before
    assert all(sidecar_of(path).is_file() for path in paths)
    assert not any(picture.path.exists() or sidecar_of(picture.path).exists() for picture in shelf[:2])
    assert str(paths[0]) in done("show", OLDEST).output
    assert done("check").exit_code == 0
    # Again, it is there already.
    assert done("move", OLDEST, str(target)).stdout.split() == [str(paths[0])]


def test_a_move_replaces_no_file_and_moves_no_changed_picture(shelf: list[Picture], tmp_path: Path) -> None:
    target = tmp_path / "site"
    target.mkdir()
    (target / shelf[0].path.name).write_bytes(b"mine")
    assert "another file already" in run("move", OLDEST, str(target)).output
    assert (target / shelf[0].path.name).read_bytes() == b"mine"
    assert shelf[0].path.is_file()
    shelf[1].path.write_bytes(b"painted over")
    assert "was changed" in run("move", TURN, str(target)).output
    assert shelf[1].path.read_bytes() == b"painted over"


def test_without_its_record_a_picture_is_not_moved(shelf: list[Picture], tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / SIDE_FOLDER).symlink_to(tmp_path / "elsewhere")
    assert "The record of" in run("move", OLDEST, str(tmp_path / "site")).output
    assert shelf[0].path.is_file()
    assert sidecar_of(shelf[0].path).is_file()
    assert str(shelf[0].path) in done("show", OLDEST).output
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("command", ["forget", "delete"])
@pytest.mark.usefixtures("trash")
def test_nothing_is_removed_through_a_side_folder_that_is_a_link(
    shelf: list[Picture], tmp_path: Path, command: str
) -> None:
    side = sidecar_of(shelf[0].path).parent
    side.rename(tmp_path / "elsewhere")
    side.symlink_to(tmp_path / "elsewhere")
    assert "cannot be removed" in run(command, OLDEST, "--yes").output
    assert (tmp_path / "elsewhere" / sidecar_of(shelf[0].path).name).is_file()


@pytest.mark.usefixtures("shelf")
@pytest.mark.parametrize(
    "words", [("move", "nothing-here", "."), ("delete", "nothing-here"), ("delete", "/no/such.png")]
)
def test_what_is_no_picture_is_refused(words: tuple[str, ...]) -> None:
    assert "not in the catalogue" in refused(*words)


@pytest.mark.usefixtures("shelf")
def test_a_folder_that_may_not_be_written_is_refused_and_nothing_is_moved(shelf: list[Picture]) -> None:
    assert "/etc" in refused("move", OLDEST, "/etc")
    assert shelf[0].path.is_file()


def test_a_picture_is_deleted_into_the_trash_and_can_come_back(shelf: list[Picture], trash: Path, folder: Path) -> None:
    path = shelf[0].path
    deleted = done("delete", OLDEST, "--yes")
    assert "1 picture moved to the trash" in deleted.stderr
    assert sorted(file.name for file in trash.iterdir()) == sorted([path.name, sidecar_of(path).name])
    assert not path.exists()
    assert OLDEST not in listed()
    assert done("check").exit_code == 0
    shutil.move(trash / path.name, path)
    shutil.move(trash / sidecar_of(path).name, sidecar_of(path))
    done("rebuild", str(folder))
    assert OLDEST in listed()


def test_without_a_yes_nothing_is_deleted(shelf: list[Picture], trash: Path) -> None:
    assert run("delete", OLDEST).exit_code == 1
    assert shelf[0].path.is_file()
    assert not trash.exists()


def test_a_changed_picture_is_not_deleted(shelf: list[Picture], trash: Path) -> None:
    shelf[0].path.write_bytes(b"painted over")
    assert "was changed" in run("delete", OLDEST, "--yes").stderr
    assert shelf[0].path.is_file()
    assert not trash.exists()


def test_a_picture_whose_file_is_gone_is_deleted_from_the_catalogue(shelf: list[Picture], trash: Path) -> None:
    shelf[0].path.unlink()
    done("delete", OLDEST, "-y")
    assert OLDEST not in listed()
    assert not sidecar_of(shelf[0].path).exists()
    assert not trash.exists()


def test_a_file_that_was_moved_by_hand_is_found_by_its_bytes(
    shelf: list[Picture], tmp_path: Path, folder: Path
) -> None:
    inside = folder / "approved" / "fox.png"
    inside.parent.mkdir()
    shelf[0].path.rename(inside)
    assert str(inside) in done("show", OLDEST).output
    # Elsewhere it is found where a person says.
    outside = tmp_path / "public"
    outside.mkdir()
    shelf[2].path.rename(outside / "frog.png")
    assert "1 is missing" in run("check").output or str(shelf[2].path) in run("check").output
    done("rebuild", str(outside))
    assert str(outside / "frog.png") in done("show", NEWEST).output


@pytest.mark.anyio
async def test_the_tools_find_a_moved_picture_too(bench: Bench) -> None:
    made = await bench.made("generate_image", prompt="a fox", size=SMALL, quality="low")
    begun = await bench.made("start_edit_session", prompt="a hat", images=[made.path.stem], size=SMALL, quality="low")
    for path in (made.path, begun.path):
        (path.parent / "kept").mkdir(exist_ok=True)
        path.rename(path.parent / "kept" / f"renamed-{path.name}")
    shown = said(await bench.call("show_image", image=made.path.stem))
    assert f"renamed-{made.path.name}" in shown
    await bench.made("edit_image", prompt="a scarf", images=[made.path.stem], size=SMALL, quality="low")
    turn = {"session_id": begun.session_id, "prompt": "a red hat", "size": SMALL, "quality": "low"}
    await bench.made("continue_edit_session", **turn)


@pytest.mark.anyio
async def test_a_file_with_other_bytes_is_not_taken_for_a_moved_one(bench: Bench) -> None:
    made = await bench.made("generate_image", prompt="a fox", size=SMALL, quality="low")
    data = bytearray(made.path.read_bytes())
    data[-20] ^= 1
    made.path.with_name("other.png").write_bytes(data)
    made.path.unlink()
    assert "is gone" in await bench.refused("edit_image", prompt="a hat", images=[made.path.stem], size=SMALL)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the steps are found by a signal")
@pytest.mark.parametrize("at", range(1, 5))
def test_a_move_that_is_killed_between_two_steps_loses_nothing(shelf: list[Picture], tmp_path: Path, at: int) -> None:
    """The process is killed before the `at`-th of its steps: the copy, its record, the row, the removal."""
    target = tmp_path / "site"
    program = f"""
import os, signal, sys
from gpt_image_2_mcp.library import export, move
from gpt_image_2_mcp.catalogue.picture_table import PictureTable
left = {at}
def killed_at(function):
    def step(*arguments, **options):
        global left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **options)
    return step
export.save_copy = killed_at(export.save_copy)
export.restore_sidecar = killed_at(export.restore_sidecar)
PictureTable.set_path = killed_at(PictureTable.set_path)
move._remove_files = killed_at(move._remove_files)
from gpt_image_2_mcp.cli.main import main
sys.argv = ["x", "library", "move", {OLDEST!r}, {str(target)!r}]
main()
"""
    killed = subprocess.run([sys.executable, "-c", program], timeout=PATIENCE_S, capture_output=True, check=False)
    assert killed.returncode < 0, killed.stderr
    bytes_there = [path for path in (shelf[0].path, target / shelf[0].path.name) if path.exists()]
    assert bytes_there
    assert OLDEST in listed()
    assert done("move", OLDEST, str(target)).exit_code == 0
    assert (target / shelf[0].path.name).is_file()
    assert done("check").exit_code == 0


@pytest.mark.usefixtures("trash")
def test_a_deleted_picture_is_on_no_contact_sheet_that_is_kept(shelf: list[Picture]) -> None:
    (data,) = (path.parent for path in Path.home().rglob("gpt-image-2.db"))
    sheet = keep_sheet(b"a sheet", data / THUMBNAILS)
    assert sheet is not None
    done("delete", str(shelf[0].path), "--yes")
    assert list(sheet.parent.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="no name has a line end there")
@pytest.mark.usefixtures("shelf")
def test_no_name_of_a_folder_begins_a_line_of_the_output(shelf: list[Picture], tmp_path: Path) -> None:
    """A stranger's folder could say in our words that something is done, or name a file that is none."""
    target = tmp_path / "a\nDone: all is well"
    (target / ".gpt-image-2").mkdir(parents=True)
    (target / ".gpt-image-2" / f"{OLDEST}.json").write_text("{}")
    shelf[2].path.unlink()
    shelf[1].path.rename(target / shelf[1].path.name)
    for words in (("rebuild", str(target)), ("check", str(target)), ("list",), ("show", TURN), ("rescue", str(target))):
        result = run(*words)
        assert not any(line.startswith("Done") for line in result.output.splitlines()), result.output
