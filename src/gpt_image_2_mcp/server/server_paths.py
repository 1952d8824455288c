"""Takes the folders of a server out of its answers: a path on its disk means nothing to a person at another computer.

What is left is the name of the file, by which other tools know a picture as well.
"""

import re
from typing import Any, Final, cast

from mcp_types import CallToolResult, TextContent

_FOLDER: Final = re.compile(r"(?:/[^/\s\"'`(),;]+)*/people/[0-9a-f]{32}/(?:[\w.-]+/)*")


def without_folders(text: str) -> str:
    """A text in which the files of people have their names alone."""
    return _FOLDER.sub("", text)


def cleared(result: CallToolResult) -> CallToolResult:
    """An answer with such texts, also for programs."""
    for block in result.content:
        if isinstance(block, TextContent):
            block.text = without_folders(block.text)
    if result.meta is not None:
        result.meta = _cleared_value(result.meta)
    return result


def _cleared_value(value: Any) -> Any:
    match value:
        case str():
            return without_folders(value)
        case list():
            return [_cleared_value(each) for each in cast("list[Any]", value)]
        case dict():
            return {name: _cleared_value(each) for name, each in cast("dict[str, Any]", value).items()}
        case _:
            return value
