"""What an issuer can do to this server: be away, be slow, answer nonsense, rotate its keys, be another one."""

import gzip
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.lowlevel
import httpx2
import pytest
from patience import PATIENCE_S, look_again
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from gpt_image_2_mcp.hosting import http_json, introspection, issuer_keys
from gpt_image_2_mcp.hosting.claims import ClaimRules
from gpt_image_2_mcp.hosting.http_json import MAX_BYTES, issuer_client
from gpt_image_2_mcp.hosting.introspection import Introspection
from gpt_image_2_mcp.hosting.issuer_keys import IssuerKeys
from gpt_image_2_mcp.hosting.person import CannotCheck, WrongToken
from gpt_image_2_mcp.hosting.web_server import listen, web_server

from .parts.identity_provider import jwk, new_key

pytestmark = pytest.mark.anyio

KEY = {name: part for name, part in jwk(new_key(), "one").items() if name in {"kty", "n", "e", "kid", "use", "alg"}}


@dataclass
class Issuer:
    """An issuer in this process, which answers as a test has it."""

    name: str
    metadata: dict[str, Any] | Response = field(default_factory=dict[str, Any])
    keys: list[Any] | Response = field(default_factory=lambda: [KEY])
    delay_s: float = 0
    only: str | None = None
    """The one document of metadata that there is."""
    asked: list[str] = field(default_factory=list[str])
    """The paths that were asked for."""

    async def answer(self, request: Request) -> Response:
        self.asked.append(request.url.path)
        await anyio.sleep(self.delay_s)
        if request.url.path.endswith("/keys"):
            return self.keys if isinstance(self.keys, Response) else _json({"keys": self.keys})
        if isinstance(self.metadata, Response):
            return self.metadata
        if self.only not in {None, request.url.path}:
            return _missing()
        return _json({"issuer": self.name, "jwks_uri": f"{self.name}/keys", **self.metadata})


def _json(value: object) -> Response:
    return Response(json.dumps(value), media_type="application/json")


@asynccontextmanager
async def issuer(path: str = "") -> AsyncGenerator[tuple[Issuer, IssuerKeys]]:
    with listen("127.0.0.1", 0) as sock:
        one = Issuer(f"http://127.0.0.1:{sock.getsockname()[1]}{path}")
        web = web_server(Starlette(routes=[Route("/{rest:path}", one.answer, methods=["GET", "POST"])]), grace_s=1)
        async with issuer_client() as client, anyio.create_task_group() as tasks:
            tasks.start_soon(web.serve, [sock])
            yield one, IssuerKeys(one.name, client)
            web.should_exit = True


async def test_the_keys_are_found_and_fetched_once() -> None:
    async with issuer() as (one, keys):
        for _ in range(3):
            assert await keys.key("one", "RSA") == KEY
        assert await keys.key(None, "RSA") == KEY, "a token without an id means the only key"
        assert await keys.key("one", "EC") is None
        assert one.asked == ["/.well-known/oauth-authorization-server", "/keys"]


async def test_invented_key_ids_have_the_issuer_asked_once() -> None:
    async with issuer() as (one, keys):
        found = list[Any]()

        async def ask(kid: str) -> None:
            found.append(await keys.key(kid, "RSA"))

        async with anyio.create_task_group() as tasks:
            for number in range(50):
                tasks.start_soon(ask, f"invented-{number}")
        assert found == [None] * 50
        assert one.asked.count("/keys") == 1


@pytest.mark.parametrize(
    "document",
    [
        "/.well-known/oauth-authorization-server/tenant",
        "/tenant/.well-known/openid-configuration",
        "/.well-known/openid-configuration/tenant",
    ],
)
async def test_an_issuer_with_a_path_is_found_wherever_its_document_is(document: str) -> None:
    async with issuer("/tenant") as (one, keys):
        one.only = document
        assert await keys.key("one", "RSA") == KEY


def _missing() -> Response:
    return Response(status_code=404)


def too_long() -> Response:
    async def pieces() -> AsyncGenerator[bytes]:
        for _ in range(100):
            await anyio.lowlevel.checkpoint()
            yield b"[" * (MAX_BYTES // 10)

    return StreamingResponse(pieces())


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "https://evil.example.com"},
        {"jwks_uri": 7},
        {"jwks_uri": "http://images.example.com/keys"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "not an address"},
        Response("[" * 100_000, media_type="application/json"),
        Response("[]"),
        Response("nonsense"),
        Response(b" " * (MAX_BYTES + 1)),
        Response(status_code=500),
        RedirectResponse("http://127.0.0.1:1/elsewhere"),
        _missing(),
        "too long",
    ],
    ids=range(13),
)
async def test_wrong_metadata_is_no_reason_to_let_anybody_in(wrong: Any) -> None:
    async with issuer() as (one, keys):
        one.metadata = too_long() if wrong == "too long" else wrong
        with anyio.fail_after(PATIENCE_S), pytest.raises(CannotCheck):
            await keys.key("one", "RSA")


