"""Names of folders that mean nothing to a shell, to an operating system or to a reader's eye.

A folder's name is chosen by a model, and is read later by programs and people: a name that begins with a dash is an
option, `$(…)` is a command, `CON` a device, and a direction mark shows a name that the folder does not have.
"""

import re
import unicodedata
from pathlib import Path
from typing import Final

ALLOWED: Final = (
    "letters, digits, spaces and . , _ ( ) + @ = ~ -, beginning with a letter, a digit or _; no device of Windows, as"
    " CON"
)
"""What a plain name is made of, for error messages."""

WINDOWS_DEVICES: Final = frozenset(
    {"con", "prn", "aux", "nul", "clock", "conin", "conout"}
    | {f"{port}{number}" for port in ("com", "lpt") for number in range(10)}
)
"""Names that Windows takes for devices, in every folder and with any extension, in lower case."""

_PUNCTUATION: Final = frozenset(" .,_()+@=~-")
_DEFAULT: Final = "pictures"


def is_utf8(path: Path) -> bool:
    """Whether a path is text: neither a database nor a record can name one whose bytes are no UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def is_plain(name: str) -> bool:
    """Whether a new folder may have this name."""
    # The ends are compared in the form that other programs may make of them: a wide full stop hides a folder too.
    folded = unicodedata.normalize("NFKC", name)
    return (
        bool(folded)
        and all(map(_is_plain_character, name))
        and _is_first_character(name[0])
        and _is_first_character(folded[0])
        and folded[-1] not in ". "
        and not is_windows_device(name)
    )


def suggest_plain(name: str) -> str:
    """A plain name that is like `name`; the name itself if it is plain."""
    if is_plain(name):
        return name
    letters = "".join(character if _is_plain_character(character) else "\0" for character in name)
    words = re.sub(r"[\0-]*\0[\0-]*", "-", letters).rstrip(" .,()+@=~-")
    while words and not is_plain(words[0]):
        words = words[1:]
    if is_windows_device(words):
        words = f"_{words}"
    return words if is_plain(words) else _DEFAULT


def is_windows_device(name: str) -> bool:
    """Whether Windows takes a name for a device; `COM¹` is one, as `COM1` is."""
    return unicodedata.normalize("NFKC", re.split(r"[.:$ ]", name)[0]).lower() in WINDOWS_DEVICES


def _is_plain_character(character: str) -> bool:
    # A wide semicolon becomes ";" in programs that convert a name to an older character set.
    for found in unicodedata.normalize("NFKC", character):
        if found.isascii():
            if not (found.isalnum() or found in _PUNCTUATION):
                return False
        # Control, format, direction and unassigned characters, and spaces that do not look like one or break lines.
        elif unicodedata.category(found)[0] in "CZ":
            return False
    return character == " " or unicodedata.category(character)[0] not in "CZ"


def _is_first_character(character: str) -> bool:
    if character.isascii():
        return character.isalnum() or character == "_"
    return unicodedata.category(character)[0] != "M"
