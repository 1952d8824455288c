"""Who is let in: tokens of the file, of an identity provider and of a gateway, and every kind of wrong one."""

import base64
import hashlib
import hmac
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anyio
import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fault_proxy import until
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from patience import PATIENCE_S
from promises import promise
from pydantic import AnyUrl

from gpt_image_2_mcp.errors import NotConfigured
from gpt_image_2_mcp.hosting.static_tokens import StaticTokens, read_tokens_file

from .conftest import ALICE, BOB, GATEWAY, RESOURCE
from .parts.identity_provider import REDIRECT, IdentityProvider, new_key
from .served import ERAS, Era, Served, drawn, write_tokens

pytestmark = pytest.mark.anyio

METADATA = "https://images.example.com/.well-known/oauth-protected-resource/mcp"


def now() -> int:
    return int(time.time())


def with_none(provider: IdentityProvider) -> str:
    """Unsigned, as RFC 7519 allows it."""
    parts = provider.sign({"aud": RESOURCE}).split(".")
    header = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').rstrip(b"=").decode()
    return f"{header}.{parts[1]}."


def with_public_key_as_secret(provider: IdentityProvider) -> str:
    """Signed with what everybody knows, which a check takes that lets the token name any algorithm."""
    public = provider.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    parts = provider.sign({"aud": RESOURCE}).split(".")
    header = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": provider.kid}).encode()).rstrip(b"=")
    signed = header + b"." + parts[1].encode()
    sign = base64.urlsafe_b64encode(hmac.digest(public, signed, "sha256")).rstrip(b"=")
    return (signed + b"." + sign).decode()


def own_claims(provider: IdentityProvider) -> dict[str, Any]:
    return {"iss": provider.issuer, "aud": RESOURCE, "sub": "alice", "exp": now() + 600, "scope": "images"}


def tampered(provider: IdentityProvider) -> str:
    header, claims, sign = provider.sign({"aud": RESOURCE}).split(".")
    changed = json.loads(base64.urlsafe_b64decode(claims + "=="))
    changed["sub"] = "olga"
    return f"{header}.{base64.urlsafe_b64encode(json.dumps(changed).encode()).rstrip(b'=').decode()}.{sign}"


