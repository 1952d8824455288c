"""Puts values into JSON with comments and removes them; every other character stays as it is.

No library keeps all of the text, so the place is found by `json_tree.parse`, and the value's text is spliced in there.
The last name of a path may stand for an element of an array: `ItemWith("id", "x")` is the element whose member `id` is
`x`.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from .json_tree import Child, Node, comments, expanded, parse, skip
from .unreadable import Unreadable
from .values import mapping

_BLANK: Final = " \t\r\n"


@dataclass(frozen=True, slots=True)
class ItemWith:
    """The element of an array whose member `member` is `value`."""

    member: str
    value: str


Name = str | ItemWith


def read(text: str) -> Any:
    """The document as Python values, `{}` if nothing is in it; raises Unreadable."""
    return {} if _is_empty(text) else parse(text).as_python()


def put(text: str, path: Sequence[Name], value: Any) -> str:
    """The text with `value` at `path`; objects and the array on the way are made where they are missing.

    Raises:
        Unreadable: the text is no JSON with comments, or something else than an object is on the way.

    """
    line_end = "\r\n" if "\r\n" in text else "\n"
    if _is_empty(text):
        return (
            text
            + ("" if not text.strip("\ufeff") or text.endswith("\n") else line_end)
            + (_dump(_nested(path, value), "", "  ", line_end) + line_end)
        )
    node, indent = parse(text), ""
    step = _step(text, node)
    for depth, name in enumerate(path):
        child = _child(node, name)
        if child is None:
            inner = _nested(path[depth + 1 :], value)
            pad = _indent_of_children(text, node, indent + step)
            body = _dump(inner, pad, step, line_end)
            label = f"{json.dumps(name, ensure_ascii=False)}: " if isinstance(name, str) else ""
            return _insert(text, node, pad + label + body, indent, line_end)
        node, indent = expanded(text, child.node), _indent(text, child.start, indent + step)
    if node.as_python() == value:
        return text
    return text[: node.start] + _dump(value, indent, step, line_end) + text[node.end :]


def remove(text: str, path: Sequence[Name]) -> str:
    """The text without what is at `path`, or as it is if nothing is there; raises as `put` does."""
    if _is_empty(text):
        return text
    node = parse(text)
    for name in path[:-1]:
        child = _child(node, name)
        if child is None:
            return text
        node = expanded(text, child.node)
    child = _child(node, path[-1])
    return text if child is None else _cut(text, node, child)


def _is_empty(text: str) -> bool:
    """Whether there are comments and white space only."""
    return skip(text, int(text.startswith("\ufeff"))) == len(text)


def _child(node: Node, name: Name) -> Child | None:
    """What has this name in a container; raises Unreadable if the node is none of the right kind."""
    if isinstance(name, str):
        if not node.is_object:
            raise Unreadable(f"there should be an object that can have the member {name!r}")
        return node.named(name)
    if node.children is None or node.is_object:
        raise Unreadable(f"there should be an array of objects that have the member {name.member!r}")
    for child in node.children:
        found = mapping(child.node.as_python())
        if found is not None and found.get(name.member) == name.value:
            return child
    return None


def _nested(path: Sequence[Name], value: Any) -> Any:
    """The value within the containers that `path` names."""
    for name in reversed(path):
        value = {name: value} if isinstance(name, str) else [value]
    return value


def _dump(value: Any, pad: str, step: str, line_end: str) -> str:
    return json.dumps(value, indent=step, ensure_ascii=False).replace("\n", line_end + pad)


def _indent(text: str, at: int, default: str) -> str:
    """The white space before what begins a line at `at`; `default` if something else stands before it."""
    before = text[text.rfind("\n", 0, at) + 1 : at].lstrip("\ufeff")
    return default if before.strip(" \t") else before


def _indent_of_children(text: str, node: Node, default: str) -> str:
    for child in node.children or ():
        if "\n" in text[node.start : child.start]:
            return _indent(text, child.start, default)
    return default


def _step(text: str, root: Node) -> str:
    """The indentation of the members of the root, which is that of each level."""
    return _indent_of_children(text, root, "  ") or "  "


def _insert(text: str, container: Node, body: str, indent: str, line_end: str) -> str:
    """Add `body` behind the last child of a container; a comment behind that child stays on its line."""
    closing = container.end - 1
    if container.children:
        last = container.children[-1].node.end
        comma = skip(text, last)
        has_comma = text[comma] == ","
        at = _behind_comments_of_line(text, comma + 1 if has_comma else last)
        head = text[:at] if has_comma else text[:last] + "," + text[last:at]
        body += "," if has_comma else ""
    else:
        at = max((match.end() for match in comments(text, container.start + 1, closing)), default=container.start + 1)
        head = text[:at]
    end = "" if "\n" in text[at:closing] else line_end + indent
    return head + line_end + body + end + text[at:]


def _behind_comments_of_line(text: str, at: int) -> int:
    """The end of the last comment that follows on the same line."""
    found = re.compile(r"(?:[ \t]*/\*(?:(?!\*/)[^\r\n])*\*/)*(?:[ \t]*//[^\r\n]*)?").match(text, at)
    return found.end() if found else at


def _cut(text: str, container: Node, child: Child) -> str:
    """Remove a child, with one comma and, where nothing follows on its line, with the line."""
    children = container.children or []
    index = [one.start for one in children].index(child.start)
    start, end = child.start, child.node.end
    comma = skip(text, end)
    if text[comma] == ",":
        between, end = text[end:comma], comma + 1
    else:
        between = ""
    if re.compile(r"[ \t]*(?:\r?\n|$)").match(text, end):
        start = len(text[:start].rstrip(_BLANK))
    head = text[:start]
    if not between and text[comma] != "," and index:
        before = skip(text, children[index - 1].node.end)
        head = text[:before] + text[before + 1 : start]
    return head + (between if between.strip(_BLANK) else "") + text[end:]
