"""Folders that are exchanged for links while something is written or read, and folders that other users can enter."""

import ctypes
import os
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from promises import promise
from workbench import SMALL, Benches

from gpt_image_2_mcp.errors import BadRequest, CannotSave, UnreadableSource
from gpt_image_2_mcp.inputs.local_file import check_readable
from gpt_image_2_mcp.paths.policy import WritePolicy, real_path
from gpt_image_2_mcp.paths.read_policy import ReadPolicy
from gpt_image_2_mcp.storage import local_folder
from gpt_image_2_mcp.storage.atomic_write import write_file
from gpt_image_2_mcp.storage.local_folder import Name, last_resort, save_beside, save_image
from gpt_image_2_mcp.storage.open_folder import open_resolved

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="it has other rights, and no descriptors of folders"),
]

ROUNDS = 60
AT_FDCWD, RENAME_EXCHANGE = -100, 2

FOX = {"prompt": "a fox", "size": SMALL}


@contextmanager
def exchanged(one: Path, other: Path) -> Generator[None]:
    """Exchange two names without an end, each time in one step."""
    exchange: Callable[..., int] = ctypes.CDLL(None, use_errno=True).renameat2
    stop = threading.Event()

    def loop() -> None:
        while not stop.is_set():
            exchange(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of keys in a home, to which `shared/link` leads."""
    monkeypatch.setattr(local_folder, "PAUSES_S", ())
    keys = tmp_path / "home" / ".ssh"
    keys.mkdir(parents=True)
    for name in ("art/deep", "rest"):
        (tmp_path / "shared" / name).mkdir(parents=True)
    (keys / "deep").mkdir()
    (tmp_path / "shared" / "link").symlink_to(keys)
    return keys


@promise("Writing", "Exchanging a folder for a link at any moment gains nothing (on Windows, a moment is left).")
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux exchanges two names in one step")
@pytest.mark.parametrize("inside", ["", "deep", "new-{}/deeper"])
def test_a_folder_that_is_exchanged_for_a_link_gains_nothing(inside: str, keys: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    policy = WritePolicy(shared, tmp_path / "home")
    before = sorted(keys.rglob("*"))
    with exchanged(shared / "art", shared / "link"):
        for number in range(ROUNDS):
            folders = (shared / "art" / inside.format(number), shared / "rest")
            path, _ = save_image(
                b"picture", extension="png", name=Name.new("image"), number=None, folders=folders, policy=policy
            )
            assert shared in path.parents
            try:
                save_beside(b"{}", f"{path.stem}.json", folder=folders[0], policy=policy, durable=False)
            except (OSError, BadRequest):
                continue
    assert sorted(keys.rglob("*")) == before
    assert sum(path.suffix == ".png" for path in shared.rglob("*")) == ROUNDS
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux exchanges two names in one step")
@pytest.mark.usefixtures("keys")
def test_a_path_that_is_exchanged_all_the_time_is_no_error_of_the_system(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    policy = ReadPolicy(shared, tmp_path / "home")
    with exchanged(shared / "art", shared / "link"):
        for _ in range(5 * ROUNDS):
            try:
                check_readable(shared / "art" / "deep" / "a.png", reference="a.png", policy=policy)
            except (UnreadableSource, BadRequest):
                continue


def test_a_path_that_cannot_be_resolved_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def exchanged_again(*_: object, **__: object) -> str:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os.path, "realpath", exchanged_again)
    with pytest.raises(BadRequest, match="changes while it is looked at"):
        real_path(Path("a"))


def test_what_is_open_stays_open_when_its_name_leads_elsewhere(keys: Path, tmp_path: Path) -> None:
    """Each step between the check and the final name goes by the descriptor."""
    art, moved = tmp_path / "shared" / "art", tmp_path / "shared" / "moved"
    with open_resolved(art, WritePolicy(tmp_path, tmp_path / "home")) as place:
        art.rename(moved)
        art.symlink_to(keys)
        write_file([b"picture"], [art / "a.png"], folder=place)
        assert place.stat("a.png") is not None
        with pytest.raises(FileExistsError):
            write_file([b"picture"], [art / "a.png"], folder=place)
        write_file([b"again"], [art / "a.png"], folder=place, replace=True)
    assert (moved / "a.png").read_bytes() == b"again"
    assert sorted(path.name for path in keys.iterdir()) == ["deep"]
    assert sorted(path.name for path in moved.iterdir()) == ["a.png", "deep"]


# The last resort.


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder that all users share."""
    folder = tmp_path / "tmp"
    folder.mkdir(mode=0o777)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(local_folder, "PAUSES_S", ())
    return folder


def saved_without_a_folder(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(b"")
    policy = WritePolicy(tmp_path, tmp_path / "home")
    path, told = save_image(
        b"picture",
        extension="png",
        name=Name.new("image"),
        number=None,
        folders=(tmp_path / "file" / "art",),
        policy=policy,
    )
    assert told is not None
    return path


@promise("Writing", "The last resort is a temporary folder that only you can enter.")
@pytest.mark.parametrize("planted", ["nothing", "a folder for all", "a link", "a file", "another user's"])
def test_the_last_resort_is_a_folder_that_no_other_user_can_enter(
    planted: str, temporary: Path, tmp_path: Path
) -> None:
    for name in ("gpt-image-2", "gpt-image-2-0", "gpt-image-2-zzzzzzzz"):
        place = temporary / name
        match planted:
            case "a folder for all" | "another user's":
                place.mkdir()
                place.chmod(0o777 if planted == "a folder for all" else 0o700)
                if planted == "another user's" and os.geteuid() == 0:
                    os.chown(place, 65534, 65534)
                elif planted == "another user's":
                    pytest.skip("only root can plant a folder of another user")
            case "a link":
                place.symlink_to(tmp_path)
            case "a file":
                place.write_bytes(b"")
            case _:
                pass
    path = saved_without_a_folder(tmp_path)
    status = path.parent.stat()
    assert path.parent.parent == temporary
    assert stat.S_IMODE(status.st_mode) == 0o700
    assert status.st_uid == os.geteuid()
    assert not (planted != "nothing" and path.parent.name in {"gpt-image-2", "gpt-image-2-0", "gpt-image-2-zzzzzzzz"})
    # The next one is found beside it.
    assert saved_without_a_folder(tmp_path).parent == path.parent == last_resort()


def test_a_temporary_folder_that_is_gone_is_said(temporary: Path, tmp_path: Path) -> None:
    temporary.rmdir()
    with pytest.raises(CannotSave, match="a temporary folder"):
        saved_without_a_folder(tmp_path)


# What other users can read.


@promise(
    "Other users",
    "The records and the kept inputs beside the pictures are for you alone; other files are as open as your umask "
    "says.",
)
@pytest.mark.parametrize(("umask", "file", "folder"), [(0o022, 0o644, 0o755), (0o077, 0o600, 0o700), (0, 0o666, 0o777)])
async def test_files_are_as_open_as_the_umask_says_and_records_are_closed(
    umask: int, file: int, folder: int, benches: Benches, tmp_path: Path
) -> None:
    before = os.umask(umask)
    try:
        bench = await benches.open(data_dir=tmp_path / "data", GPT_IMAGE_2_PARTIAL_IMAGES="1")
        made = await bench.made("start_edit_session", **FOX, images=[data_url(bench.photo())], output_dir="art")
    finally:
        os.umask(before)
    side = made.path.parent / ".gpt-image-2"
    assert {stat.S_IMODE(path.stat().st_mode) for path in (made.path, *side.iterdir())} == {file}
    assert len(list(side.iterdir())) >= 2
    assert stat.S_IMODE(made.path.parent.stat().st_mode) == folder
    assert stat.S_IMODE(side.stat().st_mode) == 0o700


@promise("Other users", "A gallery that is replaced is not opened to more users than before.")
def test_a_file_that_is_replaced_is_not_opened_to_more_users(tmp_path: Path) -> None:
    page = tmp_path / "gallery.html"
    write_file([b"one"], [page])
    assert stat.S_IMODE(page.stat().st_mode) == 0o666 & ~umask()
    page.chmod(0o600)
    write_file([b"two"], [page], replace=True)
    assert (page.read_bytes(), stat.S_IMODE(page.stat().st_mode)) == (b"two", 0o600)


def umask() -> int:
    os.umask(found := os.umask(0o022))
    return found


def data_url(path: Path) -> str:
    import base64

    return "data:;base64," + base64.b64encode(path.read_bytes()).decode()