WRONG: Mapping[str, Callable[[IdentityProvider], str]] = {
    "unsigned": with_none,
    "signed with the public key as a secret": with_public_key_as_secret,
    "signed with another key": lambda p: jwt.encode(own_claims(p), new_key(), "RS256", {"kid": p.kid}),
    "signed with a key of its own header": lambda p: jwt.encode(
        own_claims(p), ec.generate_private_key(ec.SECP256R1()), "ES256", {"jwk": {"kty": "EC"}}
    ),
    "of a key that is not there": lambda p: p.sign({"aud": RESOURCE}, header={"kid": "other"}),
    "tampered with": tampered,
    "for another audience": lambda p: p.sign({"aud": "https://other.example.com/mcp"}),
    "for an audience that only begins so": lambda p: p.sign({"aud": RESOURCE + "/admin"}),
    "for nobody in particular": lambda p: p.sign({"aud": None}),
    "for the client, as an identity token": lambda p: p.sign({"aud": "client"}, header={"typ": "JWT"}),
    "of another kind": lambda p: p.sign({"aud": RESOURCE}, header={"typ": "logout+jwt"}),
    "with critical extensions": lambda p: p.sign({"aud": RESOURCE}, header={"crit": ["exp"], "exp": 1}),
    "of another issuer": lambda p: p.sign({"aud": RESOURCE, "iss": "https://evil.example.com"}),
    "of an issuer with a slash": lambda p: p.sign({"aud": RESOURCE, "iss": f"{p.issuer}/"}),
    "expired": lambda p: p.sign({"aud": RESOURCE, "exp": now() - 60}),
    "without an end": lambda p: p.sign({"aud": RESOURCE, "exp": None}),
    "with an odd end": lambda p: p.sign({"aud": RESOURCE, "exp": 1e300}),
    "not yet valid": lambda p: p.sign({"aud": RESOURCE, "nbf": now() + 600}),
    "of nobody": lambda p: p.sign({"aud": RESOURCE, "sub": None}),
    "of an empty name": lambda p: p.sign({"aud": RESOURCE, "sub": ""}),
    "of a name with a line break": lambda p: p.sign({"aud": RESOURCE, "sub": "alice\nolga"}),
    "of a very long name": lambda p: p.sign({"aud": RESOURCE, "sub": "a" * 256}),
    "of a name with half a character": lambda p: p.sign({"aud": RESOURCE, "sub": "\ud800"}),
    "of a name that is turned around": lambda p: p.sign({"aud": RESOURCE, "sub": "\u202ealice"}),
    "of a name that looks like another": lambda p: p.sign({"aud": RESOURCE, "sub": "alice\u200b"}),
    "of a name with a space around it": lambda p: p.sign({"aud": RESOURCE, "sub": " alice"}),
    "of a name that ends a line": lambda p: p.sign({"aud": RESOURCE, "sub": "alice\u2028"}),
    "of a name that is a number": lambda p: p.sign({"aud": RESOURCE, "sub": 7}),
    "of several names": lambda p: p.sign({"aud": RESOURCE, "sub": ["alice", "olga"]}),
    "with a list in its audience": lambda p: p.sign({"aud": [[RESOURCE]]}),
    "with its audience as a name": lambda p: p.sign({"aud": {RESOURCE: 1}}),
    "with its end as a text": lambda p: p.sign({"aud": RESOURCE, "exp": str(now() + 600)}),
    "with an endless end": lambda p: p.sign({"aud": RESOURCE, "exp": 10**30}),
    "with its end as a yes": lambda p: p.sign({"aud": RESOURCE, "exp": True}),
    "with its beginning as a text": lambda p: p.sign({"aud": RESOURCE, "nbf": "1"}),
    "of a key that is a path": lambda p: p.sign({"aud": RESOURCE}, header={"kid": "../../etc/passwd"}),
    "with a key at an address": lambda p: jwt.encode(
        own_claims(p), new_key(), "RS256", {"kid": "x", "jku": "http://127.0.0.1:1/k", "x5u": "http://127.0.0.1:1/x"}
    ),
    "with its claims beside it": lambda p: p.sign({"aud": RESOURCE}, header={"b64": False}),
    "garbage": lambda _: "garbage",
    "garbage that looks like a JWT": lambda _: "eyJhbGciOiJSUzI1NiJ9.!!!.???",
    "deeply nested": lambda _: f"{base64.urlsafe_b64encode(b'[' * 5000).decode()}.e30.e30".replace("=", ""),
    "huge": lambda _: "a" * 20_000,
    "a hash of the file": lambda _: hashlib.sha256(ALICE.encode()).hexdigest(),
    "a static token with one more letter": lambda _: f"{ALICE}a",
}


@promise("Several people", "A token that is wrong in any way lets nobody in, and is neither logged nor passed on")
@pytest.mark.parametrize("what", WRONG)
async def test_a_wrong_token_is_refused(served_team: Served, identity_provider: IdentityProvider, what: str) -> None:
    token = WRONG[what](identity_provider)
    refused = served_team.post(token)
    assert refused.status_code == 401, refused.text
    assert 'error="invalid_token"' in refused.headers["www-authenticate"]
    assert f'resource_metadata="{METADATA}"' in refused.headers["www-authenticate"]
    assert token[:40] not in refused.text + "".join(served_team.said)


