"""Pictures of a server behind a store: made on one replica, found on another, and lost nowhere in between."""

import base64
import errno
import hashlib
import io
import json
import os
import re
import threading
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import httpx2
import obstore
import psycopg
import pytest
from _pytest.mark import ParameterSet
from mcp_types import BlobResourceContents, CallToolResult, TextResourceContents
from patience import PATIENCE_S, look_again
from postgres_server import Server
from promises import promise
from starlette.applications import Starlette
from stdio_bench import calls, reached
from workbench import META, SMALL, Answer, Bench, encoded, said

from gpt_image_2_mcp.admin.forget import forget_files
from gpt_image_2_mcp.database.lazy_store import LazyStore
from gpt_image_2_mcp.database.url import PostgresUrl
from gpt_image_2_mcp.hosting.store_routes import store_routes
from gpt_image_2_mcp.images.validate import MAX_BYTES
from gpt_image_2_mcp.picture_store.keeper import NOT_ON_DISK
from gpt_image_2_mcp.picture_store.keys import new_key, person_part
from gpt_image_2_mcp.picture_store.upkeep import Upkeep
from gpt_image_2_mcp.server.library_results import LIST_KEY
from gpt_image_2_mcp.storage.local_folder import PART_PREFIX

from .conftest import Bucket
from .parts.azure import Azure
from .parts.s3 import Mode, StoreProxy, new_prefix
from .replicas import ALICE, BASE_URL, BOB, Replica, replica, store_of

pytestmark = pytest.mark.anyio

OUTBOX = "kept in the database"
ON_DISK = "on the disk of this server alone"


class Replicas:
    """Opens replicas of one server; they end with the test."""

    def __init__(self, stack: AsyncExitStack, root: Path, url: str, database: PostgresUrl) -> None:
        self._stack = stack
        self._root = root
        self.url = url
        self.database = database

    async def open(self, name: str, url: str | None = None) -> Replica:
        opened = replica(self._root / name, url or self.url, self.database)
        return await self._stack.enter_async_context(opened)


def thorough(*params: str) -> ParameterSet:
    return pytest.param(*params, marks=pytest.mark.thorough)


AZURE = thorough("azure")


@pytest.fixture(params=["folder", "s3", AZURE])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return f"file://{tmp_path}/shared"
    url: str = request.getfixturevalue(request.param).url(new_prefix())
    return url


@pytest.fixture
async def replicas(tmp_path: Path, store_url: str, team_database: PostgresUrl) -> AsyncIterator[Replicas]:
    async with AsyncExitStack() as stack:
        yield Replicas(stack, tmp_path, store_url, team_database)


@pytest.fixture(params=["s3", AZURE])
def bucket(request: pytest.FixtureRequest) -> Bucket:
    found: Bucket = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def proxy(bucket: Bucket) -> Iterator[StoreProxy]:
    proxy = StoreProxy(bucket)
    yield proxy
    proxy.close()


@pytest.fixture
async def behind_proxy(
    tmp_path: Path, bucket: Bucket, proxy: StoreProxy, team_database: PostgresUrl
) -> AsyncIterator[Replicas]:
    async with AsyncExitStack() as stack:
        yield Replicas(stack, tmp_path, bucket.url(new_prefix(), port=proxy.port), team_database)


async def drawn(client: Bench, **arguments: Any) -> Answer:
    return await client.made("generate_image", prompt="a fox", **{"size": SMALL, "quality": "low", **arguments})


def id_of(answer: Answer) -> str:
    return answer.report["images"][0]["id"]


def prefix_of(url: str) -> str:
    """The part of the bucket that the address of a store names."""
    return urlsplit(url).path.strip("/")


def waiting(url: PostgresUrl) -> int:
    """How many files of all people wait in the outbox."""
    with closing(psycopg.connect(url.text)) as connection:
        connection.execute("SELECT set_config('gpt_image_2.person', '*', false)")
        return connection.execute("SELECT key FROM outbox").rowcount


