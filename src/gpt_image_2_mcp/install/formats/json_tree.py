"""Reads JSON as the clients do, with comments and trailing commas, and keeps where each value stands.

Files of several megabytes are usual. So a part without comments is read by the standard library at once, and taken
apart by `expanded` only when something in it is to be changed.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from .unreadable import Unreadable

MAX_DEPTH: Final = 200


def _refuse(constant: str) -> None:
    """JSON has no NaN and no infinity, although Python's decoder takes them."""
    raise ValueError(constant)


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse)
_SKIPPED: Final = re.compile(r"(?:[ \t\r\n]+|//[^\r\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING: Final = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_SCALAR: Final = re.compile(r"(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.+-])")


@dataclass(slots=True)
class Node:
    """A value of the document; `start` and `end` are its characters in the text."""

    start: int
    end: int
    value: Any = None
    """Of what was read at once; a container that was taken apart has its `children` instead."""
    children: "list[Child] | None" = None
    is_object: bool = False

    def named(self, name: str) -> "Child | None":
        """The member of an object with this name; raises Unreadable if two have it."""
        found = [child for child in self.children or () if child.name == name]
        if len(found) > 1:
            raise Unreadable(f"{name!r} is there twice")
        return found[0] if found else None

    def as_python(self) -> Any:
        """The value as `json.loads` gives it."""
        if self.children is None:
            return self.value
        if self.is_object:
            return {child.name: child.node.as_python() for child in self.children}
        return [child.node.as_python() for child in self.children]


def expanded(text: str, node: Node) -> Node:
    """The node; a container with its children."""
    is_whole = node.children is None and isinstance(node.value, (dict, list))
    return _container(text, node.start, 0, is_object=node.is_object) if is_whole else node


@dataclass(slots=True)
class Child:
    """An element of an array, or a member of an object, which begins with its name."""

    start: int
    node: Node
    name: str = field(default="")


def skip(text: str, at: int) -> int:
    """The place of the next character that belongs to no comment and is no white space."""
    match = _SKIPPED.match(text, at)
    return match.end() if match else at


def comments(text: str, start: int, end: int) -> Iterator[re.Match[str]]:
    """The comments of a stretch of white space and comments."""
    return re.compile(r"//[^\r\n]*|/\*.*?\*/", re.DOTALL).finditer(text, start, end)


def parse(text: str) -> Node:
    """Read a document; raises Unreadable."""
    root = _value(text, skip(text, int(text.startswith("\ufeff"))), 0)
    if skip(text, root.end) != len(text):
        raise _error(text, skip(text, root.end), "there should be nothing more")
    return root


def _value(text: str, at: int, depth: int) -> Node:
    if depth > MAX_DEPTH:
        raise _error(text, at, f"more than {MAX_DEPTH} values lie within one another")
    opening = text[at : at + 1]
    if opening in ("{", "["):
        if depth:
            try:
                value, end = _DECODER.raw_decode(text, at)
                return Node(at, end, value, is_object=opening == "{")
            except (ValueError, RecursionError):
                # It has comments, or it is wrong: then this finds the place.
                pass
        return _container(text, at, depth, is_object=opening == "{")
    match = _STRING.match(text, at) or _SCALAR.match(text, at)
    if match is None:
        raise _error(text, at, "there should be a value")
    try:
        return Node(at, match.end(), json.loads(match[0]))
    except ValueError:
        # Python reads no number of more than 4,300 digits.
        raise _error(text, at, "the number is too long") from None


def _container(text: str, start: int, depth: int, *, is_object: bool) -> Node:
    closing = "}" if is_object else "]"
    children: list[Child] = []
    at = skip(text, start + 1)
    while text[at : at + 1] != closing:
        if children:
            if text[at : at + 1] != ",":
                raise _error(text, at, f"there should be a comma or {closing}")
            at = skip(text, at + 1)
            if text[at : at + 1] == closing:
                break
        child = _member(text, at, depth) if is_object else Child(at, _value(text, at, depth + 1))
        children.append(child)
        at = skip(text, child.node.end)
    return Node(start, at + 1, children=children, is_object=is_object)


def _member(text: str, at: int, depth: int) -> Child:
    match = _STRING.match(text, at)
    if match is None:
        raise _error(text, at, "there should be a name in double quotes")
    colon = skip(text, match.end())
    if text[colon : colon + 1] != ":":
        raise _error(text, colon, "there should be a colon")
    return Child(at, _value(text, skip(text, colon + 1), depth + 1), json.loads(match[0]))


def _error(text: str, at: int, rule: str) -> Unreadable:
    """What is wrong at a place; the text there is not repeated, since it may be a key."""
    line = text.count("\n", 0, at) + 1
    column = at - (text.rfind("\n", 0, at) + 1) + 1
    return Unreadable(f"line {line}, column {column}: {rule}")