async def test_a_token_without_the_scope_is_refused_with_its_name(
    served_team: Served, identity_provider: IdentityProvider
) -> None:
    refused = served_team.post(identity_provider.sign({"aud": RESOURCE, "scope": "other images2"}))
    assert refused.status_code == 403
    assert 'error="insufficient_scope"' in refused.headers["www-authenticate"]
    assert 'scope="images"' in refused.headers["www-authenticate"]


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Basic YTpi", ALICE], ids=["none", "empty", "Bearer", "Basic", "no scheme"]
)
async def test_without_a_token_a_client_is_told_how_to_get_one(served_team: Served, authorization: str | None) -> None:
    refused = served_team.post(headers={"authorization": authorization} if authorization is not None else {})
    assert refused.status_code == 401
    assert f'resource_metadata="{METADATA}"' in refused.headers["www-authenticate"]
    assert "invalid_token" not in refused.headers["www-authenticate"]


async def test_a_token_counts_in_its_header_alone(served_team: Served) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert httpx2.post(f"{served_team.url}?access_token={ALICE}", content=b"{}").status_code == 401
    assert httpx2.post(served_team.url, content=f"access_token={ALICE}", headers=form).status_code == 401
    assert httpx2.post(served_team.url, content=b"{}", cookies={"authorization": f"Bearer {ALICE}"}).status_code == 401
    for header in ("proxy-authorization", "x-authorization", "x-forwarded-authorization"):
        assert served_team.post(headers={header: f"Bearer {ALICE}"}).status_code == 401
    for scheme in ("bearer", "BEARER "):
        assert served_team.post(headers={"authorization": f"{scheme} {ALICE}"}).status_code == 400, "let in"


async def test_two_tokens_in_one_request_are_refused(served_team: Served) -> None:
    headers = [("authorization", f"Bearer {ALICE}"), ("authorization", f"Bearer {BOB}")]
    assert httpx2.post(served_team.url, headers=headers, content=b"{}").status_code == 401


async def test_the_metadata_of_the_resource_names_the_issuer(
    served_team: Served, identity_provider: IdentityProvider
) -> None:
    for path in ("", "/mcp"):
        found = httpx2.get(f"{served_team.address}/.well-known/oauth-protected-resource{path}").json()
        assert found["resource"] == RESOURCE
        assert found["authorization_servers"] == [identity_provider.issuer]
        assert found["scopes_supported"] == ["images"]


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": RESOURCE},
        {"aud": ["https://other.example.com", RESOURCE]},
        {"aud": f"{RESOURCE}/"},
        {"aud": RESOURCE, "scope": None, "scp": ["images"]},
        {"aud": RESOURCE, "exp": now() + 3600, "nbf": now() + 5},
    ],
)
async def test_a_right_token_is_let_in(
    served_team: Served, identity_provider: IdentityProvider, claims: dict[str, Any]
) -> None:
    async with served_team.client(identity_provider.sign(claims)) as client:
        assert not (await client.call_tool("list_images", {})).is_error


async def test_a_token_of_the_provider_itself_is_let_in_also_an_opaque_one(
    served_team: Served, identity_provider: IdentityProvider
) -> None:
    people = {"jwt": identity_provider.token("alice", resource=RESOURCE)}
    identity_provider.give("opaque")
    try:
        people["opaque"] = identity_provider.token("alice", resource=RESOURCE)
        other = identity_provider.token("alice", resource="https://other.example.com/mcp")
        narrow = identity_provider.token("alice", resource=RESOURCE, scopes="other")
    finally:
        identity_provider.give("jwt")
    made = list[str]()
    for kind, token in people.items():
        async with served_team.client(token) as client:
            await drawn(client, f"a fox, {kind}")
            made.append(str((await client.call_tool("list_images", {})).content))
    assert "a fox, jwt" in made[1], "both are of one person"
    assert served_team.post(other).status_code == served_team.post("opaque-garbage").status_code == 401
    assert served_team.post(narrow).status_code == 403


