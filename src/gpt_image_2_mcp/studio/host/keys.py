"""What opens the studio in the browser: a token, and codes that are each exchanged for it once.

The browser is started with a code in its address and not with the token: other users of the computer can read the
arguments of every process, and by the time that they do, the code has been used.
"""

import hmac
import secrets


class Keys:
    """The token of one run of the command, and the codes that were given out for it."""

    def __init__(self) -> None:
        """Make a token."""
        self.token = secrets.token_urlsafe(32)
        self._codes: set[str] = set()

    def new_code(self) -> str:
        """A code that is exchanged for the token once."""
        code = secrets.token_urlsafe(32)
        self._codes.add(code)
        return code

    def exchange(self, code: str) -> str | None:
        """The token, if the code is one that was not used yet."""
        if code not in self._codes:
            return None
        self._codes.remove(code)
        return self.token

    def is_token(self, text: str) -> bool:
        """Whether a text is the token."""
        return hmac.compare_digest(text.encode(errors="replace"), self.token.encode())
