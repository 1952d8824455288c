"""`words_of` splits a text into the words under which a picture is found; both databases index exactly these.

Case and diacritics do not count, in any script: "STRASSE" finds "Straße".
"""

import re
import unicodedata
from hashlib import sha256
from typing import Final

MAX_WORD_LENGTH: Final = 500
"""Characters of a word; longer ones are cut, since PostgreSQL's index takes at most 2,046 bytes."""

_WITHOUT_DECOMPOSITION: Final = str.maketrans(
    {"ı": "i", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "ħ": "h", "æ": "ae", "œ": "oe", "þ": "th"}  # noqa: RUF001
)
"""Letters with a stroke and the like, which Unicode does not take apart, in lower case."""
_KANA_MARKS: Final = frozenset("\u3099\u309a")
"""Without these a Japanese syllable is another one."""


def words_of(text: str) -> list[str]:
    """The distinct words of a text: runs of letters and digits, without case and diacritics."""
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    plain = "".join(
        character for character in apart if not unicodedata.combining(character) or character in _KANA_MARKS
    )
    whole = unicodedata.normalize("NFKC", plain).translate(_WITHOUT_DECOMPOSITION)
    return list(dict.fromkeys(word[:MAX_WORD_LENGTH] for word in re.findall(r"[^\W_]+", whole)))


def words_of_picture(prompt: str, picture_id: str) -> list[str]:
    """The words of a picture: those of its prompt and of its file's name, which is its id, without the kind."""
    return words_of(f"{prompt} {picture_id.partition('-')[2]}")


def mark_of(person: str | None) -> str:
    """What stands before each word of a person's pictures in the index; "" where no person is named.

    So a search goes through the words of one person, however many others there are. A word never holds the colon.
    """
    return "" if person is None else f"{sha256(person.encode()).hexdigest()[:8]}:"
