"""Takes the folders of a server out of its answers, which mean nothing to a person at another computer."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from mcp_types import CallToolResult, InputRequiredResult, TextContent

ResultT = TypeVar("ResultT", bound=CallToolResult | InputRequiredResult)

Clear = Callable[[str], str]
"""Takes the folders out of a text."""


def cleared(result: ResultT, clear: Clear) -> ResultT:
    """An answer without folders, also for programs; a question stays as it is."""
    if not isinstance(result, CallToolResult):
        return result
    for block in result.content:
        if isinstance(block, TextContent):
            block.text = clear(block.text)
    if result.meta is not None:
        result.meta = _cleared_value(result.meta, clear)
    return result


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
