"""Redacts the API key in a text, such as an error message of a backend that repeats it.

A backend may repeat it in other spellings: in base64 or hex, backwards, in other letters' case, with blanks or signs
between. So letters and digits alone are compared, without their case, with those of each spelling.
"""

import base64
import codecs
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

MIN_KEY_PIECE = 8
"""So many characters of the key in a row are redacted; fewer are the `sk-` of every key, or coincidence."""
MIN_REAL_KEY = 16
"""Characters of the shortest key that is no word that a person made up for a proxy of their own."""
REDACTED = "[the key]"


def redact_key_bytes(content: bytes, key: str) -> bytes:
    """Replace the key in the bytes of an answer that is kept in a file; pictures are not touched."""
    return content.replace(key.encode(), REDACTED.encode())


def redact_key(text: str, key: str) -> str:
    """Replace each run of `MIN_KEY_PIECE` characters or more of the key with `[the key]`, whatever its spelling.

    Pieces are redacted as well as the whole, since long messages are cut, and may be cut within the key.
    """
    size, pieces = _pieces(key)
    compared, places = _compared(text, key)
    redacted, kept_from = list[str](), 0
    begin = end = -1
    for at in range(len(compared) - size + 1):
        if compared[at : at + size] not in pieces:
            continue
        first = places[at]
        if first > end:
            if end >= 0:
                redacted += [text[kept_from:begin], REDACTED]
                kept_from = end
            begin = first
        end = places[at + size - 1] + 1
    if end >= 0:
        redacted += [text[kept_from:begin], REDACTED]
        kept_from = end
    return "".join([*redacted, text[kept_from:]])


@lru_cache(maxsize=4)
def _pieces(key: str) -> tuple[int, frozenset[str]]:
    """The length of the pieces that are looked for, and the pieces of the key in all spellings."""
    size = min(MIN_KEY_PIECE, len(key))
    found = set[str]()
    for spelling in _spellings(key):
        compared, _ = _compared(spelling, key)
        found |= {compared[at : at + size] for at in range(len(compared) - size + 1)}
    return size, frozenset(found)


def _spellings(key: str) -> Iterator[str]:
    yield key
    if len(key) < MIN_REAL_KEY:
        return
    data = key.encode()
    yield from (key[::-1], codecs.encode(key, "rot13"), " ".join(map(str, data)))
    # In JSON, HTML and code each byte has a mark of its own, and a per cent sign may be encoded again.
    marked = ("{:02x}", "x{:02x}", "0x{:02x}", "u{:04x}", "25{:02x}", "{:03o}")
    encoded = ["".join(map(mark.format, data)) for mark in marked]
    # The same bytes are other letters of base64 at each offset; those at the ends depend on the others.
    encoded += [
        base64.b64encode(bytes(padding) + text).decode().rstrip("=")[2 * padding : -2]
        for text in (data, key.encode("utf-16-le"), base64.b64encode(data))
        for padding in range(3)
    ]
    encoded += [base64.b32encode(bytes(padding) + data).decode().rstrip("=")[2 * padding : -2] for padding in range(5)]
    for text in encoded:
        yield from (text, text[::-1])


def _compared(text: str, key: str) -> tuple[str, list[int]]:
    """What of a text is compared with the key, and the place of each character in the text.

    Those are its letters and digits in lower case; for a short key, which may be a word of everyday use, all of it.
    """
    if len(key) < MIN_REAL_KEY:
        return text, list(range(len(text)))
    found = [(char.lower(), at) for at, char in enumerate(_plain_letters(text)) if char.isascii() and char.isalnum()]
    return "".join(char for char, _ in found), [at for _, at in found]


def _plain_letters(text: str) -> str:
    """The text with letters in place of their wide, bold and other forms, each in its place."""
    if text.isascii():
        return text
    return "".join(char if char.isascii() else unicodedata.normalize("NFKC", char)[0] for char in text)
