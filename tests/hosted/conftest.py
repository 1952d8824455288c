"""The real parts that several tests share; those with a configuration of a test's own are opened by the test."""

import secrets
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

import pytest
from postgres_server import Server

from gpt_image_2_mcp.database.url import PostgresUrl

from .parts.azure import Azure, running_azure
from .parts.composed import Composed, running_services, with_issuer
from .parts.identity_provider import SERVICE, IdentityProvider, running_provider
from .parts.s3 import S3, running_s3
from .served import SECRET, Served, served, write_tokens


@pytest.fixture(scope="session")
def provider_process() -> Iterator[IdentityProvider]:
    with running_provider({"alice": {"groups": ["designers"]}, "olga": {"groups": ["admins"]}}) as provider:
        yield provider


@pytest.fixture
def identity_provider(provider_process: IdentityProvider) -> IdentityProvider:
    """An identity provider that takes any login; alice is in the group designers, olga in admins."""
    return provider_process


@pytest.fixture
def team_database(postgres_server: Server) -> Iterator[PostgresUrl]:
    """An empty PostgreSQL database, whose user is no superuser."""
    url = postgres_server.team_database()
    yield url
    postgres_server.drop(url)


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server for one person, on the sandbox."""
    with served(
        tmp_path_factory.mktemp("alone"), "--sandbox", env={"GPT_IMAGE_2_PICTURES_PER_MINUTE": "1000"}
    ) as server:
        yield server


ALICE, BOB, GATEWAY = (secrets.token_urlsafe(32) for _ in range(3))
"""Static tokens."""
RESOURCE = "https://images.example.com/mcp"
"""The address that the clients of the team are given, by a proxy that is not there: they come by loopback."""


@pytest.fixture(scope="session")
def served_team(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: Server, provider_process: IdentityProvider
) -> Iterator[Served]:
    """A server for people with static tokens and with those of an identity provider, on PostgreSQL and the sandbox."""
    folder = tmp_path_factory.mktemp("team")
    url = postgres_server.team_database()
    env = {
        "GPT_IMAGE_2_DATABASE_URL": url.text,
        "GPT_IMAGE_2_SECRET": SECRET,
        "GPT_IMAGE_2_PUBLIC_URL": RESOURCE,
        "GPT_IMAGE_2_TOKENS_FILE": str(write_tokens(folder, {"alice": ALICE, "bob": BOB, "gateway": GATEWAY})),
        "GPT_IMAGE_2_TRUSTED_PERSON_HEADER": "X-Forwarded-User",
        "GPT_IMAGE_2_GATEWAY": "gateway",
        "GPT_IMAGE_2_OAUTH_ISSUER": provider_process.issuer,
        "GPT_IMAGE_2_OAUTH_SCOPES": "images",
        "GPT_IMAGE_2_ADMINS": "owners, admins",
        "GPT_IMAGE_2_OAUTH_INTROSPECTION_URL": provider_process.introspection,
        "GPT_IMAGE_2_OAUTH_CLIENT_ID": SERVICE[0],
        "GPT_IMAGE_2_OAUTH_CLIENT_SECRET": SERVICE[1],
    }
    with served(folder, "--sandbox", env=env) as server:
        yield server
    postgres_server.drop(url)


RunComposed = Callable[..., AbstractContextManager[Composed]]


@pytest.fixture(scope="session")
def composed_with_login(
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server: Server,
    sandbox_url: str,
    provider_process: IdentityProvider,
) -> RunComposed:
    """Runs the services of the Compose file with the identity provider; arguments are further variables of theirs."""

    @contextmanager
    def run(**environ: str) -> Generator[Composed]:
        folder = tmp_path_factory.mktemp("composed")
        with_issuer(folder, provider_process.issuer)
        with running_services(folder, postgres_server, openai=sandbox_url, tokens=None, **environ) as services:
            yield services

    return run


def _set(monkeypatch: pytest.MonkeyPatch, environ: Mapping[str, str]) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def s3_process() -> Iterator[S3]:
    with running_s3() as server:
        yield server


@pytest.fixture
def s3(s3_process: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    """An S3 server that checks signatures; the environment has its credentials."""
    _set(monkeypatch, s3_process.environ)
    return s3_process


@pytest.fixture(scope="session")
def azure_process() -> Iterator[Azure]:
    with running_azure() as server:
        yield server


@pytest.fixture
def azure(azure_process: Azure, monkeypatch: pytest.MonkeyPatch) -> Azure:
    """The emulator of Azure Blob Storage, which checks signatures; the environment has its credentials."""
    _set(monkeypatch, azure_process.environ)
    return azure_process


Bucket = S3 | Azure


@pytest.fixture(params=["s3", "azure"])
def bucket(request: pytest.FixtureRequest) -> Bucket:
    """Each of the object stores."""
    found: Bucket = request.getfixturevalue(request.param)
    return found
