"""Checks access tokens that are JWTs (RFC 9068) with the public keys of the issuer."""

import json
from collections.abc import Mapping
from typing import Any, Final, cast

import jwt

from .claims import ClaimRules
from .issuer_keys import IssuerKeys
from .person import Person, WrongToken

ALGORITHMS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    **dict.fromkeys(("ES256", "ES384", "ES512"), "EC"),
    "EdDSA": "OKP",
}
"""The accepted ones, with the type of their keys: asymmetric ones alone, so that no public key serves as a secret."""

_KINDS: Final = {"", "jwt", "at+jwt", "application/at+jwt"}
_CHECKS: Final = {"verify_aud": False, "verify_iss": False, "verify_exp": False, "verify_nbf": False}
"""Of PyJWT, the signature alone is used here: `ClaimRules` checks the claims, of opaque tokens too."""


def is_jwt(token: str) -> bool:
    """Whether a token looks like a signed JWT, and not like an opaque one."""
    return token.count(".") == 2 and token.startswith("eyJ")  # noqa: PLR2004, three parts


class JwtTokens:
    """Checks the JWTs of one issuer."""

    def __init__(self, rules: ClaimRules, keys: IssuerKeys) -> None:
        """Check claims by `rules`, and signatures with `keys`."""
        self._rules = rules
        self._keys = keys

    async def person(self, token: str) -> Person:
        """Whose token it is.

        Raises:
            WrongToken: it is not accepted.
            CannotCheck: the issuer's keys cannot be fetched.

        """
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise WrongToken("it is no JWT") from None
        algorithm, kid = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
            raise WrongToken("its algorithm is not accepted")
        if str(header.get("typ") or "").lower() not in _KINDS or "crit" in header:
            raise WrongToken("it is a JWT of another kind")
        key = await self._keys.key(kid if isinstance(kid, str) else None, ALGORITHMS[algorithm])
        if key is None or key.get("alg", algorithm) != algorithm:
            raise WrongToken("the issuer has no such key")
        try:
            known = jwt.PyJWK(dict(key), algorithm)
            claims: Any = jwt.decode(token, known, algorithms=[algorithm], options=cast("Any", _CHECKS))
        except (jwt.PyJWTError, json.JSONDecodeError, ValueError, TypeError, RecursionError):
            raise WrongToken("its signature is not the issuer's") from None
        return self._rules.person(cast("dict[str, Any]", claims))
