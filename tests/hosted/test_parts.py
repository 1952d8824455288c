"""The parts do what the tests of a hosted server take for granted."""

import http.server
import threading
from collections.abc import Iterator

import httpx2
import jwt
import pytest
from patience import PATIENCE_S

from .parts.haproxy import running_haproxy
from .parts.identity_provider import SERVICE, IdentityProvider
from .parts.nginx import running_nginx

RESOURCE = "http://127.0.0.1:1/mcp"


def claims_of(provider: IdentityProvider, token: str) -> dict[str, object]:
    """What a token says, checked with the key that the provider publishes for it."""
    keys = httpx2.get(f"{provider.issuer}/jwks", timeout=PATIENCE_S).json()["keys"]
    key = next(key for key in keys if key["kid"] == jwt.get_unverified_header(token)["kid"])
    return jwt.decode(token, jwt.PyJWK(key), audience=RESOURCE, issuer=provider.issuer)


def test_a_person_who_logs_in_gets_a_token_for_the_resource(identity_provider: IdentityProvider) -> None:
    claims = claims_of(identity_provider, identity_provider.token("alice", resource=RESOURCE))
    assert (claims["sub"], claims["scope"], claims["groups"]) == ("alice", "images", ["designers"])
    assert jwt.get_unverified_header(identity_provider.token("bob", resource=RESOURCE))["typ"] == "at+jwt"


def test_a_service_gets_a_token_without_a_person(identity_provider: IdentityProvider) -> None:
    claims = claims_of(identity_provider, identity_provider.service_token(resource=RESOURCE))
    assert claims["client_id"] == SERVICE[0]


def test_keys_can_be_rotated_and_tokens_be_signed_by_a_test(identity_provider: IdentityProvider) -> None:
    before = identity_provider.kid
    identity_provider.rotate()
    assert identity_provider.kid != before
    assert claims_of(identity_provider, identity_provider.sign({"aud": RESOURCE, "sub": "carol"}))["sub"] == "carol"
    token = identity_provider.token("carol", resource=RESOURCE)
    assert jwt.get_unverified_header(token)["kid"] == identity_provider.kid


def test_opaque_tokens_are_explained_to_the_service(identity_provider: IdentityProvider) -> None:
    identity_provider.give("opaque")
    try:
        token = identity_provider.token("alice", resource=RESOURCE)
    finally:
        identity_provider.give("jwt")
    answer = httpx2.post(identity_provider.introspection, data={"token": token}, auth=SERVICE, timeout=PATIENCE_S)
    assert (answer.json()["active"], answer.json()["sub"], answer.json()["aud"]) == (True, "alice", RESOURCE)


def test_the_provider_can_be_away_for_a_while(identity_provider: IdentityProvider) -> None:
    identity_provider.away()
    try:
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(f"{identity_provider.issuer}/jwks", timeout=PATIENCE_S)
    finally:
        identity_provider.back()
    assert httpx2.get(f"{identity_provider.issuer}/jwks", timeout=PATIENCE_S).is_success


@pytest.fixture
def page() -> Iterator[int]:
    """The port of a server that has nothing to give."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join(PATIENCE_S)


def test_haproxy_forwards(page: int) -> None:
    config = """
defaults
  mode http
  timeout connect 5s
  timeout client 90s
  timeout server 90s
listen pictures
  bind :443 ssl crt /etc/none.pem
  server one images-1:8000
  server two images-2:8000
"""
    with running_haproxy(config, [page]) as port:
        assert httpx2.get(f"http://127.0.0.1:{port}/", timeout=PATIENCE_S).status_code == 501


def test_nginx_forwards(page: int) -> None:
    config = """
upstream pictures {
  server images-1:8000;
  server images-2:8000;
}
server {
  listen 443 ssl;
  ssl_certificate /etc/none.pem;
  location / { proxy_pass http://pictures; }
}
"""
    with running_nginx(config, [page]) as port:
        assert httpx2.get(f"http://127.0.0.1:{port}/", timeout=PATIENCE_S).status_code == 501
