"""Whole answers stay under a million bytes on the wire, pictures included, and files on the disk are never touched."""

import base64
import functools
import io
import os
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import httpx2
import pytest
from anyio.abc import SocketAttribute
from mcp_types import CallToolResult, ImageContent, JSONRPCResponse
from patience import rounds
from PIL import Image
from stdio_bench import PROTOCOLS, calls, report_of, running
from workbench import KEY, SMALL, Bench, Benches, canned, encoded, said

from gpt_image_2_mcp.images import facts
from gpt_image_2_mcp.images.preview import make_preview, share_of

pytestmark = pytest.mark.anyio

LIMIT = 1_000_000
"""What Claude Desktop accepts of a result; what is counted here is the whole line."""
MIN_EDGE = 512

SIZES = {
    "the smallest": (1024, 640),
    "a square": (1024, 1024),
    "4K": (3840, 2160),
    "the flattest": (3840, 1280),
    "the highest": (1280, 3840),
    "the largest square": (2880, 2880),
}


@functools.cache
def noise(size: tuple[int, int], mode: str = "RGB", kind: str = "PNG", grain: int = 1) -> bytes:
    """A picture that no encoder can make small; `grain` is how many pixels an edge of one dot of it has."""
    small = (size[0] // grain, size[1] // grain)
    picture = Image.frombytes(mode, small, os.urandom(small[0] * small[1] * len(mode)))
    out = io.BytesIO()
    options: dict[str, Any] = {
        "PNG": {"compress_level": 0},
        "JPEG": {"quality": 100},
        "WEBP": {"quality": 90, "method": 0},
    }
    large = picture.resize(size, Image.Resampling.NEAREST)  # pyright: ignore[reportUnknownMemberType] - numpy's
    large.save(out, kind, **options[kind])
    return out.getvalue()


@functools.cache
def cut_out(size: tuple[int, int]) -> bytes:
    """Noise in which each dot is either there or not: glitter, confetti, hair."""
    picture = Image.frombytes("RGBA", (512, 512), os.urandom(512 * 512 * 4))
    there = picture.getchannel("A").point([0] * 128 + [255] * 128)  # pyright: ignore[reportUnknownMemberType] - the same
    picture.putalpha(there)
    out = io.BytesIO()
    large = picture.resize(size, Image.Resampling.NEAREST)  # pyright: ignore[reportUnknownMemberType] - numpy's
    large.save(out, "PNG", compress_level=0)
    return out.getvalue()


def line_of(result: CallToolResult) -> bytes:
    """The answer as the SDK puts it on the wire."""
    body = result.model_dump(mode="json", by_alias=True, exclude_none=True)
    return JSONRPCResponse(jsonrpc="2.0", id=10**9, result=body).model_dump_json(by_alias=True).encode() + b"\n"


def edges(block: ImageContent) -> tuple[int, int]:
    with Image.open(io.BytesIO(base64.b64decode(block.data))) as picture:
        picture.load()
        assert picture.get_format_mimetype() == block.mime_type
        return picture.size


async def fits(bench: Bench, count: int, **arguments: Any) -> list[ImageContent]:
    """Make pictures and see that the answer fits and shows each of them large enough."""
    result = await bench.call("generate_image", n=count, **({"prompt": "noise", "size": SMALL} | arguments))
    assert not result.is_error, said(result)
    assert len(line_of(result)) <= LIMIT
    blocks = [block for block in result.content if isinstance(block, ImageContent)]
    # Several come with a sheet.
    assert len(blocks) == count + (count > 1)
    for block in blocks:
        assert max(edges(block)) >= MIN_EDGE
    return blocks


# Noise.


@pytest.mark.thorough
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("count", [1, 10])
def test_noise_of_every_size_becomes_a_preview_that_fits(size: tuple[int, int], count: int) -> None:
    """The previews themselves, since ten answers of 4K noise take a minute to make."""
    data = noise(size)
    shown = make_preview(data, facts(data), share=share_of(count))
    assert shown is not None
    assert shown.mime_type == "image/jpeg"
    block = ImageContent(data=shown.base64, mime_type=shown.mime_type)
    assert len(shown.base64) * count < 0.75 * LIMIT
    width, height = edges(block)
    assert MIN_EDGE <= max(width, height) <= max(size)
    assert width / height == pytest.approx(size[0] / size[1], rel=0.01)


def test_a_system_without_room_for_temporary_files_has_previews_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = noise((1024, 640))
    there = make_preview(data, facts(data), share=share_of(1))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    assert make_preview(data, facts(data), share=share_of(1)) == there
    assert there is not None


@pytest.mark.thorough
@pytest.mark.slow
@pytest.mark.parametrize("count", range(1, 11, rounds(3, 1)))
async def test_an_answer_of_noise_fits_however_many_pictures_it_has(benches: Benches, count: int) -> None:
    bench = await benches.open(wrap=canned(*[noise((1024, 640))] * count).wrap)
    await fits(bench, count)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("mode", "kind", "count", "shown"),
    [
        ("RGB", "PNG", 1, "image/jpeg"),
        ("RGB", "JPEG", 1, "image/jpeg"),
        ("RGB", "WEBP", 1, "image/jpeg"),
        ("RGB", "WEBP", 10, "image/jpeg"),
        ("L", "PNG", 1, "image/jpeg"),
        ("RGBA", "PNG", 1, "image/webp"),
        ("RGBA", "PNG", 3, "image/webp"),
        ("RGBA", "WEBP", 1, "image/webp"),
        ("LA", "PNG", 1, "image/webp"),
    ],
)
async def test_noise_of_every_format_fits_and_transparency_stays(
    benches: Benches, mode: str, kind: str, count: int, shown: str
) -> None:
    data = noise((1024, 640), mode, kind)
    bench = await benches.open(wrap=canned(*[data] * count).wrap, GPT_IMAGE_2_MODEL="gpt-image-2.5-flare")
    for block in (await fits(bench, count))[-count:]:
        assert block.mime_type == shown
        if shown == "image/webp":
            with Image.open(io.BytesIO(base64.b64decode(block.data))) as picture:
                assert picture.mode == "RGBA"


