"""`words_of` splits a text into words as SQLite's full-text index does.

PostgreSQL's index is filled with these words: its own parser would find URLs and file names in a prompt instead.
"""

import re
import unicodedata
from typing import Final

MAX_WORD_LENGTH: Final = 500
"""Characters of a word; longer ones are cut, since PostgreSQL's index takes at most 2,046 bytes."""


def words_of(text: str) -> list[str]:
    """The distinct words of a text: runs of letters and digits in lower case, Latin letters without diacritics."""
    # Only Latin letters lose their marks: in other scripts a mark makes another letter, such as й from и.
    apart = re.sub(r"(?<=[A-Za-z])[\u0300-\u036f]+", "", unicodedata.normalize("NFD", text))
    # A mark that forms no letter with the one before it is dropped; it must not split the word.
    composed = re.sub(r"[\u0300-\u036f]+", "", unicodedata.normalize("NFC", apart))
    whole = composed.lower().replace("\N{GREEK SMALL LETTER FINAL SIGMA}", "\N{GREEK SMALL LETTER SIGMA}")
    return list(dict.fromkeys(word[:MAX_WORD_LENGTH] for word in re.findall(r"[^\W_]+", whole)))
