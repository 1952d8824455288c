"""Checks of what a server for a team needs beside the rest: people, tokens, the picture store, the public address."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import Final

import anyio
import httpx2

from ..database.fence import require_fence
from ..database.store import open_store as open_database
from ..database.url import PostgresUrl
from ..errors import GptImageError
from ..hosted_settings import HostedSettings
from ..hosting.http_json import issuer_client, json_object, why_no_answer
from ..hosting.issuer_keys import fetch_metadata
from ..hosting.person import CannotCheck
from ..hosting.static_tokens import StaticTokens
from ..picture_store.keys import new_key
from ..picture_store.open_store import open_store
from ..settings import Settings
from ..shared_parts import STORE
from .finding import Finding, green, red, yellow

WITHIN_S: Final = 20.0
_PROBE: Final = b"written by `gpt-image-2-mcp doctor`, and deleted again"


def check_hosted(settings: Settings, environ: Mapping[str, str], data_dir: Path) -> Iterator[Finding]:
    """Look at the settings of `serve`."""
    hosted = HostedSettings.read(environ)
    for problem in hosted.problems:
        yield red("server", problem, "`serve` does not start with it.")
    if hosted.tokens_file:
        yield _check_tokens(hosted.tokens_file)
    if hosted.oauth_issuer:
        yield from _check_issuer(hosted.oauth_issuer, hosted.audience)
    address = settings.database_address() if settings.database_url else None
    if hosted.has_people or isinstance(address, PostgresUrl):
        yield _check_people(settings)
    if hosted.secret is None and isinstance(address, PostgresUrl):
        way_out = "Set it to what `openssl rand -hex 32` gives, the same for all replicas."
        yield red("secret", "GPT_IMAGE_2_SECRET is not set", way_out)
    yield from _check_store(hosted, data_dir)
    if hosted.public_url:
        yield _check_public(hosted.public_url)


def _check_tokens(file: str) -> Finding:
    try:
        names = StaticTokens(file).names
    except GptImageError as error:
        return red("tokens", str(error), "Correct GPT_IMAGE_2_TOKENS_FILE, or the file.")
    return green("tokens", f"{len(names)} with a static token")


def _check_issuer(issuer: str, audience: str | None) -> Iterator[Finding]:
    async def ask() -> int:
        async with issuer_client() as client:
            metadata = await fetch_metadata(issuer, client)
            address = metadata.get("jwks_uri")
            keys = await json_object(client, "GET", address) if isinstance(address, str) else None
            return len((keys or {}).get("keys", ()))

    try:
        count = anyio.run(ask)
    except CannotCheck as error:
        way_out = "Copy GPT_IMAGE_2_OAUTH_ISSUER from the `issuer` of its metadata, and see that it can be reached."
        yield red("issuer", f"{issuer}: {error}", way_out)
        return
    if not count:
        yield red("issuer", f"{issuer} publishes no keys", "Look at the `jwks_uri` of its metadata.")
        return
    yield green("issuer", f"{issuer}, which signs with {count} key{'s' if count != 1 else ''}")
    if audience is None:
        yield red("audience", "none is set", "Set GPT_IMAGE_2_PUBLIC_URL: tokens must be for this server.")
    else:
        yield green("audience", f"tokens must be for {audience}")


def _check_people(settings: Settings) -> Finding:
    """Whether PostgreSQL keeps people apart."""
    address = settings.database_address()
    if not isinstance(address, PostgresUrl):
        way_out = "Set GPT_IMAGE_2_DATABASE_URL to postgresql://user:password@host/database."
        return red("people", "several people need PostgreSQL", way_out)
    try:
        store = open_database(address)
        try:
            require_fence(store.database)
        finally:
            store.close()
    except GptImageError as error:
        return red("people", settings.redact(str(error)), "`serve` does not start with it.")
    return green("people", "PostgreSQL keeps their rows apart")


def _check_store(hosted: HostedSettings, data_dir: Path) -> Iterator[Finding]:
    """Put a small file, read it, have a link signed and fetched, and delete it."""
    url = hosted.store_url.get_secret_value() if hosted.store_url else None
    shown = (url or str(data_dir / STORE)).partition("?")[0]
    key = new_key("shown", "doctor", "probe.txt")
    step = "opened"
    try:
        secret = hosted.secret.get_secret_value().encode() if hosted.secret else b"probe"
        store = open_store(url, unset=data_dir / STORE, secret=secret, base_url=hosted.base_url or "")
        step = "written"
        store.put(key, _PROBE)
        try:
            step = "read"
            read = BytesIO()
            store.get(key, read, most=len(_PROBE))
            step = "signed for"
            link = store.link(key, 60)
            if url and not url.startswith("file:"):
                yield from _check_link(link.url)
        finally:
            store.delete(key)
    except GptImageError as error:
        way_out = "Correct GPT_IMAGE_2_STORE_URL and the credentials, and let them read, write and delete there."
        yield red("picture store", f"{shown} cannot be {step}: {error}", way_out)
        return
    if read.getvalue() != _PROBE:
        yield red("picture store", f"{shown} gives back other bytes than were put", "Look at what is in front of it.")
        return
    yield green("picture store", f"{shown}: written, read, signed for and deleted")


def _check_link(link: str) -> Iterator[Finding]:
    is_right, how = _answer_of(link)
    if not is_right:
        yield red(
            "picture store",
            f"a signed link to it {how}",
            "The endpoint must be the address that people reach, and the clock right.",
        )


def _check_public(url: str) -> Finding:
    """Whether the server answers under the address that people are given."""
    address = f"{url.rpartition('/')[0]}/readyz"
    is_right, how = _answer_of(address)
    if is_right:
        return green("public address", f"{url} is ready")
    way_out = "Start the server, or look at what is in front of it; from here the name may lead elsewhere."
    return yellow("public address", f"{address} {how}", way_out)


def _answer_of(address: str) -> tuple[bool, str]:
    """Whether an address answers with 200, and in words how, or why it does not."""
    try:
        status = httpx2.get(address, timeout=WITHIN_S).status_code
    except httpx2.HTTPError as error:
        return False, f"has no answer: {why_no_answer(error)}"
    return status == HTTPStatus.OK, f"was answered with {status}"
