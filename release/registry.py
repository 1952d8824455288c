"""Writes server.json, the entry of the MCP registry: `python -m release.registry`, which `make docs` runs."""

import json
from typing import Any, Final

from gpt_image_2_mcp import __version__
from gpt_image_2_mcp.install.launch import EXTRAS, PACKAGE

from .owner import ROOT, registry_name, repository

SCHEMA: Final = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
FILE: Final = ROOT / "server.json"


def server_json() -> dict[str, Any]:
    """The entry: the package on PyPI, started by uvx, with the variables that people set most."""
    variables: list[dict[str, Any]] = [
        {
            "name": "OPENAI_API_KEY",
            "description": "Your OpenAI API key, from https://platform.openai.com/api-keys.",
            "isRequired": True,
            "isSecret": True,
        },
        {
            "name": "GPT_IMAGE_2_OUTPUT_DIR",
            "description": "Where pictures are saved. Unset: your Pictures folder.",
            "format": "filepath",
        },
        {
            "name": "GPT_IMAGE_2_BUDGET_PER_DAY_USD",
            "description": "The most dollars a day; what would be dearer is refused.",
            "format": "number",
        },
    ]
    return {
        "$schema": SCHEMA,
        "name": registry_name(),
        "title": "gpt-image-2",
        "description": "Makes and edits pictures with OpenAI's gpt-image-2: see, find and refine them turn by turn.",
        "version": __version__,
        "repository": {"url": repository(), "source": "github"},
        "packages": [
            {
                "registryType": "pypi",
                "identifier": PACKAGE,
                "version": __version__,
                "runtimeHint": "uvx",
                # What exact edits need: a package's identifier has no place for its extras.
                "runtimeArguments": [{"type": "named", "name": "--with", "value": f"{PACKAGE}{EXTRAS}=={__version__}"}],
                "transport": {"type": "stdio"},
                "environmentVariables": variables,
            }
        ],
    }


def text() -> str:
    """The text of server.json."""
    return json.dumps(server_json(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