async def test_a_packed_answer_is_not_unpacked() -> None:
    """It could become a thousand times as large; nobody asked for one."""
    async with issuer() as (one, keys):
        document = json.dumps({"issuer": one.name, "jwks_uri": f"{one.name}/keys"}).encode()
        one.metadata = Response(document)
        assert await keys.key("one", "RSA") == KEY
    async with issuer() as (one, keys):
        document = json.dumps({"issuer": one.name, "jwks_uri": f"{one.name}/keys"}).encode()
        one.metadata = Response(gzip.compress(document), headers={"content-encoding": "gzip"})
        with pytest.raises(CannotCheck):
            await keys.key("one", "RSA")


async def test_the_keys_of_an_issuer_elsewhere_are_not_looked_for_on_this_computer() -> None:
    """Nothing that listens here alone is asked, or believed, on the word of a document."""
    asked = list[str]()

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        document = {"issuer": "https://login.example.com", "jwks_uri": "http://127.0.0.1:9/keys", "keys": [KEY]}

        async def pieces() -> AsyncGenerator[bytes]:
            await anyio.lowlevel.checkpoint()
            yield json.dumps(document).encode()

        return httpx2.Response(200, content=pieces())

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as client:
        with pytest.raises(CannotCheck):
            await IssuerKeys("https://login.example.com", client).key("one", "RSA")
    assert asked == ["https://login.example.com/.well-known/oauth-authorization-server"]


RULES = ClaimRules("http://127.0.0.1", "https://images.example.com/mcp", "sub", "groups")
ACTIVE = {"active": True, "sub": "kim", "aud": RULES.audience, "exp": 9_999_999_999}


@pytest.mark.parametrize(
    "said",
    [
        {"active": "true"},
        {"active": 1},
        {"active": False},
        {"active": None},
        {"aud": "https://other.example.com/mcp"},
        {"aud": None},
        {"iss": "https://evil.example.com"},
        {"exp": None},
        {"exp": 1_000_000_000},
        {"exp": "9999999999"},
        {"nbf": 9_999_999_999},
        {"sub": None},
        {"sub": ""},
    ],
    ids=str,
)
async def test_what_is_said_of_an_opaque_token_has_to_be_all_that_is_said_of_others(said: dict[str, Any]) -> None:
    async with issuer() as (one, _), issuer_client() as client:
        one.metadata = _json({**ACTIVE, **said})
        opaque = Introspection(RULES, f"{one.name}/introspect", ("images", "secret"), client)
        with pytest.raises(WrongToken):
            await opaque.person("opaque")
        one.metadata = _json(ACTIVE)
        assert (await opaque.person("another")).key == f"{RULES.issuer}|kim"


async def test_a_flood_of_invented_tokens_holds_nobody_up_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(introspection, "WITHIN_S", 0.2)
    async with issuer() as (one, _), issuer_client() as client, anyio.create_task_group() as tasks:
        one.delay_s = PATIENCE_S
        opaque = Introspection(RULES, f"{one.name}/introspect", ("images", "secret"), client)

        async def invent(number: int) -> None:
            with suppress(CannotCheck):
                await opaque.person(f"invented-{number}")

        for number in range(introspection.MAX_AT_ONCE):
            tasks.start_soon(invent, number)
        with anyio.fail_after(PATIENCE_S):
            while len(one.asked) < introspection.MAX_AT_ONCE:
                await look_again()
            with pytest.raises(CannotCheck, match="too many"):
                await opaque.person("of kim")
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    "found",
    [
        [],
        ["text", 7, None],
        [{"kty": "oct", "k": "AAAA", "kid": "one"}],
        [{**KEY, "use": "enc"}],
        [{**KEY, "d": "AAAA"}],
        [*({**KEY, "kid": f"other-{number}"} for number in range(100)), KEY],
    ],
    ids=range(6),
)
async def test_keys_that_sign_nothing_are_left_out(found: list[Any]) -> None:
    async with issuer() as (one, keys):
        one.keys = found
        assert await keys.key("one", "RSA") is None
        assert await keys.key("one", "oct") is None


async def test_known_keys_count_while_the_issuer_is_away_and_others_cannot_be_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with issuer() as (one, keys):
        assert await keys.key("one", "RSA") == KEY
        monkeypatch.setattr(issuer_keys, "FRESH_S", 0.0)
        monkeypatch.setattr(issuer_keys, "PAUSE_S", 0.0)
        one.metadata = Response(status_code=503)
        assert await keys.key("one", "RSA") == KEY
        with pytest.raises(CannotCheck):
            await keys.key("two", "RSA")
        one.metadata, one.keys = {}, [{**KEY, "kid": "two"}]
        assert await keys.key("two", "RSA")
        assert await keys.key("one", "RSA") is None, "the issuer took it back"


async def test_an_issuer_that_does_not_answer_holds_up_a_known_key_for_a_bounded_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (http_json, issuer_keys):
        monkeypatch.setattr(module, "WITHIN_S", 0.2)
    async with issuer() as (one, keys):
        assert await keys.key("one", "RSA") == KEY
        monkeypatch.setattr(issuer_keys, "FRESH_S", 0.0)
        monkeypatch.setattr(issuer_keys, "PAUSE_S", 0.0)
        one.delay_s = PATIENCE_S
        with anyio.fail_after(PATIENCE_S / 2):
            assert await keys.key("one", "RSA") == KEY
        one.delay_s = 0
