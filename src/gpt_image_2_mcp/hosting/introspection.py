"""Asks the issuer about opaque tokens (RFC 7662)."""

import hashlib
import time
from dataclasses import dataclass, field
from typing import Final

import anyio
import httpx2

from .claims import ClaimRules
from .http_json import WITHIN_S, json_object
from .person import CannotCheck, Person, WrongToken

KNOWN_FOR_S: Final = 30.0
"""How long an answer counts: for so long, a token that was taken back is still accepted."""
MAX_KNOWN: Final = 1000
"""Tokens whose answer is kept; beyond it the oldest is forgotten."""
MAX_AT_ONCE: Final = 8
"""Questions at once, so that invented tokens do not have the issuer asked without bound. Who waits for longer than an
answer may take is told to come again."""


@dataclass(slots=True)
class Introspection:
    """Checks opaque tokens of one issuer."""

    rules: ClaimRules
    address: str
    auth: tuple[str, str]
    """The name and the secret of this server there."""
    client: httpx2.AsyncClient
    _known: dict[bytes, tuple[float, Person | None]] = field(default_factory=dict[bytes, tuple[float, Person | None]])
    """Until when a token counts as that of a person, or (None) as wrong; by its hash."""
    _asking: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(MAX_AT_ONCE))

    async def person(self, token: str) -> Person:
        """Whose token it is.

        Raises:
            WrongToken: it is not accepted.
            CannotCheck: the issuer cannot be asked.

        """
        digest = hashlib.sha256(token.encode()).digest()
        until, person = self._known.get(digest, (0.0, None))
        if until < time.monotonic():
            until, person = await self._ask(token)
            self._known.pop(digest, None)
            self._known[digest] = until, person
            while len(self._known) > MAX_KNOWN:
                del self._known[next(iter(self._known))]
        if person is None:
            raise WrongToken("the issuer does not accept it for this server")
        return person

    async def _ask(self, token: str) -> tuple[float, Person | None]:
        form = {"token": token, "token_type_hint": "access_token"}
        try:
            with anyio.fail_after(WITHIN_S):
                await self._asking.acquire()
        except TimeoutError:
            raise CannotCheck(f"{self.address} is asked about too many tokens") from None
        try:
            answer = await json_object(self.client, "POST", self.address, form=form, auth=self.auth)
        finally:
            self._asking.release()
        if answer is None:
            raise CannotCheck(f"{self.address} is not found")
        now = time.monotonic()
        if answer.get("active") is not True:
            return now + KNOWN_FOR_S, None
        try:
            # The issuer need not repeat its name, since it was asked itself.
            person = self.rules.person({"iss": self.rules.issuer, **answer})
        except WrongToken:
            return now + KNOWN_FOR_S, None
        return now + min(KNOWN_FOR_S, max(0.0, float(answer["exp"]) - time.time())), person
