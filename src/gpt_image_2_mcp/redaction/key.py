"""Redacts the API key in a text, such as an error message of a backend that repeats it."""

from itertools import groupby

MIN_KEY_PIECE = 8
"""So many characters of the key in a row are redacted; fewer are the `sk-` of every key, or coincidence."""


def redact_key_bytes(content: bytes, key: str) -> bytes:
    """Replace the key in the bytes of an answer that is kept in a file; pictures are not touched."""
    return content.replace(key.encode(), b"[the key]")


def redact_key(text: str, key: str) -> str:
    """Replace each run of `MIN_KEY_PIECE` characters or more of the key with `[the key]`.

    Pieces are redacted as well as the whole, since long messages are cut, and may be cut within the key.
    """
    size = min(MIN_KEY_PIECE, len(key))
    pieces = {key[at : at + size] for at in range(len(key) - size + 1)}
    found = (at for at in range(len(text) - size + 1) if text[at : at + size] in pieces)
    hidden = {index for at in found for index in range(at, at + size)}
    runs = groupby(enumerate(text), lambda indexed: indexed[0] in hidden)
    return "".join("[the key]" if is_key else "".join(char for _, char in run) for is_key, run in runs)
