"""The keys with which an issuer signs: found by its metadata, kept while it is away, fetched anew when they change."""

import logging
import time
from collections.abc import Mapping
from typing import Any, Final, cast
from urllib.parse import urlsplit

import anyio
import httpx2

from .http_json import WITHIN_S, json_object
from .person import CannotCheck

logger = logging.getLogger(__name__)

FRESH_S: Final = 300.0
"""After which the keys are fetched again, so that one which the issuer took back is not accepted for long."""
PAUSE_S: Final = 10.0
"""Between two fetches, so that tokens with invented key ids cannot have the issuer asked each time."""
MAX_KEYS: Final = 100
_TYPES: Final = {"RSA", "EC", "OKP"}
"""Those with a private part that the issuer alone has; a shared secret proves nothing."""


class IssuerKeys:
    """The public keys of one issuer."""

    def __init__(self, issuer: str, client: httpx2.AsyncClient) -> None:
        """Fetch nothing yet."""
        self._issuer = issuer
        self._client = client
        self._keys: list[dict[str, Any]] = []
        self._fetched_at = self._tried_at = float("-inf")
        self._has_failed = False
        self._lock = anyio.Lock()

    async def key(self, kid: str | None, kind: str) -> Mapping[str, Any] | None:
        """The JWK of this id and key type; without an id the only one of the type. None if there is none.

        Raises:
            CannotCheck: it is not known, and the issuer cannot be asked at the moment.

        """
        found = self._find(kid, kind)
        is_fresh = time.monotonic() - self._fetched_at < FRESH_S
        if found is not None and (is_fresh or self._lock.locked()):
            return found
        async with self._lock:
            await self._refresh(is_known=found is not None)
        found = self._find(kid, kind) or (found if self._has_failed else None)
        if found is None and self._has_failed:
            raise CannotCheck("the keys of the issuer cannot be fetched")
        return found

    async def _refresh(self, *, is_known: bool) -> None:
        """Fetch the keys, unless that was done just now. Another call may have done it while this one waited."""
        now = time.monotonic()
        if now - self._tried_at < PAUSE_S or (is_known and now - self._fetched_at < FRESH_S):
            return
        self._tried_at = now
        try:
            with anyio.fail_after(WITHIN_S):
                self._keys = await self._fetch()
            self._fetched_at, self._has_failed = time.monotonic(), False
        except (CannotCheck, TimeoutError) as error:
            self._has_failed = True
            why = error if isinstance(error, CannotCheck) else f"no answer within {WITHIN_S:g} s"
            logger.warning("The keys of %s cannot be fetched: %s", self._issuer, why)

    def _find(self, kid: str | None, kind: str) -> dict[str, Any] | None:
        found = [key for key in self._keys if key.get("kty") == kind and (kid is None or key.get("kid") == kid)]
        return found[0] if len(found) == 1 or (found and kid is not None) else None

    async def _fetch(self) -> list[dict[str, Any]]:
        """The keys that the issuer signs with; raises CannotCheck."""
        metadata = await fetch_metadata(self._issuer, self._client)
        address = metadata.get("jwks_uri")
        if not isinstance(address, str):
            raise CannotCheck("its metadata has no jwks_uri")
        if self._issuer.startswith("https://") and not address.startswith("https://"):
            # A service of this computer would be asked on the word of a document.
            raise CannotCheck("its jwks_uri is not https")
        document = await json_object(self._client, "GET", address) or {}
        keys: Any = document.get("keys")
        if not isinstance(keys, list):
            raise CannotCheck(f"{address} has no keys")
        found = [cast("dict[str, Any]", key) for key in cast("list[Any]", keys)[:MAX_KEYS] if isinstance(key, dict)]
        return [key for key in found if key.get("kty") in _TYPES and key.get("use", "sig") == "sig" and "d" not in key]


async def fetch_metadata(issuer: str, client: httpx2.AsyncClient) -> dict[str, Any]:
    """The metadata of an authorization server (RFC 8414) or of an OpenID provider, which must name it as it is set.

    Raises:
        CannotCheck: there is none, or it is another's.

    """
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    places = dict.fromkeys(
        (
            f"{origin}/.well-known/oauth-authorization-server{path}",
            f"{origin}{path}/.well-known/openid-configuration",
            f"{origin}/.well-known/openid-configuration{path}",
        )
    )
    for place in places:
        found = await json_object(client, "GET", place)
        if found is None:
            continue
        if found.get("issuer") != issuer:
            raise CannotCheck(f"{place} is of the issuer {str(found.get('issuer'))[:200]!r}, not of {issuer!r}")
        return found
    raise CannotCheck(f"{issuer} has no metadata")
