"""Half a surrogate pair ends no server: UTF-8 has no bytes for it, and JSON in UTF-8 cannot contain it."""

import os
import sys
from pathlib import Path

import anyio
import pytest
from promises import promise
from stdio_bench import running
from workbench import SMALL, Benches

from gpt_image_2_mcp.paths.plain_names import is_plain
from gpt_image_2_mcp.paths.project import project_of

from .answers import ANSWERS
from .backend import HostileBackend
from .test_answers import settings

pytestmark = pytest.mark.anyio


@pytest.mark.thorough
@promise("Junk", "Half a surrogate pair in any text ends no server.")
@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such a name")
async def test_half_a_surrogate_pair_in_a_message_or_a_folder_name_ends_no_server(tmp_path: Path) -> None:
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/f\xffx")
    await anyio.Path(folder).mkdir()
    link = anyio.Path(tmp_path / "link")
    await link.symlink_to(folder)
    with HostileBackend(lambda name: ANSWERS[name].pieces) as backend:
        environ = settings(backend, tmp_path, streamed=False)
        async with running(environ | {"GPT_IMAGE_2_ENGINE": "0"}) as program:
            await program.greet()

            async def text(tool: str, **arguments: str) -> str:
                result = await program.answer(await program.call(tool, **arguments))
                return result["content"][0]["text"]

            refused = await text("generate_image", prompt="a fox", size=SMALL, output_dir=str(link))
            assert "bytes that are no UTF-8" in refused
            assert " bad" in await text("generate_image", prompt="attack-surrogate-in-an-error", size=SMALL)
            await text("generate_image", prompt="attack-compressed", size=SMALL)
            assert "1 picture" in await text("list_images")


@promise("Money", "Nothing is paid where a folder or an input has a name that is no text, which no record could hold.")
@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such a name")
async def test_nothing_is_paid_where_a_name_is_no_text(benches: Benches, tmp_path: Path) -> None:
    bench = await benches.open()
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/f\xffx"))
    await anyio.Path(odd).mkdir()
    photo = bench.photo("photo.png").rename(odd / "photo.png")
    link, linked = bench.working_dir / "link", bench.working_dir / "linked.png"
    link.symlink_to(odd)
    linked.symlink_to(photo)
    for image in ("link/photo.png", "linked.png"):
        told = await bench.refused("edit_image", prompt="a hat", images=[image])
        assert "bytes that are no UTF-8" in told
    assert "bytes that are no UTF-8" in await bench.refused("generate_image", prompt="a fox", output_dir="link/new")
    assert bench.seen() == []


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such a name")
def test_a_project_whose_name_is_no_text_has_one_that_is(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/f\xffx"))
    assert project_of(odd, tmp_path) == "f\ufffdx"
    assert is_plain("f\ufffdx")
