"""The tools: what exists, in one list. Each hands its request to the studio and its result to `results`."""

from typing import Any, TypeAlias

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.tools import Tool
from mcp_types import CallToolResult, ToolAnnotations

from ..params import (
    ContinueSessionRequest,
    EditRequest,
    EndSessionRequest,
    GenerateRequest,
    ListSessionsRequest,
    StartSessionRequest,
)
from ..studio import Studio
from .request_tools import RequestTool
from .results import ended, listed, shown_report

Call: TypeAlias = Context[Studio, Any]


async def generate_image(request: GenerateRequest, call: Call) -> CallToolResult:
    """Make pictures from words with gpt-image-2 and save them.

    Costs money: about $0.006 (low), $0.05 (medium) or $0.21 (high) a picture at 1024x1024, and takes 10 s to 4
    minutes; draft at low quality. The answer names each file's absolute path: tell it to the person, who may not see
    the picture.
    """
    return await shown_report(await _studio(call).generate(request))


async def edit_image(request: EditRequest, call: Call) -> CallToolResult:
    """Edit a picture, or compose several into one.

    Name each input by its number, say what is to change and what is to stay. For one change after another to the same
    picture, use start_edit_session. Costs money like generate_image. Pictures attached to the chat do not reach this
    tool: ask the person for a path or URL.
    """
    return await shown_report(await _studio(call).edit(request))


async def start_edit_session(request: StartSessionRequest, call: Call) -> CallToolResult:
    """Begin a series of edits to one picture.

    Makes the first edit like edit_image and gives a session_id; continue_edit_session then makes the next change to
    the result. Costs money like generate_image.
    """
    return await shown_report(await _studio(call).start_session(request))


async def continue_edit_session(request: ContinueSessionRequest, call: Call) -> CallToolResult:
    """Make the next change in an edit session.

    The picture of the last turn is the input. One change a turn works best; say again what is to stay. Costs money
    like generate_image.
    """
    return await shown_report(await _studio(call).continue_session(request))


async def end_edit_session(request: EndSessionRequest, call: Call) -> CallToolResult:
    """Forget an edit session when the person is content. Its files stay; ending it twice is harmless."""
    return ended(request.session_id, _studio(call).end_session(request))


async def list_edit_sessions(_request: ListSessionsRequest, call: Call) -> CallToolResult:
    """List the active edit sessions, newest first: id, times, turns, last prompt, last file."""
    return listed(_studio(call).list_sessions())


def all_tools() -> list[Tool]:
    """Every tool, in the order in which a person meets them."""
    paid = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True)
    ends = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False)
    reads = ToolAnnotations(read_only_hint=True, open_world_hint=False)
    return [
        RequestTool.of(generate_image, GenerateRequest, title="Make pictures", annotations=paid),
        RequestTool.of(edit_image, EditRequest, title="Edit or compose pictures", annotations=paid),
        RequestTool.of(start_edit_session, StartSessionRequest, title="Start an edit session", annotations=paid),
        RequestTool.of(continue_edit_session, ContinueSessionRequest, title="Edit once more", annotations=paid),
        RequestTool.of(end_edit_session, EndSessionRequest, title="End an edit session", annotations=ends),
        RequestTool.of(list_edit_sessions, ListSessionsRequest, title="List edit sessions", annotations=reads),
    ]


def _studio(call: Call) -> Studio:
    return call.request_context.lifespan_context
