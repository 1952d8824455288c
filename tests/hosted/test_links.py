"""The links of a folder of pictures: what can be done to them, with them, and what they lead to."""

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import anyio
import httpx2
import pytest
from patience import PATIENCE_S
from promises import promise
from starlette.applications import Starlette
from workbench import encoded

from gpt_image_2_mcp.hosting import request_room
from gpt_image_2_mcp.hosting import store_routes as store_routes_module
from gpt_image_2_mcp.hosting.store_routes import UPLOAD_SECONDS, store_routes
from gpt_image_2_mcp.hosting.web_server import listen, web_server
from gpt_image_2_mcp.images.validate import MAX_BYTES
from gpt_image_2_mcp.picture_store import folder_store as folder_store_module
from gpt_image_2_mcp.picture_store.folder_store import FolderStore
from gpt_image_2_mcp.picture_store.keys import new_key, upload_key
from gpt_image_2_mcp.picture_store.store import TooMuch

pytestmark = pytest.mark.anyio

ALICE, BOB = "https://login.test|alice", "token|bob"


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store", secret=b"secret", base_url="http://here.test")


@asynccontextmanager
async def client_of(store: FolderStore) -> AsyncGenerator[httpx2.AsyncClient]:
    app = Starlette(routes=store_routes(store))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app)) as client:
        yield client


def with_query(url: str, **changed: str | None) -> str:
    """The link with other values in its query; without those that are None."""
    parts = urlsplit(url)
    query = {**dict(parse_qsl(parts.query)), **changed}
    return urlunsplit(
        parts._replace(query=urlencode({name: value for name, value in query.items() if value is not None}))
    )


def later(url: str) -> str:
    return with_query(url, ends=str(int(dict(parse_qsl(urlsplit(url).query))["ends"]) + 1))


