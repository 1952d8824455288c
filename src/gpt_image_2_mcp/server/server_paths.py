"""Takes out of a server's answers what means nothing to a person at another computer: its folders, and ways by path."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from mcp_types import CallToolResult, InputRequiredResult, TextContent

ResultT = TypeVar("ResultT", bound=CallToolResult | InputRequiredResult)

Clear = Callable[[str], str]
"""Gives a text as it is told to the person."""


def cleared(result: ResultT, clear: Clear) -> ResultT:
    """An answer as it is told to the person, also for programs; a question stays as it is."""
    if not isinstance(result, CallToolResult):
        return result
    for block in result.content:
        if isinstance(block, TextContent):
            block.text = clear(block.text)
    if result.meta is not None:
        result.meta = _cleared_value(result.meta, clear)
    return result


def text_of(result: CallToolResult | InputRequiredResult) -> str:
    """What an answer says."""
    content = result.content if isinstance(result, CallToolResult) else []
    return "\n".join(block.text for block in content if isinstance(block, TextContent))


def _cleared_value(value: Any, clear: Clear) -> Any:
    match value:
        case str():
            return clear(value)
        case list():
            return [_cleared_value(each, clear) for each in cast("list[Any]", value)]
        case dict():
            return {name: _cleared_value(each, clear) for name, each in cast("dict[str, Any]", value).items()}
        case _:
            return value
