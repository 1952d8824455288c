"""Puts values into TOML and removes them; tomlkit keeps everything else."""

import re
import tomllib
from collections.abc import MutableMapping, Sequence
from typing import Any, Final

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import InlineTable

from .unreadable import UNSAFE, Unreadable
from .values import mapping

TABLE_DEPTH: Final = 2
"""The names that lead to the table of a server: `[mcp_servers.NAME]`."""


def read(text: str) -> Any:
    """The document as Python values; raises Unreadable."""
    try:
        return tomllib.loads(_plain(text))
    except (ValueError, RecursionError) as error:
        raise Unreadable(str(error)) from None


def put(text: str, path: Sequence[str], value: Any) -> str:
    """The text with `value` at `path`; a mapping there becomes a table, and those within it inline tables.

    Raises:
        Unreadable: the text is no TOML, something else than a table is on the way, or tomlkit would change more.

    """
    wanted = read(text)
    place = _table(wanted, path[:-1])
    if place.get(path[-1]) == value:
        return text
    document = _parse(text)
    try:
        table: MutableMapping[str, Any] = document
        for name in path[:-1]:
            if name not in table:
                table[name] = tomlkit.table(is_super_table=True)
            table = table[name]
        values = mapping(value)
        is_table = len(path) == TABLE_DEPTH and not isinstance(table, InlineTable)
        table[path[-1]] = _as_table(values) if values is not None and is_table else _as_item(value)
        changed = tomlkit.dumps(document)
    except (TOMLKitError, ValueError, TypeError):
        raise Unreadable(UNSAFE) from None
    place[path[-1]] = value
    return _checked(text, changed, wanted)


def remove(text: str, path: Sequence[str]) -> str:
    """The text without what is at `path`; raises as `put` does."""
    wanted = read(text)
    place = _table(wanted, path[:-1])
    if path[-1] not in place:
        return text
    document = _parse(text)
    table: MutableMapping[str, Any] = document
    for name in path[:-1]:
        table = table[name]
    del table[path[-1]]
    del place[path[-1]]
    return _checked(text, tomlkit.dumps(document), wanted)


def _plain(text: str) -> str:
    return text.removeprefix("\ufeff")


def _parse(text: str) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(_plain(text))
    except TOMLKitError as error:
        raise Unreadable(str(error)) from None


def _table(document: dict[str, Any], path: Sequence[str]) -> dict[str, Any]:
    for name in path:
        inner = mapping(document.setdefault(name, {}))
        if inner is None:
            raise Unreadable(f"{name!r} should be a table")
        document = inner
    return document


def _as_table(value: dict[str, Any]) -> Any:
    table = tomlkit.table()
    for name, inner in value.items():
        table[name] = _as_item(inner)
    return table


def _as_item(value: Any) -> Any:
    values = mapping(value)
    if values is None:
        return value
    inline = tomlkit.inline_table()
    for name, inner in values.items():
        inline[name] = inner
    return inline


def _checked(text: str, changed: str, wanted: dict[str, Any]) -> str:
    """The changed document with the line ends of the old one, if it says what it should."""
    if "\r\n" in text and not re.search(r"(?<!\r)\n", text):
        changed = re.sub(r"(?<!\r)\n", "\r\n", changed)
    if text.startswith("\ufeff"):
        changed = "\ufeff" + changed
    said = read(changed)
    if said not in (wanted, {name: value for name, value in wanted.items() if value != {}}):
        raise Unreadable(UNSAFE)
    return changed
