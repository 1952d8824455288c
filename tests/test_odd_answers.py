"""Answers with a picture in them that are not as the API documents: it is saved byte for byte, and paid once."""

import base64
import gzip
import json
import os
import socket
import textwrap
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from functools import cache
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import pytest
from click.testing import CliRunner
from listener import Listener
from mcp import Client
from patience import LONG_WAIT
from promises import promise
from workbench import KEY, META, SMALL, Bench, Benches, Canned, canned, encoded, said

from gpt_image_2_mcp.app import open_service
from gpt_image_2_mcp.cli.commands import commands
from gpt_image_2_mcp.generation import link_fetcher
from gpt_image_2_mcp.openai_api import answer
from gpt_image_2_mcp.openai_api.loose_parser import find_pictures, find_usage
from gpt_image_2_mcp.server.factory import build_server
from gpt_image_2_mcp.settings import Settings

pytestmark = pytest.mark.anyio

FOX: dict[str, Any] = {"prompt": "a fox", "size": SMALL}
PNG = encoded(size=(320, 240))
B64 = base64.b64encode(PNG).decode()
GOOD = json.dumps({"data": [{"b64_json": B64}], "usage": {"input_tokens": 9, "output_tokens": 99, "total_tokens": 108}})
LINES = "\n".join(textwrap.wrap(B64, 76))
EVENT = json.dumps({"type": "image_generation.completed", "b64_json": B64})
UNFINISHED = {
    "type": "image_generation.partial_image",
    "b64_json": base64.b64encode(encoded(size=(64, 48))).decode(),
    "partial_image_index": 0,
}

WRAPPINGS: dict[str, bytes | str] = {
    "blanks before": "\n" * 5_000 + GOOD,
    "a mark before": "\ufeff" + GOOD,
    "a boundary behind": GOOD + "\r\n--boundary--",
    "another JSON behind": GOOD + '\n{"status": "ok"}',
    "base64 in lines": json.dumps({"data": [{"b64_json": LINES}]}),
    "the other alphabet": json.dumps({"data": [{"b64_json": B64.replace("+", "-").replace("/", "_").rstrip("=")}]}),
    "no padding": json.dumps({"data": [{"b64_json": B64.rstrip("=")}]}),
    "escaped slashes": GOOD.replace("/", "\\/"),
    "escaped signs": GOOD.replace("+", "\\u002B").replace("/", "\\u002f").replace("=", "\\u003D"),
    "lines in a text of another text": json.dumps({"body": json.dumps({"data": LINES})}),
    "data as an object": json.dumps({"data": {"b64_json": B64}}),
    "data as texts": json.dumps({"data": [B64]}),
    "another key": json.dumps({"images": [{"image": B64}]}),
    "a list": json.dumps([{"base64": B64}]),
    "an error beside it": json.dumps({"error": {"message": "late"}, "data": [{"b64_json": B64}]}),
    "the picture itself": PNG,
    "base64 alone": B64,
    "events that were not asked for": f"event: image_generation.completed\ndata: {EVENT}\n\n",
    "events in a list": json.dumps([UNFINISHED, json.loads(EVENT)]),
    "events in an error's words": json.dumps(
        {"error": {"message": f"data: {json.dumps(UNFINISHED)}\n\ndata: {EVENT}"}}
    ),
    "cut in its usage": GOOD[:-20],
    "cut behind the base64": GOOD[: GOOD.index(B64) + len(B64) + 1],
}


@pytest.mark.parametrize("body", WRAPPINGS.values(), ids=WRAPPINGS)
async def test_a_picture_is_taken_out_of_any_wrapping(benches: Benches, body: bytes | str) -> None:
    content = body if isinstance(body, bytes) else body.encode()
    backend = Canned(lambda _: httpx2.Response(200, content=content, headers={"content-type": "application/json"}))
    bench = await benches.open(wrap=backend.wrap)
    made = await bench.made("generate_image", **FOX)
    assert made.path.read_bytes() == PNG
    assert len(backend.bodies) == 1
    assert made.path.stem in said(await bench.call("list_images"))
    assert not [name for name in bench.files() if "unread-" in name]


