"""Links, uploads and kills of a running server with a store."""

import hashlib
import re
import signal
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import anyio
import httpx2
import psycopg
import pytest
from fault_proxy import until
from mcp import Client
from mcp_types import CallToolResult
from patience import PATIENCE_S, look_again
from promises import promise
from workbench import META, SMALL, encoded, said

from gpt_image_2_mcp.server.library_results import LIST_KEY
from gpt_image_2_mcp.server.upload_tool import UPLOAD_KEY

from .conftest import ALICE, BOB, Bucket
from .parts.s3 import S3, StoreProxy, new_prefix
from .parts.shell_steps import typed
from .served import SECRET, Served, served, write_tokens

pytestmark = pytest.mark.anyio


async def called(client: Client, tool: str, **arguments: Any) -> CallToolResult:
    with anyio.fail_after(PATIENCE_S):
        result = await client.call_tool(tool, arguments)
    assert not result.is_error, said(result)
    return result


@promise("Other users", "What was uploaded belongs to the person who asked for the link.")
async def test_a_file_is_uploaded_edited_and_fetched_by_links_alone(served_team: Served) -> None:
    """As an assistant with a shell does it: only the links are used, and no token is sent with them."""

    def here(url: str) -> str:
        return url.replace("https://images.example.com", served_team.address)

    data = encoded()
    async with served_team.client(ALICE) as alice, served_team.client(BOB) as bob:
        given = await called(alice, "upload_link", name="my photo.png", size=len(data), type="image/png")
        upload = (given.meta or {})[UPLOAD_KEY]
        assert f'curl -T \'my photo.png\' -H "Content-Type: image/png" "{upload["url"]}"' in said(given)
        not_yet = await alice.call_tool("edit_image", {"prompt": "blue", "images": [upload["image"]]})
        assert "it was not sent yet" in said(not_yet)
        for url, sent, status in ((upload["url"] + "x", data, 403), (upload["url"], data, 201)):
            assert httpx2.put(here(url), content=sent).status_code == status
        stolen = await bob.call_tool("edit_image", {"prompt": "blue", "images": [upload["image"]]})
        assert "There is no upload" in said(stolen)
        edited = await called(alice, "edit_image", prompt="blue", images=[upload["image"]], size=SMALL)
        (image,) = (edited.meta or {})[META]["images"]
        assert str(served_team.folder) not in edited.model_dump_json()
        answer = httpx2.get(here(image["url"]))
        assert hashlib.sha256(answer.content).hexdigest() == image["sha256"]
        assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
        assert httpx2.get(here(image["url"].replace("sign=", "sign=x"))).status_code == 403


@pytest.mark.thorough
async def test_a_file_is_uploaded_edited_and_fetched_by_the_links_of_an_object_store(
    bucket: Bucket, tmp_path: Path, team_database: Any
) -> None:
    """The commands of the answers are typed in a shell as they stand there."""
    (shell := tmp_path / "shell").mkdir()
    (shell / "my photo.png").write_bytes(encoded())
    env = {
        **bucket.environ,
        "GPT_IMAGE_2_DATABASE_URL": team_database.text,
        "GPT_IMAGE_2_SECRET": SECRET,
        "GPT_IMAGE_2_PUBLIC_URL": "https://images.example.com/mcp",
        "GPT_IMAGE_2_TOKENS_FILE": str(write_tokens(tmp_path, {"alice": ALICE})),
        "GPT_IMAGE_2_STORE_URL": bucket.url(new_prefix()),
    }
    with served(tmp_path, "--sandbox", env=env) as server:
        async with server.client(ALICE) as alice:
            asked = {"name": "my photo.png", "size": len(encoded()), "type": "image/png"}
            given = await called(alice, "upload_link", **asked)
            (command,) = re.findall(r"^curl -T .+$", said(given), re.MULTILINE)
            upload = (given.meta or {})[UPLOAD_KEY]
            assert all(f'-H "{name}: {value}"' in command for name, value in upload["headers"].items())
            await anyio.to_thread.run_sync(typed, command.replace("curl", "curl -fsS", 1), shell)
            edited = await called(alice, "edit_image", prompt="blue", images=[upload["image"]], size=SMALL)
            made = await called(alice, "generate_image", prompt="a fox", size=SMALL)
            for answer in (edited, made):
                (image,) = (answer.meta or {})[META]["images"]
                (command,) = re.findall(r'curl -o \S+ "\S+"', said(answer))
                await anyio.to_thread.run_sync(typed, command.replace("curl", "curl -fsS", 1), shell)
                fetched = (shell / image["filename"]).read_bytes()
                assert hashlib.sha256(fetched).hexdigest() == image["sha256"]


