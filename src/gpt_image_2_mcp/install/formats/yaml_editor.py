"""Puts values into YAML and removes them; every other character stays as it is.

A library that writes the document anew changes quotes, indentation and long lines. So ruamel.yaml only finds the
places, and lines are spliced in. The result is read again and must say what it should.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode

from .unreadable import UNSAFE, Unreadable
from .values import mapping


def read(text: str) -> Any:
    """The document as Python values, `{}` if it is empty; raises Unreadable."""
    try:
        yaml: Any = YAML(typ="safe", pure=True)
        found: Any = yaml.load(text)
    except (YAMLError, ValueError, RecursionError) as error:
        raise Unreadable(_where(error)) from None
    return {} if found is None else found


def put(text: str, path: Sequence[str], value: Any) -> str:
    """The text with `value` at `path`; a mapping becomes lines of its own, what is within it one line each.

    Raises:
        Unreadable: the text is no YAML, something else than a mapping is on the way, or the place for the value is
            written in a way that this editor does not know.

    """
    wanted = read(text)
    place = _mapping(wanted, path[:-1])
    if place.get(path[-1]) == value:
        return text
    place[path[-1]] = value
    line_end = "\r\n" if "\r\n" in text else "\n"
    mark, body = _without_mark(text)
    return _checked(mark + _put(body, path, value, line_end), wanted)


def remove(text: str, path: Sequence[str]) -> str:
    """The text without what is at `path`; raises as `put` does."""
    wanted = read(text)
    place = _mapping(wanted, path[:-1])
    if path[-1] not in place:
        return text
    del place[path[-1]]
    mark, body = _without_mark(text)
    return _checked(mark + _remove(body, path), wanted)


def _without_mark(text: str) -> tuple[str, str]:
    """The byte order mark, if there is one, and the rest: ruamel does not count it."""
    return ("\ufeff", text[1:]) if text.startswith("\ufeff") else ("", text)


def _remove(text: str, path: Sequence[str]) -> str:
    parent: Any = _root(text)
    holder = None
    for name in path[:-1]:
        holder = _find(parent, name)
        if holder is None:
            raise Unreadable(UNSAFE)
        parent = holder[1]
    children: list[tuple[Any, Any]] = parent.value
    index = [key.value for key, _ in children].index(path[-1])
    key, value = children[index]
    if parent.flow_style:
        start = children[index - 1][1].end_mark.index if index else key.start_mark.index
        at_next = not index and len(children) > 1
        return text[:start] + text[children[1][0].start_mark.index if at_next else value.end_mark.index :]
    if len(children) == 1 and holder is not None:
        return text[: holder[0].end_mark.index] + ": {}" + text[_end(parent) :]
    start = text.rfind("\n", 0, key.start_mark.index) + 1
    return text[:start] + text[_next_line(text, _end(value)) :]


def _put(text: str, path: Sequence[str], value: Any, line_end: str) -> str:
    node: Any = _root(text)
    if node is None:
        return _with_line_end(text, line_end) + _lines(path, value, "", line_end)
    pad = ""
    for depth, name in enumerate(path):
        found = _find(node, name)
        if found is None:
            return _insert(text, node, _Missing(path[depth:], value, line_end))
        key, inner = found
        if depth == len(path) - 1:
            return text[: key.end_mark.index] + ": " + _flow(value) + text[_end(inner) :]
        pad = " " * key.start_mark.column
        if not isinstance(inner, MappingNode):
            # Nothing, or `null`: `_mapping` has refused all else.
            colon = text.index(":", key.end_mark.index) + 1
            end = max(colon, _end(inner)) if inner.value else colon
            lines = _lines(path[depth + 1 :], value, pad + "  ", line_end)
            return text[:colon] + line_end + lines.removesuffix(line_end) + text[end:]
        node = inner
    raise AssertionError("a path has a last name")


class _Missing:
    """What is not there yet: the names from the first missing one, and the value at the last."""

    def __init__(self, path: Sequence[str], value: Any, line_end: str) -> None:
        self.path = path
        self.value = value
        self.line_end = line_end


def _insert(text: str, mapping: Any, missing: _Missing) -> str:
    children: list[tuple[Any, Any]] = mapping.value
    if mapping.flow_style:
        inner = missing.value
        for name in reversed(missing.path[1:]):
            inner = {name: inner}
        at = mapping.start_mark.index + 1
        return text[:at] + f"{json.dumps(missing.path[0])}: {_flow(inner)}" + (", " if children else "") + text[at:]
    at = _next_line(text, _end(children[-1][1]))
    pad = " " * children[0][0].start_mark.column
    head = _with_line_end(text[:at], missing.line_end)
    return head + _lines(missing.path, missing.value, pad, missing.line_end) + text[at:]


def _lines(path: Sequence[str], value: Any, pad: str, line_end: str) -> str:
    """The lines of a value within mappings of one member each."""
    lines: list[str] = []
    for name in path[:-1]:
        lines.append(f"{pad}{name}:")
        pad += "  "
    values = mapping(value)
    if values:
        lines.append(f"{pad}{path[-1]}:")
        lines += [f"{pad}  {name}: {_flow(inner)}" for name, inner in values.items()]
    else:
        lines.append(f"{pad}{path[-1]}: {_flow(value)}")
    return "".join(line + line_end for line in lines)


def _flow(value: Any) -> str:
    """A value on one line: JSON, which YAML understands; a plain word stays without quotes."""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9_ /.-]*[A-Za-z0-9]", value) and " #" not in value:
        return value if value.lower() not in {"true", "false", "null", "yes", "no", "on", "off"} else json.dumps(value)
    return json.dumps(value, ensure_ascii=False)


def _root(text: str) -> Any:
    yaml: Any = YAML(pure=True)
    return yaml.compose(text)


def _find(mapping: Any, name: str) -> tuple[Any, Any] | None:
    """The key and the value of a member, as ruamel's nodes."""
    return next((pair for pair in mapping.value if isinstance(pair[0], ScalarNode) and pair[0].value == name), None)


def _end(node: Any) -> int:
    """Where a value ends; the mark of a block stands behind the comments that follow it."""
    while node.id != "scalar" and not node.flow_style and node.value:
        node = node.value[-1][1] if node.id == "mapping" else node.value[-1]
    return node.end_mark.index


def _next_line(text: str, at: int) -> int:
    if text[at - 1 : at] == "\n":
        return at
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1


def _with_line_end(text: str, line_end: str) -> str:
    return text if not text.removeprefix("\ufeff") or text.endswith("\n") else text + line_end


def _mapping(document: Any, path: Sequence[str]) -> dict[str, Any]:
    place = mapping(document)
    if place is None:
        raise Unreadable("there should be a mapping")
    for name in path:
        if place.get(name) is None:
            place[name] = {}
        inner = mapping(place[name])
        if inner is None:
            raise Unreadable(f"{name!r} should be a mapping")
        place = inner
    return place


def _checked(changed: str, wanted: Any) -> str:
    try:
        is_as_wanted = read(changed) == wanted
    except (Unreadable, RecursionError):
        # A value that holds itself cannot be compared.
        is_as_wanted = False
    if not is_as_wanted:
        raise Unreadable(UNSAFE)
    return changed


def _where(error: Exception) -> str:
    """The place of an error without the text there, which may be a key."""
    mark = getattr(error, "problem_mark", None)
    # The sentence on a name that is there twice goes on with its values.
    problem = str(getattr(error, "problem", None) or type(error).__name__).partition(" with value ")[0]
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}" if mark else problem