async def test_a_new_key_of_the_issuer_is_fetched_and_a_known_one_kept_while_it_is_away(
    served_team: Served, identity_provider: IdentityProvider
) -> None:
    known = identity_provider.sign({"aud": RESOURCE})
    assert served_team.post(known).status_code == 400
    identity_provider.away()
    try:
        assert served_team.post(known).status_code == 400, "let in; the call itself is empty"
    finally:
        identity_provider.back()
    identity_provider.rotate(keep_old=True)
    new = identity_provider.sign({"aud": RESOURCE})
    until(lambda: served_team.post(new).status_code == 400)
    assert served_team.post(known).status_code == 400


@pytest.mark.parametrize("era", ERAS)
async def test_only_an_admin_sees_what_the_team_spends(
    served_team: Served, identity_provider: IdentityProvider, era: Era
) -> None:
    for person, sees in (("alice", False), ("olga", True)):
        async with served_team.client(identity_provider.token(person, resource=RESOURCE), era=era) as client:
            told = str((await client.call_tool("image_costs", {})).content)
            assert ("All people together spent today" in told) == sees


# The gateway.


async def test_only_the_gateway_says_who_the_person_is(served_team: Served) -> None:
    header = {"x-forwarded-user": "carol"}
    for headers in (
        {},
        {"x-forwarded-user": ""},
        {"x-forwarded-user": "a\tb"},
        {"x_forwarded_user": "carol"},
    ):
        assert served_team.post(GATEWAY, headers=headers).status_code == 403, headers
    token = (b"authorization", f"Bearer {GATEWAY}".encode())
    for names in ((b"carol", b"dave"), (b"carol", b"carol"), ("carol\u200b".encode(),), (b"not UTF-8: \xe9",)):
        sent = [token, *((b"X-Forwarded-User", name) for name in names)]
        assert httpx2.post(served_team.url, headers=sent, content=b"{}").status_code == 403, names
    named = [token, (b"x-forwarded-user", "\N{LATIN CAPITAL LETTER A WITH GRAVE}lice".encode())]
    named += [(b"content-type", b"application/json")]
    assert httpx2.post(served_team.url, headers=named, content=b"{", timeout=PATIENCE_S).status_code == 400, "let in"
    async with served_team.client(GATEWAY, headers=header) as carol:
        await drawn(carol, "the fox of carol")
        assert "fox of carol" in str((await carol.call_tool("list_images", {})).content)
    for token in (ALICE, BOB):
        async with served_team.client(token, headers=header) as other:
            assert "fox of carol" not in str((await other.call_tool("list_images", {})).content)
    async with served_team.client(GATEWAY, headers={"x-forwarded-user": "dave"}) as dave:
        assert "fox of carol" not in str((await dave.call_tool("list_images", {})).content)


# A login, from the 401 to the picture, by the SDK's own client.


class Kept:
    """Keeps what one client is given."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class ByProxy(httpx2.AsyncHTTPTransport):
    """Reaches the server by its public name, as through a proxy that ends TLS before it."""

    def __init__(self, server: Served) -> None:
        super().__init__()
        self.port = int(server.address.rpartition(":")[2])

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.host == "images.example.com":
            request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=self.port)
        return await super().handle_async_request(request)


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_logs_in_and_makes_a_picture(
    served_team: Served, identity_provider: IdentityProvider, era: Era
) -> None:
    """From the 401 by the metadata, registration, login and consent to the picture, all by the SDK's own client."""
    came_back = dict[str, str]()

    async def log_in(address: str) -> None:
        target = await anyio.to_thread.run_sync(identity_provider.signed_in, address, f"lena-{era}")
        came_back.update(target.params)

    async def callback() -> AuthorizationCodeResult:
        return AuthorizationCodeResult.model_validate(came_back)

    metadata = OAuthClientMetadata(
        redirect_uris=[AnyUrl(REDIRECT)], client_name="tests", token_endpoint_auth_method="none"
    )
    auth = OAuthClientProvider(RESOURCE, metadata, Kept(), log_in, callback)
    async with (
        httpx2.AsyncClient(auth=auth, transport=ByProxy(served_team), timeout=PATIENCE_S) as http,
        Client(streamable_http_client(RESOURCE, http_client=http), mode=era) as client,
    ):
        result = await drawn(client, "a fox after a login")
        assert not result.is_error
        assert came_back["iss"] == identity_provider.issuer


