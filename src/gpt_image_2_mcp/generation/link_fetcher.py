"""Fetches pictures that a backend sends as URLs instead of bytes."""

import asyncio
import time
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from ..errors import BadAnswer, GptImageError, shown
from ..inputs import NotFetched, Sources
from ..openai_api.threads import run_on_loop
from ..settings import Settings

WAITS_S = (1.0, 3.0)
"""Seconds before a picture is fetched again that could not be: it may be at its address a moment after the answer."""
MAX_URL_SHOWN = 1000
"""Characters of a URL that an error message repeats in full: the user may still fetch the paid picture with it."""


@dataclass(frozen=True, slots=True)
class LinkFetcher:
    """Fetches through `sources`, whose work is done on the event loop `loop`; called from request threads.

    `backend` is the `host:port` of the API where the user set its address, else None. It may be inside a private
    network, where all other addresses are refused.
    """

    sources: Sources
    loop: asyncio.AbstractEventLoop
    backend: str | None
    base_url: str
    """The address of the API, to which a link without a host is relative."""

    def fetch(self, url: str, reached_at: str | None) -> bytes:
        """Fetch the picture at a URL, or as much of it as comes. Blocks: called in a request's thread.

        It is paid for: whatever comes is taken, and fetching is tried again, which costs nothing. `reached_at` is the
        IP address from which the answer with the URL came; None if it came over no network.

        Raises:
            BadAnswer: nothing of it can be fetched; the message has the URL.

        """
        if not url.lower().startswith("data:"):
            url = urljoin(f"{self.base_url}/", url)
        waits = [*WAITS_S]
        most = b""
        while True:
            arrived = bytearray()
            try:
                fetching = self.sources.fetch_picture(
                    url, also_allowed=self.backend, reached_at=reached_at, arrived=arrived
                )
                return run_on_loop(self.loop, fetching)
            except GptImageError as error:
                most = max(most, bytes(arrived), key=len)
                if waits and isinstance(error, NotFetched):
                    time.sleep(waits.pop(0))
                elif most:
                    return most
                else:
                    raise BadAnswer(
                        f"The API gave the picture by address, and it could not be fetched: {error}"
                        f" The address: {url if len(url) <= MAX_URL_SHOWN else shown(url)}"
                    ) from None


def backend_host(settings: Settings) -> str | None:
    """The `host:port` of OPENAI_BASE_URL; None if it is not set."""
    if settings.base_url is None:
        return None
    parts = urlsplit(settings.base_url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
