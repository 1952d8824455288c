"""Writes the tools as `tools/list` gives them, for the converters: part of `make converters`."""

import json
import sys
from typing import Any

from gpt_image_2_mcp.server.tools import all_tools


def today() -> list[dict[str, Any]]:
    """The tools that a converter looks at."""
    return [
        {"name": tool.name, "description": tool.description, "inputSchema": tool.parameters} for tool in all_tools()
    ]


if __name__ == "__main__":
    json.dump({"tools": today()}, sys.stdout)