async def drained(url: PostgresUrl) -> None:
    with anyio.fail_after(PATIENCE_S):
        while waiting(url):
            await look_again()


def no_folder(result: CallToolResult, *folders: Path) -> None:
    text = result.model_dump_json()
    assert not [folder for folder in folders if str(folder) in text], text


@promise("Other users", "An answer of a server for a team names no folder of it: a picture has a link, which ends.")
async def test_an_answer_has_a_link_with_its_end_and_how_to_fetch_it(replicas: Replicas, tmp_path: Path) -> None:
    alice = await (await replicas.open("a")).client_of(ALICE)
    result = await alice.final("generate_image", prompt="a fox", size=SMALL, n=2)
    report = (result.meta or {})[META]
    no_folder(result, tmp_path)
    for image in report["images"]:
        assert "file_path" not in image
        assert f'curl -o {image["filename"]} "{image["url"]}"' in said(result)
        assert hashlib.sha256(await fetched(image["url"], tmp_path)).hexdigest() == image["sha256"]
    assert re.search(r"The link is valid until \d\d:\d\d UTC; show_image", said(result))
    listed = await alice.call("list_images", contact_sheet=True)
    no_folder(listed, tmp_path)
    listed_urls = [row["url"] for row in (listed.meta or {})[LIST_KEY]]
    assert {hashlib.sha256(await fetched(url, tmp_path)).hexdigest() for url in listed_urls} == {
        image["sha256"] for image in report["images"]
    }
    assert "missing" not in said(listed)
    shown = await alice.call("show_image", image=report["images"][0]["id"])
    no_folder(shown, tmp_path)
    assert f'The original: curl -o {report["images"][0]["filename"]} "' in said(shown)
    exported = await alice.call("export_image", image=[report["images"][0]["id"]], to=["200x100", "jpeg"])
    no_folder(exported, tmp_path)
    files = (exported.meta or {})[META]["files"]
    assert [len(await fetched(file["url"], tmp_path)) for file in files] == [file["size_bytes"] for file in files]
    icons = await alice.call("export_image", image=[report["images"][0]["id"]], to=["app icon"])
    no_folder(icons, tmp_path)
    archive = zipfile.ZipFile(io.BytesIO(await fetched((icons.meta or {})[META]["archive"]["url"], tmp_path)))
    assert len(archive.namelist()) == len((icons.meta or {})[META]["files"])
    assert not [*alice.folder.rglob("*200x100*"), *alice.folder.rglob("*.icns")]
    jobs = await alice.call("get_image_job")
    no_folder(jobs, tmp_path)


async def fetched(url: str, tmp_path: Path) -> bytes:
    """What a link gives, at the server that answers it."""
    if not url.startswith(BASE_URL):
        answer = httpx2.get(url)
    else:
        app = Starlette(routes=store_routes(store_of(f"file://{tmp_path}/shared", tmp_path)))
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app)) as client:
            answer = await client.get(url)
    assert answer.status_code == 200, answer.text
    return answer.content


