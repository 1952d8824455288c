"""The program is replaced or removed on the disk underneath a running server: two versions are never mixed."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from next_chat import its_own_folders, saved, text_of, the_next_chat_has_it, until
from promises import promise
from stdio_bench import HURRIED, Box, running
from workbench import SMALL

import gpt_image_2_mcp

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="it removes files that are in use"),
]

FOX: dict[str, Any] = {"prompt": "a red fox", "size": SMALL, "quality": "low"}
REPLACED = "replaced on the disk by another version"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the program."""
    copy = tmp_path / "installed" / "gpt_image_2_mcp"
    shutil.copytree(Path(gpt_image_2_mcp.__file__).parent, copy)
    return copy


@pytest.fixture
def environ(copy: Path, box: Box, tmp_path: Path) -> dict[str, str]:
    """For the copy."""
    return {**its_own_folders(tmp_path, box), "PYTHONPATH": str(copy.parent)}


def upgrade(copy: Path) -> None:
    """Put another version in the place of the copy: one of which every module is another one."""
    shutil.rmtree(copy)
    for path in Path(gpt_image_2_mcp.__file__).parent.rglob("*.py"):
        module = copy / path.relative_to(Path(gpt_image_2_mcp.__file__).parent)
        module.parent.mkdir(parents=True, exist_ok=True)
        module.write_text("raise RuntimeError('this is the other version')\n", encoding="utf-8")


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform != "linux", reason="the engine is off on other systems")
@pytest.mark.parametrize("when", ["before the first call", "while no engine runs"])
async def test_no_engine_is_started_of_another_version(when: str, environ: dict[str, str], copy: Path) -> None:
    async with running({**environ, "GPT_IMAGE_2_ENGINE_IDLE_S": "0.1"}, through=HURRIED) as program:
        await program.greet()
        if when == "while no engine runs":
            await program.answer(await program.call("list_images"))
            await until(lambda: not program.engines())
        upgrade(copy)
        told = await program.answer(await program.call("list_images"))
        assert told["isError"]
        assert REPLACED in text_of(told)
        assert REPLACED in json.loads(await program.line(await program.ask("resources/list")))["error"]["message"]
        assert not program.engines()
        await program.close_stdin()
        assert await program.ended() == 0


@promise("Upgrades", "An upgrade underneath a running server loses no picture, and two versions are never mixed.")
@pytest.mark.parametrize("engine", ["on", "off"])
async def test_a_picture_under_way_is_saved_and_recorded_all_the_same(
    engine: str, environ: dict[str, str], copy: Path, box: Box
) -> None:
    async with running({**environ, "GPT_IMAGE_2_ENGINE": engine, "GPT_IMAGE_2_MCP_DEBUG": "1"}) as program:
        await box.turn(hold=True)
        await program.greet()
        number = await program.call("generate_image", **FOX)
        await box.reached(1)
        await program.said_on_stderr("what the end of a job needs is loaded")
        # The server itself is loaded last.
        await program.answer(await program.ask("ping"))
        upgrade(copy)
        await box.release()
        made = await program.answer(number)
        assert not made["isError"], text_of(made)
        assert [block["type"] for block in made["content"][:2]] == ["text", "image"]
        assert str(saved(environ)[0]) in text_of(await program.answer(await program.call("list_images")))
        # What is not loaded yet stays so.
        told = await program.answer(await program.call("list_images", contact_sheet=True))
        assert told["isError"]
        assert REPLACED in text_of(told)
        assert b"RuntimeError" not in program.stderr


@pytest.mark.parametrize("engine", ["on", "off"])
async def test_a_first_picture_is_saved_recorded_and_told_though_its_server_cannot_be_loaded(
    engine: str, environ: dict[str, str], copy: Path, box: Box
) -> None:
    """An upgrade began before the call, and ended as soon as its request was sent."""
    (copy / "server" / "factory.py").write_text("half a line of (", encoding="utf-8")
    async with running({**environ, "GPT_IMAGE_2_ENGINE": engine}) as program:
        await box.turn(hold=True)
        await program.greet()
        number = await program.call("generate_image", **FOX)
        await box.reached(1)
        upgrade(copy)
        await box.release()
        told = await program.answer(number)
        assert told["isError"]
        assert "list_images" in text_of(told)
        await program.close_stdin()
        assert await program.ended() == 0
    await the_next_chat_has_it({name: value for name, value in environ.items() if name != "PYTHONPATH"}, box)


@pytest.mark.skipif(sys.platform != "linux", reason="the engine is off on other systems")
async def test_an_engine_that_cannot_be_loaded_is_told(environ: dict[str, str], copy: Path) -> None:
    (copy / "server" / "factory.py").unlink()
    async with running(environ) as program:
        await program.greet()
        told = await program.answer(await program.call("list_images"))
        assert "could not be started; nothing was sent" in text_of(told)
