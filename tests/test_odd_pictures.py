"""Pictures in other formats and damaged ones, after they were saved: what is told of them, and what is kept beside."""

import base64
import hashlib
import io
import json
import random
import struct
import tempfile
import zlib
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import pytest
from album import file_of, saved
from click.testing import CliRunner
from PIL import Image
from promises import promise
from workbench import META, SMALL, Bench, Benches, Canned, canned, encoded, said

from gpt_image_2_mcp.catalogue.picture_record import Picture
from gpt_image_2_mcp.catalogue.sidecar import write_sidecar
from gpt_image_2_mcp.cli.commands import commands
from gpt_image_2_mcp.images import SHOWN, identify
from gpt_image_2_mcp.images.formats import name_format
from gpt_image_2_mcp.images.preview import make_preview
from gpt_image_2_mcp.images.thumbnail import make_thumbnail
from gpt_image_2_mcp.paths.policy import WritePolicy
from gpt_image_2_mcp.storage import local_folder

pytestmark = pytest.mark.anyio

FOX: dict[str, Any] = {"prompt": "a fox", "size": SMALL}
PNG = encoded(size=(64, 48))
B64 = base64.b64encode(PNG)
GIF = encoded("GIF", (64, 48))
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>'
BINARY = bytes(range(256)) * 9

FORMATS: dict[str, tuple[bytes, str]] = {
    "a GIF": (GIF, "gif"),
    "an icon": (encoded("ICO", (64, 48)), "ico"),
    "a TIFF of more than 4 GB": (b"II+\0\x08\0\0\0" + BINARY, "tiff"),
    "a HEIC": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + BINARY, "heic"),
    "an AVIF of another main brand": (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf" + BINARY, "avif"),
    "a video": (b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + BINARY, "bin"),
    "an SVG behind a declaration": (b"<?xml version='1.0'?>\n" + SVG, "svg"),
    "an SVG behind comments": (b"\xef\xbb\xbf<!-- a --><!-- b -->\n" + SVG, "svg"),
    "an SVG with a document type": (b'<!DOCTYPE svg PUBLIC "x" "y" [<!ENTITY a "b">]>' + SVG, "svg"),
    "anything else": (BINARY, "bin"),
}


@promise("Odd pictures", "What came as a picture is saved byte for byte, whatever its format.")
async def test_every_format_gets_its_own_ending_byte_for_byte(benches: Benches) -> None:
    bench = await benches.open(wrap=canned(*(data for data, _ in FORMATS.values())).wrap)
    made = await bench.made("generate_image", n=len(FORMATS), **FOX)
    assert [path.read_bytes() for path in made.paths] == [data for data, _ in FORMATS.values()]
    assert [path.suffix[1:] for path in made.paths] == [ending for _, ending in FORMATS.values()]
    assert {(image["width"], image["height"]) for image in made.report["images"]} == {(None, None)}


def test_no_page_is_taken_for_a_drawing() -> None:
    for page in (b"<html><svg/></html>", b"<!DOCTYPE html><svg/>", b"<!-- <svg> --><p>", b"<!--" * 1_000, b"<svgz>"):
        assert name_format(page) is None


@promise("Odd pictures", "A text in place of a picture is kept beside the pictures.")
@pytest.mark.parametrize(
    "text",
    [b"<html><body>Oops</body></html>", b'{"error": "busy"}', b"upstream error\nplease retry\n", "schön\t".encode()],
    ids=["a page", "JSON", "lines", "words"],
)
async def test_a_text_in_place_of_one_picture_is_kept_beside_the_others(benches: Benches, text: bytes) -> None:
    bench = await benches.open(wrap=canned(PNG, text).wrap)
    made = await bench.made("generate_image", n=2, **FOX)
    assert made.path.read_bytes() == PNG
    (warning,) = (warning for warning in made.report["warnings"] if "a text in place of a picture" in warning)
    (kept,) = (bench.folder / name for name in bench.files() if "unread-" in name)
    assert kept.read_bytes() == text
    assert str(kept) in warning


BROKEN = B64.decode()[:200] + "*" + B64.decode()[200:]