@pytest.mark.parametrize(
    "events",
    [
        "data: {half\n\n" + f"data: {EVENT}\n\n",
        f"data: {EVENT}",
        f"data: {EVENT.replace(B64, LINES.replace(chr(10), chr(92) + 'n'))}\r\n\r\n",
    ],
    ids=["garbled event before", "no empty line behind", "base64 in lines"],
)
async def test_a_picture_is_taken_out_of_a_stream_that_is_not_quite_one(benches: Benches, events: str) -> None:
    answer = httpx2.Response(200, content=events.encode(), headers={"content-type": "text/event-stream"})
    bench = await benches.open(wrap=Canned(lambda _: answer).wrap, GPT_IMAGE_2_PARTIAL_IMAGES="1")
    assert (await bench.made("generate_image", **FOX)).path.read_bytes() == PNG


async def test_a_picture_that_stands_elsewhere_in_a_right_answer_is_taken_as_well(benches: Benches) -> None:
    other = encoded(size=(64, 48))
    body = {"data": [{"b64_json": B64}, {"b64_json": "!"}], "more": [{"image": base64.b64encode(other).decode()}]}
    bench = await benches.open(wrap=Canned(lambda _: httpx2.Response(200, json=body)).wrap)
    result = await bench.call("generate_image", **FOX, n=2)
    assert {path.read_bytes() for path in bench.folder.glob("*.png")} == {PNG, other}
    assert "could not be used" not in said(result)


MEMBERS = gzip.compress(GOOD[:500].encode()) + gzip.compress(GOOD[500:].encode())
WRONG_SUM = gzip.compress(GOOD.encode())[:-8] + bytes(8)
PACKED: dict[str, tuple[str, bytes]] = {
    "called gzip": ("gzip", GOOD.encode()),
    "called deflate": ("deflate", GOOD.encode()),
    "a picture that is called gzip": ("gzip", PNG),
    "in two parts": ("gzip", MEMBERS),
    "with zeros behind": ("gzip", gzip.compress(GOOD.encode()) + bytes(512)),
    "with a wrong checksum": ("gzip", WRONG_SUM),
    "damaged behind the picture": ("gzip", gzip.compress(GOOD.encode(), 0)[:-40] + bytes(40)),
    "deflated without its head": ("deflate", zlib.compress(GOOD.encode())[2:-4]),
}


@pytest.mark.parametrize(("encoding", "content"), PACKED.values(), ids=PACKED)
async def test_a_picture_is_taken_out_of_a_body_that_is_compressed_wrongly(
    benches: Benches, encoding: str, content: bytes
) -> None:
    headers = {"content-type": "application/json", "content-encoding": encoding}
    stream = httpx2.ByteStream(content)
    bench = await benches.open(wrap=Canned(lambda _: httpx2.Response(200, stream=stream, headers=headers)).wrap)
    assert (await bench.made("generate_image", **FOX)).path.read_bytes() == PNG


async def test_what_cannot_be_unpacked_is_kept_as_it_came(benches: Benches) -> None:
    content = gzip.compress(b"")[:10] + b"\xff" * 3_000
    answer = httpx2.Response(200, stream=httpx2.ByteStream(content), headers={"content-encoding": "gzip"})
    bench = await benches.open(wrap=Canned(lambda _: answer).wrap)
    assert "What arrived is kept" in await bench.refused("generate_image", **FOX)
    (kept,) = bench.folder.rglob("unread-*")
    assert kept.read_bytes() == content


