"""The studio's page, an HTML file of the package, and the address under which hosts of MCP Apps read it."""

import hashlib
from functools import cache
from importlib.resources import files
from typing import Final

MIME: Final = "text/html;profile=mcp-app"
"""The type by which a host of MCP Apps knows the page."""
_START: Final = "ui://studio/"
"""Short: each of six tools names the address twice, in a list that clients give to their model."""


def page() -> str:
    """The page's text."""
    return files(__name__.rpartition(".")[0]).joinpath("studio.html").read_text(encoding="utf-8")


@cache
def page_uri() -> str:
    """The page's address, with a hash of its text: hosts keep a page as long as its address is the same."""
    return f"{_START}{hashlib.sha256(page().encode()).hexdigest()[:8]}"


def is_page_uri(uri: str) -> bool:
    """Whether an address is the page's, of this version or an earlier one, which a host may still ask for."""
    return uri.startswith(_START)
