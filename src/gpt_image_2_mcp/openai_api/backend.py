"""The API behind one HTTP client: sends an `ImageRequest` by the route that it needs."""

from pathlib import Path

import httpx2

from ..settings import Settings
from .batch_route import BatchRoute
from .client import make_http, make_sdk
from .edit_router import EditRouter
from .failed_streams import FailedStreams
from .images_route import ImagesRoute
from .locate import Located, locate
from .rate_limiter import RateLimiter
from .request import ImageRequest, SendOutcome
from .request_status import RequestStatus
from .retry import RequestSender
from .sink import ImageSink

PICTURE_PATHS = ("/images/generations", "/images/edits")
"""How the paths end whose limits are those of pictures."""


class Backend:
    """The API at the address and with the key of the settings."""

    def __init__(
        self, settings: Settings, transport: httpx2.BaseTransport | None, limiter: RateLimiter, data_dir: Path | None
    ) -> None:
        """Make the HTTP client, on `transport` instead of the network if there is one, and the SDK's client on it.

        What the backend cannot do is remembered in `data_dir`; if that is None, for this process.
        """

        def note_headers(response: httpx2.Response) -> None:
            if response.request.url.path.endswith(PICTURE_PATHS):
                limiter.pace.learn_from_headers(response.headers)

        self._http = make_http(transport, note_headers)
        sender = self._sender = RequestSender(make_sdk(settings, self._http), limiter)
        self._batches = BatchRoute(sender.sdk)
        self._host_model = settings.responses_edit_model
        self._images = ImagesRoute(
            sender,
            partial_images=settings.partial_images,
            failed_streams=FailedStreams(data_dir, str(sender.sdk.base_url)),
        )
        self._edits = EditRouter(
            sender,
            self._images,
            host_model=settings.responses_edit_model,
            through_responses=settings.force_responses_edits,
        )

    async def send(self, request: ImageRequest, status: RequestStatus, sink: ImageSink) -> SendOutcome:
        """Send a request, and pass what arrives to `sink`; raises `ApiError` if no picture arrived."""
        if request.inputs:
            return await self._edits.edit(request, status, sink)
        await self._images.generate(request, status, sink)
        return SendOutcome()

    async def locate(self, words: str, picture: str, status: RequestStatus) -> Located:
        """Have the host model find something in a picture, which is a data URL; raises as `locate.locate` does."""
        return await locate(self._sender, words, picture, status, model=self._host_model)

    @property
    def batches(self) -> BatchRoute:
        """The Batch API of the same address and key."""
        return self._batches

    def close(self) -> None:
        """Close the HTTP client."""
        self._http.close()
