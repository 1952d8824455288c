"""Everything the studio asks of the API, on one client."""

import httpx2

from ..pacing import Pace, Standing
from ..params import Options
from ..settings import Settings
from . import direct
from .client import Sender, make_http, make_sdk
from .edits import Edits


class Backend:
    """The API as `settings` reach it."""

    def __init__(self, settings: Settings, transport: httpx2.AsyncBaseTransport | None, pace: Pace) -> None:
        """Make the HTTP client and the SDK's on it."""
        self._http = make_http(transport)
        self._model = settings.model
        self._sender = Sender(make_sdk(settings, self._http), pace)
        self.edits = Edits(
            self._sender,
            model=settings.model,
            host_model=settings.responses_edit_model,
            through_responses=settings.force_responses_edits,
        )

    async def generate(self, standing: Standing, keep: direct.Keep, *, prompt: str, n: int, options: Options) -> None:
        """Make pictures from words; raises `ApiError`."""
        await direct.generate(self._sender, standing, keep, model=self._model, prompt=prompt, n=n, options=options)

    async def close(self) -> None:
        """Close the HTTP client."""
        await self._http.aclose()
