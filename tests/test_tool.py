"""What a tool answers when its handler fails."""

import logging
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import CallToolResult, ToolAnnotations
from workbench import KEY, said

from gpt_image_2_mcp.app import open_service
from gpt_image_2_mcp.errors import BadRequest
from gpt_image_2_mcp.parameters.models import ListSessionsRequest
from gpt_image_2_mcp.server.tool import RequestTool
from gpt_image_2_mcp.service.images import ImageService
from gpt_image_2_mcp.settings import Settings

pytestmark = pytest.mark.anyio

Call = Context[ImageService, Any]


async def fails_by_a_bug(request: ListSessionsRequest, call: Call) -> CallToolResult:
    """Fail as no handler should."""
    del request, call
    raise RuntimeError("words that no client sees") from KeyError("the reason")


async def fails_as_expected(request: ListSessionsRequest, call: Call) -> CallToolResult:
    """Fail in a way that the client can act on, with a secret in the text."""
    del request, call
    raise BadRequest(f"The key {KEY} does not belong here.")


async def answer(tool: RequestTool, root: Path) -> CallToolResult:
    """What a client is answered that calls the tool on a server of its own."""
    settings = Settings.read({"OPENAI_API_KEY": KEY, "GPT_IMAGE_2_OUTPUT_DIR": str(root)})

    def lifespan(_: MCPServer[ImageService]) -> AbstractAsyncContextManager[ImageService]:
        return open_service(settings, working_dir=root, home=root)

    async with Client(MCPServer("any", tools=[tool], lifespan=lifespan)) as client:
        return await client.call_tool(tool.name, {})


async def test_a_bug_is_named_by_its_kind_and_logged_with_its_causes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The client learns that it is no fault of its own, and nothing of the code."""
    tool = RequestTool.of(fails_by_a_bug, ListSessionsRequest, title="x", annotations=ToolAnnotations())
    result = await answer(tool, tmp_path)
    assert result.is_error
    assert "fails_by_a_bug failed by an error in this program (RuntimeError)" in said(result)
    assert "words that" not in said(result)
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.exc_info
    error = record.exc_info[1]
    assert isinstance(error, RuntimeError)
    assert isinstance(error.__cause__, KeyError)


async def test_an_expected_failure_is_answered_in_its_own_words_without_secrets(tmp_path: Path) -> None:
    tool = RequestTool.of(fails_as_expected, ListSessionsRequest, title="x", annotations=ToolAnnotations())
    result = await answer(tool, tmp_path)
    assert result.is_error
    assert said(result).startswith("The key ")
    assert said(result).endswith(" does not belong here.")
    assert KEY not in said(result)
