"""Who publishes: pyproject.toml names the repository, and everything else takes the owner from there."""

import tomllib
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parent.parent
PLACEHOLDER: Final = "OWNER"


def repository() -> str:
    """The address of the repository."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["urls"]["Repository"]


def owner() -> str:
    """The account on GitHub."""
    return repository().split("/")[3]


def registry_name() -> str:
    """The name of the server in the MCP registry, which lets the owner of an account publish under it."""
    return f"io.github.{owner()}/gpt-image-2-mcp"
