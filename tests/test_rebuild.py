"""The catalogue from files alone: made again equal, after a folder was moved, and from files that lie."""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
import sqlalchemy as sa
from album import file_of
from patience import PATIENCE_S
from PIL import Image
from promises import promise
from workbench import SMALL, encoded

from gpt_image_2_mcp.app import open_service
from gpt_image_2_mcp.database import schema
from gpt_image_2_mcp.errors import GptImageError
from gpt_image_2_mcp.library.library import Library
from gpt_image_2_mcp.library.rebuild import RebuildResult
from gpt_image_2_mcp.parameters.models import ContinueSessionRequest, GenerateRequest, StartSessionRequest
from gpt_image_2_mcp.sandbox import SandboxTransport, build_sandbox
from gpt_image_2_mcp.service.images import ImageService
from gpt_image_2_mcp.settings import Settings

pytestmark = pytest.mark.anyio

SIDE = ".gpt-image-2"
ID = "image-20261122-140300-00000a"


@dataclass
class Desk:
    """A person's folders; each `service` is a process of its own as far as the catalogue knows."""

    root: Path

    @property
    def pictures(self) -> Path:
        return self.root / "pictures" / "sandbox"

    @property
    def database(self) -> Path:
        return self.root / "data" / "gpt-image-2-sandbox.db"

    def service(self, **environ: str) -> AbstractAsyncContextManager[ImageService]:
        variables = {"GPT_IMAGE_2_OUTPUT_DIR": str(self.root / "pictures"), **environ}
        return open_service(
            Settings.read(variables, sandbox=True),
            transport=SandboxTransport(build_sandbox()),
            working_dir=self.root / "work",
            home=self.root / "home",
            data_dir=self.root / "data",
        )

    @asynccontextmanager
    async def library(self, **environ: str) -> AsyncGenerator[Library]:
        with anyio.fail_after(PATIENCE_S):
            async with self.service(**environ) as service:
                yield service.library

    async def rebuild(self, *folders: Path, **environ: str) -> RebuildResult:
        async with self.service(**environ) as service:
            return await service.maintenance.rebuild([str(folder) for folder in folders or (self.root / "pictures",)])

    def forget(self) -> None:
        """Delete the catalogue."""
        for path in self.database.parent.glob(f"{self.database.name}*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def rows(self, *, without: str = "") -> dict[str, list[dict[str, Any]]]:
        """All that the catalogue says of pictures and sessions."""
        engine = sa.create_engine(f"sqlite:///{self.database}")
        with engine.connect() as connection:
            tables = [(table, table.primary_key.columns) for table in (schema.pictures, schema.sessions)]
            found = {
                table.name: [dict(row) for row in connection.execute(sa.select(table).order_by(*key)).mappings()]
                for table, key in tables
            }
        engine.dispose()
        for rows in found.values():
            for row in rows:
                row.pop(without, None)
        return found

    def ids(self) -> list[str]:
        return [row["id"] for row in self.rows()["pictures"]]

    def plant(self, folder: Path, data: bytes, *, name: str = ID, **fields: Any) -> Path:
        """A picture with a record beside it that anybody could have written; `None` leaves a field away."""
        (folder / SIDE).mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.png"
        path.write_bytes(data)
        record = {
            "record": "gpt-image-2-mcp/picture",
            "version": 1,
            "file": path.name,
            "id": name,
            "kind": "image",
            "sha256": hashlib.sha256(data).hexdigest(),
            "size_bytes": len(data),
            "format": "png",
            "width": 1024,
            "height": 640,
            "model": "gpt-image-2",
            "prompt": "A fox",
            "made": "2026-11-22T14:03:00Z",
            "sandbox": True,
            **fields,
        }
        text = json.dumps({field: value for field, value in record.items() if value is not None})
        (folder / SIDE / f"{name}.json").write_text(text, encoding="utf-8")
        return path


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    for name in ("work", "home", "pictures"):
        (tmp_path / name).mkdir()
    return Desk(tmp_path)


PNG = encoded()


async def make_a_history(service: ImageService, source: Path) -> None:
    """Pictures, several of one request, and a session with a branch, a late turn and a turn from its originals."""
    await service.wait(service.start(GenerateRequest(prompt="A red fox, ä", size=SMALL, n=10), client="a test 1.0"))
    start = StartSessionRequest(prompt="Make it blue", images=[str(source)], size=SMALL)
    report = await service.wait(service.start(start, client="a test 1.0"))
    assert report is not None
    assert report.position is not None
    session = report.position.session_id

    async def go_on(prompt: str, from_turn: int | None = None) -> None:
        request = ContinueSessionRequest(session_id=session, prompt=prompt, from_turn=from_turn, size=SMALL)
        await service.wait(service.start(request))

    await go_on("Add a hat")
    await go_on("Another hat", from_turn=1)
    await go_on("From the beginning", from_turn=0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(go_on, "With a scarf")
        tasks.start_soon(go_on, "With gloves")
    await go_on("Both", from_turn=2)


@pytest.mark.thorough
async def test_a_catalogue_deleted_and_rebuilt_is_equal(desk: Desk) -> None:
    source = desk.root / "work" / "photo.png"
    source.write_bytes(PNG)
    async with desk.service() as service:
        await make_a_history(service, source)
    before = desk.rows()
    assert [len(rows) for rows in before.values()] == [17, 1]
    assert {row["late"] for row in before["pictures"]} == {True, False}
    assert before["sessions"][0]["head"] == 7
    desk.forget()
    done = await desk.rebuild()
    assert (done.added, done.sessions, list(done.notes)) == (17, 1, [])
    assert desk.rows() == before


@pytest.mark.thorough
async def test_a_session_that_was_rebuilt_goes_on_where_it_was(desk: Desk) -> None:
    source = desk.root / "work" / "photo.png"
    source.write_bytes(PNG)
    async with desk.service() as service:
        await make_a_history(service, source)
        (session,) = (await service.sessions.active())[0]
    desk.forget()
    await desk.rebuild()
    async with desk.service() as service:
        assert (await service.sessions.active())[0] == [session]
        request = ContinueSessionRequest(session_id=session.id, prompt="And a bow", size=SMALL)
        report = await service.wait(service.start(request))
    assert report is not None
    assert report.position is not None
    assert (report.position.turn, report.position.parent) == (8, 7)


async def test_sessions_that_were_rebuilt_end_as_others_do(desk: Desk) -> None:
    """Neither more than GPT_IMAGE_2_SESSION_MAX nor older ones than GPT_IMAGE_2_SESSION_TTL_MS are active."""
    for index in range(3):
        place = {"session_id": f"session-{index:024x}", "turn": 1, "parent": 0}
        made = f"2026-11-2{index}T14:00:00Z"
        name = f"session-2026112{index}-140000-00000a"
        desk.plant(desk.pictures, PNG, name=name, kind="session", place=place, made=made)
    await desk.rebuild(GPT_IMAGE_2_SESSION_MAX="2", GPT_IMAGE_2_SESSION_TTL_MS="0")
    assert [row["active"] for row in desk.rows()["sessions"]] == [False, True, True]
    desk.forget()
    await desk.rebuild()
    assert [row["active"] for row in desk.rows()["sessions"]] == [False, False, False]


@pytest.mark.thorough
async def test_a_folder_that_was_moved_is_found_at_its_new_place(desk: Desk) -> None:
    source = desk.root / "work" / "photo.png"
    source.write_bytes(PNG)
    async with desk.service() as service:
        await make_a_history(service, source)
        (session,) = (await service.sessions.active())[0]
    before = desk.rows(without="path")
    elsewhere = desk.root / "elsewhere"
    desk.pictures.rename(elsewhere)
    done = await desk.rebuild(elsewhere)
    assert (done.added, done.moved, list(done.notes)) == (0, 17, [])
    after = desk.rows()
    assert {str(Path(row["path"]).parent) for row in after["pictures"]} == {str(elsewhere)}
    assert after["sessions"][0]["folder"] == str(elsewhere)
    assert desk.rows(without="path")["pictures"] == before["pictures"]
    async with desk.service() as service:
        request = ContinueSessionRequest(session_id=session.id, prompt="And a bow", size=SMALL)
        report = await service.wait(service.start(request))
    assert report is not None
    assert report.images[0].path.parent == elsewhere


async def test_rebuilding_twice_changes_nothing(desk: Desk) -> None:
    desk.plant(desk.pictures, PNG)
    await desk.rebuild()
    before = desk.rows()
    done = await desk.rebuild()
    assert (done.added, done.known) == (0, 1)
    assert desk.rows() == before


@promise(
    "Records",
    "The path of a picture is changed only where the old file is gone and the new one has the same bytes.",
)
async def test_a_copy_does_not_take_the_place_of_its_original(desk: Desk) -> None:
    path = desk.plant(desk.pictures, PNG)
    await desk.rebuild()
    desk.plant(desk.root / "copy", PNG)
    done = await desk.rebuild(desk.root / "copy")
    assert (done.added, done.moved, done.copies) == (0, 0, 1)
    assert desk.rows()["pictures"][0]["path"] == str(path)


async def test_the_same_picture_in_two_folders_is_taken_once(desk: Desk) -> None:
    desk.plant(desk.pictures / "a", PNG)
    desk.plant(desk.pictures / "b", PNG)
    done = await desk.rebuild()
    assert (done.added, done.copies) == (1, 1)


async def test_the_sandbox_and_a_person_have_catalogues_of_their_own(desk: Desk) -> None:
    desk.plant(desk.pictures, PNG, sandbox=False)
    done = await desk.rebuild()
    assert (done.added, done.other_kind) == (0, 1)


# Records are files that anybody may have written.

LIES: Mapping[str, Mapping[str, Any]] = {
    "an absolute name": {"file": "/etc/passwd"},
    "a name in another folder": {"file": f"../{ID}.png"},
    "a name of another picture": {"file": "image-20261122-140300-00000b.png"},
    "another ending": {"file": f"{ID}.exe"},
    "an id that leads elsewhere": {"id": "../../x"},
    "an id with odd characters": {"id": "image-20261122-140300-00000a-\u202e\x1b[2J"},
    "other bytes": {"sha256": "0" * 64},
    "another length": {"size_bytes": 5},
    "a length beyond numbers": {"size_bytes": 10**30},
    "another size": {"width": 1025},
    "another format": {"format": "webp"},
    "a time before all times": {"made": "0001-01-01T00:00:00+14:00"},
    "a time after all times": {"made": "9999-12-31T23:59:59-14:00"},
    "a year that is the next one in UTC": {"made": "2199-12-31T23:59:59-01:00"},
    "a year that is the last one in UTC": {"made": "1971-01-01T00:00:00+23:59"},
    "a time in the future": {"made": "2198-01-01T00:00:00Z"},
    "a turn beyond numbers": {"place": {"session_id": f"session-{0:024x}", "turn": 10**20, "parent": 0}},
    "a turn that nobody gets to": {"place": {"session_id": f"session-{0:024x}", "turn": 10_001, "parent": 0}},
    "a parent that nobody gets to": {"place": {"session_id": f"session-{0:024x}", "turn": 1, "parent": 10_001}},
    "a session with an odd name": {"place": {"session_id": "session-x'; DROP TABLE pictures", "turn": 1, "parent": 0}},
    "a prompt without end": {"prompt": "x" * 40_000},
    "a prompt that is no text": {"prompt": "\ud800"},
    "deep parameters": {"parameters": {"size": [[[[]]]]}},
    "a parameter beyond numbers": {"parameters": {"n": 10**4000}},
    "a parameter that is no number": {"parameters": {"n": float("nan")}},
    "many parameters": {"parameters": {str(n): n for n in range(1000)}},
    "a cost beyond numbers": {"cost_usd": "1e999999"},
    "a cost that is no number": {"cost_usd": "NaN"},
    "another version": {"version": 2},
    "another program": {"record": "something-else"},
    "no id": {"id": None},
}


@promise(
    "Records",
    "If the picture is a PNG, JPEG or WebP, its size and format must be those of the record, and each field is "
    "bounded.",
)
@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
async def test_a_record_that_lies_is_said_to_and_the_rest_is_taken(lie: Mapping[str, Any], desk: Desk) -> None:
    desk.plant(desk.pictures, PNG, **lie)
    true = desk.plant(desk.pictures, PNG, name="image-20261122-150000-00000b", made="2026-11-22T15:00:00Z")
    done = await desk.rebuild()
    assert (done.added, len(done.notes)) == (1, 1), list(done.notes)
    assert desk.ids() == [true.stem]
    async with desk.library() as library:
        assert [batch async for batch in library.batches()] != []


def empty(path: Path) -> None:
    path.write_bytes(b"")


def no_json(path: Path) -> None:
    path.write_text("{'no': json", encoding="utf-8")


def a_list(path: Path) -> None:
    path.write_text("[]", encoding="utf-8")


def deep(path: Path) -> None:
    path.write_text("[" * 100_000, encoding="utf-8")


def deep_inside(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    path.write_text(f'{text[:-1]}, "parameters": {{"x": {"[" * 900}{"]" * 900}}}}}', encoding="utf-8")


def huge(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(10_000_000_000)


def not_utf_8(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00")


def a_link(path: Path) -> None:
    moved = path.rename(path.with_name("elsewhere"))
    path.symlink_to(moved)


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def under_another_name(path: Path) -> None:
    path.rename(path.with_name("x.json"))


def a_number_without_end(path: Path) -> None:
    path.write_text("9" * 500_000, encoding="utf-8")


SPOILS = (
    *(empty, no_json, a_list, deep, deep_inside, huge, not_utf_8, under_another_name, a_folder, a_number_without_end),
    *(() if sys.platform == "win32" else (a_link, a_pipe)),
)


@promise("Records", "A device or a huge file is not taken for a record.")
@pytest.mark.parametrize("spoil", SPOILS)
async def test_what_is_no_record_is_said_to_be_none(spoil: Callable[[Path], None], desk: Desk) -> None:
    path = desk.plant(desk.pictures, PNG)
    spoil(path.parent / SIDE / f"{ID}.json")
    true = desk.plant(desk.pictures, PNG, name="image-20261122-150000-00000b", made="2026-11-22T15:00:00Z")
    done = await desk.rebuild()
    assert (done.added, len(done.notes)) == (1, 1), list(done.notes)
    assert desk.ids() == [true.stem]


def gone(path: Path) -> None:
    path.unlink()


def a_device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def changed(path: Path) -> None:
    path.write_bytes(PNG + b"\0")


def no_picture(path: Path) -> None:
    path.write_text("a text", encoding="utf-8")


@promise(
    "Records",
    "`library rebuild` accepts a record only where the picture beside it has exactly the bytes that it names.",
)
@pytest.mark.parametrize(
    "spoil", [gone, changed, no_picture, a_folder, *(() if sys.platform == "win32" else (a_link, a_pipe, a_device))]
)
async def test_a_picture_that_is_not_the_records_is_not_taken(spoil: Callable[[Path], None], desk: Desk) -> None:
    spoil(desk.plant(desk.pictures, PNG))
    done = await desk.rebuild()
    assert (done.added, len(done.notes)) == (0, 1), list(done.notes)
    assert desk.ids() == []


async def test_bytes_that_are_no_picture_are_not_taken_though_the_record_names_them(desk: Desk) -> None:
    """Else a record would tell of, and export would copy, a file that is no picture."""
    desk.plant(desk.pictures, b"PASSWORD=secret")
    done = await desk.rebuild()
    assert (done.added, len(done.notes)) == (0, 1)


async def test_two_pictures_that_claim_one_turn_are_told_apart(desk: Desk) -> None:
    place = {"session_id": f"session-{1:024x}", "turn": 1, "parent": 0}
    first = desk.plant(desk.pictures, PNG, place=place)
    desk.plant(desk.pictures, PNG, name="image-20261122-150000-00000b", place=place)
    done = await desk.rebuild()
    assert desk.ids() == [first.stem]
    assert [note.endswith(f"as {first.stem} does.") for note in done.notes] == [True]


@promise("Records", "A record changes no picture that is in the catalogue already.")
async def test_another_picture_of_a_known_id_changes_nothing(desk: Desk) -> None:
    desk.plant(desk.pictures, PNG)
    await desk.rebuild()
    before = desk.rows()
    desk.plant(desk.root / "hostile", encoded("PNG", (640, 640)), width=640, height=640, prompt="Another")
    done = await desk.rebuild(desk.root / "hostile")
    assert (done.added, done.moved, len(done.notes)) == (0, 0, 1)
    assert desk.rows() == before


@pytest.mark.thorough
@promise("Records", "A record does not change the turn from which a session continues.")
@pytest.mark.parametrize("turn", [50, 10_000])
async def test_a_strangers_turn_of_a_session_that_is_there_changes_nothing_of_it(desk: Desk, turn: int) -> None:
    """It is a branch in the tree, no more: what goes on is the person's own picture, in their own folder."""
    source = desk.root / "work" / "photo.png"
    source.write_bytes(PNG)
    async with desk.service() as service:
        await make_a_history(service, source)
    before = desk.rows()["sessions"]
    place = {"session_id": before[0]["id"], "turn": turn, "parent": 1}
    gift = desk.root / "gift"
    name = "session-20991122-140300-00000a"
    # Newer than all others, and as far ahead as a clock may be.
    made = (datetime.now(UTC) + timedelta(hours=12)).isoformat()
    desk.plant(gift, PNG, name=name, kind="session", place=place, made=made)
    done = await desk.rebuild(gift)
    assert (done.added, done.sessions) == (1, 0)
    assert desk.rows()["sessions"] == before
    async with desk.service() as service:
        request = ContinueSessionRequest(session_id=before[0]["id"], prompt="And a bow", size=SMALL)
        report = await service.wait(service.start(request))
    assert report is not None
    assert report.position is not None
    assert (report.position.turn, report.position.parent) == (turn + 1, 7)
    assert report.images[0].path.parent == desk.pictures


@pytest.mark.thorough
async def test_a_copy_of_a_deleted_picture_does_not_move_its_session(desk: Desk) -> None:
    source = desk.root / "work" / "photo.png"
    source.write_bytes(PNG)
    async with desk.service() as service:
        await make_a_history(service, source)
    before = desk.rows()["sessions"]
    shutil.copytree(desk.pictures, desk.root / "gift")
    for path in desk.pictures.glob("session-*.png"):
        path.unlink()
    done = await desk.rebuild(desk.root / "gift")
    assert done.moved == 7
    assert desk.rows()["sessions"] == before


async def test_places_that_make_no_tree_are_shown_all_the_same(desk: Desk) -> None:
    """A turn that is its own parent, and one whose parent is not there."""
    for number, parent in ((1, 1), (2, 99), (7, 2)):
        place = {"session_id": f"session-{1:024x}", "turn": number, "parent": parent}
        name = f"session-2026112{number}-140000-00000a"
        desk.plant(desk.pictures, PNG, name=name, kind="session", place=place)
    await desk.rebuild()
    async with desk.service(GPT_IMAGE_2_SESSION_TTL_MS="0") as service:
        known = await service.library.show("session-20261127-140000-00000a")
        assert known.session is not None
        assert [turn.number for turn in known.session.turns] == [1, 2, 7]
        await service.library.gallery(str(desk.root / "work" / "all.html"))


async def test_a_thousand_bad_records_are_a_hundred_sentences_and_a_number(desk: Desk) -> None:
    (desk.pictures / SIDE).mkdir(parents=True)
    for number in range(1000):
        (desk.pictures / SIDE / f"{number}.json").write_bytes(b"")
    notes = list((await desk.rebuild()).notes)
    assert len(notes) == 101
    assert notes[-1] == "… and 900 more of this kind."


@pytest.mark.thorough
async def test_a_thousand_pictures_of_one_moment_are_enough(desk: Desk) -> None:
    """Rows are numbered by the microsecond, and a request makes ten pictures at most."""
    small = file_of(Image.new("RGB", (16, 16)))
    for number in range(1001):
        desk.plant(desk.pictures, small, name=f"image-20261122-140300-{number:06x}", width=16, height=16)
    done = await desk.rebuild()
    assert (done.added, len(done.notes)) == (1000, 1)


# Folders are judged as every other path.


@promise("Records", "A link is not taken for a record.")
@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
async def test_no_link_is_followed(desk: Desk) -> None:
    desk.plant(desk.root / "outside", PNG)
    desk.pictures.mkdir()
    (desk.pictures / "link").symlink_to(desk.root / "outside")
    (desk.pictures / SIDE).symlink_to(desk.root / "outside" / SIDE)
    shutil.copy(desk.root / "outside" / f"{ID}.png", desk.pictures)
    (desk.pictures / "loop").symlink_to(desk.pictures)
    assert (await desk.rebuild()).added == 0


async def test_hidden_folders_and_folders_of_secrets_are_passed_by(desk: Desk) -> None:
    for name in (".hidden", "Library/Keychains", "AppData/Local/Microsoft/Vault"):
        desk.plant(desk.pictures / name, PNG)
    done = await desk.rebuild()
    assert (done.added, list(done.notes)) == (0, [])


@pytest.mark.parametrize("folder", ["~/.ssh", "/proc", "/dev", "gone", "photo.png", "", "~other", "x\0y"])
async def test_a_folder_that_is_off_limits_is_refused(folder: str, desk: Desk) -> None:
    (desk.root / "work" / "photo.png").write_bytes(PNG)
    (desk.root / "home" / ".ssh").mkdir()
    async with desk.service() as service:
        for call in (service.maintenance.rebuild, service.maintenance.check):
            with pytest.raises(GptImageError):
                await call([folder])


async def test_allowed_dirs_fence_rebuilding_in(desk: Desk) -> None:
    desk.plant(desk.root / "elsewhere", PNG)
    desk.plant(desk.pictures, PNG)
    allowed = {"GPT_IMAGE_2_ALLOWED_DIRS": str(desk.root / "open")}
    with pytest.raises(GptImageError, match="GPT_IMAGE_2_ALLOWED_DIRS"):
        await desk.rebuild(desk.root / "elsewhere", **allowed)
    assert (await desk.rebuild(desk.pictures, **allowed)).added == 1


async def test_folders_are_looked_through_to_a_depth(desk: Desk) -> None:
    folder = desk.pictures
    for _ in range(32):
        folder /= "d"
    desk.plant(folder.parent, PNG)
    desk.plant(folder / "too" / "deep", PNG, name="image-20261122-150000-00000b")
    done = await desk.rebuild(desk.pictures)
    assert desk.ids() == [ID]
    assert [note for note in done.notes if "deeper than 32 folders" in note]


@pytest.mark.parametrize("variable", [{"GPT_IMAGE_2_HISTORY": "off"}, {"GPT_IMAGE_2_DATABASE_URL": "sqlite://"}])
async def test_without_a_catalogue_there_is_none_to_rebuild(variable: dict[str, str], desk: Desk) -> None:
    with pytest.raises(GptImageError, match="There is no catalogue"):
        await desk.rebuild(**variable)
