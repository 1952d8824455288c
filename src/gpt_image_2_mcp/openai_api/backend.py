"""Everything the studio asks of the API, on one client."""

import httpx2

from ..settings import Settings
from .client import RequestSender, make_http, make_sdk
from .edit_routing import EditRouter
from .images_route import ImagesRoute
from .rate_limiter import RateLimiter


class Backend:
    """The API as `settings` reach it."""

    def __init__(self, settings: Settings, transport: httpx2.BaseTransport | None, limiter: RateLimiter) -> None:
        """Make the HTTP client and the SDK's on it."""
        self._http = make_http(transport)
        sender = RequestSender(make_sdk(settings, self._http), limiter)
        self.images = ImagesRoute(sender, model=settings.model, partial_images=settings.partial_images)
        self.edits = EditRouter(
            sender,
            self.images,
            model=settings.model,
            host_model=settings.responses_edit_model,
            through_responses=settings.force_responses_edits,
        )

    def close(self) -> None:
        """Close the HTTP client."""
        self._http.close()
