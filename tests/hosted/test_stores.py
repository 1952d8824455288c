"""The stores of pictures: a folder and the object stores, through the same few methods."""

import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from promises import promise
from starlette.applications import Starlette

from gpt_image_2_mcp.errors import NotConfigured
from gpt_image_2_mcp.hosting.store_routes import store_routes
from gpt_image_2_mcp.picture_store.folder_store import FolderStore
from gpt_image_2_mcp.picture_store.keys import file_name, is_key, new_key, new_upload_id, upload_key
from gpt_image_2_mcp.picture_store.open_store import open_store
from gpt_image_2_mcp.picture_store.store import NoSuchObject, PictureStore, StoreUnusable

from .conftest import Bucket
from .parts.s3 import StoreProxy, new_prefix

SECRET = b"s" * 32
BASE = "http://127.0.0.1:8000"


def opened(url: str, tmp_path: Path) -> PictureStore:
    return open_store(url, unset=tmp_path, secret=SECRET, base_url=BASE)


@pytest.fixture(params=["folder", "s3", "azure"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> PictureStore:
    if request.param == "folder":
        return opened(f"file://{tmp_path}/store", tmp_path)
    return opened(request.getfixturevalue(request.param).url(new_prefix()), tmp_path)


def read(store: PictureStore, key: str, most: int = 1000) -> bytes:
    into = io.BytesIO()
    store.get(key, into, most=most)
    return into.getvalue()


def test_what_was_put_is_got_and_deleted(store: PictureStore) -> None:
    key, data = new_key("pictures", "a|1", "image-20261129-101010-abcdef-fox.png"), b"\x89PNG" + b"x" * 500
    store.put(key, data)
    store.put(key, data)
    assert read(store, key) == data
    with pytest.raises(StoreUnusable, match=r"over 10 bytes|cannot be used"):
        read(store, key, most=10)
    store.delete(key)
    store.delete(key)
    with pytest.raises(NoSuchObject):
        read(store, key)


def test_what_is_older_than_a_time_is_found(store: PictureStore) -> None:
    keys = {new_key("shown", person, "sheet.jpg") for person in ("a|1", "b|2")}
    for key in (*keys, new_key("pictures", "a|1", "fox.png")):
        store.put(key, b"1")
    soon = datetime.now(UTC) + timedelta(seconds=5)
    assert set(store.older("shown/", soon)) == keys
    assert list(store.older("shown/", soon - timedelta(hours=1))) == []
    assert list(store.older("uploads/", soon)) == []
    one = next(iter(keys))
    assert list(store.older(f"{one.rpartition('/')[0]}/", soon)) == [one]


def test_a_key_is_new_each_time_and_has_no_characters_that_a_store_treats_specially() -> None:
    name = "image-20261129-101010-abcdef-füchse & co.png"
    first, second = (new_key("pictures", "https://x|1", name) for _ in range(2))
    assert first != second
    assert is_key(first)
    assert file_name(first) == "image-20261129-101010-abcdef-f_chse_co.png"


@pytest.mark.parametrize(
    "text",
    [
        "pictures/../secret/x.png",
        f"pictures/{'a' * 32}/../x.png",
        f"pictures/{'a' * 32}/.hidden",
        f"other/{'a' * 32}/x.png",
        f"pictures/{'a' * 32}/x/y.png",
        f"pictures/{'a' * 32}/x.png\n",
        "",
    ],
)
def test_what_is_no_key_reaches_no_file(text: str, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store", secret=SECRET, base_url=BASE)
    assert not is_key(text)
    with pytest.raises(NoSuchObject):
        read(store, text)
    with pytest.raises(StoreUnusable):
        store.put(text, b"1")


def test_a_folder_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store", secret=SECRET, base_url=BASE)
    key = new_key("pictures", "a|1", "fox.png")
    other = tmp_path / "other"
    other.mkdir()
    (other / key.rpartition("/")[2]).write_bytes(b"of another")
    (tmp_path / "store" / "pictures").mkdir(parents=True)
    (tmp_path / "store" / key.rpartition("/")[0]).symlink_to(other)
    with pytest.raises((NoSuchObject, StoreUnusable)):
        read(store, key)
    with pytest.raises(StoreUnusable):
        store.put(key, b"1")


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("s3://user:word@bucket/x", "no user and no password"),
        ("file://relative/folder", "absolute path"),
        ("ftp://x/y", "file:///FOLDER"),
        ("s3://bucket/x?endpoint=http://store.example.com", "https://"),
        ("s3://bucket/x?secret=1", "whose query says endpoint, region"),
        ("s3:///x", "file:///FOLDER"),
        ("az://pictures/x?account=team&endpoint=http://store.example.com/team", "https://"),
        ("az://pictures/x?account=team&endpoint=https://pictures.example.com", "an endpoint that names it"),
        ("az://pictures/x?account=team&endpoint=https://team.example.com/team", "an endpoint that names it"),
        ("az://pictures/x?endpoint=https://team.example.com", "with its account"),
    ],
)
def test_a_wrong_address_is_refused_with_the_rule(url: str, rule: str, tmp_path: Path) -> None:
    with pytest.raises(NotConfigured, match=rule):
        open_store(url, unset=tmp_path, secret=SECRET, base_url=BASE)


@pytest.mark.parametrize(
    "url",
    [
        "az://pictures/x?account=team",
        "az://pictures/x?account=team&endpoint=https://team.blob.core.windows.net/",
        "gs://pictures/x",
    ],
)
def test_the_other_object_stores_are_made_of_their_address(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")
    assert not isinstance(open_store(url, unset=tmp_path, secret=SECRET, base_url=BASE), FolderStore)


@pytest.mark.parametrize(
    ("mode", "says"), [("down", "cannot be reached"), ("full", "is full"), ("wrong", "credentials")]
)
def test_an_object_store_that_fails_says_how(
    mode: str, says: str, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = StoreProxy(bucket)
    if mode == "wrong":
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "YW5vdGhlcg==")
    elif mode in {"down", "full"}:
        proxy.turn(mode)  # pyright: ignore[reportArgumentType] - one of these two
    store = opened(bucket.url(port=proxy.port), tmp_path)
    with pytest.raises(StoreUnusable, match=says) as caught:
        store.put(new_key("pictures", "a|1", "fox.png"), b"1")
    assert str(proxy.port) not in str(caught.value)
    proxy.close()


def test_a_bucket_that_is_not_there_is_a_store_that_cannot_be_used_and_no_missing_picture(
    bucket: Bucket, tmp_path: Path
) -> None:
    store, key = opened(bucket.url("x", bucket="another"), tmp_path), new_key("pictures", "a|1", "fox.png")
    for use in (
        lambda: store.put(key, b"1"),
        lambda: read(store, key),
        lambda: list(store.older("pictures/", datetime.now(UTC))),
    ):
        with pytest.raises(StoreUnusable, match="has no such bucket: make it, or correct GPT_IMAGE_2_STORE_URL"):
            use()


Send = Callable[..., httpx2.Response]


@pytest.fixture
def folder_store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store", secret=SECRET, base_url=BASE)


async def sent(store: FolderStore, method: str, url: str, **options: bytes) -> httpx2.Response:
    transport = httpx2.ASGITransport(Starlette(routes=store_routes(store)))
    async with httpx2.AsyncClient(transport=transport) as client:
        return await client.request(method, url, **options)  # pyright: ignore[reportArgumentType] - `content` only


@promise(
    "Other users", "A link to a picture works for that file alone, until its end, and for nothing if it was changed."
)
@pytest.mark.anyio
async def test_a_link_of_a_folder_works_until_its_end_and_for_its_file_alone(folder_store: FolderStore) -> None:
    key, other = (new_key("pictures", person, "fox.png") for person in ("a|1", "b|2"))
    folder_store.put(key, b"of a")
    folder_store.put(other, b"of b")
    link = folder_store.link(key, 60)
    answer = await sent(folder_store, "GET", link.url)
    assert (answer.status_code, answer.content) == (200, b"of a")
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"] == 'inline; filename="fox.png"'
    ended = folder_store.link(key, -1)
    stranger = FolderStore(folder_store.folder, secret=b"t" * 32, base_url=BASE).link(key, 60)
    later = link.url.replace(f"ends={int(link.ends.timestamp())}", f"ends={int(link.ends.timestamp()) + 1}")
    for url in (link.url.replace(key, other), later, ended.url, stranger.url, f"{BASE}/{key}", f"{link.url}x"):
        assert (await sent(folder_store, "GET", url)).status_code == 403, url
    assert (await sent(folder_store, "PUT", link.url, content=b"over")).status_code == 405
    folder_store.delete(key)
    assert (await sent(folder_store, "GET", link.url)).status_code == 404


@pytest.mark.anyio
async def test_an_upload_link_of_a_folder_takes_one_file_of_its_size_once(folder_store: FolderStore) -> None:
    key = upload_key("a|1", new_upload_id())
    assert key
    link = folder_store.upload_link(key, 60, size=4, media_type="image/png")
    for url, data, status in (
        (link.url.replace("size=4", "size=5"), b"12345", 403),
        (link.url, b"12345", 413),
        (link.url, b"", 400),
        (link.url, b"1234", 201),
        (link.url, b"1234", 201),
        (link.url, b"4321", 409),
        (folder_store.upload_link(key, -1, size=4, media_type="image/png").url, b"1234", 403),
        (folder_store.link(key, 60).url, b"1234", 403),
    ):
        assert (await sent(folder_store, "PUT", url, content=data)).status_code == status, (url, data)
    assert read(folder_store, key) == b"1234"


@promise("Other users", "A presigned link works for one object alone, until its end, and cannot write.")
def test_a_presigned_link_works_until_its_end_and_for_its_object_alone(bucket: Bucket, tmp_path: Path) -> None:
    store = opened(bucket.url(new_prefix()), tmp_path)
    key, other = (new_key("pictures", "a|1", "fox.png") for _ in range(2))
    store.put(key, b"of a")
    store.put(other, b"of b")
    link = store.link(key, 60)
    answer = httpx2.get(link.url)
    assert (answer.status_code, answer.content) == (200, b"of a")
    assert answer.headers["content-type"] == "image/png"
    assert "fox.png" in answer.headers["content-disposition"]
    assert httpx2.get(link.url.replace(key, other)).status_code == 403
    assert httpx2.get(later(link.url)).status_code == 403
    upload = store.upload_link(key, 60, size=4, media_type="image/png")
    assert httpx2.put(link.url, content=b"over", headers=upload.headers).status_code == 403
    assert httpx2.get(upload.url).status_code == 403
    assert read(store, key) == b"of a"


def later(presigned: str) -> str:
    """A presigned link whose end was changed: S3's says how long, and Azure's until when."""
    changed = presigned.replace("Expires=60", "Expires=600")
    changed = re.sub(r"(?<=[?&]se=)\d{4}", lambda year: str(int(year[0]) + 1), changed)
    assert changed != presigned
    return changed


def test_a_presigned_link_takes_a_file_by_a_plain_put(bucket: Bucket, tmp_path: Path) -> None:
    store, key = opened(bucket.url(new_prefix()), tmp_path), upload_key("a|1", new_upload_id())
    assert key
    link = store.upload_link(key, 60, size=4, media_type="image/png")
    headers = {"Content-Type": "image/png", **link.headers}
    assert httpx2.put(link.url.replace(key, f"{key[:-1]}x"), content=b"1234", headers=headers).status_code == 403
    assert httpx2.put(later(link.url), content=b"1234", headers=headers).status_code == 403
    with pytest.raises(NoSuchObject):
        read(store, key)
    assert httpx2.put(link.url, content=b"1234", headers=headers).status_code in {200, 201}
    assert read(store, key) == b"1234"
