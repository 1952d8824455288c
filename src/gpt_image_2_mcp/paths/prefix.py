"""`safe_prefix` makes the part of a picture's file name that a caller may choose."""

import unicodedata

from .plain_names import is_windows_device

MAX_PREFIX = 40
"""Characters of a file name that a caller chooses: readable in a list, and far below every system's limit of 255."""
MAX_PREFIX_BYTES = 100
"""The same in UTF-8, since many file systems count bytes."""

_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0")
"""Letters and marks that are drawn as nothing, besides the variation selectors."""


def safe_prefix(text: str) -> str:
    """The start of a file name that is safe on every system: letters, digits and "_" of every script, or "".

    Everything else becomes "-". At most `MAX_PREFIX` characters; a letter is not parted from its marks. A name that
    Windows reserves for a device gets a "_" at its end.
    """
    kept = ""
    # Cut before normalizing: NFKC can expand one character to eighteen, and only `MAX_PREFIX` are needed.
    for character in unicodedata.normalize("NFKC", text[: 4 * MAX_PREFIX]):
        if _is_kept(character, kept[-1:]):
            kept += character
        elif kept and kept[-1] != "-":
            kept += "-"
    prefix = _cut(unicodedata.normalize("NFKC", kept)).strip("-")
    return f"{prefix}_" if is_windows_device(prefix) else prefix


def _is_kept(character: str, before: str) -> bool:
    if character == "_":
        return True
    if character in _INVISIBLE or "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef":
        return False
    kind = unicodedata.category(character)[0]
    return kind in "LN" or (kind == "M" and before not in {"", "-", "_"})


def _cut(text: str) -> str:
    end = min(len(text), MAX_PREFIX)
    while len(text[:end].encode()) > MAX_PREFIX_BYTES or (
        0 < end < len(text) and unicodedata.category(text[end])[0] == "M"
    ):
        end -= 1
    return text[:end]
