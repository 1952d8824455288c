"""The API key from a file or from the system's keyring: read when it is needed, and shown nowhere."""

import os
import sys
import threading
from pathlib import Path
from typing import Any

import anyio
import httpx2
import keyring
import pytest
from inline_snapshot import snapshot
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring
from keyring.errors import KeyringLocked
from promises import promise
from workbench import KEY, SMALL, Benches, Canned, folded

from gpt_image_2_mcp.credentials import api_key, private_file
from gpt_image_2_mcp.settings import Settings
from gpt_image_2_mcp.storage import time_limit

pytestmark = pytest.mark.anyio

FOX = {"prompt": "a fox", "size": SMALL}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with the key that only this user can read."""
    path = tmp_path / "key"
    path.write_text(f"{KEY}\n", encoding="ascii")
    path.chmod(0o600)
    return path


class Listener(httpx2.AsyncBaseTransport):
    """Notes the key of each request, and passes it on."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self._next: httpx2.AsyncBaseTransport | None = None

    def wrap(self, transport: httpx2.AsyncBaseTransport) -> httpx2.AsyncBaseTransport:
        self._next = transport
        return self

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.keys.append(request.headers["authorization"])
        assert self._next is not None
        return await self._next.handle_async_request(request)


@pytest.fixture
def listener() -> Listener:
    return Listener()


class Keyring(KeyringBackend):
    """A keyring in memory; `answer` is the key, or raises."""

    priority = 1  # type: ignore[assignment]  # a class property there

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.asked: list[tuple[str, str]] = []
        self._answer = answer

    def set_password(self, service: str, username: str, password: str) -> None:
        raise NotImplementedError

    def get_password(self, service: str, username: str) -> str | None:
        self.asked.append((service, username))
        return self._answer()


@pytest.fixture(autouse=True)
def no_keyring_of_this_machine() -> Any:
    before = keyring.get_keyring()
    keyring.set_keyring(NoKeyring())
    yield
    keyring.set_keyring(before)


async def test_the_key_of_a_file_makes_pictures(benches: Benches, file: Path, listener: Listener) -> None:
    bench = await benches.open(wrap=listener.wrap, OPENAI_API_KEY="", OPENAI_API_KEY_FILE=str(file))
    await bench.made("generate_image", **FOX)
    assert set(listener.keys) == {f"Bearer {KEY}"}


async def test_a_key_in_the_environment_comes_first(benches: Benches, file: Path, listener: Listener) -> None:
    await anyio.Path(file).write_text("sk-other-key-123456", encoding="ascii")
    bench = await benches.open(wrap=listener.wrap, OPENAI_API_KEY_FILE=str(file), GPT_IMAGE_2_KEYRING="1")
    await bench.made("generate_image", **FOX)
    assert set(listener.keys) == {f"Bearer {KEY}"}


@promise("Secrets", "A key in a file is redacted as any other.")
async def test_the_key_of_a_file_is_redacted_as_any_other(benches: Benches, file: Path) -> None:
    backend = Canned(lambda _: httpx2.Response(400, json={"error": {"message": f"the key {KEY} is wrong"}}))
    bench = await benches.open(wrap=backend.wrap, OPENAI_API_KEY="", OPENAI_API_KEY_FILE=str(file))
    told = await bench.refused("generate_image", **FOX)
    assert "is wrong" in told
    assert KEY[4:14] not in told


WRONG = {
    "missing": (None, 0o600),
    "empty": ("", 0o600),
    "two lines": (f"{KEY}\nOPENAI_ORG=1", 0o600),
    "quotes": (f'"{KEY}"', 0o600),
    "too long": ("k" * 20_000, 0o600),
    "open to the group": (KEY, 0o640),
    "open to all": (KEY, 0o604),
}