# The file of tokens.


def test_a_file_of_tokens_has_a_name_and_a_hash_a_line(tmp_path: Path) -> None:
    file = write_tokens(tmp_path, {"kim": "secret of kim", "hub": "secret of the hub"})
    tokens = StaticTokens(str(file))
    found = tokens.person("secret of kim")
    assert found is not None
    assert (found.key, tokens.names) == ("token|kim", {"kim", "hub"})
    assert tokens.person("secret of nobody") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nobody\n",
        "kim\n",
        "kim secret-of-kim\n",
        f"kim {'0' * 63}\n",
        f"two words {'0' * 64}\n",
        f"kim {'0' * 64}\nolga {'0' * 64}\n",
        f"a|b {'0' * 64}\n",
        f"kim {'0' * 64} extra\n",
    ],
)
def test_a_line_that_is_none_is_said_without_repeating_it(tmp_path: Path, text: str) -> None:
    file = tmp_path / "tokens"
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(NotConfigured) as caught:
        read_tokens_file(str(file))
    assert "secret-of-kim" not in str(caught.value)


@promise("Secrets", "A file of tokens that other users can read or write is not used")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o620, 0o602])
def test_a_file_of_tokens_that_others_can_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    file = write_tokens(tmp_path, {"kim": "t"})
    file.chmod(mode)
    with pytest.raises(NotConfigured, match="other users can read"):
        StaticTokens(str(file))


@pytest.mark.parametrize("ending", ["\r\n", "\n", "\n\n"])
@pytest.mark.parametrize("beginning", ["", "\ufeff", "# the team\n"], ids=["plain", "mark", "comment"])
def test_a_file_of_tokens_may_come_from_any_editor(tmp_path: Path, beginning: str, ending: str) -> None:
    file = tmp_path / "tokens"
    hashed = hashlib.sha256(b"secret of kim").hexdigest()
    file.write_bytes(f"{beginning}kim\t{hashed.upper()} {ending}".encode())
    file.chmod(0o600)
    assert StaticTokens(str(file)).person("secret of kim")


def test_a_file_of_tokens_that_has_changed_is_read_again(tmp_path: Path) -> None:
    file = write_tokens(tmp_path, {"kim": "old"})
    tokens = StaticTokens(str(file))
    os.replace(write_tokens(tmp_path, {"kim": "new"}, name="next"), file)  # noqa: PTH105
    assert tokens.person("old") is None
    assert tokens.person("new") is not None


def test_a_link_to_a_file_of_tokens_is_followed_when_it_is_turned(tmp_path: Path) -> None:
    """As secrets of containers are exchanged."""
    link = tmp_path / "tokens"
    link.symlink_to(write_tokens(tmp_path, {"kim": "old"}, name="1"))
    tokens = StaticTokens(str(link))
    (tmp_path / "next").symlink_to(write_tokens(tmp_path, {"kim": "new"}, name="2"))
    os.replace(tmp_path / "next", link)  # noqa: PTH105
    assert tokens.person("old") is None
    assert tokens.person("new") is not None


def test_nobody_gets_in_while_the_file_cannot_be_used(tmp_path: Path) -> None:
    """Who was taken out of it must not get in by it."""
    from gpt_image_2_mcp.hosting.person import CannotCheck

    file = write_tokens(tmp_path, {"kim": "old"})
    tokens = StaticTokens(str(file))
    file.unlink()
    for _ in range(2):
        with pytest.raises(CannotCheck):
            tokens.person("old")
    write_tokens(tmp_path, {"kim": "new"})
    assert tokens.person("new") is not None
