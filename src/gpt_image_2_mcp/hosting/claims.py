"""What the claims of an issuer's token must say, whether they stand in a JWT or in an answer about an opaque token."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from ..hosted_settings import HostedSettings
from .person import Person, WrongToken, is_name

LEEWAY_S: Final = 30
"""By how much the clocks of the issuer and of this server may differ."""
_NEVER: Final = 1e12
"""Seconds since 1970, beyond all that is meant."""


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """What a token has to claim."""

    issuer: str
    audience: str
    person_claim: str
    groups_claim: str

    @classmethod
    def of(cls, hosted: HostedSettings) -> "ClaimRules":
        """The rules of the settings, which name an issuer and an audience."""
        assert hosted.oauth_issuer is not None, "the start refuses otherwise"
        assert hosted.audience is not None, "the start refuses otherwise"
        return cls(hosted.oauth_issuer, hosted.audience, hosted.person_claim, hosted.groups_claim)

    def person(self, claims: Mapping[str, Any]) -> Person:
        """Whose token it is; raises WrongToken if it is not for this server, or not now."""
        if claims.get("iss") != self.issuer:
            raise WrongToken("it is of another issuer")
        if not {self.audience, f"{self.audience}/"} & _texts(claims.get("aud")):
            raise WrongToken("it is for another audience")
        now = time.time()
        expires, begins, issued = (_time(claims, name) for name in ("exp", "nbf", "iat"))
        if expires is None or expires + LEEWAY_S <= now:
            raise WrongToken("it has expired, or does not say when it does")
        if max(begins or 0, issued or 0) - LEEWAY_S > now:
            raise WrongToken("it is not valid yet")
        subject = claims.get(self.person_claim)
        if not is_name(subject):
            raise WrongToken(f"its claim {self.person_claim!r} names no person")
        scopes = _texts(claims.get("scope"), split=True) | _texts(claims.get("scp"), split=True)
        groups = _texts(claims.get(self.groups_claim))
        return Person(f"{self.issuer}|{subject}", frozenset(groups), frozenset(scopes), is_scoped=True)


def _texts(value: object, *, split: bool = False) -> set[str]:
    """The texts of a claim that is one text, or a list of them; with `split`, one text has several."""
    if isinstance(value, str):
        return set(value.split()) if split else {value}
    return {one for one in cast("list[Any]", value) if isinstance(one, str)} if isinstance(value, list) else set()


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _NEVER:
        raise WrongToken(f"its claim {name!r} is no time")
    return value
