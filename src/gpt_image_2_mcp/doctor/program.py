"""Checks of the program itself: its version, Python, and uv."""

import json
import os
import platform
import re
from collections.abc import Iterator
from typing import Any

import httpx2

from .. import __version__
from ..install.launch import PACKAGE, find_uvx
from .finding import Finding, green, yellow

INDEX_TIMEOUT_S = 5.0
INDEX = "https://pypi.org/simple"
"""Where releases are published; `UV_DEFAULT_INDEX` names another index, as it does for uv."""


def check_program(*, ask_index: bool) -> Iterator[Finding]:
    """The version, with `ask_index` beside the newest release, Python, and uv."""
    yield _check_version() if ask_index else green("version", f"gpt-image-2-mcp {__version__}")
    yield green("python", f"Python {platform.python_version()} on {platform.platform(terse=True)}")
    uvx = find_uvx()
    if uvx is None:
        way_out = "Install uv from https://docs.astral.sh/uv, so that clients can start the version that you choose."
        yield yellow("uv", "uvx was not found", way_out)
    else:
        yield green("uv", uvx)


def _check_version() -> Finding:
    own = f"gpt-image-2-mcp {__version__}"
    newest = _newest_release()
    if newest is None:
        return yellow(
            "version", f"{own}; which one is the newest is not known", "Look again when the network is there."
        )
    if _order(newest) > _order(__version__):
        return yellow("version", f"{own}; {newest} is published", f"Run `uvx {PACKAGE}@{newest} install`.")
    return green("version", f"{own}, the newest")


def _newest_release() -> str | None:
    """The newest release that is published; None if that cannot be found out."""
    index = os.environ.get("UV_DEFAULT_INDEX") or INDEX
    headers = {"accept": "application/vnd.pypi.simple.v1+json"}
    try:
        answer = httpx2.get(f"{index.rstrip('/')}/{PACKAGE}/", headers=headers, timeout=INDEX_TIMEOUT_S)
        found: Any = json.loads(answer.content) if answer.is_success else {}
        versions = [str(version) for version in found.get("versions", ())]
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, OSError, AttributeError, TypeError):
        return None
    # Those with letters are not for everybody.
    return max((version for version in versions if re.fullmatch(r"\d+(\.\d+)*", version)), key=_order, default=None)


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))