@pytest.mark.parametrize("status", [302, 400, 404, 429, 500, 504])
@pytest.mark.parametrize("streams", ["0", "1"])
async def test_a_picture_in_a_failure_is_taken_before_the_request_is_repeated(
    benches: Benches, streams: str, status: int
) -> None:
    """The code is one after which nothing is billed, and that is not so where the picture was made."""
    failure = {"error": {"message": f"litellm: {GOOD}", "type": "server_error", "code": "server_error"}}
    backend = Canned(lambda _: httpx2.Response(status, json=failure, headers={"retry-after-ms": "1"}))
    bench = await benches.open(wrap=backend.wrap, GPT_IMAGE_2_PARTIAL_IMAGES=streams)
    made = await bench.made("generate_image", **FOX)
    assert made.path.read_bytes() == PNG
    assert len(backend.bodies) == 1


@pytest.mark.parametrize(
    "failure",
    [
        httpx2.Response(500, json={"error": {"message": "'str' object has no attribute 'model_dump'", "code": "500"}}),
        httpx2.Response(200, content=b"data: {half\n\n", headers={"content-type": "text/event-stream"}),
    ],
    ids=["a failure", "a garbled stream"],
)
async def test_a_proxy_that_fails_a_stream_is_asked_for_no_other(
    benches: Benches, failure: httpx2.Response, tmp_path: Path
) -> None:
    answers = [failure, *(httpx2.Response(200, content=GOOD.encode()) for _ in range(3))]
    backend = Canned(lambda _: answers.pop(0))

    async def opened() -> Bench:
        return await benches.open(
            wrap=backend.wrap,
            data_dir=tmp_path / "data",
            GPT_IMAGE_2_PARTIAL_IMAGES="1",
            OPENAI_BASE_URL="http://localhost:4000/v1",
        )

    bench = await opened()
    told = await bench.refused("generate_image", **FOX)
    assert "GPT_IMAGE_2_PARTIAL_IMAGES" in told
    assert "may have been made and billed" in told
    await bench.made("generate_image", **FOX)
    bench = await opened()
    await bench.made("generate_image", prompt="an owl", size=SMALL)
    assert [body.get("stream", False) for body in backend.bodies] == [True, False, False]
    (memory,) = (tmp_path / "data").glob("no-stream-*")
    os.utime(memory, (0, 0))
    bench = await opened()
    await bench.made("generate_image", prompt="a cat", size=SMALL)
    assert backend.bodies[-1]["stream"]


async def test_the_failure_of_a_proxy_may_have_the_picture_in_it(benches: Benches) -> None:
    """LiteLLM puts the stream that it could not pass on into an error's message; each call would be paid and lost."""
    failure = {"error": {"message": f"litellm.APIError: data: {EVENT}\n\n", "type": None, "code": "500"}}
    answers = [httpx2.Response(500, json=failure), httpx2.Response(200, content=GOOD.encode())]
    backend = Canned(lambda _: answers.pop(0))
    bench = await benches.open(
        wrap=backend.wrap, GPT_IMAGE_2_PARTIAL_IMAGES="1", OPENAI_BASE_URL="http://localhost:4000/v1"
    )
    made = await bench.made("generate_image", **FOX)
    assert made.path.read_bytes() == PNG
    assert "GPT_IMAGE_2_PARTIAL_IMAGES" in made.text
    # Nothing is streamed any more.
    await bench.made("generate_image", **FOX)
    assert [body.get("stream", False) for body in backend.bodies] == [True, False]


@cache
def pictures() -> tuple[bytes, ...]:
    """Pictures of each format, of different sizes."""
    kinds = ("PNG", "JPEG", "WEBP", "GIF", "AVIF", "TIFF")
    return tuple(encoded(kind, (64 + 16 * at, 48)) for at, kind in enumerate(kinds))


def test_every_complete_picture_of_a_cut_answer_is_found() -> None:
    """Whatever the place of the cut: all that stand before it, and at most the one in which it falls."""
    texts = [base64.b64encode(data).decode() for data in pictures()]
    body = json.dumps({"data": [{"b64_json": text} for text in texts]}).encode()
    ends = [body.index(text.encode()) + len(text) for text in texts]
    for cut in range(0, len(body) + 1, 7):
        complete = [data for data, end in zip(pictures(), ends, strict=True) if end < cut]
        found = find_pictures(body[:cut])
        assert found[: len(complete)] == complete
        assert len(found) <= len(complete) + 1


