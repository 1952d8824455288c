"""What disks do to a picture: they are full, take less than was written, or do not answer. No paid picture is lost."""

import errno
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from dead_folder import DeadFolder, full_path
from fault_proxy import DATABASE, paying
from mcp.client import ClientRequestContext
from mcp_types import ElicitRequestParams, ElicitResult
from patience import MOMENT_S, PATIENCE_S
from PIL import Image
from stdio_bench import PROGRAM, calls, pictures_in, reached, report_of
from workbench import SMALL, Bench, said

from gpt_image_2_mcp.storage import local_folder, time_limit

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="it has other limits, and other calls of the system"),
]

FOX: dict[str, Any] = {"prompt": "a fox", "size": SMALL}


def whole_pictures(folder: Path) -> list[Path]:
    """The pictures in a folder, each of which can be decoded."""
    found = sorted(folder.glob("*.png"))
    for path in found:
        with Image.open(path) as image:
            image.load()
    return found


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Bench]:
    """A server that keeps records, and a database on the disk."""
    async with paying(tmp_path) as bench:
        yield bench


# Before anything is paid.


def failing(code: int) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(code, os.strerror(code))

    return fail


def no_room(_: object) -> os.statvfs_result:
    # In a file system with blocks of 4,096 bytes, 10,000 in all and 10 free.
    return os.statvfs_result((4096, 4096, 10_000, 10, 10, 1000, 1000, 1000, 0, 255))


