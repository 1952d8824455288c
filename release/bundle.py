"""Writes the bundle for Claude Desktop, `dist/gpt-image-2-mcp-VERSION.mcpb`: `make bundle`.

It is thin: Claude Desktop installs the package of this version with uv when a person opens the bundle.
"""

import io
import json
import sys
from pathlib import Path
from typing import Any, Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from gpt_image_2_mcp import __version__
from gpt_image_2_mcp.install.launch import EXTRAS, PACKAGE
from gpt_image_2_mcp.sandbox.painter import paint
from gpt_image_2_mcp.server.tools import all_tools

from .owner import ROOT, owner, repository

DIST: Final = ROOT / "dist"
ICON_EDGE: Final = 512

SERVER: Final = '''"""Starts the MCP server gpt-image-2-mcp, which uv has installed beside this file."""

from gpt_image_2_mcp.cli.main import main

main()
'''


def manifest() -> dict[str, Any]:
    """The bundle's manifest. What a person leaves out arrives as `${user_config.…}`, which counts as unset."""
    return {
        "manifest_version": "0.4",
        "name": PACKAGE,
        "display_name": "gpt-image-2",
        "version": __version__,
        "description": "Makes and edits pictures with OpenAI's gpt-image-2",
        "long_description": (
            "Ask for a picture, see it in the chat, find the file on your disk, and refine it turn by turn. You need an"
            " OpenAI API key; OpenAI bills each picture to it."
        ),
        "author": {"name": owner(), "url": repository()},
        "repository": {"type": "git", "url": repository()},
        "documentation": f"{repository()}/blob/main/README.md",
        "support": f"{repository()}/issues",
        "license": "MIT",
        "icon": "icon.png",
        "keywords": ["images", "gpt-image-2", "openai"],
        "server": {
            "type": "uv",
            "entry_point": "src/server.py",
            "mcp_config": {
                "command": "uv",
                "args": ["run", "--directory", "${__dirname}", "src/server.py"],
                "env": {
                    "OPENAI_API_KEY": "${user_config.api_key}",
                    "GPT_IMAGE_2_OUTPUT_DIR": "${user_config.output_dir}",
                    "GPT_IMAGE_2_BUDGET_PER_DAY_USD": "${user_config.dollars_a_day}",
                },
            },
        },
        "tools": [{"name": tool.name, "description": tool.title} for tool in all_tools()],
        "tools_generated": True,
        "compatibility": {"platforms": ["darwin", "win32", "linux"], "runtimes": {"python": ">=3.11"}},
        "user_config": {
            "api_key": {
                "type": "string",
                "title": "OpenAI API key",
                "description": "From https://platform.openai.com/api-keys. OpenAI bills each picture to it.",
                "sensitive": True,
                "required": True,
            },
            "output_dir": {
                "type": "directory",
                "title": "Folder for pictures",
                "description": "Where pictures are saved. Left out: your Pictures folder.",
                "required": False,
            },
            "dollars_a_day": {
                "type": "number",
                "title": "Most dollars a day",
                "description": "What would go over it is refused before it is sent. Left out: no limit.",
                "required": False,
                "min": 0,
            },
        },
    }


def files() -> dict[str, bytes]:
    """Every file of the bundle by its path in it."""
    project = (
        f'[project]\nname = "gpt-image-2-bundle"\nversion = "{__version__}"\nrequires-python = ">=3.11"\n'
        f'dependencies = ["{PACKAGE}{EXTRAS}=={__version__}"]\n\n[tool.uv]\npackage = false\n'
    )
    return {
        "manifest.json": (json.dumps(manifest(), indent=2, ensure_ascii=False) + "\n").encode(),
        "pyproject.toml": project.encode(),
        "src/server.py": SERVER.encode(),
        "icon.png": _icon(),
        "LICENSE": (ROOT / "LICENSE").read_bytes(),
    }


def _icon() -> bytes:
    """A picture by the sandbox."""
    picture = paint("a red fox in the snow", (ICON_EDGE, ICON_EDGE), index=0, transparent=False, note="")
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def write_bundle(folder: Path = DIST) -> Path:
    """Write the bundle, the same bytes each time, and give its path."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{PACKAGE}-{__version__}.mcpb"
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name, content in files().items():
            archive.writestr(ZipInfo(name), content, ZIP_DEFLATED)
    return path


if __name__ == "__main__":
    sys.stdout.write(f"{write_bundle()}\n")
