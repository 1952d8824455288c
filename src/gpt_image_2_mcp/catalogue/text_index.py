"""The words of a prompt, as SQLite's index takes them; PostgreSQL's own parser finds addresses and file names in it."""

import re
import unicodedata
from typing import Final

MAX_WORD_LENGTH: Final = 500
"""Characters of a word that count: PostgreSQL's index takes 2,046 bytes."""


def words_of(text: str) -> list[str]:
    """The words of a text, each once: runs of letters and digits, in lower case, Latin letters without diacritics."""
    # Marks on other letters make them other letters, such as the one that makes й of и.
    apart = re.sub(r"(?<=[A-Za-z])[\u0300-\u036f]+", "", unicodedata.normalize("NFD", text))
    # A mark that makes no letter with what it stands on belongs to that word, and is nothing to look for.
    composed = re.sub(r"[\u0300-\u036f]+", "", unicodedata.normalize("NFC", apart))
    whole = composed.lower().replace("\N{GREEK SMALL LETTER FINAL SIGMA}", "\N{GREEK SMALL LETTER SIGMA}")
    return list(dict.fromkeys(word[:MAX_WORD_LENGTH] for word in re.findall(r"[^\W_]+", whole)))
