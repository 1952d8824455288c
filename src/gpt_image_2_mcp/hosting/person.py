"""Who asks: `Person`, and why a request is not answered where that is not known."""

import re
from dataclasses import dataclass
from typing import Final

from ..database.people import LOCAL

MAX_NAME: Final = 255
"""Characters of a person's name, as in OpenID's `sub`."""


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
    """Whether a value can name a person: a text of bounded length without control characters."""
    return isinstance(text, str) and re.fullmatch(rf"[^\x00-\x1f\x7f]{{1,{MAX_NAME}}}", text) is not None


class WrongToken(Exception):
    """The token is not accepted; the message says why, for the log alone."""


class CannotCheck(Exception):
    """Whether the token is good cannot be said at this moment; the message says why, for the log alone."""