@pytest.mark.thorough
async def test_another_replica_finds_the_pictures(replicas: Replicas, tmp_path: Path) -> None:
    """By id, in sessions, exports, sheets and resources; its disk is its own, and empty."""
    first = await (await replicas.open("a")).client_of(ALICE)
    picture = id_of(await drawn(first))
    data = "data:image/png;base64," + base64.b64encode(encoded()).decode()
    session = await first.made("start_edit_session", prompt="red", images=[data], size=SMALL)
    second = await (await replicas.open("b")).client_of(ALICE)
    edited = await second.made("edit_image", prompt="blue", images=[picture], size=SMALL)
    assert edited.report["inputs"] == [picture]
    turn = await second.made("continue_edit_session", prompt="green", session_id=session.session_id)
    assert turn.report["turn"] == 2
    origin = await second.made("continue_edit_session", prompt="x", session_id=session.session_id, from_turn=0)
    assert origin.report["parent_turn"] == 0
    assert not (await second.call("show_image", image=picture)).is_error
    assert not (await second.call("export_image", image=[picture], to=["200x100"])).is_error
    sheet = await second.call("list_images", contact_sheet=True)
    assert "missing" not in said(sheet)
    (contents,) = (await second.client.read_resource(f"gpt-image-2://pictures/{picture}")).contents
    assert isinstance(contents, BlobResourceContents)
    assert base64.b64decode(contents.blob)[:4] == b"\x89PNG"
    (described,) = (await second.client.read_resource(f"gpt-image-2://sessions/{session.session_id}")).contents
    assert isinstance(described, TextResourceContents)
    assert str(tmp_path) not in described.text
    # The answer of a job of the first one, with its preview and its link.
    jobs = said(await second.call("get_image_job"))
    (job_id,) = re.findall(r"(job-\w+): done, generate_image", jobs)
    told = await second.made("get_image_job", job_id=job_id)
    assert (told.report["images"][0]["id"], "url" in told.report["images"][0]) == (picture, True)
    # And back: the first one goes on from what the second has made.
    again = await first.made("continue_edit_session", prompt="grey", session_id=session.session_id)
    assert again.report["turn"] == 4


async def test_a_replica_whose_disk_was_wiped_goes_on(replicas: Replicas) -> None:
    first = await replicas.open("a")
    alice = await first.client_of(ALICE)
    picture = id_of(await drawn(alice))
    for path in alice.folder.rglob("*.png"):
        path.unlink()
    await alice.made("edit_image", prompt="blue", images=[picture], size=SMALL)
    await alice.made("edit_image", prompt="red", images=["last"], size=SMALL)


@promise("Other users", "A picture that was changed in the picture store is told, and is not used.")
async def test_a_missing_or_changed_object_is_an_error_that_names_the_picture(
    replicas: Replicas, request: pytest.FixtureRequest
) -> None:
    first = await (await replicas.open("a")).client_of(ALICE)
    changed, gone = id_of(await drawn(first)), id_of(await drawn(first))
    if replicas.url.startswith("az"):
        azure: Azure = request.getfixturevalue("azure")
        inside, names = azure.below(prefix_of(replicas.url)), azure.names(prefix_of(replicas.url))
        (one_name,) = [name for name in names if changed in name]
        obstore.put(inside, one_name, encoded())
        obstore.delete(inside, [name for name in names if gone in name])
    else:
        folder = Path(replicas.url.removeprefix("file://"))
        if replicas.url.startswith("s3"):
            folder = request.getfixturevalue("s3").bucket / prefix_of(replicas.url)
        (one,) = folder.rglob(f"{changed}*.png")
        one.write_bytes(encoded())
        (two,) = folder.rglob(f"{gone}*.png")
        two.unlink()
    second = await (await replicas.open("b")).client_of(ALICE)
    told = await second.refused("edit_image", prompt="blue", images=[changed])
    assert f"The picture {changed} was changed in the picture store" in told
    told = await second.refused("show_image", image=gone)
    assert f"The picture {gone} is gone from the picture store" in told


@pytest.mark.parametrize(
    ("bucket", "mode"),
    [("s3", "down"), ("s3", "full"), ("s3", "no bucket"), thorough("s3", "silent"), thorough("azure", "down")],
    indirect=["bucket"],
)
async def test_with_the_store_away_a_picture_waits_in_the_database_and_is_put_once_it_is_back(
    mode: Any, behind_proxy: Replicas, proxy: StoreProxy, bucket: Bucket, tmp_path: Path
) -> None:
    first = await behind_proxy.open("a")
    alice = await first.client_of(ALICE)
    proxy.turn(mode)
    answer = await drawn(alice)
    picture = id_of(answer)
    assert OUTBOX in answer.text
    assert waiting(behind_proxy.database) == 1
    # Another replica has it meanwhile.
    bench = await (await behind_proxy.open("b")).client_of(ALICE)
    assert not (await bench.call("show_image", image=picture)).is_error
    proxy.turn("on")
    await drained(behind_proxy.database)
    assert hashlib.sha256(await fetched(answer.report["images"][0]["url"], tmp_path)).hexdigest() in str(answer.report)
    assert [name for name in bucket.names(prefix_of(behind_proxy.url)) if picture in name]


