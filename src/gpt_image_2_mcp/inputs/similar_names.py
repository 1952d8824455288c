"""Finds the file that a path means when no file has exactly that name: people and models write names from memory.

macOS puts a narrow no-break space into the names of screenshots, for example, and models write an ordinary one. Only
names are compared here; the caller checks what may be read.
"""

import os
import re
import unicodedata
from collections.abc import Callable
from difflib import SequenceMatcher
from pathlib import Path

MAX_NAMES = 20_000
"""Names of a folder that are looked through."""
_MAX_NEAR = 3
_LEAST_LIKENESS = 0.6
_PICTURE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif"}
)
_QUOTES = {'"': '"', "'": "'", "`": "`", "\u201c": "\u201d", "\u2018": "\u2019", "\u00ab": "\u00bb", "\u201e": "\u201c"}
_OTHER_MARKS = {
    **dict.fromkeys("\"'`\u00b4\u2032\u2033\u2035\u2036\u02b9\u02bb\u02bc\u02bd\u02ee\uff02\uff07\uff40", "'"),
    **dict.fromkeys("\u2212\u00ad\ufe63\uff0d\u30fc\uff70", "-"),
}
"""Marks beside those that Unicode files under quotation marks (Pi, Pf) and dashes (Pd)."""


def unquoted(text: str) -> str:
    """A path without what a shell or a chat puts around it: a leading `@`, one pair of quotes, backslashes."""
    path = text.strip().removeprefix("@").strip()
    if len(path) > 1 and path[-1] == _QUOTES.get(path[0]):
        path = path[1:-1].strip()
    # A backslash is a part of every path of Windows.
    return path if os.name == "nt" or re.match(r"[A-Za-z]:\\", path) else re.sub(r"\\(.)", r"\1", path)


def folded_name(name: str) -> str:
    """A name for comparing: compatible characters, kinds of blanks, quotation marks and dashes, and case are equal."""
    marked = "".join(_folded_mark(character) for character in unicodedata.normalize("NFC", name))
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", marked).casefold()).split())


def same_names(path: Path) -> list[Path]:
    """The files in the folder of `path` whose names are equal to its name once both are folded. Blocks."""
    wanted = folded_name(path.name)
    return sorted(path.with_name(name) for name in _names(path.parent) if folded_name(name) == wanted)


def near_names(path: Path, *, is_readable: Callable[[Path], bool]) -> list[str]:
    """Up to three names of readable pictures in the folder of `path` that look like its name, the nearest first."""
    matcher = SequenceMatcher(b=folded_name(path.stem))
    near: list[tuple[float, str]] = []
    for name in _names(path.parent):
        one = Path(name)
        if one.suffix.lower() not in _PICTURE_SUFFIXES:
            continue
        matcher.set_seq1(folded_name(one.stem))
        if matcher.real_quick_ratio() >= _LEAST_LIKENESS and matcher.quick_ratio() >= _LEAST_LIKENESS:
            near.append((-matcher.ratio(), name))
    close = [name for likeness, name in sorted(near) if -likeness >= _LEAST_LIKENESS]
    return [name for name in close if is_readable(path.with_name(name))][:_MAX_NEAR]


def _folded_mark(character: str) -> str:
    if character in _OTHER_MARKS:
        return _OTHER_MARKS[character]
    match unicodedata.category(character):
        case "Pi" | "Pf" | "Ps" if "QUOTATION" in unicodedata.name(character, ""):
            return "'"
        case "Pd":
            return "-"
        case "Zs":
            return " "
        case "Cf":
            # Marks of direction, which Windows puts in front of a copied path, and joiners: they are not seen.
            return ""
        case _:
            return character


def _names(folder: Path) -> list[str]:
    """The names of the files of a folder, at most `MAX_NAMES`; none where it cannot be listed."""
    names: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if len(names) >= MAX_NAMES:
                    break
                if not entry.is_dir():
                    names.append(entry.name)
    except OSError:
        return []
    return names
