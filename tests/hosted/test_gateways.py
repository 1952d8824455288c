"""A gateway in between, of the kind that renames tools and drops progress and `_meta`: pictures are made and found."""

import json
import re
from typing import Any

import httpx2
import pytest
from workbench import SMALL, said

from .conftest import ALICE
from .served import ERAS, Era, Served

PREFIX = "gi-"


class Gateway(httpx2.AsyncHTTPTransport):
    """The way to a server, through a gateway."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        content = re.sub(rf'"name":"{PREFIX}(\w+)"'.encode(), rb'"name":"\1"', await request.aread())
        headers = {**request.headers, "content-length": str(len(content))}
        if "mcp-name" in headers:
            headers["mcp-name"] = headers["mcp-name"].removeprefix(PREFIX)
        passed = httpx2.Request(request.method, request.url, headers=headers, content=content)
        response = await super().handle_async_request(passed)
        body = (await response.aread()).decode()
        lines = [kept for line in body.splitlines() if (kept := _kept(line)) is not None]
        kind = response.headers.get("content-type", "")
        return httpx2.Response(response.status_code, headers={"content-type": kind}, text="\n".join([*lines, "", ""]))


def _kept(line: str) -> str | None:
    """A line of an answer as the gateway passes it on; None if it does not."""
    start = "data: " if line.startswith("data: ") else ""
    if not line.startswith(("data: {", "{")):
        return line
    message: dict[str, Any] = json.loads(line.removeprefix(start))
    if message.get("method") == "notifications/progress":
        return None
    result: dict[str, Any] = message.get("result") or {}
    result.pop("_meta", None)
    for tool in result.get("tools", ()):
        tool["name"] = PREFIX + tool["name"]
    return start + json.dumps(message)


@pytest.mark.anyio
@pytest.mark.parametrize("era", ERAS)
async def test_a_picture_is_made_and_found_through_a_gateway_that_drops_and_renames(
    era: Era, served_team: Served
) -> None:
    heard: list[float] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        del total, message
        heard.append(progress)

    async with served_team.client(ALICE, era=era, transport=Gateway()) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        assert f"{PREFIX}generate_image" in names
        arguments = {"prompt": f"a fox behind a gateway ({era})", "size": SMALL, "quality": "low"}
        made = await client.call_tool(f"{PREFIX}generate_image", arguments, progress_callback=note)
        assert (made.is_error, made.meta, heard) == (False, None, [])
        (found,) = set(re.findall(r"image-\d{8}-\d{6}-[0-9a-f]{6}", said(made)))
        assert "http" in said(made), "the answer has a link"
        shown = await client.call_tool(f"{PREFIX}show_image", {"image": found})
        assert (shown.is_error, found in said(shown)) == (False, True)
        listed = await client.call_tool(f"{PREFIX}list_images", {"query": "gateway"})
        assert found in said(listed)
