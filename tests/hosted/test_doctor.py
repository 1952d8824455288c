"""`doctor` of a server for a team: the issuer, the tokens, the database, the picture store, the address."""

import json
from pathlib import Path

import pytest
from certificate import authority
from click.testing import CliRunner
from ports import free_port
from postgres_server import Server

from gpt_image_2_mcp.cli.commands import commands
from gpt_image_2_mcp.database.url import PostgresUrl

from .parts.identity_provider import IdentityProvider
from .parts.s3 import HOST, S3, running_s3
from .served import SECRET, write_tokens

ROWS = ("server", "tokens", "issuer", "audience", "people", "secret", "picture store", "public address")


def examined(monkeypatch: pytest.MonkeyPatch, **environ: str) -> list[dict[str, str]]:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    found: list[dict[str, str]] = json.loads(CliRunner().invoke(commands, ["doctor", "--sandbox", "--json"]).stdout)
    return found


def levels(monkeypatch: pytest.MonkeyPatch, **environ: str) -> dict[str, str]:
    """The levels of the rows of a server for a team, the worst of each."""
    found = examined(monkeypatch, **environ)
    rows = [(row["check"], row["level"]) for row in found if row["check"] in ROWS]
    return dict(sorted(rows, key=lambda row: ["green", "yellow", "red"].index(row[1])))


def test_a_server_that_is_set_up_rightly_is_green(
    identity_provider: IdentityProvider,
    team_database: PostgresUrl,
    s3: S3,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = levels(
        monkeypatch,
        GPT_IMAGE_2_OAUTH_ISSUER=identity_provider.issuer,
        GPT_IMAGE_2_PUBLIC_URL="http://127.0.0.1:1/mcp",
        GPT_IMAGE_2_TOKENS_FILE=str(write_tokens(tmp_path, {"alice": "a token"})),
        GPT_IMAGE_2_DATABASE_URL=team_database.text,
        GPT_IMAGE_2_SECRET=SECRET,
        GPT_IMAGE_2_STORE_URL=s3.url("doctor"),
    )
    green = dict.fromkeys(("tokens", "issuer", "audience", "people", "picture store"), "green")
    assert found == {**green, "public address": "yellow"}, "nothing listens at the public address"
    assert s3.objects("doctor") == {}, "what was written to see whether it can be is deleted"


def test_each_thing_that_is_wrong_is_told(
    postgres_server: Server, postgres: PostgresUrl, s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del postgres_server
    (tmp_path / "tokens").write_text("alice\n", encoding="utf-8")
    (tmp_path / "tokens").chmod(0o600)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    found = levels(
        monkeypatch,
        GPT_IMAGE_2_OAUTH_ISSUER="http://127.0.0.1:1",
        GPT_IMAGE_2_TOKENS_FILE=str(tmp_path / "tokens"),
        GPT_IMAGE_2_DATABASE_URL=postgres.text,  # of a superuser
        GPT_IMAGE_2_STORE_URL=s3.url(),
        GPT_IMAGE_2_LEASE_S="soon",
    )
    assert found == dict.fromkeys(("server", "tokens", "issuer", "people", "secret", "picture store"), "red")


def told(monkeypatch: pytest.MonkeyPatch, check: str, **environ: str) -> str:
    """What a row says."""
    return " ".join(row["what"] for row in examined(monkeypatch, **environ) if row["check"] == check)


@pytest.mark.parametrize(
    ("hosts", "environ", "words"),
    [
        (HOST, {"SSL_CERT_FILE": "{authority}"}, "written, read, signed for and deleted"),
        (HOST, {}, "its certificate is not trusted here; that of an authority of your own is, with its file in"),
        ("store.example.com", {"SSL_CERT_FILE": "{authority}"}, "its certificate is for another name"),
        (HOST, {"SSL_CERT_FILE": "{authority}", "AWS_SECRET_ACCESS_KEY": "another"}, "refuses this server: look at"),
        (HOST, {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "has no credentials: set AWS_ACCESS_KEY_ID"),
    ],
    ids=["trusted", "not trusted", "another name", "other credentials", "no credentials"],
)
@pytest.mark.thorough
def test_it_is_told_why_a_store_behind_tls_cannot_be_used(
    hosts: str, environ: dict[str, str], words: str, s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The credentials of `s3` are in the environment."""
    assert s3.environ
    ca, certificates = authority(tmp_path, hosts)
    given = {name: value.format(authority=ca) for name, value in environ.items()}
    for name in [name for name, value in given.items() if not value]:
        monkeypatch.delenv(name)
        del given[name]
    with running_s3(certificate=certificates / "images.pem") as behind_tls:
        text = told(monkeypatch, "picture store", GPT_IMAGE_2_STORE_URL=behind_tls.url(), **given)
    assert words in text


def test_it_is_told_why_a_store_or_an_issuer_cannot_be_reached(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    assert s3.environ
    nowhere = free_port()
    store = {"GPT_IMAGE_2_STORE_URL": s3.url(port=nowhere)}
    assert "nothing answers at the endpoint in GPT_IMAGE_2_STORE_URL" in told(monkeypatch, "picture store", **store)
    store = {"GPT_IMAGE_2_STORE_URL": s3.url().replace(f"http://{HOST}", "https://no-such-host.invalid")}
    assert "the name of the endpoint in GPT_IMAGE_2_STORE_URL is not known" in told(
        monkeypatch, "picture store", **store
    )
    issuer = {"GPT_IMAGE_2_OAUTH_ISSUER": f"http://{HOST}:{nowhere}"}
    assert "nothing answers there" in told(monkeypatch, "issuer", **issuer)
    issuer = {"GPT_IMAGE_2_OAUTH_ISSUER": "https://no-such-host.invalid"}
    assert "its name is not known here" in told(monkeypatch, "issuer", **issuer)


@pytest.mark.parametrize("trusted", [True, False], ids=["trusted", "not trusted"])
def test_it_is_told_that_an_issuers_certificate_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, trusted: bool
) -> None:
    ca, certificates = authority(tmp_path, HOST)
    environ = {"SSL_CERT_FILE": str(ca)} if trusted else {}
    with running_s3(certificate=certificates / "images.pem") as no_issuer:
        issuer = {"GPT_IMAGE_2_OAUTH_ISSUER": f"https://{HOST}:{no_issuer.port}", **environ}
        assert ("its certificate is not trusted here" in told(monkeypatch, "issuer", **issuer)) is not trusted


def test_a_token_for_another_audience_is_seen_in_the_row(
    identity_provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which audience it is has to be compared with the issuer by whoever runs it: that asks nobody who is logged in."""
    environ = {"GPT_IMAGE_2_OAUTH_ISSUER": identity_provider.issuer, "GPT_IMAGE_2_OAUTH_AUDIENCE": "another"}
    assert told(monkeypatch, "audience", **environ) == "tokens must be for another"


def test_over_stdio_there_are_no_such_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    assert levels(monkeypatch) == {}


def test_a_server_is_told_nothing_of_a_persons_own_computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor that its own variables are read by nobody."""
    found = examined(
        monkeypatch,
        GPT_IMAGE_2_STORE_URL=(tmp_path / "store").as_uri(),
        GPT_IMAGE_2_BUDGET_PER_PERSON_DAY_USD="3",
        GPT_IMAGE_2_SECRET=SECRET,
    )
    assert not {"uv", "inputs", "studio", "attachments", "folder", "clients"} & {row["check"] for row in found}
    assert [row["what"] for row in found if row["check"] in {"settings", "budget"}] == [
        "every variable that is set has a right value",
        "$3 for a day of each person",
    ]
