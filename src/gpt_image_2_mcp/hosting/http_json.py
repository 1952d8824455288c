"""Gets JSON from the issuer: bounded in bytes and in time, without following redirects."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, cast
from urllib.parse import urlsplit

import anyio
import httpx2

from ..hosted_settings import is_loopback
from .person import CannotCheck

MAX_BYTES: Final = 1_000_000
"""Bytes of an issuer's document: the keys of the largest have a tenth of it."""
WITHIN_S: Final = 5.0


def issuer_client() -> httpx2.AsyncClient:
    """The HTTP client for the issuer; it knows no key of OpenAI's."""
    headers = {"accept": "application/json", "accept-encoding": "identity"}
    return httpx2.AsyncClient(timeout=WITHIN_S, follow_redirects=False, headers=headers)


def why_no_answer(error: Exception) -> str:
    """Why a request has no answer, as whoever runs the server can do something about it."""
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        detail = text.partition("certificate verify failed: ")[2].partition(" (_ssl")[0]
        return (
            f"its certificate is not trusted here ({detail}); that of an authority of your own is, with its file in"
            " SSL_CERT_FILE"
        )
    match error:
        case httpx2.ConnectError() if "[Errno -" in text:
            return "its name is not known here"
        case httpx2.ConnectError():
            return "nothing answers there"
        case httpx2.TimeoutException() | TimeoutError():
            return "it takes too long to answer"
        case _:
            return type(error).__name__


async def json_object(
    client: httpx2.AsyncClient,
    method: str,
    url: str,
    *,
    form: Mapping[str, str] | None = None,
    auth: tuple[str, str] | None = None,
) -> dict[str, Any] | None:
    """The JSON object at an address; None if the answer is 404.

    Raises:
        CannotCheck: there is no such answer, it is too large, or it takes too long.

    """
    host = urlsplit(url)
    if host.scheme != "https" and not (host.scheme == "http" and is_loopback(host.hostname or "")):
        raise CannotCheck(f"{url} is not https")
    try:
        with anyio.fail_after(WITHIN_S):
            async with client.stream(method, url, data=form, auth=auth or httpx2.USE_CLIENT_DEFAULT) as response:
                if response.status_code == HTTPStatus.NOT_FOUND:
                    return None
                if response.status_code != HTTPStatus.OK:
                    raise CannotCheck(f"{url} answered with the status {response.status_code}")
                content = bytearray()
                # As they come: a packed answer, which nobody asked for, is no JSON, however much it would become.
                async for chunk in response.aiter_raw():
                    content += chunk
                    if len(content) > MAX_BYTES:
                        raise CannotCheck(f"{url} has more than {MAX_BYTES:,} bytes")
        found: Any = json.loads(content)
    except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, ValueError, RecursionError) as error:
        raise CannotCheck(f"{url}: {why_no_answer(error)}") from None
    if not isinstance(found, dict):
        raise CannotCheck(f"{url} has no JSON object")
    return cast("dict[str, Any]", found)
