"""Fetches pictures that a backend names by address instead of sending their bytes."""

import asyncio
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..errors import BadAnswer, GptImageError, shown
from ..inputs import Sources
from ..openai_api.threads import run_on_loop
from ..settings import Settings

MAX_URL_SHOWN = 1000
"""Characters of an address that an error repeats whole: it is the way to a picture that was paid for."""


@dataclass(frozen=True, slots=True)
class LinkFetcher:
    """Fetches through `sources`, on the event loop `loop`, for a request's thread.

    `backend` is the `host:port` of the API's own address: it may lie inside this network, where other addresses are
    refused; None where the API is OpenAI's.
    """

    sources: Sources
    loop: asyncio.AbstractEventLoop
    backend: str | None

    def fetch(self, url: str) -> bytes:
        """The bytes at an address. Blocks: call it in a request's thread.

        Raises:
            BadAnswer: they cannot be had; the message names the address.

        """
        try:
            return run_on_loop(self.loop, self.sources.fetch_picture(url, also_allowed=self.backend))
        except GptImageError as error:
            raise BadAnswer(
                f"The API gave the picture by address, and it could not be fetched: {error}"
                f" The address: {url if len(url) <= MAX_URL_SHOWN else shown(url)}"
            ) from None


def backend_host(settings: Settings) -> str | None:
    """`host:port` of the API's address where the user set one; None for OpenAI's own."""
    if settings.base_url is None:
        return None
    parts = urlsplit(settings.base_url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
