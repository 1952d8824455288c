"""Who asks: `Person`, and why a request is not answered where that is not known."""

import unicodedata
from dataclasses import dataclass
from typing import Final

from ..database.people import LOCAL

MAX_NAME: Final = 255
"""Characters of a person's name, as in OpenID's `sub`."""
_UNSEEN: Final = {"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"}
"""Control and format characters, such as those that turn the direction around, surrogates, what is not assigned, and
ends of lines."""


@dataclass(frozen=True, slots=True)
class Person:
    """A person that a token names."""

    key: str
    """Unique among all issuers: `ISSUER|SUBJECT`, `token|NAME` for a static token, `gateway|NAME` by a gateway."""
    groups: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    """What an issuer's token allows; the scopes of `GPT_IMAGE_2_OAUTH_SCOPES` do not concern other tokens."""
    is_scoped: bool = False


THE_ONE: Final = Person(LOCAL)
"""The one person of a server that takes no tokens."""


def is_name(text: object) -> bool:
    """Whether a value can name a person: a text of bounded length of which every character can be seen.

    Half of a surrogate pair fits into no database, and a name with characters that nobody sees looks like another one.
    """
    if not isinstance(text, str) or not 1 <= len(text) <= MAX_NAME or text != text.strip():
        return False
    return not any(unicodedata.category(letter) in _UNSEEN for letter in text)


class WrongToken(Exception):
    """The token is not accepted; the message says why, for the log alone."""


class CannotCheck(Exception):
    """Whether the token is good cannot be said at this moment; the message says why, for the log alone."""
