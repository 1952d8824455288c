"""From a request to the person who asks: `Authentication`, and the answers 401 and 403 that say how to get in.

This server is a protected resource (RFC 9728) and never an authorization server. A token goes nowhere from here: not to
OpenAI, not into a log, not into an answer.
"""

import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import anyio.to_thread
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..hosted_settings import HostedSettings
from .http_json import issuer_client
from .person import THE_ONE, CannotCheck, Person, WrongToken, is_name
from .static_tokens import StaticTokens

logger = logging.getLogger(__name__)

MAX_TOKEN: Final = 16_000
"""Characters of a token; those with many groups have some thousands."""
WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"


@dataclass(frozen=True, slots=True)
class Refusal(Exception):
    """A request that is not answered, with the status and the headers of the answer."""

    status: HTTPStatus
    error: str
    """The code of RFC 6750, or a word for what is wrong."""
    description: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def response(self) -> Response:
        """The answer."""
        body = {"error": self.error, "error_description": self.description}
        return JSONResponse(body, self.status, {**self.headers, "Cache-Control": "no-store"})


@asynccontextmanager
async def open_authentication(hosted: HostedSettings) -> "AsyncGenerator[Authentication]":
    """What finds the person of each request by the settings; raises NotConfigured if the file of tokens is wrong."""
    static = StaticTokens(hosted.tokens_file) if hosted.tokens_file else None
    if hosted.oauth_issuer is None:
        yield Authentication(hosted, static)
        return
    # Here, since they need the extra `server`.
    from .claims import ClaimRules
    from .introspection import Introspection
    from .issuer_keys import IssuerKeys
    from .jwt_tokens import JwtTokens

    async with issuer_client() as client:
        rules = ClaimRules.of(hosted)
        opaque = None
        if hosted.oauth_introspection_url and hosted.oauth_client_id and hosted.oauth_client_secret:
            auth = (hosted.oauth_client_id, hosted.oauth_client_secret.get_secret_value())
            opaque = Introspection(rules, hosted.oauth_introspection_url, auth, client)
        yield Authentication(hosted, static, JwtTokens(rules, IssuerKeys(hosted.oauth_issuer, client)), opaque)


class Authentication:
    """Finds the person who asks."""

    def __init__(
        self, hosted: HostedSettings, static: StaticTokens | None, jwts: Any = None, opaque: Any = None
    ) -> None:
        """Use static tokens, and those of the issuer: `jwts` checks JWTs, `opaque` the others. None: there are none."""
        self._hosted = hosted
        self._static = static
        self._jwts = jwts
        self._opaque = opaque

    async def person(self, headers: Headers) -> Person:
        """The person who sent a request with these headers; raises Refusal if that is not known."""
        if not self._hosted.has_people:
            return THE_ONE
        given = headers.getlist("authorization")
        if len(given) > 1:
            # What a proxy in front of this server has checked may be another one than is checked here.
            raise self._refused("invalid_request", "There must be one Authorization header.")
        scheme, _, token = given[0].partition(" ") if given else ("", "", "")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise self._refused("", "Send a token: Authorization: Bearer TOKEN.")
        try:
            person = await self._person_of(token)
        except WrongToken as wrong:
            logger.info("A token was refused: %s.", wrong)
            raise self._refused("invalid_token", "The token is not accepted here.") from None
        except CannotCheck as unknown:
            logger.warning("A token could not be checked: %s.", unknown)
            text = "The token cannot be checked at the moment; try again."
            raise Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE, "temporarily_unavailable", text, {"Retry-After": "10"}
            ) from None
        missing = [scope for scope in self._hosted.oauth_scopes if scope not in person.scopes]
        if person.is_scoped and missing:
            text = f"The token does not have the scope {' '.join(missing)}."
            raise self._refused("insufficient_scope", text, HTTPStatus.FORBIDDEN)
        return self._by_gateway(person, headers)

    async def _person_of(self, token: str) -> Person:
        if len(token) > MAX_TOKEN or not token.isascii():
            raise WrongToken("it is no token of any kind")
        if self._static is not None:
            found = await anyio.to_thread.run_sync(partial(self._static.person, token))
            if found is not None:
                return found
        if self._jwts is None:
            raise WrongToken("it is not in the file of tokens")
        from .jwt_tokens import is_jwt

        if not is_jwt(token) and self._opaque is not None:
            return await self._opaque.person(token)
        return await self._jwts.person(token)

    def _by_gateway(self, person: Person, headers: Headers) -> Person:
        """The person whom the gateway names; with any other token the header means nothing."""
        header = self._hosted.trusted_person_header
        if header is None or person.key != f"token|{self._hosted.gateway}":
            return person
        names = headers.getlist(header)
        name = _utf8(names[0]) if len(names) == 1 else None
        if not is_name(name):
            text = f"The gateway must name the person in one header {header}, in UTF-8."
            raise Refusal(HTTPStatus.FORBIDDEN, "invalid_request", text)
        return Person(f"gateway|{name}")

    def _refused(self, error: str, description: str, status: HTTPStatus = HTTPStatus.UNAUTHORIZED) -> Refusal:
        challenge = [f'error="{error}"', f'error_description="{description}"'] if error else []
        if self._hosted.oauth_scopes:
            challenge.append(f'scope="{" ".join(self._hosted.oauth_scopes)}"')
        if self._hosted.oauth_issuer and self._hosted.public_url:
            challenge.append(f'resource_metadata="{metadata_url(self._hosted.public_url)}"')
        headers = {"WWW-Authenticate": f"Bearer {', '.join(challenge)}".strip()}
        return Refusal(status, error or "invalid_token", description, headers)


def _utf8(value: str) -> str | None:
    """The text of a header, whose bytes come as characters of Latin-1; None if it is none."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return None


def metadata_url(public_url: str) -> str:
    """Where the metadata of the resource with this address is (RFC 9728, section 3.1)."""
    parts = urlsplit(public_url)
    return urlunsplit((parts.scheme, parts.netloc, WELL_KNOWN + parts.path, "", ""))


def resource_metadata(hosted: HostedSettings) -> "dict[str, Any]":
    """The metadata of this protected resource, by which a client finds the issuer (RFC 9728)."""
    scopes = {"scopes_supported": list(hosted.oauth_scopes)} if hosted.oauth_scopes else {}
    return {
        "resource": hosted.public_url,
        "authorization_servers": [hosted.oauth_issuer],
        "bearer_methods_supported": ["header"],
        "resource_name": "gpt-image-2",
        **scopes,
    }


async def answer_metadata(hosted: HostedSettings, _: Request) -> Response:
    """Answer who asks how to get a token."""
    headers = {"Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*"}
    return JSONResponse(resource_metadata(hosted), headers=headers)