@pytest.mark.parametrize("route", ["images", "responses"])
async def test_broken_base64_is_kept_beside_the_pictures_of_the_same_answer(benches: Benches, route: str) -> None:
    """And every picture is saved, though one was asked for."""
    texts = [base64.b64encode(data).decode() for data in (PNG, GIF)] + [BROKEN]
    calls = [{"type": "image_generation_call", "status": "completed", "result": text} for text in texts]
    body = {"data": [{"b64_json": text} for text in texts]} if route == "images" else {"output": calls}
    force = str(int(route == "responses"))
    bench = await benches.open(
        wrap=Canned(lambda _: httpx2.Response(200, json=body)).wrap, OPENAI_FORCE_RESPONSES_EDITS=force
    )
    made = await bench.made("edit_image", images=[str(bench.photo())], **FOX)
    assert [path.read_bytes() for path in made.paths] == [PNG, GIF]
    (kept,) = (bench.folder / name for name in bench.files() if "unread-" in name)
    assert BROKEN in kept.read_text()
    assert base64.b64encode(PNG).decode() not in kept.read_text()
    assert str(kept) in made.text


@pytest.mark.parametrize("odd", [GIF, PNG[:-20]], ids=["another format", "damaged"])
async def test_no_session_goes_on_from_what_cannot_be_edited(benches: Benches, odd: bytes) -> None:
    answers = [odd, PNG, odd, PNG]
    bench = await benches.open(wrap=Canned(lambda _: httpx2.Response(200, json=body_of(answers.pop(0)))).wrap)
    start: dict[str, Any] = {"prompt": "blue", "images": [str(bench.photo())], "size": SMALL}
    not_begun = await bench.call("start_edit_session", **start)
    assert "No session was begun" in said(not_begun)
    assert "session_id" not in (not_begun.meta or {})[META]
    session = (await bench.made("start_edit_session", **start)).session_id
    told = said(await bench.call("continue_edit_session", session_id=session, prompt="green", size=SMALL))
    assert "The session does not go on from this picture" in told
    again = await bench.made("continue_edit_session", session_id=session, prompt="green", size=SMALL)
    assert (again.report["turn"], again.report["parent_turn"]) == (2, 1)


async def test_a_later_process_knows_what_is_damaged(benches: Benches, tmp_path: Path) -> None:
    bench = await benches.open(wrap=canned(PNG[:-20]).wrap, data_dir=tmp_path / "data")
    await bench.call("generate_image", **FOX)
    (job,) = (word.rstrip(":") for word in said(await bench.call("get_image_job")).split() if word.startswith("job-"))
    later = await benches.open(data_dir=tmp_path / "data")
    fetched = await later.call("get_image_job", job_id=job)
    assert (fetched.meta or {})[META]["images"][0]["broken"] is True
    assert {block.type for block in fetched.content} == {"text"}


