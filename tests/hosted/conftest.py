"""The real parts that several tests share; those with a configuration of a test's own are opened by the test."""

from collections.abc import Iterator

import pytest
from postgres_server import Server

from gpt_image_2_mcp.database.url import PostgresUrl

from .parts.identity_provider import IdentityProvider, running_provider
from .parts.s3 import S3, running_s3


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
def s3_process() -> Iterator[S3]:
    with running_s3() as server:
        yield server


@pytest.fixture
def s3(s3_process: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    """An S3 server that checks signatures; the environment has its credentials."""
    for name, value in s3_process.environ.items():
        monkeypatch.setenv(name, value)
    return s3_process