def saved(folder: Path) -> list[Path]:
    """The pictures on the disk of a server."""
    return [path for path in folder.rglob("image-*.png") if "people" in path.parts]


@contextmanager
def unlisted(url: str) -> Generator[None]:
    """No picture is listed in the block, and so none is answered, as if that took long."""
    with closing(psycopg.connect(url)) as connection:
        connection.execute("LOCK TABLE pictures IN SHARE MODE")
        yield
        connection.rollback()


def waiting(url: str) -> int:
    with closing(psycopg.connect(url)) as connection:
        connection.execute("SELECT set_config('gpt_image_2.person', '*', false)")
        return connection.execute("SELECT key FROM outbox").rowcount


@pytest.mark.thorough
@pytest.mark.parametrize("step", ["before the store has it", "in the outbox", "answered from the outbox"])
async def test_a_server_that_is_killed_loses_no_picture(step: str, s3: S3, tmp_path: Path, team_database: Any) -> None:
    """What was answered is found by another replica with an empty disk; what was paid for is on the disk at least."""
    proxy = StoreProxy(s3)
    env = {
        **s3.environ,
        "GPT_IMAGE_2_DATABASE_URL": team_database.text,
        "GPT_IMAGE_2_SECRET": SECRET,
        "GPT_IMAGE_2_PUBLIC_URL": "https://images.example.com/mcp",
        "GPT_IMAGE_2_LEASE_S": "3",
        "GPT_IMAGE_2_TOKENS_FILE": str(write_tokens(tmp_path, {"alice": ALICE})),
        "GPT_IMAGE_2_STORE_URL": s3.url(new_prefix(), port=proxy.port),
    }
    answered: dict[str, Any] = {}
    proxy.turn("silent" if step == "before the store has it" else "down")
    with served(tmp_path / "a", "--sandbox", env=env) as first:
        reached: dict[str, Callable[[], bool]] = {
            "before the store has it": lambda: bool(saved(first.folder)),
            "in the outbox": lambda: waiting(team_database.for_sandbox.text) == 1,
        }
        # Otherwise the answer may come while the test looks into the outbox.
        held = unlisted(team_database.for_sandbox.text) if step == "in the outbox" else nullcontext()
        with held, suppress(Exception):
            async with anyio.create_task_group() as tasks, first.client(ALICE) as client:

                async def kill() -> None:
                    await anyio.to_thread.run_sync(until, reached[step])
                    first.process.send_signal(signal.SIGKILL)

                if step in reached:
                    tasks.start_soon(kill)
                answer = await called(client, "generate_image", prompt="a fox", size=SMALL)
                answered |= (answer.meta or {})[META]["images"][0]
        if step not in reached:
            first.process.send_signal(signal.SIGKILL)
        await anyio.to_thread.run_sync(first.process.wait)
        (file,) = saved(first.folder)
    proxy.turn("on")
    was_answered = bool(answered)
    if not was_answered:
        # What was paid for is found when the same server starts again.
        with served(tmp_path / "a", "--sandbox", env=env) as again:
            async with again.client(ALICE) as client:
                with anyio.fail_after(PATIENCE_S):
                    while not answered:
                        await look_again()
                        rows = ((await called(client, "list_images")).meta or {})[LIST_KEY]
                        answered |= rows[0] if rows else {}
    with served(tmp_path / "b", "--sandbox", env=env) as second:
        await anyio.to_thread.run_sync(until, lambda: not waiting(team_database.for_sandbox.text))
        async with second.client(ALICE) as client:
            listed = said(await called(client, "list_images"))
            assert was_answered == (step not in reached)
            assert answered["id"] in listed
            shown = said(await called(client, "show_image", image=answered["id"]))
            (link,) = re.findall(r'The original: curl -o \S+ "(\S+)"', shown)
            assert httpx2.get(link).content == file.read_bytes()
    proxy.close()