def test_no_unfinished_picture_of_a_cut_stream_is_taken() -> None:
    """Whatever the place of the cut, and whether its type stands before the picture or behind it."""
    events = [UNFINISHED, dict(reversed(UNFINISHED.items())), json.loads(EVENT)]
    stream = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events).encode()
    whole = stream.index(B64.encode()) + len(B64)
    for cut in range(0, len(stream) + 1, 5):
        assert find_pictures(stream[:cut]) == ([PNG] if cut >= whole else [])


@pytest.mark.parametrize(
    "around", [b'{"x": "%s"}', b"%s", b'"usage": {' * 9 + b'"%s"'], ids=["a field", "nothing", "usages"]
)
def test_the_loosest_reading_takes_a_few_times_the_memory_of_an_answer(around: bytes) -> None:
    """It once took a hundred times as much, and 4K pictures ended the process."""
    data = PNG[:-12] + bytes(range(256)) * 8_000 + PNG[-12:]
    content = around % base64.encodebytes(data).replace(b"\n", b"\\n")
    tracemalloc.start()
    try:
        assert find_pictures(content) == [data]
        find_usage(content)
        assert tracemalloc.get_traced_memory()[1] < 8 * len(content)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("text", [b"\\", b"A" * 31 + b"!", b"A" * 60 + b"\n", b'"b64_json":"AAAA', b'"usage":{"a":'])