def put_key(url: str, key: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{key}"))


def signature(url: str) -> str:
    return dict(parse_qsl(urlsplit(url).query))["sign"]


SPOILED: dict[str, Callable[[str, str], str]] = {
    "without a signature": lambda url, _: with_query(url, sign=None),
    "with an empty one": lambda url, _: with_query(url, sign=""),
    "with a shorter one": lambda url, _: with_query(url, sign=signature(url)[:-1]),
    "with a longer one": lambda url, _: with_query(url, sign=signature(url) + "="),
    "with another letter": lambda url, _: with_query(url, sign=signature(url).swapcase()),
    "with letters of another alphabet": lambda url, _: with_query(url, sign="\u0430" * 43),
    "with a NUL": lambda url, _: with_query(url, sign=signature(url) + "\0"),
    "that ends later": lambda url, _: later(url),
    "without an end": lambda url, _: with_query(url, ends=None),
    "with an odd end": lambda url, _: with_query(url, ends="1e99"),
    "with an end of other digits": lambda url, _: with_query(url, ends="\u0661" * 10),
    "with two ends": lambda url, _: url + "&ends=9999999999",
    "to another's file": put_key,
    "to the file of another kind": lambda url, key: put_key(url, key.replace("pictures/", "shown/")),
    "with a part in capitals": lambda url, _: url.replace("/pictures/", "/Pictures/"),
    "out of the folder": lambda url, key: put_key(url, f"pictures/../{key}"),
    "out of the folder, encoded": lambda url, key: put_key(url, f"pictures/%2e%2e/{key}"),
    "out of the folder, encoded twice": lambda url, key: put_key(url, f"pictures/%252e%252e/{key}"),
    "with a slash, encoded": lambda url, key: put_key(url, key.replace("/image", "%2fimage")),
    "with a backslash": lambda url, key: put_key(url, key.replace("/image", "\\image")),
    "with a NUL at the end": lambda url, key: put_key(url, f"{key}%00"),
    "with a line break": lambda url, key: put_key(url, f"{key}%0a"),
}


@promise("Several people", "A link that was changed in any way, or has ended, gives nothing and takes nothing")
@pytest.mark.parametrize("how", SPOILED)
async def test_a_spoiled_link_gives_nothing(store: FolderStore, how: str) -> None:
    mine, other = (new_key("pictures", person, "image-1.png") for person in (BOB, ALICE))
    for key in (mine, other, other.replace("pictures/", "shown/")):
        store.put(key, encoded())
    url = store.link(mine, 3600).url
    async with client_of(store) as client:
        assert (await client.get(url)).status_code == 200
        spoiled = await client.get(SPOILED[how](url, other))
        assert spoiled.status_code in {403, 404}, spoiled.text
        assert b"PNG" not in spoiled.content
        assert signature(url) not in spoiled.text


async def test_a_link_that_has_ended_gives_and_takes_nothing(store: FolderStore) -> None:
    key, upload = new_key("pictures", BOB, "image-1.png"), upload_key(BOB, "0" * 32)
    assert upload
    store.put(key, encoded())
    async with client_of(store) as client:
        assert (await client.get(store.link(key, 0).url)).status_code == 403
        sent = store.upload_link(upload, 0, size=1000, media_type="image/png").url
        assert (await client.put(sent, content=b"1")).status_code == 403
    assert list(store.older("uploads/", datetime.now(UTC) + timedelta(days=1))) == []


async def test_a_link_is_for_one_thing_alone(store: FolderStore) -> None:
    key, upload, other = (
        new_key("pictures", BOB, "image-1.png"),
        upload_key(BOB, "0" * 32),
        upload_key(ALICE, "0" * 32),
    )
    assert upload
    assert other
    store.put(key, encoded())
    fetch, send = store.link(key, 3600).url, store.upload_link(upload, 900, size=1000, media_type="image/png").url
    async with client_of(store) as client:
        for method in ("PUT", "POST", "DELETE", "PATCH"):
            assert (await client.request(method, fetch, content=b"1")).status_code in {403, 405}
        assert (await client.get(send)).status_code == 405
        wrong = (
            put_key(send, other),
            put_key(send, key),
            with_query(send, size="99999999"),
            with_query(send, type="text/html"),
            with_query(send, type=f"image/png\n{later(send)}"),
            with_query(fetch, size="1000", type="image/png"),
        )
        for url in wrong:
            assert (await client.put(url, content=b"1")).status_code in {403, 405}, url
        assert (await client.put(send, content=b"1" * 1001)).status_code == 413
        assert (await client.put(send, content=b"")).status_code == 400
        assert (await client.put(send, content=b"first")).status_code == 201
        assert (await client.put(send, content=b"second")).status_code == 409
    with store.open(upload) as file:
        assert file.read() == b"first"


async def test_a_head_of_a_link_tells_what_a_get_does(store: FolderStore) -> None:
    key = new_key("pictures", BOB, "image-1.png")
    store.put(key, encoded())
    async with client_of(store) as client:
        got, told = [await client.request(method, store.link(key, 60).url) for method in ("GET", "HEAD")]
        assert (told.status_code, told.content) == (200, b"")
        assert dict(told.headers) == dict(got.headers)
        part = await client.get(store.link(key, 60).url, headers={"range": "bytes=0-3"})
        assert part.content == got.content


@promise("Several people", "What is fetched by a link runs nothing in a browser, whatever its bytes are")
@pytest.mark.parametrize("ending", ["html", "svg", "xml", "pdf", "json", "js", "png", "PNG", "svg.png", ""])
async def test_no_file_is_a_page_of_this_server(store: FolderStore, ending: str) -> None:
    """Bytes that are a picture and a page at once, too."""
    key = new_key("shown", BOB, f"file.{ending}" if ending else "file")
    store.put(key, b"\x89PNG\r\n\x1a\n<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
    async with client_of(store) as client:
        headers = (await client.get(store.link(key, 60).url)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert headers["referrer-policy"] == "no-referrer"
    is_picture = ending.lower().endswith("png")
    assert headers["content-disposition"].startswith("inline" if is_picture else "attachment")
    if is_picture:
        assert headers["content-type"] == "image/png"
    assert re.fullmatch(r'(inline|attachment); filename="[A-Za-z0-9._%-]+"', headers["content-disposition"])


async def test_what_costs_nothing_does_not_fill_the_disk(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_store_module, "DAY_BYTES", 2500)
    statuses = list[int]()
    async with client_of(store) as client:
        for number, person in enumerate((ALICE, ALICE, ALICE, BOB)):
            key = upload_key(person, f"{number:032x}")
            assert key
            url = store.upload_link(key, 900, size=1000, media_type="image/png").url
            statuses.append((await client.put(url, content=b"1" * 1000)).status_code)
    assert statuses == [201, 201, 507, 201]
    store.put(new_key("shown", ALICE, "sheet.jpg"), b"1" * 2500)
    with pytest.raises(TooMuch):
        store.put(new_key("shown", ALICE, "sheet.jpg"), b"1")
    # What was paid for is stored in any case.
    store.put(new_key("pictures", ALICE, "image-1.png"), b"1" * 3000)


async def test_people_who_send_slowly_hold_up_themselves_alone(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_routes_module, "ROOM_WITHIN_S", 0.2)
    assert UPLOAD_SECONDS > PATIENCE_S / 10

    def link(person: str, number: int, size: int = MAX_BYTES) -> str:
        key = upload_key(person, f"{number:032x}")
        assert key
        return store.upload_link(key, 900, size=size, media_type="image/png").url

    def head(url: str, size: int) -> bytes:
        target = url.removeprefix("http://here.test")
        return f"PUT {target} HTTP/1.1\r\nHost: here.test\r\nContent-Length: {size}\r\n\r\n1".encode()

    with listen("127.0.0.1", 0) as sock:
        address = sock.getsockname()
        web = web_server(Starlette(routes=store_routes(store)), grace_s=1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(web.serve, [sock])
            slow = [await anyio.connect_tcp(*address) for _ in range(request_room.EACH_PERSON // MAX_BYTES)]
            for number, stream in enumerate(slow):
                await stream.send(head(link(ALICE, number), 1000))
            base = f"http://127.0.0.1:{address[1]}"
            async with httpx2.AsyncClient(timeout=PATIENCE_S) as client:
                with anyio.fail_after(PATIENCE_S):
                    while True:
                        one_more = await client.put(link(ALICE, 100).replace("http://here.test", base), content=b"1")
                        if one_more.status_code == 503:
                            break
                        key = upload_key(ALICE, f"{100:032x}")
                        assert key
                        store.delete(key)
                assert one_more.headers["retry-after"]
                of_bob = await client.put(link(BOB, 1).replace("http://here.test", base), content=b"1")
                assert of_bob.status_code == 201
            for stream in slow:
                await stream.aclose()
            web.should_exit = True
