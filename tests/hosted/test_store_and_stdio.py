"""What stdio has nothing of: the picture store is not loaded, and links are spoken of on a server alone."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gpt_image_2_mcp.server.hosting import hosted_tools

PROBE = """
import asyncio, sys
from pathlib import Path
from gpt_image_2_mcp.app import open_service
from gpt_image_2_mcp.parameters.models import GenerateRequest
from gpt_image_2_mcp.sandbox import SandboxTransport, build_sandbox
from gpt_image_2_mcp.server import factory
from gpt_image_2_mcp.settings import Settings

async def draw():
    folder = Path(sys.argv[1])
    settings = Settings.read({"OPENAI_API_KEY": "sk-x", "GPT_IMAGE_2_OUTPUT_DIR": str(folder / "pictures")})
    transport = SandboxTransport(build_sandbox())
    async with open_service(
        settings, transport=transport, working_dir=folder, home=folder, data_dir=folder / "data"
    ) as service:
        factory.build_server(lambda: service)
        report = await service.wait(service.start(GenerateRequest(prompt="a fox", size="1024x640")))
        assert report.images[0].path.exists()

asyncio.run(draw())
hosted = {"picture_store", "hosting", "hosted_settings", "admin"}
print(*sorted(name for name in sys.modules if name.startswith("gpt_image_2_mcp.") and name.split(".")[1] in hosted))
print(*sorted({"obstore", "opentelemetry.sdk"} & set(sys.modules)))
"""


@pytest.mark.thorough
def test_a_picture_is_made_without_anything_of_the_picture_store(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", PROBE, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


def test_the_tools_of_a_server_speak_of_links_and_not_of_paths() -> None:
    for tool in hosted_tools():
        text = f"{tool.description} {json.dumps(tool.parameters)}"
        assert not re.search(r"\b(paths?|folder|local|computer|trash)\b", text), text
    said = {tool.name: tool.description or "" for tool in hosted_tools()}
    assert all("link" in said[name] for name in ("generate_image", "list_images", "export_image", "upload_link"))