def test_the_loosest_reading_of_an_answer_made_to_be_slow_is_quick(text: bytes) -> None:
    """A time that grew with the square of the size would be hours."""
    content = text * (3_000_000 // len(text))
    assert find_pictures(content) == []
    assert find_usage(content) is None


async def test_a_web_page_with_pictures_of_its_own_is_no_picture(benches: Benches) -> None:
    """Such as the page of a network that wants a login first; it is kept all the same."""
    page = f"<!DOCTYPE html><img src='data:image/png;base64,{B64}'>"
    bench = await benches.open(wrap=Canned(lambda _: httpx2.Response(200, html=page)).wrap)
    assert "instead of JSON" in await bench.refused("generate_image", **FOX)
    (kept,) = bench.files()
    assert (bench.folder / kept).read_text() == page


async def test_more_than_an_answer_can_have_is_not_read(benches: Benches, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer, "MAX_PICTURE_BYTES", 10_000)
    monkeypatch.setattr(answer, "MAX_BESIDE_BYTES", len(GOOD))

    async def endless() -> AsyncIterator[bytes]:
        yield GOOD.encode()
        while True:
            yield b" " * 1_000

    bench = await benches.open(wrap=Canned(lambda _: httpx2.Response(200, content=endless())).wrap)
    made = await bench.made("generate_image", **FOX)
    assert made.path.read_bytes() == PNG


async def test_complete_pictures_of_an_answer_that_breaks_off_are_saved(benches: Benches) -> None:
    body = json.dumps({"data": [{"b64_json": base64.b64encode(data).decode()} for data in pictures()[:3]]}).encode()

    async def halves() -> AsyncIterator[bytes]:
        yield body[: len(body) // 2]
        yield body[len(body) // 2 : -60]
        raise httpx2.ReadError("reset")

    bench = await benches.open(wrap=Canned(lambda _: httpx2.Response(200, content=halves())).wrap)
    result = await bench.call("generate_image", n=3, **FOX)
    saved = [content_of(image) for image in (result.meta or {})[META]["images"]]
    assert saved == list(pictures()[:2])
    assert "broke off; 2 of 3 pictures arrived whole. The rest of it is kept in" in said(result)
    # The rest has the third picture's beginning, and those that are saved no more.
    (kept,) = (bench.folder / name for name in bench.files() if "unread-" in name)
    beginning = base64.b64encode(pictures()[2]).decode()[:200]
    assert beginning in kept.read_text()
    assert find_pictures(kept.read_bytes()) == []


@pytest.mark.parametrize("result", [B64[:101], None], ids=["a piece of a picture", "no picture"])
async def test_a_small_answer_of_the_responses_api_is_kept_if_a_picture_may_be_in_it(
    benches: Benches, result: str | None
) -> None:
    call = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": result}
    body = {"id": "resp_1", "object": "response", "model": "gpt-5.4", "status": "completed", "output": [call]}
    bench = await benches.open(
        wrap=Canned(lambda _: httpx2.Response(200, json=body)).wrap, OPENAI_FORCE_RESPONSES_EDITS="1"
    )
    text = await bench.refused("edit_image", images=[str(bench.photo())], prompt="a hat", size=SMALL)
    assert ("What arrived is kept in" in text) == (result is not None)
    kept = [json.loads(path.read_bytes()) for path in bench.folder.rglob("unread-*")]
    assert kept == ([body] if result else [])


async def test_a_link_without_a_host_is_relative_to_the_backend(benches: Benches) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":
            return httpx2.Response(200, content=PNG)
        return httpx2.Response(200, json={"data": [{"url": "/files/fox.png"}]})

    bench = await benches.open(wrap=Canned(answer).wrap, OPENAI_BASE_URL="http://localhost:9/v1")
    text = await bench.refused("generate_image", **FOX)
    assert "http://localhost:9/files/fox.png" in text


class Links(Listener):
    """A web server on loopback that gives its answers in turn, the last one again and again."""

    def __init__(self, *answers: bytes) -> None:
        super().__init__()
        self._answers = [*answers]

    def serve(self, connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(self._answers.pop(0) if len(self._answers) > 1 else self._answers[0])
        # Closed with something unread, a connection is reset, and what the client has not read is lost.
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65_536):
            pass


async def linked(benches: Benches, links: Links, name: str) -> Bench:
    """A bench whose backend names a picture on this web server."""
    body = {"data": [{"url": f"{links.address}/{name}"}]}
    host = links.address.removeprefix("http://")
    return await benches.open(
        wrap=Canned(lambda _: httpx2.Response(200, json=body)).wrap, GPT_IMAGE_2_ALLOWED_URL_HOSTS=host
    )


def http_answer(body: bytes, *, length: int | None = None, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-length: {length or len(body)}\r\n\r\n".encode() + body


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be fetched is fetched again without a wait."""
    monkeypatch.setattr(link_fetcher, "WAITS_S", (0.0, 0.0))


@pytest.mark.usefixtures("at_once")
async def test_a_picture_that_is_late_at_its_address_is_fetched_again(benches: Benches) -> None:
    failures = (http_answer(b"no", status="404 Not Found"), http_answer(PNG[:99], length=len(PNG)))
    with Links(*failures, http_answer(PNG)) as links:
        bench = await linked(benches, links, "a.png")
        assert (await bench.made("generate_image", **FOX)).path.read_bytes() == PNG


@pytest.mark.usefixtures("at_once")
async def test_a_picture_that_breaks_off_at_its_address_is_saved_as_damaged(benches: Benches) -> None:
    with Links(http_answer(PNG[:-40], length=len(PNG)), http_answer(PNG[:99], length=len(PNG))) as links:
        bench = await linked(benches, links, "a.png")
        result = await bench.call("generate_image", **FOX)
    assert "is damaged" in said(result)
    ((image,),) = [(result.meta or {})[META]["images"]]
    assert content_of(image) == PNG[:-40]


@pytest.mark.parametrize("kind", ["SVG", "bytes"])
async def test_what_is_at_an_address_is_saved_whatever_it_is(benches: Benches, kind: str) -> None:
    data = b"<svg xmlns='http://www.w3.org/2000/svg'><rect/></svg>" if kind == "SVG" else os.urandom(900)
    with Links(http_answer(data)) as links:
        result = await (await linked(benches, links, "a")).call("generate_image", **FOX)
    ((image,),) = [(result.meta or {})[META]["images"]]
    assert content_of(image) == data


async def test_a_text_at_an_address_is_kept(benches: Benches) -> None:
    with Links(http_answer(B64.encode())) as links:
        bench = await linked(benches, links, "a.txt")
        assert "The text is kept in" in await bench.refused("generate_image", **FOX)
    assert [PNG] in [find_pictures(path.read_bytes()) for path in bench.folder.rglob("unread-*")]


def ill_headed(head: str, content: bytes = GOOD.encode()) -> bytes:
    return f"{head}\r\n\r\n".replace("LENGTH", str(len(content))).encode() + content


NO_HTTP: dict[str, bytes] = {
    "a header without a colon": ill_headed("HTTP/1.1 200 OK\r\nno header\r\ncontent-length: LENGTH"),
    "two lengths": ill_headed("HTTP/1.1 200 OK\r\ncontent-length: LENGTH\r\ncontent-length: 9"),
    "a header of 300 kB": ill_headed(f"HTTP/1.1 200 OK\r\nx: {'y' * 300_000}\r\ncontent-length: LENGTH"),
    "another version": ill_headed("HTTP/2 200 OK\r\ncontent-length: LENGTH"),
    "the picture itself": ill_headed("HTTP/1.1 200 OK\r\nno header\r\ncontent-length: LENGTH", PNG),
    "no head": GOOD.encode(),
}


def over_http(root: Path, links: Links) -> AbstractAsyncContextManager[Client]:
    """A client of a server that reaches its backend over HTTP."""
    variables = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": links.address, "GPT_IMAGE_2_OUTPUT_DIR": str(root)}
    settings = Settings.read({**variables, **LONG_WAIT})
    service = open_service(settings, working_dir=root, home=root, data_dir=None)
    return Client(build_server(lambda: service))


def kept_raw(root: Path) -> list[bytes]:
    return [path.read_bytes() for path in root.rglob("unread-*")]


@pytest.mark.parametrize("answer", NO_HTTP.values(), ids=NO_HTTP)
async def test_a_picture_is_taken_out_of_an_answer_that_is_no_valid_http(answer: bytes, tmp_path: Path) -> None:
    with Links(answer) as backend:
        async with over_http(tmp_path, backend) as client:
            result = await client.call_tool("generate_image", FOX)
    assert "is no valid HTTP" in said(result)
    ((image,),) = [(result.meta or {})[META]["images"]]
    assert content_of(image) == PNG


async def test_an_answer_that_is_no_valid_http_is_kept_where_no_picture_is_found_in_it(tmp_path: Path) -> None:
    sizes = f"{len(GOOD):x}\r\n{GOOD}\r\n0\r\n\r\n".encode()
    content = ill_headed("HTTP/1.1 200 OK\r\nno header\r\ntransfer-encoding: chunked", sizes + bytes(3_000))
    with Links(content) as backend:
        async with over_http(tmp_path, backend) as client:
            assert "What arrived is kept in" in said(await client.call_tool("generate_image", FOX))
    assert kept_raw(tmp_path) == [content]


async def test_the_link_of_a_picture_that_cannot_be_fetched_is_kept(benches: Benches) -> None:
    link = f"http://169.254.169.254/{'a' * 3_000}"
    body = {"data": [{"b64_json": B64}, {"url": link}]}
    bench = await benches.open(wrap=Canned(lambda _: httpx2.Response(200, json=body)).wrap)
    result = await bench.call("generate_image", n=2, **FOX)
    (kept,) = bench.folder.rglob("unread-*")
    assert kept.read_text() == link
    assert f"What came is kept in {kept}." in said(result)


@promise(
    "Odd pictures",
    "An answer shows only what this program has decoded; of everything else it says what it is and where it is.",
)
@pytest.mark.parametrize("kind", ["GIF", "AVIF", "TIFF", "BMP"])
async def test_other_formats_are_saved_as_they_came_and_not_shown(benches: Benches, kind: str) -> None:
    data = encoded(kind, (64, 48))
    bench = await benches.open(wrap=canned(data).wrap)
    made = await bench.made("generate_image", **FOX)
    assert made.path.read_bytes() == data
    assert made.path.suffix == f".{kind.lower()}"
    assert not made.pictures
    assert f"{kind}, which this server does not show" in made.text
    await is_listed_everywhere(bench, made.path)


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>'


@pytest.mark.parametrize(("data", "ending"), [(SVG, ".svg"), (bytes(range(256)) * 9, ".bin")], ids=["svg", "unknown"])
async def test_what_no_decoder_knows_is_saved_too(benches: Benches, data: bytes, ending: str) -> None:
    bench = await benches.open(wrap=canned(data).wrap)
    made = await bench.made("generate_image", **FOX)
    assert (made.path.read_bytes(), made.path.suffix) == (data, ending)
    await is_listed_everywhere(bench, made.path)


async def is_listed_everywhere(bench: Bench, path: Path) -> None:
    """Lists, sheets, the gallery's data and a close look at a picture that cannot be shown end in words."""
    for arguments in ({}, {"contact_sheet": True}):
        listed = said(await bench.call("list_images", **arguments))
        assert path.stem in listed
        assert " 0x0" not in listed
        assert "not shown" in listed or "damaged" in listed
    for arguments in ({}, {"region": "0,0,4,4"}):
        told = await bench.refused("show_image", image="last", **arguments)
        assert "does not show" in told or "is damaged" in told
        assert str(path) in told
    resources = await bench.client.list_resources()
    assert path.stem in str(resources)


def content_of(image: dict[str, Any]) -> bytes:
    return Path(image["file_path"]).read_bytes()


def record_of(path: Path) -> str:
    return (path.parent / ".gpt-image-2" / f"{path.stem}.json").read_text(encoding="utf-8")


def idat(pixels: bytes) -> bytes:
    """A chunk of a PNG with its right checksum."""
    body = b"IDAT" + pixels
    return len(pixels).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")


def damaged() -> dict[str, bytes]:
    png, jpeg, webp = encoded(size=(64, 48)), encoded("JPEG", (64, 48)), encoded("WEBP", (64, 48))
    head = png[12:25] + b"\3" + png[26:29]
    return {
        "cut PNG": png[:-20],
        "wrong checksum": png[:60] + bytes([png[60] ^ 1]) + png[61:],
        "no pixels": png[:33] + png[-12:],
        "cut JPEG": jpeg[:-20],
        "cut WebP": webp[:-20],
        "pixels that do not inflate": png[:33] + idat(bytes(40)) + png[-12:],
        "too few pixels": png[:33] + idat(zlib.compress(bytes(40))) + png[-12:],
        "header alone": png[:20],
        "no palette": png[:12] + head + zlib.crc32(head).to_bytes(4, "big") + png[33:],
    }


@promise("Odd pictures", "A damaged picture is saved as it came, and never shown.")
@pytest.mark.parametrize("inline", ["preview", "full", "none"])
@pytest.mark.parametrize("flaw", damaged())
async def test_a_damaged_picture_is_saved_and_told_and_never_shown(
    benches: Benches, flaw: str, inline: str, tmp_path: Path
) -> None:
    data = damaged()[flaw]
    database = f"sqlite:///{tmp_path}/library.db"
    bench = await benches.open(wrap=canned(data).wrap, GPT_IMAGE_2_INLINE=inline, GPT_IMAGE_2_DATABASE_URL=database)
    result = await bench.call("generate_image", **FOX)
    (image,) = (result.meta or {})[META]["images"]
    assert content_of(image) == data
    assert image["broken"] is True
    assert "is damaged: it was saved as it came" in said(result)
    assert {block.type for block in result.content} <= {"text"}
    assert json.loads(record_of(Path(image["file_path"])))["applied"]["broken"] is True
    await is_listed_everywhere(bench, Path(image["file_path"]))


async def test_no_session_goes_on_from_a_damaged_picture(benches: Benches, tmp_path: Path) -> None:
    (tmp_path / "fox.png").write_bytes(PNG)
    answers = [PNG, PNG[:-20], encoded(size=(64, 48))]
    backend = Canned(
        lambda _: httpx2.Response(200, json={"data": [{"b64_json": base64.b64encode(answers.pop(0)).decode()}]})
    )
    bench = await benches.open(wrap=backend.wrap)
    started = await bench.call("start_edit_session", prompt="blue", images=[str(tmp_path / "fox.png")], size=SMALL)
    session = (started.meta or {})[META]["session_id"]
    told = said(await bench.call("continue_edit_session", session_id=session, prompt="green", size=SMALL))
    assert "does not go on from this picture, which cannot be edited" in told
    again = (await bench.call("continue_edit_session", session_id=session, prompt="green", size=SMALL)).meta or {}
    assert (again[META]["turn"], again[META]["parent_turn"]) == (2, 1)


@pytest.mark.parametrize("prompt", [" ", "\u200b\u200d\ufeff", "\u2800\u3164", "\n\t\u00a0", "\u0301"])
async def test_a_prompt_without_a_visible_character_is_refused_unpaid(bench: Bench, prompt: str) -> None:
    # Blanks alone count as no prompt at all.
    told = "`prompt` is missing" if prompt.isspace() else "no visible character"
    assert told in await bench.refused("generate_image", prompt=prompt)
    assert not bench.seen()


def test_raw_answers_are_rescued_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command finds the answer that a call has kept, saves its picture, and lists it."""
    folder = tmp_path / "pictures"
    (folder / ".gpt-image-2").mkdir(parents=True)
    (folder / ".gpt-image-2" / "unread-image-1-1.bin").write_bytes(b"<p>" + GOOD.encode())
    (folder / ".gpt-image-2" / "unread-image-2-1.bin").write_bytes(b"<p>nothing</p>")
    # A link would bring a picture from elsewhere into a folder that others may see.
    (tmp_path / "mine.png").write_bytes(encoded(size=(32, 32)))
    (folder / ".gpt-image-2" / "unread-image-3-1.bin").symlink_to(tmp_path / "mine.png")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("GPT_IMAGE_2_OUTPUT_DIR", str(folder))

    def run(*arguments: str) -> tuple[str, str]:
        made = CliRunner().invoke(commands, ["library", *arguments])
        assert made.exit_code == 0, made.output
        return made.stdout, made.stderr

    paths, told = run("rescue")
    (path,) = map(Path, paths.split())
    assert path.read_bytes() == PNG
    assert "1 picture rescued." in told
    assert "No complete picture is in" in told
    assert path.stem in run("list")[0]
    assert run("rescue")[0] == ""
    assert "nothing" not in run("check")[0]


ODD = {"gif": encoded("GIF", (64, 48)), "cut": PNG[:-20], "bin": bytes(range(256)) * 9}


@pytest.mark.parametrize("data", ODD.values(), ids=ODD)
async def test_the_catalogue_is_made_again_with_what_cannot_be_shown(
    benches: Benches, data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = await benches.open(wrap=canned(data).wrap, GPT_IMAGE_2_DATABASE_URL=f"sqlite:///{tmp_path}/library.db")
    result = await bench.call("generate_image", **FOX)
    (image,) = (result.meta or {})[META]["images"]
    monkeypatch.setenv("GPT_IMAGE_2_DATABASE_URL", f"sqlite:///{tmp_path}/other.db")
    monkeypatch.setenv("GPT_IMAGE_2_OUTPUT_DIR", str(Path(image["file_path"]).parent))

    def run(*arguments: str) -> str:
        return CliRunner().invoke(commands, ["library", *arguments]).output

    folder = str(Path(image["file_path"]).parent)
    assert "1 picture added" in await anyio.to_thread.run_sync(run, "rebuild", folder)
    assert image["id"] in await anyio.to_thread.run_sync(run, "list")
    assert "Changed" not in await anyio.to_thread.run_sync(run, "check")