@pytest.mark.parametrize(
    ("call", "answer", "reason"),
    [
        ("statvfs", no_room, "40,960 bytes are free on its disk"),
        ("posix_fallocate", failing(errno.ENOSPC), os.strerror(errno.ENOSPC)),
        ("posix_fallocate", failing(errno.EDQUOT), os.strerror(errno.EDQUOT)),
        ("open", failing(errno.EROFS), os.strerror(errno.EROFS)),
        ("open", failing(errno.EMFILE), os.strerror(errno.EMFILE)),
    ],
)
async def test_a_folder_that_cannot_take_the_pictures_is_refused_before_they_are_paid(
    call: str, answer: Callable[..., Any], reason: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.made("generate_image", **FOX)
    with monkeypatch.context() as patch:
        patch.setattr(os, call, answer, raising=False)
        refused = await bench.refused("generate_image", **FOX, n=3)
    size = 3 * (1024 * 640 * 3 + 65_536)
    assert (
        f"{str(bench.folder)!r} cannot take 3 pictures of up to {size:,} bytes: {reason}. Nothing was sent" in refused
    )
    assert len(bench.seen()) == 1
    assert len(pictures_in(bench)) == 1


async def test_a_file_system_that_cannot_allocate_takes_pictures(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "posix_fallocate", failing(errno.EBADF), raising=False)
    await bench.made("generate_image", **FOX)


def read_only(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> None:
    """Have no file created in `folders`, whose rights allow it."""
    real = os.open

    def refuse(path: Any, flags: int, *more: Any, **options: Any) -> int:
        if flags & os.O_CREAT and full_path(path, options).parent in folders:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real(path, flags, *more, **options)

    monkeypatch.setattr(os, "open", refuse)


async def test_a_session_whose_folder_is_full_goes_on_in_the_default_folder(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its turns cannot name another folder."""
    begun = await bench.made(
        "start_edit_session", prompt="a hat", images=[str(bench.photo())], size=SMALL, output_dir="s"
    )
    read_only(monkeypatch, begun.path.parent)
    turn = await bench.made("continue_edit_session", session_id=begun.session_id, prompt="a coat", size=SMALL)
    assert turn.path.parent == bench.folder / "sandbox"
    assert f"Saved in {turn.path.parent}, since this could not be written: {begun.path.parent}" in turn.text


async def test_a_default_folder_that_is_full_has_its_pictures_in_the_data_folder(
    kept: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The call did not name it. A folder that a call names is refused."""
    await kept.made("generate_image", **FOX)
    art = kept.working_dir / "art"
    read_only(monkeypatch, kept.folder, art)
    made = await kept.made("generate_image", **FOX)
    assert made.path.parent == tmp_path / "data" / "pictures"
    assert f"Saved in {made.path.parent}, since this could not be written: {kept.folder}" in made.text
    assert f"{str(art)!r} cannot take the picture" in await kept.refused("generate_image", **FOX, output_dir="art")
    read_only(monkeypatch, made.path.parent)
    assert f"{str(kept.folder)!r} cannot take the picture" in await kept.refused("generate_image", **FOX)
    assert len(kept.seen()) == 2


LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_a_limit_on_the_size_of_files_is_found_before_anything_is_paid(tmp_path: Path) -> None:
    """It cuts a file off without an error where a part of a write fits."""
    command = [sys.executable, "-c", LIMITED, *PROGRAM, "generate", "a fox", "--sandbox", "--size", SMALL]
    ran = subprocess.run(
        [*command, "-o", str(tmp_path)], capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    assert ran.returncode == 1
    assert os.strerror(errno.EFBIG) in ran.stderr
    assert "Nothing was sent or paid" in ran.stderr
    assert list(tmp_path.rglob("*.p*")) == []


# While it is saved.


async def test_a_disk_that_takes_less_than_was_written_gets_no_picture(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says that all was well, and the file is shorter than the picture."""
    sync, cuts = os.fsync, iter([1000])

    def cut(descriptor: int) -> None:
        size = os.fstat(descriptor).st_size
        # The first that is large is the picture in the folder of the call.
        if size > 10_000:
            os.ftruncate(descriptor, next(cuts, size))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", cut)
    made = await bench.made("generate_image", **FOX, output_dir="art")
    assert whole_pictures(bench.folder / "sandbox") == [made.path]
    assert [path for path in (bench.working_dir / "art").rglob("*") if path.is_file()] == []
    assert "the disk has not taken all of the" in made.text


async def test_a_picture_that_no_folder_takes_for_a_moment_is_tried_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, refusals = os.open, iter(range(2))

    def busy(path: Any, flags: int, *more: Any, **options: Any) -> int:
        if flags & os.O_CREAT and Path(path).name.startswith(".gpt-image-2-") and next(refusals, None) is not None:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return real(path, flags, *more, **options)

    monkeypatch.setattr(local_folder, "PAUSES_S", (0,))
    monkeypatch.setattr(os, "open", busy)
    # The folder of the call, and the temporary one: each refuses it once.
    made = await bench.made("generate_image", **FOX)
    assert next(refusals, None) is None
    assert whole_pictures(bench.folder / "sandbox") == [made.path]
    assert "could not be written" not in made.text


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.EIO])
async def test_a_folder_that_cannot_be_synced_has_its_picture_once(
    code: int, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some network drives and shared folders of virtual machines sync files only."""
    sync = os.fsync

    def sync_files(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", sync_files)
    made = await bench.made("generate_image", **FOX)
    assert whole_pictures(bench.folder / "sandbox") == [made.path]
    assert "could not be written" not in made.text


@contextmanager
def full_disk(folder: Path) -> Generator[bool]:
    """Have a disk with little room in `folder`, where this user may mount one; else a limit on the size of all files.

    Yields whether it is a disk.
    """
    import resource

    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    is_disk = os.getuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        if is_disk:
            (folder / "other").write_bytes(bytes(2 * 1024 * 1024 - 30_000))
        else:
            resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, before[1]))
        yield is_disk
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        if is_disk:
            subprocess.run(["umount", str(folder)], check=True)


async def test_a_picture_is_saved_where_the_system_gives_no_thread_for_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "files":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    made = await bench.made("generate_image", **FOX)
    assert whole_pictures(bench.folder / "sandbox") == [made.path]


async def test_a_disk_that_fills_up_while_a_picture_is_made_cuts_none(bench: Bench) -> None:
    folder = bench.working_dir / "art"
    bench.knobs.hold()
    async with calls(bench) as ongoing:
        call = ongoing.start("generate_image", **FOX, output_dir="art")
        await reached(bench, 1)
        with full_disk(folder) as is_disk:
            bench.knobs.release()
            answer = await call.answer()
            assert whole_pictures(folder) == []
            assert not [path for path in folder.rglob("*") if path.name.endswith(".part")]
    if is_disk:
        assert [Path(image["file_path"]) for image in report_of(answer)["images"]] == whole_pictures(
            bench.folder / "sandbox"
        )
        assert os.strerror(errno.ENOSPC) in said(answer)
    else:
        assert "could not be saved anywhere" in said(answer)


# A folder that does not answer.


@pytest.fixture
def dead(kept: Bench, monkeypatch: pytest.MonkeyPatch) -> Generator[DeadFolder]:
    """The folder `dead` in the working directory."""
    folder = DeadFolder(monkeypatch, kept.working_dir / "dead")
    try:
        yield folder
    finally:
        folder.come_back()
        assert folder.asked_by_the_loop == []


async def test_a_dead_folder_in_one_call_holds_up_no_other_call(dead: DeadFolder, kept: Bench) -> None:
    dead.die()
    async with calls(kept) as ongoing:
        slow = ongoing.start("generate_image", **FOX, output_dir="dead")
        assert await anyio.to_thread.run_sync(dead.asked.wait, PATIENCE_S)
        for folder in ("alive", "default"):
            await kept.made("generate_image", **FOX, **({} if folder == "default" else {"output_dir": folder}))
        dead.come_back()
        report_of(await slow.answer())


async def test_a_dead_folder_is_refused_before_anything_is_paid(
    dead: DeadFolder, kept: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead.die()
    with monkeypatch.context() as patch:
        patch.setattr(time_limit, "LIMIT_S", 0.05)
        refused = [await kept.refused("generate_image", **FOX, output_dir="dead") for _ in range(2)]
    for text in refused:
        assert "'dead' cannot be used: it does not answer" in text
    assert kept.seen() == []


async def test_a_dead_folder_is_refused_before_the_user_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def confirm(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        del context, params
        return ElicitResult(action="accept", content={})

    async with paying(tmp_path, ask=confirm, GPT_IMAGE_2_CONFIRM_OVER_USD="0.001") as bench:
        folder = DeadFolder(monkeypatch, bench.working_dir / "dead")
        folder.die()
        try:
            with monkeypatch.context() as patch:
                patch.setattr(time_limit, "LIMIT_S", 0.05)
                with anyio.fail_after(PATIENCE_S / 2):
                    told = await bench.refused("generate_image", **FOX, output_dir="dead")
        finally:
            folder.come_back()
        assert "'dead' cannot be used: it does not answer" in told
        assert bench.seen() == []


@pytest.mark.parametrize("what", ["the picture", "its record"])
async def test_a_folder_that_dies_while_a_picture_is_made_loses_nothing(
    what: str, dead: DeadFolder, kept: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The picture goes to the next folder; without its record, the picture is told and listed all the same."""
    await kept.made("generate_image", **FOX)
    kept.knobs.hold()
    async with calls(kept) as ongoing:
        slow = ongoing.start("generate_image", **FOX, output_dir="dead")
        await reached(kept, 2)
        monkeypatch.setattr(time_limit, "LIMIT_S", 2 * MOMENT_S)
        if what == "its record":
            mkdir = os.mkdir

            def die_and_make(path: Any, *more: Any, **options: Any) -> None:
                if str(full_path(path, options)).endswith("dead/.gpt-image-2"):
                    dead.die()
                mkdir(path, *more, **options)

            monkeypatch.setattr(os, "mkdir", die_and_make)
        else:
            dead.die()
        kept.knobs.release()
        assert await anyio.to_thread.run_sync(dead.asked.wait, PATIENCE_S)
        # The thread that uses the database is not held up.
        assert not (await kept.call("list_images")).is_error
        (image,) = report_of(await slow.answer())["images"]
        is_elsewhere = what == "the picture"
        assert (kept.folder in Path(image["file_path"]).parents) is is_elsewhere
        assert image["id"] in said(await kept.call("list_images", contact_sheet=True))


async def test_a_dead_folder_of_a_lost_job_holds_up_no_start(
    dead: DeadFolder, kept: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What killed processes left is looked for in all folders, and a dead one is given up."""
    kept.knobs.hold()
    async with calls(kept) as ongoing:
        ongoing.start("generate_image", **FOX, output_dir="dead")
        await reached(kept, 1)
        with closing(sqlite3.connect(tmp_path / "data" / DATABASE)) as connection, connection:
            connection.execute("UPDATE jobs SET owner = 'killed'")
        (tmp_path / "data" / f"{DATABASE}-alive" / "killed.alive").touch()
        dead.die()
        monkeypatch.setattr(time_limit, "LIMIT_S", 2 * MOMENT_S)
        async with paying(tmp_path) as other:
            await other.made("generate_image", **FOX, output_dir="alive")
            (job,) = [line for line in said(await other.call("get_image_job")).splitlines() if ": lost" in line]
            told = await other.refused("get_image_job", job_id=job.split(":")[0].removeprefix("- "))
        assert "cannot be looked through (it does not answer" in told
        dead.come_back()
        kept.knobs.release()
