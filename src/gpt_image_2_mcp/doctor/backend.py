"""Checks of the way to the API: address, proxies, certificates, key, model, and the clock by the API's answer."""

import ipaddress
import ssl
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import urlsplit

import httpx2
import openai

from ..errors import GptImageError, NotConfigured
from ..openai_api.client import make_http, make_sdk
from ..openai_api.errors import translate
from ..openai_api.network_variables import names_in_use
from ..openai_api.sanitize import reason
from ..settings import DEFAULT_BASE_URL, Settings
from .finding import Finding, green, red, yellow

ANSWER_TIMEOUT_S = 20.0
MAX_CLOCK_ERROR_S = 300
CORRECT = "Correct the address, the proxy or the certificates."


def check_backend(settings: Settings) -> Iterator[Finding]:
    """Ask the API for its models, which is free, and say what that showed."""
    if settings.sandbox:
        yield green("address", "the built-in sandbox: no network, no cost")
        return
    yield _check_address(settings)
    try:
        http = make_http(None)
    except GptImageError as error:
        yield red("network", settings.redact(str(error)), "Nothing can be sent until it is corrected.")
        return
    with http:
        yield from _ask(settings, http) if _has_key(settings) else _reach(settings, http)


def _has_key(settings: Settings) -> bool:
    try:
        settings.model_copy(update={"problems": ()}).require_key()
        settings.load_key()
    except NotConfigured:
        return False
    return True


def _reach(settings: Settings, http: httpx2.Client) -> Iterator[Finding]:
    """Without a key, see only whether anything answers there."""
    address, _ = settings.endpoint()
    try:
        headers = http.get(f"{address}/models", timeout=ANSWER_TIMEOUT_S).headers
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        what = f"{settings.redact(address)} was not reached ({settings.redact(reason(error))})"
        yield red("network", what, CORRECT)
        return
    yield _network()
    yield yellow("access", "not tried without a key", "The line of the key says what to do.")
    yield from _check_clock(headers)


def _check_address(settings: Settings) -> Finding:
    address, _ = settings.endpoint()
    parts = urlsplit(address)
    shown = settings.redact(address)
    if settings.base_url is None:
        return green("address", f"{DEFAULT_BASE_URL}")
    if parts.scheme == "http" and not _is_this_computer(parts.hostname or ""):
        return yellow("address", f"{shown}, unencrypted", "The key can be read on the way: use https://.")
    return green("address", f"{shown} (OPENAI_BASE_URL), see docs/backends.md")


def _is_this_computer(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _ask(settings: Settings, http: httpx2.Client) -> Iterator[Finding]:
    headers: Mapping[str, str] = {}
    try:
        sdk = make_sdk(settings, http)
        answer = sdk.models.with_raw_response.list(timeout=ANSWER_TIMEOUT_S)
        models = {model.id for model in answer.parse().data}
        headers = answer.headers
    except openai.APIStatusError as error:
        yield _network()
        yield _refused(settings, error)
        yield from _check_clock(error.response.headers)
        return
    except openai.APIConnectionError as error:
        failure = translate(error, model=settings.model, variable="GPT_IMAGE_2_MODEL")
        yield red("network", settings.redact(str(failure)), CORRECT)
        return
    except (openai.OpenAIError, ValueError, AttributeError, TypeError):
        yield _network()
        yield yellow("access", "the answer to GET /models is none of OpenAI's", "Not every backend has it; see a call.")
        return
    yield _network()
    yield green("access", "the key is accepted")
    yield _check_model(settings, models)
    yield from _check_clock(headers)


def _network() -> Finding:
    names = names_in_use()
    how = f"through {', '.join(names)}" if names else "directly"
    if not names and not ssl.create_default_context().cert_store_stats()["x509_ca"] and sys.platform != "win32":
        way_out = "Install the package ca-certificates, or set SSL_CERT_FILE."
        return yellow("network", "the system has no list of certificates", way_out)
    return green("network", f"the API was reached {how}")


def _refused(settings: Settings, error: openai.APIStatusError) -> Finding:
    text = settings.redact(str(translate(error, model=settings.model, variable="GPT_IMAGE_2_MODEL")))
    if error.status_code == HTTPStatus.UNAUTHORIZED:
        return red(
            "access",
            text,
            "Make a new key at https://platform.openai.com/api-keys, and run `gpt-image-2-mcp install` again.",
        )
    if error.status_code == HTTPStatus.NOT_FOUND and settings.base_url is not None:
        return yellow("access", "this backend does not list its models", "Whether it takes the key shows with a call.")
    if error.status_code == HTTPStatus.FORBIDDEN:
        way_out = "A restricted key may still make pictures: allow it to read models, or try a call."
        return yellow("access", text, way_out)
    return red("access", text, "Nothing was billed. Try again later, or look at https://status.openai.com.")


def _check_model(settings: Settings, models: set[str]) -> Finding:
    if settings.model in models:
        return green("model", f"{settings.model} is listed")
    what = f"{settings.model} is not among the {len(models)} models that this key may use"
    if settings.base_url is not None:
        return yellow("model", what, "A proxy may know it by another name: set GPT_IMAGE_2_MODEL.")
    way_out = "Verify your organization on https://platform.openai.com/settings/organization/general."
    return red("model", what, way_out)


def _check_clock(headers: Mapping[str, str]) -> Iterator[Finding]:
    try:
        theirs = parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        return
    off = abs((datetime.now(UTC) - theirs).total_seconds())
    if off > MAX_CLOCK_ERROR_S:
        what = f"it differs from the API's by {off / 60:.0f} minutes"
        yield yellow("clock", what, "Set it right: budgets count by the day, and certificates expire by it.")
    else:
        yield green("clock", "it agrees with the API's")
