"""Half a surrogate pair ends no server: UTF-8 has no bytes for it, and JSON in UTF-8 cannot contain it."""

import os
import sys
from pathlib import Path

import anyio
import pytest
from promises import promise
from stdio_bench import running
from workbench import SMALL

from .answers import ANSWERS
from .backend import HostileBackend
from .test_answers import settings

pytestmark = pytest.mark.anyio


@promise("Junk", "Half a surrogate pair in any text ends no server.")
@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such a name")
async def test_half_a_surrogate_pair_in_a_message_or_a_folder_name_ends_no_server(tmp_path: Path) -> None:
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/f\xffx")
    await anyio.Path(folder).mkdir()
    with HostileBackend(lambda name: ANSWERS[name].pieces) as backend:
        environ = settings(backend, tmp_path, streamed=False) | {"GPT_IMAGE_2_OUTPUT_DIR": folder}
        async with running(environ | {"GPT_IMAGE_2_ENGINE": "0"}) as program:
            await program.greet()

            async def text(tool: str, **arguments: str) -> str:
                result = await program.answer(await program.call(tool, **arguments))
                return result["content"][0]["text"]

            assert " bad" in await text("generate_image", prompt="attack-surrogate-in-an-error", size=SMALL)
            assert "f\ufffdx" in await text("generate_image", prompt="attack-compressed", size=SMALL)
            assert "1 picture" in await text("list_images")