async def test_a_channel_of_transparency_that_is_used_nowhere_is_no_transparency(benches: Benches) -> None:
    picture = Image.open(io.BytesIO(noise((1024, 1024)))).convert("RGBA")
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=0)
    bench = await benches.open(wrap=canned(out.getvalue()).wrap)
    (block,) = await fits(bench, 1)
    assert block.mime_type == "image/jpeg"


@pytest.mark.thorough
@pytest.mark.parametrize("count", [9, 10])
def test_the_hardest_transparent_noise_is_shown_too(count: int) -> None:
    data = cut_out((1024, 1024))
    shown = make_preview(data, facts(data), share=share_of(count))
    assert shown is not None
    assert max(edges(ImageContent(data=shown.base64, mime_type=shown.mime_type))) >= MIN_EDGE


async def test_an_answer_with_more_pictures_than_were_asked_for_fits(benches: Benches) -> None:
    """Some servers behind OPENAI_BASE_URL have a mind of their own about `n`; one more is saved as a picture."""
    bench = await benches.open(wrap=canned(*[noise((1024, 640))] * 4).wrap)
    result = await bench.call("generate_image", prompt="noise", size=SMALL)
    assert len(report_of(result)["images"]) == 2
    assert len(line_of(result)) <= LIMIT


async def test_a_fetch_shows_the_pictures_as_the_first_answer_did_where_fewer_came(benches: Benches) -> None:
    bench = await benches.open(wrap=canned(*[noise((1024, 640))] * 2).wrap)
    first = await bench.call("generate_image", prompt="noise", size=SMALL, n=10)
    job_id = said(await bench.call("get_image_job")).splitlines()[1].split(":")[0][2:]
    assert await bench.call("get_image_job", job_id=job_id) == first


# The rest of an answer.

PROMPTS = {
    "control characters": "x" + "\x01" * 31_999,
    "quotes": '"' * 32_000,
    "emoji": "🦊" * 32_000,
    "CJK": "狐" * 32_000,
}
MAX_FOLDER = 490
"""Characters of a folder's path, a little less than the most that is taken."""


