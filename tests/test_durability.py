"""What was acknowledged is on the disk: a kill right after an answer changes nothing.

The program is killed in the moment in which its answer was read. A second start and `library rebuild` from the folder
alone then have to know the picture.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from fault_proxy import paying
from patience import PATIENCE_S
from power_cut import Disk
from stdio_bench import running
from workbench import META, SMALL

pytestmark = pytest.mark.anyio


async def library(environ: dict[str, str], *arguments: str) -> str:
    """What `gpt-image-2-mcp library …` prints."""
    command = [sys.executable, "-m", "gpt_image_2_mcp", "library", *arguments]
    return (await anyio.run_process(command, env=environ, check=True)).stdout.decode()


async def listed(environ: dict[str, str], *more: str) -> set[str]:
    found = json.loads(await library(environ, "list", "--json", *more))
    return {picture["id"] for picture in found["pictures"]}


@pytest.mark.thorough
@pytest.mark.parametrize("tool", ["generate_image", "start_edit_session"])
async def test_a_kill_right_after_the_answer_loses_no_record_and_no_row(tool: str, tmp_path: Path) -> None:

    folder = tmp_path / "pictures"
    environ = {**os.environ, "HOME": str(tmp_path), "GPT_IMAGE_2_OUTPUT_DIR": str(folder)}
    arguments: dict[str, Any] = {"prompt": "a fox", "size": SMALL, "quality": "low"}
    with anyio.fail_after(PATIENCE_S):
        async with running(environ, "--sandbox") as program:
            await program.greet()
            if tool == "start_edit_session":
                made = await program.answer(await program.call("generate_image", **arguments))
                arguments["images"] = [made["_meta"][META]["images"][0]["file_path"]]
            answer = await program.answer(await program.call(tool, **arguments))
            program.signal(signal.SIGKILL)
            await program.process.wait()
    [image] = answer["_meta"][META]["images"]
    assert await anyio.Path(image["file_path"]).is_file()

    assert image["id"] in await listed(environ, "--sandbox")

    elsewhere = {**environ, "HOME": str(tmp_path / "other"), "XDG_DATA_HOME": str(tmp_path / "other")}
    await library(elsewhere, "rebuild", str(folder), "--sandbox")
    assert image["id"] in await listed(elsewhere, "--sandbox")


# A power cut, or a crash of the operating system.

FOX: dict[str, Any] = {"prompt": "a fox", "size": SMALL, "quality": "low"}


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform != "linux", reason="it reads what a descriptor leads to")
@pytest.mark.parametrize("tool", ["generate_image", "edit_image", "start_edit_session"])
async def test_a_power_cut_right_after_the_answer_loses_neither_picture_nor_record(
    tool: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """From what is on the disk the catalogue is made again."""
    disk = Disk(monkeypatch)
    async with paying(tmp_path) as bench:
        given = FOX if tool == "generate_image" else {**FOX, "images": [str(bench.photo())]}
        made = await bench.made(tool, **given)
        left = disk.after_power_cut(bench.folder)
        assert left[made.path.name] == made.path.read_bytes()
        folder = tmp_path / "after"
        for name, content in left.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    environ = {**os.environ, "XDG_DATA_HOME": str(tmp_path)}
    await library(environ, "rebuild", str(folder))
    assert await listed(environ) == {made.path.stem}
