"""Refuses cursors: every list of this server fits on one page, so none was ever issued."""

from typing import Any

from mcp import MCPError
from mcp.server import ServerRequestContext
from mcp.server.context import CallNext, HandlerResult
from mcp_types import INVALID_PARAMS

from ..errors import shown

_LISTS = frozenset({"tools/list", "prompts/list", "resources/list", "resources/templates/list"})


async def refuse_cursors(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Answer a list that is asked for with a cursor with "invalid params", as the protocol wants it."""
    cursor: object = (ctx.params or {}).get("cursor") if ctx.method in _LISTS else None
    if cursor is not None:
        raise MCPError(INVALID_PARAMS, f"There is no cursor {shown(cursor)}: {ctx.method} has one page; leave it out.")
    return await call_next(ctx)
