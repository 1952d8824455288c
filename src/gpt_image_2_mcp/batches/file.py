"""Reads the items of a batch from a `.jsonl` or `.csv` file.

A file is named by a model, which may have been told to read another one than the person means. So it is taken from few
folders, and an error says the line and the column, and nothing of what is in them.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

from ..errors import BadRequest, shown
from ..parameters.models import EditRequest
from ..parameters.normalize import normalize
from .lines import COLUMNS, Item

MAX_FILE_BYTES: Final = 5_000_000
MAX_FILE_LINES: Final = 10_000
MAX_ITEMS: Final = MAX_FILE_LINES
SUFFIXES: Final = (".jsonl", ".csv")
MAX_COLUMNS: Final = 100
BETWEEN_IMAGES: Final = "|"
"""What stands between several pictures in a cell."""

_KNOWN: Final = f"The columns are {', '.join(COLUMNS)}."


def check_suffix(name: str) -> None:
    """Check the ending of a file's name; raises BadRequest."""
    if not name.lower().endswith(SUFFIXES):
        raise BadRequest(
            f"`file` must be a .jsonl file with a JSON object a line, or a .csv file with a header; got {shown(name)}."
        )


def parse_file(name: str, data: bytes) -> list[Item]:
    """The items in a file of this name.

    Raises:
        BadRequest: the file is too long, or a line is no item; the message says which.

    """
    check_suffix(name)
    if len(data) > MAX_FILE_BYTES:
        raise BadRequest(f"`file` may have {MAX_FILE_BYTES:,} bytes, and {shown(name)} has {len(data):,}: divide it.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadRequest(f"Line {line} of {shown(name)} is no UTF-8: save the file as UTF-8.") from None
    read: Callable[[str], Iterator[Item]] = _read_csv if name.lower().endswith(".csv") else _read_jsonl
    items: list[Item] = []
    for item in read(text):
        items.append(item)
        if len(items) > MAX_FILE_LINES:
            raise BadRequest(f"`file` may have {MAX_FILE_LINES:,} lines, and {shown(name)} has more: divide it.")
    if not items:
        raise BadRequest(f"{shown(name)} has no items. {_KNOWN}")
    return items


def _read_jsonl(text: str) -> Iterator[Item]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"Line {number}"
        try:
            found: object = json.loads(line)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise BadRequest(f"{where} is no JSON object on one line.")
        yield _item(where, cast("dict[str, Any]", found))


def _read_csv(text: str) -> Iterator[Item]:
    first = text.partition("\n")[0]
    # Spreadsheets write semicolons where the comma is in numbers.
    separator = ";" if ";" in first and "," not in first else ","
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    number = 1
    try:
        header = [name.strip() for name in next(rows, list[str]())]
        _check_columns("Line 1", header)
        if len(set(header)) < len(header):
            raise BadRequest("Line 1: two columns have the same name.")
        number = rows.line_num + 1
        for row in rows:
            where = f"Line {number}"
            if len(row) > len(header):
                raise BadRequest(f"{where} has {len(row)} columns, and the header has {len(header)}.")
            cells = {name: cell for name, cell in zip(header, row, strict=False) if cell.strip()}
            if cells:
                yield _item(where, {name: _cell(name, cell) for name, cell in cells.items()})
            number = rows.line_num + 1
    except csv.Error:
        raise BadRequest(f"Line {number} is no row of a CSV file: check its quotes.") from None


def _cell(name: str, cell: str) -> Any:
    if name != "images":
        return cell
    return [part.strip() for part in cell.split(BETWEEN_IMAGES) if part.strip()]


def _item(where: str, given: Mapping[str, Any]) -> Item:
    _check_columns(where, list(given))
    return Item(where, given, is_hidden=True)


def _check_columns(where: str, names: list[str]) -> None:
    """Check that each name is one of an item's parameters, in any of its spellings; raises BadRequest."""
    if len(names) > MAX_COLUMNS:
        raise BadRequest(f"{where} has more than {MAX_COLUMNS} columns. {_KNOWN}")
    for position, name in enumerate(names, start=1):
        if name != "name" and not set(normalize(EditRequest, {name: "x"})) <= set(COLUMNS):
            raise BadRequest(f"{where}, column {position}: there is no such parameter. {_KNOWN}")