def folder_of(place: Path, character: str) -> str:
    """A folder below `place` with the longest path that is taken."""
    left = MAX_FOLDER - len(str(place))
    return str(place / "/".join([character * 60] * (left // 61)))


@pytest.mark.parametrize(
    ("prompt", "character"),
    [("control characters", "\x01"), ("quotes", '"'), ("emoji", "狐"), ("CJK", "d")],
)
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
async def test_an_answer_fits_with_the_longest_prompt_and_path(benches: Benches, prompt: str, character: str) -> None:
    bench = await benches.open(wrap=canned(*[noise((1024, 640))] * 10).wrap)
    folder = folder_of(bench.working_dir, character)
    # A new folder gets a plain name; one that a person made may have any.
    await anyio.Path(folder).mkdir(parents=True)
    await fits(bench, 10, prompt=PROMPTS[prompt], output_dir=folder, filename_prefix="p" * 200)


def test_what_an_answer_says_beside_its_pictures_leaves_them_their_room() -> None:
    """The sum of the worst of everything: pictures in base64, a prompt and ten paths of six bytes a character."""
    pictures, prompt, paths, text, rest = share_of(1) * 4 / 3, 6 * 32_000, 10 * 6 * 600, 6 * 7_900, 10_000
    assert pictures + prompt + paths + text + rest <= LIMIT


# On the wire.


@asynccontextmanager
async def serving(*pictures: bytes) -> AsyncGenerator[str]:
    """A backend on a real socket that gives these pictures."""
    data = [{"b64_json": base64.b64encode(picture).decode()} for picture in pictures]
    body = httpx2.Response(200, json={"created": 0, "data": data}).content
    head = (
        f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )

    async def answer(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            received = b""
            while b"\r\n\r\n" not in received:
                received += await stream.receive()
            start, _, rest = received.partition(b"\r\n\r\n")
            length = next(int(row[15:]) for row in start.lower().split(b"\r\n") if row.startswith(b"content-length:"))
            while len(rest) < length:
                rest += await stream.receive()
            await stream.send(head.encode() + body)

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, answer)
        port: int = listener.extra(SocketAttribute.local_port)  # noqa: S610 - no Django
        yield f"http://127.0.0.1:{port}/v1"
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("version", ["2024-11-05", PROTOCOLS[-1]])
async def test_the_line_that_leaves_the_program_fits(version: str, tmp_path: Path) -> None:
    async with serving(*[noise((1024, 640))] * 10) as url:
        environ = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": url, "GPT_IMAGE_2_OUTPUT_DIR": str(tmp_path)}
        async with running(environ, version=version) as program:
            await program.greet()
            arguments: dict[str, Any] = {
                "prompt": "x" + "\x01" * 31_999,
                "n": 10,
                "output_dir": folder_of(tmp_path, "d"),
            }
            line = await program.line(await program.call("generate_image", **arguments))
    assert 300_000 < len(line) + 1 <= LIMIT
    assert line.count(b'"type":"image"') == 11


# What goes as it is.


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
async def test_a_picture_that_fits_goes_as_it_is_byte_for_byte(benches: Benches, kind: str) -> None:
    data = encoded(kind)
    bench = await benches.open(wrap=canned(data).wrap)
    (block,) = await fits(bench, 1)
    assert base64.b64decode(block.data) == data
    assert block.mime_type == f"image/{kind.lower()}"


async def test_full_shows_the_file_itself_and_none_shows_nothing(benches: Benches) -> None:
    data = noise((1024, 1024))
    full = await benches.open(wrap=canned(data).wrap, GPT_IMAGE_2_INLINE="full")
    answer = await full.made("generate_image", prompt="noise")
    assert base64.b64decode(answer.pictures[0].data) == data
    assert answer.pictures[0].mime_type == "image/png"
    none = await benches.open(wrap=canned(data).wrap, GPT_IMAGE_2_INLINE="none")
    result = await none.call("generate_image", prompt="noise")
    assert [block.type for block in result.content] == ["text"]
    assert report_of(result)["images"][0]["size_bytes"] == len(data)


@pytest.mark.parametrize("inline", ["preview", "full", "none"])
async def test_files_on_the_disk_are_the_backends_bytes_in_every_mode(benches: Benches, inline: str) -> None:
    """Re-encoding would destroy the provenance record that the API puts into its files."""
    sent = [noise((1024, 1024)), noise((1024, 640), "RGBA"), encoded("JPEG"), noise((1024, 640), "RGB", "WEBP")]
    bench = await benches.open(wrap=canned(*sent).wrap, GPT_IMAGE_2_INLINE=inline)
    report = report_of(await bench.call("generate_image", prompt="noise", n=4))
    assert [await anyio.Path(image["file_path"]).read_bytes() for image in report["images"]] == sent


async def test_a_picture_that_cannot_be_decoded_is_saved_and_told_without_a_preview(benches: Benches) -> None:
    data = noise((1024, 1024))[:1_000_000]
    bench = await benches.open(wrap=canned(data).wrap)
    result = await bench.call("generate_image", prompt="noise")
    assert not result.is_error, said(result)
    (image,) = report_of(result)["images"]
    assert await anyio.Path(image["file_path"]).read_bytes() == data
    assert [block.type for block in result.content] == ["text"]


@pytest.mark.thorough
async def test_other_calls_are_answered_while_previews_are_made(benches: Benches) -> None:
    """Made on the event loop, ten previews would silence the server, progress included."""
    bench = await benches.open(wrap=canned(*[noise((1024, 1024), "RGBA")] * 2).wrap)
    async with calls(bench) as ongoing:
        call = ongoing.start("generate_image", prompt="noise", n=2)
        while not bench.folder.exists() or not any(bench.folder.iterdir()):
            await anyio.lowlevel.checkpoint()
        await bench.call("list_edit_sessions")
        assert not call.done.is_set()
        await call.answer()