async def test_with_wrong_credentials_a_picture_waits_in_the_database(
    tmp_path: Path, bucket: Bucket, team_database: PostgresUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = bucket.url(new_prefix())
    with monkeypatch.context() as wrong:
        wrong.setenv("AWS_SECRET_ACCESS_KEY", "another")
        wrong.setenv("AZURE_STORAGE_ACCOUNT_KEY", "YW5vdGhlcg==")
        async with replica(tmp_path / "a", url, team_database) as first:
            answer = await drawn(await first.client_of(ALICE))
            assert OUTBOX in answer.text
    async with replica(tmp_path / "b", url, team_database) as second:
        await drained(team_database)
        alice = await second.client_of(ALICE)
        assert not (await alice.call("show_image", image=id_of(answer))).is_error


async def test_without_store_and_database_server_a_picture_is_on_the_disk_and_is_put_at_the_next_start(
    tmp_path: Path, bucket: Bucket, proxy: StoreProxy
) -> None:
    url = bucket.url(new_prefix(), port=proxy.port)
    proxy.turn("down")
    async with replica(tmp_path / "a", url) as first:
        answer = await drawn(await first.client_of(ALICE))
        assert ON_DISK in answer.text
        assert "(no link yet)" in answer.text
        assert "url" not in answer.report["images"][0]
    proxy.turn("on")
    async with replica(tmp_path / "a", url) as again:
        alice = await again.client_of(ALICE)
        with anyio.fail_after(PATIENCE_S):
            while "The original: curl" not in said(await alice.call("show_image", image=id_of(answer))):
                await look_again()


async def test_two_replicas_put_what_waits_once(
    tmp_path: Path, bucket: Bucket, proxy: StoreProxy, team_database: PostgresUrl
) -> None:
    url = bucket.url(new_prefix(), port=proxy.port)
    stores = [LazyStore(team_database, connections=2) for _ in range(2)]
    upkeeps = [Upkeep(store_of(url, tmp_path), store, tmp_path) for store in stores]
    keys = [f"pictures/{'a' * 32}/image-{number}-{number:016x}.png" for number in range(20)]
    stores[0].of("*")
    with closing(psycopg.connect(team_database.text, autocommit=True)) as connection:
        connection.execute("SELECT set_config('gpt_image_2.person', 'token|a', false)")
        for number, key in enumerate(keys):
            connection.execute("INSERT INTO outbox (key, data, made_us) VALUES (%s, %s, %s)", (key, b"1", number))

    def put(upkeep: Upkeep) -> None:
        while waiting(team_database):
            upkeep.put_waiting()

    threads = [threading.Thread(target=put, args=(upkeep,)) for upkeep in upkeeps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    for store in stores:
        store.close()
    assert proxy.puts == len(keys)


@promise("Other users", "The id of another person's picture or upload gives nothing.")
async def test_another_person_gets_nothing(replicas: Replicas) -> None:
    server = await replicas.open("a")
    alice, bob = await server.client_of(ALICE), await server.client_of(BOB)
    picture = id_of(await drawn(alice))
    assert "There is no picture" in await bob.refused("show_image", image=picture)
    links = alice.server.service.links if alice.server.service else None
    assert links
    upload_id, _ = links.upload(size=1000, media_type="image/png")
    store = server.shared.store
    assert store
    store.put(f"uploads/{hashlib.sha256(ALICE.encode()).hexdigest()[:32]}/{upload_id}", encoded())
    await alice.made("edit_image", prompt="blue", images=[f"upload:{upload_id}"], size=SMALL)
    told = await bob.refused("edit_image", prompt="blue", images=[f"upload:{upload_id}"])
    assert "There is no upload" in told
    for wrong in ("upload:x", "upload:../../x", f"upload:{'0' * 32}"):
        assert "There is no upload" in await alice.refused("edit_image", prompt="blue", images=[wrong])


async def test_what_is_no_picture_is_refused_as_from_anywhere_else(replicas: Replicas) -> None:
    server = await replicas.open("a")
    alice = await server.client_of(ALICE)
    store, service = server.shared.store, alice.server.service
    assert store and service and service.links  # noqa: PT018 - all are there on a server
    upload_id, _ = service.links.upload(size=1000, media_type="image/png")
    store.put(f"uploads/{hashlib.sha256(ALICE.encode()).hexdigest()[:32]}/{upload_id}", b"no picture at all")
    assert "PNG" in await alice.refused("edit_image", prompt="blue", images=[f"upload:{upload_id}"])


@pytest.mark.parametrize("to", [["200x100"], ["favicon"]], ids=["a file", "an archive"])
async def test_what_the_studios_page_exports_is_fetched_by_links_and_leaves_no_file(
    replicas: Replicas, tmp_path: Path, to: list[str]
) -> None:
    server = await replicas.open("a")
    alice = await server.client_of(ALICE)
    picture = id_of(await drawn(alice))
    before = sorted(alice.folder.rglob("*"))
    answer = json.loads(said(await alice.call("studio_app", op="export", pictures=[picture], to=to)))
    assert answer["files"]
    for file in answer["files"]:
        url, _, name = file["file_path"].partition("#")
        assert name
        assert await fetched(url, tmp_path)
    # Beside the records of exports, and the last sheets, of which some are kept.
    left = {path.parent.name for path in alice.folder.rglob("*") if path.is_file() and path not in before}
    assert left == {"exports", "contact-sheets"}


async def test_an_upload_that_is_too_large_is_deleted_when_it_is_read_or_by_the_upkeep(
    replicas: Replicas, tmp_path: Path
) -> None:
    """A presigned link of an object store takes a file of any size."""
    server = await replicas.open("a")
    alice = await server.client_of(ALICE)
    store = server.shared.store
    assert store
    folder = hashlib.sha256(ALICE.encode()).hexdigest()[:32]
    told = ""
    # The upkeep of the replica itself, at its start, may be there before the first question.
    while "bytes, and was deleted" not in told:
        store.put(f"uploads/{folder}/{'a' * 32}", b"1" * (MAX_BYTES + 1))
        told = await alice.refused("edit_image", prompt="blue", images=[f"upload:{'a' * 32}"])
    store.put(f"uploads/{folder}/{'b' * 32}", b"1" * (MAX_BYTES + 1))
    store.put(f"uploads/{folder}/{'c' * 32}", b"1" * MAX_BYTES)
    assert "There is no upload" in await alice.refused("edit_image", prompt="blue", images=[f"upload:{'a' * 32}"])
    Upkeep(store, server.shared.database, tmp_path / "a").delete_old()
    assert [key[-32:] for key in store.older("uploads/", _far())] == ["c" * 32]


async def test_room_is_made_by_what_is_in_the_store_alone(replicas: Replicas, tmp_path: Path) -> None:
    server = await replicas.open("a")
    alice = await server.client_of(ALICE)
    stored, alone = id_of(await drawn(alice)), id_of(await drawn(alice))
    with closing(psycopg.connect(replicas.database.text, autocommit=True)) as connection:
        connection.execute("SELECT set_config('gpt_image_2.person', %s, false)", (ALICE,))
        connection.execute("UPDATE stored_files SET on_disk_only = true WHERE path LIKE %s", (f"%{alone}%",))
    files = {path.stem: path for path in alice.folder.rglob("*.png")}
    for path in files.values():
        old = path.stat().st_mtime - 3600
        os.utime(path, (old, old))
    store = server.shared.store
    assert store
    Upkeep(store, server.shared.database, tmp_path / "a", cache_bytes=0).make_room()
    assert (files[stored].exists(), files[alone].exists()) == (False, True)
    assert not (await alice.call("show_image", image=stored)).is_error


async def test_uploads_and_what_was_shown_go_after_their_time(replicas: Replicas, tmp_path: Path) -> None:
    server = await replicas.open("a")
    alice = await server.client_of(ALICE)
    picture = id_of(await drawn(alice))
    await alice.call("export_image", image=[picture], to=["200x100"])
    store = server.shared.store
    assert store
    store.put(f"uploads/{'a' * 32}/{'b' * 32}", b"1")
    upkeep = Upkeep(store, server.shared.database, tmp_path / "a", kept_for=timedelta(hours=1))
    upkeep.delete_old()
    later = Upkeep(store, server.shared.database, tmp_path / "a", kept_for=timedelta(seconds=-5))
    kept = [*store.older("shown/", _far()), *store.older("uploads/", _far())]
    assert len(kept) == 2
    later.delete_old()
    assert [*store.older("shown/", _far()), *store.older("uploads/", _far())] == []
    assert len([*store.older("pictures/", _far())]) == 1


async def test_forgetting_a_person_deletes_also_what_a_killed_server_has_left_of_them(replicas: Replicas) -> None:
    server = await replicas.open("a")
    alice, bob = await server.client_of(ALICE), await server.client_of(BOB)
    await drawn(alice)
    await drawn(bob)
    store = server.shared.store
    assert store
    store.put(new_key("pictures", ALICE, "image-of-no-row.png"), b"1")
    forget_files(server.shared.database.of(), ALICE, store, server.folder / "people")
    assert len([*store.older("pictures/", _far())]) == 1
    assert not alice.folder.exists()
    assert not (await bob.call("show_image", image="last")).is_error


def _far() -> datetime:
    return datetime.now(UTC) + timedelta(days=1)


def saved(folder: Path) -> list[Path]:
    return list(folder.rglob("image-*.png"))


def full_after_payment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no disk take a picture, after there was room for it."""
    real = os.open

    def refuse(path: Any, flags: int, *more: Any, **options: Any) -> int:
        if flags & os.O_CREAT and Path(os.fsdecode(path)).name.startswith(PART_PREFIX):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(path, flags, *more, **options)

    monkeypatch.setattr(os, "open", refuse)


@promise("Several replicas", "A picture that a full disk does not take is put into the store or the database")
@pytest.mark.parametrize(
    ("bucket", "mode"),
    [("s3", "on"), ("s3", "down"), ("s3", "no bucket"), thorough("azure", "on")],
    indirect=["bucket"],
)
async def test_a_disk_that_is_full_after_payment_loses_no_picture(
    mode: Any,
    behind_proxy: Replicas,
    proxy: StoreProxy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = await behind_proxy.open("a")
    alice = await first.client_of(ALICE)
    proxy.turn(mode)
    photo = f"data:image/png;base64,{base64.b64encode(encoded()).decode()}"
    with monkeypatch.context() as full:
        full_after_payment(full)
        answer = await drawn(alice, n=2)
        begun = await alice.made(
            "start_edit_session",
            prompt="a hat",
            images=[photo],
            size=SMALL,
        )
        turn = await alice.made("continue_edit_session", session_id=begun.session_id, prompt="a coat", size=SMALL)
    assert NOT_ON_DISK in answer.text
    assert not saved(tmp_path)
    assert waiting(behind_proxy.database) == (0 if mode == "on" else 5)
    assert (OUTBOX in answer.text) == (mode != "on")
    proxy.turn("on")
    await drained(behind_proxy.database)
    for image in [*answer.report["images"], *turn.report["images"]]:
        assert hashlib.sha256(await fetched(image["url"], tmp_path)).hexdigest() == image["sha256"]
    bench = await (await behind_proxy.open("b")).client_of(ALICE)
    assert not (await bench.call("show_image", image=id_of(answer))).is_error


async def test_where_nothing_takes_a_picture_the_answer_says_so(
    behind_proxy: Replicas, proxy: StoreProxy, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await behind_proxy.open("a")
    alice = await first.client_of(ALICE)
    await drawn(alice)
    first.knobs.hold()
    proxy.turn("down")
    full_after_payment(monkeypatch)
    async with calls(alice) as running:
        call = running.start("generate_image", prompt="an owl", size=SMALL)
        await reached(alice, 2)
        await anyio.to_thread.run_sync(postgres_server.stop)
        try:
            first.knobs.release()
            told = said(await call.answer())
        finally:
            await anyio.to_thread.run_sync(postgres_server.start)
    assert "was made and paid for, but could not be saved anywhere" in told


@promise(
    "Several replicas",
    "A store that is down, silent, slow, full, without its bucket, or refuses the credentials loses no picture",
)
@pytest.mark.thorough
@pytest.mark.parametrize(
    ("bucket", "mode"),
    [
        *(("s3", mode) for mode in ("down", "silent", "slow", "full", "wrong credentials", "no bucket")),
        ("azure", "down"),
        ("azure", "wrong credentials"),
    ],
    indirect=["bucket"],
)
async def test_a_store_that_fails_at_any_step_loses_nothing_and_is_told(
    mode: Mode, behind_proxy: Replicas, proxy: StoreProxy, tmp_path: Path
) -> None:
    works = mode == "slow"
    first = await behind_proxy.open("a")
    alice = await first.client_of(ALICE)
    before = id_of(await drawn(alice))
    links, store = alice.server.service.links if alice.server.service else None, first.shared.store
    assert links
    assert store
    upload_id, _ = links.upload(size=1000, media_type="image/png")
    store.put(f"uploads/{person_part(ALICE)}/{upload_id}", encoded())
    other = await behind_proxy.open("b")
    again = await other.client_of(ALICE)
    proxy.turn(mode)
    made = [await drawn(alice, n=2), await drawn(again)]
    session = await alice.made("start_edit_session", prompt="a hat", images=[before], size=SMALL)
    assert waiting(behind_proxy.database) == (0 if works else 4)
    for answer in made:
        assert (OUTBOX in answer.text) != works
    # What waits in the database is there for the other replica; what is in the store is not, and is not called gone.
    assert not (await again.call("show_image", image=id_of(made[0]))).is_error
    for tool, arguments in (
        ("show_image", {"image": before}),
        ("edit_image", {"prompt": "blue", "images": [f"upload:{upload_id}"], "size": SMALL}),
    ):
        result = await again.call(tool, **arguments)
        assert result.is_error != works, said(result)
        assert works or "cannot be read" in said(result)
    for tool, arguments in (
        ("list_images", {"contact_sheet": True}),
        ("export_image", {"image": [id_of(made[0])], "to": ["200x100"]}),
    ):
        assert not (await again.call(tool, **arguments)).is_error
    turned = await again.call("continue_edit_session", session_id=session.session_id, prompt="a coat", size=SMALL)
    assert not turned.is_error, said(turned)
    proxy.turn("on")
    await drained(behind_proxy.database)
    for image in [*made[0].report["images"], *made[1].report["images"]]:
        assert hashlib.sha256(await fetched(image["url"], tmp_path)).hexdigest() == image["sha256"]
    assert not (await again.call("show_image", image=before)).is_error
    edited = await again.call("edit_image", prompt="blue", images=[f"upload:{upload_id}"], size=SMALL)
    assert not edited.is_error, said(edited)
    # Nothing that was refused for the store was paid for.
    assert (first.knobs.paid, other.knobs.paid) == (4, 3 + works)
