"""A server that would be unsafe or could not work does not start, and says why in a sentence each."""

from collections.abc import Mapping
from pathlib import Path

import psycopg
import pytest
from inline_snapshot import external_file
from postgres_server import Server
from promises import promise

from gpt_image_2_mcp.errors import NotConfigured
from gpt_image_2_mcp.hosted_settings import HostedSettings
from gpt_image_2_mcp.hosting.refusals import check_start, ignored
from gpt_image_2_mcp.settings import Settings

from .served import SECRET, refused, write_tokens

KEY = {"OPENAI_API_KEY": "sk-test"}
POSTGRES = {"GPT_IMAGE_2_DATABASE_URL": "postgresql://me:pw@127.0.0.1/team", "GPT_IMAGE_2_SECRET": SECRET}
PUBLIC = {"GPT_IMAGE_2_PUBLIC_URL": "https://images.example.com/mcp"}
ISSUER = {"GPT_IMAGE_2_OAUTH_ISSUER": "https://login.example.com"}
TEAM = {**KEY, **POSTGRES, **PUBLIC, **ISSUER}

WRONG: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "no key": ("127.0.0.1", {}),
    "from other computers, without tokens": ("0.0.0.0", {**KEY, **PUBLIC}),  # noqa: S104
    "from other computers, without a name": ("::", {**KEY, **POSTGRES, "GPT_IMAGE_2_TOKENS_FILE": "TOKENS"}),
    "an issuer without a name": ("127.0.0.1", {**KEY, **POSTGRES, **ISSUER}),
    "people on SQLite": ("127.0.0.1", {**KEY, **PUBLIC, **ISSUER}),
    "PostgreSQL without a secret": ("127.0.0.1", {**TEAM, "GPT_IMAGE_2_SECRET": ""}),
    "a header without a gateway": ("127.0.0.1", {**TEAM, "GPT_IMAGE_2_TRUSTED_PERSON_HEADER": "X-User"}),
    "a gateway without a token": (
        "127.0.0.1",
        {**TEAM, "GPT_IMAGE_2_TRUSTED_PERSON_HEADER": "X-User", "GPT_IMAGE_2_GATEWAY": "hub"},
    ),
    "half of introspection": ("127.0.0.1", {**TEAM, "GPT_IMAGE_2_OAUTH_CLIENT_ID": "images"}),
}

WRONG_VALUES = {
    "GPT_IMAGE_2_PUBLIC_URL": "http://images.example.com/mcp",
    "GPT_IMAGE_2_OAUTH_ISSUER": "login.example.com",
    "GPT_IMAGE_2_OAUTH_INTROSPECTION_URL": "https://me:hunter2@login.example.com/ask",
    "GPT_IMAGE_2_TRUSTED_PERSON_HEADER": "Authorization",
    "GPT_IMAGE_2_SECRET": "hunter2",
    "GPT_IMAGE_2_STORE_URL": "ftp://hunter2",
    "GPT_IMAGE_2_LINK_TTL_S": "0",
    "GPT_IMAGE_2_LEASE_S": "1",
    "GPT_IMAGE_2_METRICS_PORT": "70000",
    "GPT_IMAGE_2_TOKENS_FILE": "tokens",
}


def reason(host: str, env: Mapping[str, str]) -> str:
    with pytest.raises(NotConfigured) as caught:
        check_start(Settings.read(env), HostedSettings.read(env), host)
    return str(caught.value)


@promise("Several people", "A server for a team does not start where others could use it without a token")
@pytest.mark.parametrize("what", WRONG)
def test_an_unsafe_server_does_not_start(what: str, tmp_path: Path) -> None:
    host, env = WRONG[what]
    tokens = str(write_tokens(tmp_path, {"kim": "t"}))
    said = reason(host, {name: tokens if value == "TOKENS" else value for name, value in env.items()})
    assert said.count("\n- ") == 1, said


def test_each_refusal_is_a_sentence_with_a_way_out() -> None:
    told = {what: reason(host, env) for what, (host, env) in WRONG.items() if "TOKENS" not in env.values()}
    told |= {name: reason("127.0.0.1", {**TEAM, name: value}) for name, value in WRONG_VALUES.items()}
    assert not any("hunter2" in said for said in told.values())
    assert told == external_file("../texts/start_refusals.json")


def test_a_safe_server_starts(tmp_path: Path) -> None:
    tokens = str(write_tokens(tmp_path, {"kim": "t", "hub": "u"}))
    gateway = {"GPT_IMAGE_2_TRUSTED_PERSON_HEADER": "X-User", "GPT_IMAGE_2_GATEWAY": "hub"}
    for host, env in (
        ("127.0.0.1", KEY),
        ("localhost", KEY),
        ("0.0.0.0", TEAM),  # noqa: S104
        ("127.0.0.1", {**TEAM, "GPT_IMAGE_2_PUBLIC_URL": "http://127.0.0.1:8000/mcp"}),
        ("0.0.0.0", {**KEY, **POSTGRES, **PUBLIC, **gateway, "GPT_IMAGE_2_TOKENS_FILE": tokens}),  # noqa: S104
    ):
        check_start(Settings.read(env), HostedSettings.read(env), host)


def test_folders_of_the_settings_are_ignored_and_said_so() -> None:
    said = ignored(Settings.read({"GPT_IMAGE_2_OUTPUT_DIR": "/srv", "GPT_IMAGE_2_ALLOWED_DIRS": "/srv"}))
    assert [sentence.split()[0] for sentence in said] == ["GPT_IMAGE_2_OUTPUT_DIR", "GPT_IMAGE_2_ALLOWED_DIRS"]


@pytest.mark.thorough
def test_the_command_says_it_and_fails(tmp_path: Path) -> None:
    said = refused(tmp_path, "--host", "0.0.0.0", "--sandbox", env={})  # noqa: S104
    assert said.startswith("Error: The server does not start:")
    assert "GPT_IMAGE_2_OAUTH_ISSUER or GPT_IMAGE_2_TOKENS_FILE" in said


@pytest.mark.thorough
def test_a_superuser_of_the_database_is_refused(tmp_path: Path, postgres_server: Server) -> None:
    """Row-level security does not hold for one."""
    url = postgres_server.database()
    with psycopg.connect(url.text) as connection:
        assert connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone() == (True,)
    tokens = str(write_tokens(tmp_path, {"kim": "t"}))
    env = {"GPT_IMAGE_2_DATABASE_URL": url.text, "GPT_IMAGE_2_SECRET": SECRET, "GPT_IMAGE_2_TOKENS_FILE": tokens}
    said = refused(tmp_path, "--sandbox", env=env)
    assert "superuser" in said
    postgres_server.drop(url)