@promise("Secrets", "A file with the key is refused if it is yours and others can read it.")
@pytest.mark.skipif(sys.platform == "win32", reason="it has other rights")
@pytest.mark.parametrize("case", WRONG)
async def test_a_file_that_is_no_private_key_file_is_refused_with_the_way_out(
    case: str, benches: Benches, tmp_path: Path
) -> None:
    content, mode = WRONG[case]
    path = tmp_path / "key"
    if content is not None:
        path.write_text(content, encoding="ascii")
        path.chmod(mode)
    bench = await benches.open(OPENAI_API_KEY="", OPENAI_API_KEY_FILE=str(path))
    told = await bench.refused("generate_image", **FOX)
    assert told.startswith(f"OPENAI_API_KEY_FILE names {str(path)!r}")
    assert KEY[4:14] not in told
    assert "kkkkkkkk" not in told
    assert ("chmod 600" in told) is case.startswith("open")
    assert bench.seen() == []
    # What was put right counts at once.
    path.write_text(KEY, encoding="ascii")
    path.chmod(0o600)
    await bench.made("generate_image", **FOX)


@pytest.mark.skipif(sys.platform == "win32", reason="it has other devices")
async def test_a_pipe_or_a_folder_is_no_key_and_blocks_nothing(benches: Benches, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "."):
        bench = await benches.open(OPENAI_API_KEY="", OPENAI_API_KEY_FILE=str(tmp_path / name))
        assert "OPENAI_API_KEY_FILE names" in await bench.refused("generate_image", **FOX)


def test_a_secret_of_a_container_may_be_open_to_all_in_it(
    file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Docker mounts it with mode 0444."""
    file.chmod(0o444)
    monkeypatch.setattr(private_file, "SECRETS_OF_CONTAINERS", (f"{tmp_path}/",))
    assert api_key.read_key_file(str(file)) == KEY


def test_a_key_in_place_of_its_file_is_not_repeated() -> None:
    (problem,) = Settings.read({"OPENAI_API_KEY_FILE": KEY}).problems
    assert folded(problem) == snapshot(
        """\
OPENAI_API_KEY_FILE must be a file's full path, or one that begins with ~/; it is a value that is
not shown here. Correct it in the client's configuration, or in the shell.\
"""
    )


# The keyring.


async def test_the_key_of_the_keyring_makes_pictures_and_is_asked_for_once(
    benches: Benches, listener: Listener
) -> None:
    ring = Keyring(lambda: KEY)
    keyring.set_keyring(ring)
    bench = await benches.open(wrap=listener.wrap, OPENAI_API_KEY="", GPT_IMAGE_2_KEYRING="1")
    assert ring.asked == []
    for _ in range(2):
        await bench.made("generate_image", **FOX)
    assert ring.asked == [("gpt-image-2-mcp", "OPENAI_API_KEY")]
    assert set(listener.keys) == {f"Bearer {KEY}"}


def locked() -> str:
    raise KeyringLocked("the words of the system")


async def test_a_keyring_without_the_key_says_how_to_store_it(benches: Benches) -> None:
    told: list[str] = []
    for ring in (Keyring(lambda: None), Keyring(locked), NoKeyring()):
        keyring.set_keyring(ring)
        bench = await benches.open(OPENAI_API_KEY="", GPT_IMAGE_2_KEYRING="1")
        told.append(folded(await bench.refused("generate_image", **FOX)))
        assert bench.seen() == []
    assert told == snapshot(
        [
            """\
The keyring holds no key of this program. Store it in a terminal: `uvx keyring set gpt-image-2-mcp
OPENAI_API_KEY`.\
""",
            """\
GPT_IMAGE_2_KEYRING is set, and the keyring cannot be read (KeyringLocked). Unlock it, or use
OPENAI_API_KEY_FILE.\
""",
            """\
GPT_IMAGE_2_KEYRING is set, and the keyring cannot be read (NoKeyringError). Unlock it, or use
OPENAI_API_KEY_FILE.\
""",
        ]
    )


async def test_a_keyring_that_waits_for_its_password_holds_up_nothing_else(
    benches: Benches, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlocked = threading.Event()

    def wait() -> str:
        unlocked.wait()
        return KEY

    keyring.set_keyring(Keyring(wait))
    bench = await benches.open(OPENAI_API_KEY="", GPT_IMAGE_2_KEYRING="1")
    try:
        with monkeypatch.context() as patch:
            patch.setattr(time_limit, "LIMIT_S", 0.05)
            assert "not read within" in await bench.refused("generate_image", **FOX)
        assert not (await bench.call("list_images")).is_error
    finally:
        unlocked.set()


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(Exception, match=r"install gpt-image-2-mcp\[keyring\]"):
        api_key.read_keyring()