def without_pixels(edge: int) -> bytes:
    """A PNG whose chunks are all sound, though its pixels do not inflate."""
    chunks = [b"IHDR" + edge.to_bytes(4, "big") * 2 + b"\x08\2\0\0\0", b"IDAT" + bytes(40), b"IEND"]
    framed = (len(c[4:]).to_bytes(4, "big") + c + zlib.crc32(c).to_bytes(4, "big") for c in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


@pytest.mark.parametrize("inline", ["preview", "full"])
async def test_what_is_too_large_to_be_decoded_is_not_shown_unseen(benches: Benches, inline: str) -> None:
    bench = await benches.open(wrap=canned(without_pixels(21_000)).wrap, GPT_IMAGE_2_INLINE=inline)
    result = await bench.call("generate_image", **FOX)
    assert {block.type for block in result.content} == {"text"}


@pytest.mark.parametrize("inline", ["preview", "full", "none"])
async def test_too_little_memory_to_decode_a_picture_does_not_make_it_damaged(
    benches: Benches, inline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    bench = await benches.open(wrap=canned(encoded("WEBP", (64, 48))).wrap, GPT_IMAGE_2_INLINE=inline)
    with monkeypatch.context() as patch:
        patch.setattr(Image, "open", full)
        result = await bench.call("generate_image", **FOX)
    assert not result.is_error
    assert "broken" not in (result.meta or {})[META]["images"][0]
    assert {block.type for block in result.content} == {"text"}


@pytest.mark.parametrize("tool", ["generate_image", "edit_image", "start_edit_session", "continue_edit_session"])
async def test_a_prompt_of_blanks_is_refused_unpaid_by_every_tool(bench: Bench, tool: str) -> None:
    needed = {"image": {}, "edit": {"images": [str(bench.photo())]}, "session": {"session_id": "session-" + "0" * 24}}
    arguments = needed["image" if tool.startswith("gen") else "session" if tool.startswith("cont") else "edit"]
    assert "no visible character" in await bench.refused(tool, prompt=" \u200b\ufeff", **arguments)
    assert not bench.seen()


@pytest.mark.parametrize("command", [["generate"], ["edit", "--image", "photo.png"]])
def test_a_prompt_of_blanks_is_refused_by_the_commands(command: list[str]) -> None:
    made = CliRunner().invoke(commands, [*command, "\u2800\u00a0"])
    assert made.exit_code
    assert "no visible character" in made.output


async def unwritable(
    benches: Benches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: httpx2.Response
) -> tuple[Bench, Canned]:
    """A server whose output folder becomes a file before `answer` arrives, and whose temporary folder is one."""
    folder, blocked = tmp_path / "art", tmp_path / "blocked"
    blocked.write_bytes(b"")

    def block(_: httpx2.Request) -> httpx2.Response:
        folder.rmdir()
        folder.write_bytes(b"")
        return answer

    backend = Canned(block)
    bench = await benches.open(wrap=backend.wrap, data_dir=tmp_path / "data", GPT_IMAGE_2_OUTPUT_DIR=str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(blocked))
    monkeypatch.setattr(local_folder, "PAUSES_S", ())
    return bench, backend


@promise("Writing", "A picture that no folder takes is saved in your data folder.")
async def test_a_picture_that_no_other_folder_takes_is_saved_in_the_data_folder(
    benches: Benches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spare = tmp_path / "data" / "pictures"
    bench, _ = await unwritable(benches, tmp_path, monkeypatch, httpx2.Response(200, json=body_of(PNG)))
    made = await bench.made("generate_image", **FOX)
    assert made.path.parent == spare
    assert made.path.read_bytes() == PNG
    assert f"Saved in {spare}" in made.text
    assert not (await bench.call("show_image", image="last")).is_error


async def test_an_answer_that_no_other_folder_takes_is_kept_in_the_data_folder(
    benches: Benches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"<html>" + B64
    bench, _ = await unwritable(benches, tmp_path, monkeypatch, httpx2.Response(200, content=content))
    told = await bench.refused("generate_image", **FOX)
    (kept,) = (tmp_path / "data" / "pictures" / ".gpt-image-2").glob("unread-*.bin")
    assert kept.read_bytes() == content
    assert str(kept) in told


@pytest.mark.parametrize("status", [200, 500])
async def test_a_picture_that_no_folder_takes_is_told_and_not_paid_again(
    benches: Benches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    answer = httpx2.Response(status, json=body_of(PNG))
    bench, backend = await unwritable(benches, tmp_path, monkeypatch, answer)
    (tmp_path / "data").mkdir(exist_ok=True)
    (tmp_path / "data" / "pictures").write_bytes(b"")
    told = await bench.refused("generate_image", **FOX)
    assert "could not be saved anywhere" in told
    assert str(tmp_path / "data" / "pictures") in told
    assert len(backend.bodies) == 1


def body_of(data: bytes) -> dict[str, Any]:
    return {"data": [{"b64_json": base64.b64encode(data).decode()}]}


def run(*arguments: str) -> tuple[str, str]:
    """Run a command of the library; gives what it prints."""
    made = CliRunner().invoke(commands, ["library", *arguments])
    assert made.exit_code == 0, made.output
    return made.stdout, made.stderr


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The output folder of the commands, which have a catalogue on the disk."""
    folder = tmp_path / "art"
    (folder / ".gpt-image-2").mkdir(parents=True)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("GPT_IMAGE_2_OUTPUT_DIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return folder


def unread(folder: Path, content: bytes, name: str = "unread-image-1-1.bin") -> Path:
    path = folder / ".gpt-image-2" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_damaged_picture_is_rescued_as_one(folder: Path) -> None:
    """Its structure is sound, and only a decoder sees that its pixels are none."""
    unread(folder, base64.b64encode(without_pixels(48)))
    (path,) = map(Path, run("rescue")[0].split())
    (listed,) = json.loads(run("list", "--json")[0])["pictures"]
    assert listed["file_path"] == str(path)
    assert listed["applied"] == {"broken": True}
    assert "damaged" in run("show", path.stem)[0]


def test_without_history_pictures_are_rescued_and_not_recorded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = unread(folder, B64)
    monkeypatch.setenv("GPT_IMAGE_2_HISTORY", "0")
    (path,) = map(Path, run("rescue")[0].split())
    assert path.read_bytes() == PNG
    assert [file.name for file in raw.parent.iterdir()] == ["rescued-image-1-1.bin"]


async def test_the_folder_of_a_failed_job_is_looked_through(
    benches: Benches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No picture is there that would name it, and it is not the default one."""
    database = f"sqlite:///{tmp_path}/library.db"
    bench = await benches.open(wrap=canned(b"{}").wrap, GPT_IMAGE_2_DATABASE_URL=database)
    await bench.refused("generate_image", output_dir="elsewhere", **FOX)
    (raw,) = bench.working_dir.glob("elsewhere/.gpt-image-2/unread-*")
    raw.write_bytes(B64)
    monkeypatch.setenv("GPT_IMAGE_2_DATABASE_URL", database)
    (path,) = map(Path, (await anyio.to_thread.run_sync(run, "rescue"))[0].split())
    assert path.parent == bench.working_dir / "elsewhere"


def test_a_picture_is_taken_back_in_whatever_its_format_is_called_now(folder: Path) -> None:
    """A later version may know a format that this one calls unknown."""
    name = "image-20261122-140300-00000b"
    (folder / f"{name}.bin").write_bytes(GIF)
    record = saved(folder, PNG, name=name, format="bin", width=0, height=0).record
    record = record.model_copy(update={"sha256": hashlib.sha256(GIF).hexdigest(), "size_bytes": len(GIF)})
    policy = WritePolicy(folder, folder, own_dirs=(folder,))
    write_sidecar(Picture(path=folder / f"{name}.bin", record=record), policy)
    assert "1 picture added" in run("rebuild", str(folder))[0]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_the_bytes_of_a_damaged_file_are_not_shown_even_if_its_record_does_not_call_it_damaged(kind: str) -> None:
    """Records of earlier versions do not; and some decoders overlook that the end is missing."""
    data = encoded(kind, (64, 48))
    facts, _ = identify(data)
    assert make_preview(data, facts, share=525_000)
    with pytest.raises(ValueError, match=r"damaged|decoded"):
        make_preview(data[:-12], facts, share=525_000)


def mutated(rng: random.Random, data: bytes) -> bytes:
    """A file with some bytes changed, left out or cut off."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 2, 5, 20))):
        at = rng.randrange(len(changed))
        match rng.randrange(4):
            case 0:
                del changed[max(at, 1) :]
            case 1:
                del changed[at : at + rng.randrange(1, 40)]
            case _:
                changed[at] = rng.choice((0, 255, rng.randrange(256)))
        changed = changed or bytearray(b"\0")
    return bytes(changed)


def test_nothing_that_is_done_with_a_saved_picture_fails_whatever_its_bytes_are() -> None:
    """What is shown of it can be decoded by Pillow, which forgives no damage in these formats."""
    rng = random.Random(12)  # noqa: S311 - nothing secret
    noise = Image.effect_noise((40, 30), 60)
    modes = {"PNG": ("RGB", "RGBA", "P", "1"), "JPEG": ("RGB", "CMYK"), "WEBP": ("RGB", "RGBA"), "GIF": ("P",)}
    files = [file_of(noise.convert(mode), kind) for kind, some in modes.items() for mode in some]
    for _ in range(2_000):
        data = mutated(rng, rng.choice(files))
        facts, broken = identify(data)
        make_thumbnail(data)
        if broken or facts.format not in SHOWN:
            continue
        try:
            shown = make_preview(data, facts, share=rng.choice((300, 525_000)))
        except ValueError:
            continue
        if shown:
            with Image.open(io.BytesIO(base64.b64decode(shown.base64))) as image:
                image.load()


async def test_a_picture_with_damaged_metadata_is_shown_and_nothing_is_written_to_stderr(
    benches: Benches, capfd: pytest.CaptureFixture[str]
) -> None:
    damaged = b"\xff\xe1" + struct.pack(">H", 60) + b"Exif\0\0MM\0*\0\0\0\x08\0\x09" + bytes(range(1, 43))
    plain = encoded("JPEG")
    data = plain[:2] + damaged + plain[2:]
    bench = await benches.open(wrap=canned(data).wrap)
    made = await bench.made("generate_image", prompt="a fox", size=SMALL)
    assert made.path.read_bytes() == data
    for region in ("0,0,20,20", ""):
        assert not (await bench.call("show_image", image="last", region=region)).is_error
    assert not (await bench.call("list_images", contact_sheet=True)).is_error
    assert capfd.readouterr().err == ""
