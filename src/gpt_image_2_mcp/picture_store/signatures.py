"""Signs the links of a folder store, which this server answers itself: with HMAC-SHA256, for one file, until a time."""

import hmac
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

_PURPOSE: Final = b"gpt-image-2 links of a folder store"


class Signer:
    """Signs and checks with a secret that all replicas have."""

    def __init__(self, secret: bytes) -> None:
        """Derive the key: what is signed with it is of no use where the secret itself signs other things."""
        self._key = hmac.digest(secret, _PURPOSE, sha256)

    def sign(self, *parts: str | int) -> str:
        """The signature of a method, a key, an end and what else is fixed, in letters for an address."""
        text = "\n".join(map(str, parts)).encode()
        return urlsafe_b64encode(hmac.digest(self._key, text, sha256)).rstrip(b"=").decode()

    def is_valid(self, signature: str, *parts: str | int, ends: int) -> bool:
        """Whether a signature is that of these parts, and its end has not come. No time tells how wrong one is."""
        is_right = hmac.compare_digest(self.sign(*parts).encode(), signature.encode())
        return is_right and datetime.now(UTC).timestamp() < ends
