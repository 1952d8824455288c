"""Clients that ask more than they read: what waits for them is bounded, by number and by bytes."""

import random
import sys
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from mcp import MCPError
from patience import MOMENT_S, PATIENCE_S
from PIL import Image
from promises import promise
from stdio_bench import calls, running
from test_junk import held
from workbench import Benches, said

from gpt_image_2_mcp.server.answer_room import MAX_REQUESTS, MAX_WAITING

pytestmark = pytest.mark.anyio

ROOM_MIB = 60
"""What the answers that wait may take, and what is under way with them."""


class SlowClient:
    """A client that has not read so many answers."""

    def __init__(self, waiting: int) -> None:
        self.waiting = waiting
        self._read = anyio.Event()

    async def wait_for_write(self) -> None:
        await self._read.wait()

    def read_all(self) -> None:
        self.waiting = 0
        self._read.set()


@pytest.mark.parametrize("tool", ["show_image", "list_images", "generate_image"])
async def test_no_answer_with_a_picture_is_made_while_many_wait(tool: str, benches: Benches) -> None:
    bench = await benches.open()
    await bench.made("generate_image", prompt="a fox")
    arguments: dict[str, Any] = {
        "show_image": {"image": "last"},
        "list_images": {"contact_sheet": True},
        "generate_image": {"prompt": "a crane"},
    }[tool]
    bench.server.room.outbound = client = SlowClient(MAX_WAITING + 1)
    async with calls(bench) as started:
        pending = started.start(tool, **arguments)
        with anyio.move_on_after(MOMENT_S):
            await pending.done.wait()
        assert not pending.done.is_set(), "it was answered"
        # What needs no picture is answered.
        assert "1 picture" in said(await bench.call("list_images")) or tool == "generate_image"
        client.read_all()
        answer = await pending.answer()
    assert any(block.type == "image" for block in answer.content)


async def test_a_file_that_is_read_whole_waits_until_all_else_is_read(benches: Benches) -> None:
    bench = await benches.open()
    await bench.made("generate_image", prompt="a fox")
    (picture, *_) = (await bench.client.list_resources()).resources
    bench.server.room.outbound = client = SlowClient(1)
    read = anyio.Event()

    async def look() -> None:
        await bench.client.read_resource(picture.uri)
        read.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(look)
        with anyio.move_on_after(MOMENT_S):
            await read.wait()
        assert not read.is_set(), "it was read"
        client.read_all()
        with anyio.fail_after(PATIENCE_S):
            await read.wait()


@promise("Quantity", "A client may have 200 requests without an answer; those beyond are refused, and nothing is paid.")
async def test_requests_beyond_what_is_answered_at_once_are_refused(benches: Benches) -> None:
    bench = await benches.open()
    bench.server.room.outbound = client = SlowClient(MAX_REQUESTS)
    for tool, arguments in (("generate_image", {"prompt": "a fox"}), ("list_edit_sessions", {})):
        with pytest.raises(MCPError, match=f"{MAX_REQUESTS} requests are not answered yet"):
            await bench.call(tool, **arguments)
    assert bench.seen() == []
    client.waiting = MAX_REQUESTS - 1
    assert "no active edit session" in said(await bench.call("list_edit_sessions"))


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what was held at once")
@promise("Quantity", "A client that asks for pictures and does not read fills no memory.")
async def test_pictures_for_a_client_that_does_not_read_fill_no_memory(tmp_path: Path) -> None:
    edge = 1200
    noise = Image.frombytes("RGB", (edge, edge), random.Random(1).randbytes(3 * edge * edge))  # noqa: S311 - the same each time
    path = tmp_path / "noise.png"
    noise.save(path)
    environ = {"XDG_DATA_HOME": str(tmp_path / "data"), "GPT_IMAGE_2_OUTPUT_DIR": str(tmp_path)}
    async with running({**environ, "GPT_IMAGE_2_ENGINE": "off"}, "--sandbox", read=False) as program:
        await program.greet_unheard()
        assert program.process.stdin is not None
        # Each takes a tenth of a second, so that many more would be made meanwhile.
        with anyio.move_on_after(20 * MOMENT_S):
            for number in range(3 * MAX_REQUESTS):
                await program.call("show_image", image=str(path), region=f"{number % 300},0,900,900")
            await anyio.sleep_forever()
        assert await anyio.to_thread.run_sync(held, program) < 160 + ROOM_MIB
