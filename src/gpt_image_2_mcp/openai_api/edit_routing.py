"""Which of the two routes an edit takes.

Directly through `/images/edits` where the backend serves it; where it refuses the route, through the Responses API,
and the process remembers.
"""

from ..errors import RouteRefused
from . import responses_route
from .client import RequestSender
from .images_route import ImagesRoute
from .rate_limiter import RequestStatus
from .request import ImageRequest, SendOutcome
from .sink import ImageSink


class EditRouter:
    """Sends edits the way that works with this backend."""

    def __init__(
        self, sender: RequestSender, images: ImagesRoute, *, model: str, host_model: str, through_responses: bool
    ) -> None:
        """Edit with `model`, through `images` while that works.

        On the Responses route `host_model` hosts it, from the start if `through_responses`.
        """
        self._sender = sender
        self._images = images
        self._model = model
        self._host_model = host_model
        self._through_responses = through_responses

    async def edit(self, request: ImageRequest, status: RequestStatus, sink: ImageSink) -> SendOutcome:
        """Send an edit by the route that works with this backend; raises `ApiError` where no picture came."""
        notes: list[str] = []
        if not self._through_responses:
            try:
                await self._images.edit(request, status, sink)
            except RouteRefused as refusal:
                self._through_responses = True
                notes.append(f"{refusal} From now on, edits go through the Responses API instead.")
            else:
                return SendOutcome()
        notes.append(f"Edited through the Responses API, with {self._host_model} as the host model.")
        failures = await responses_route.edit(
            self._sender, request, status, sink, model=self._model, host_model=self._host_model
        )
        return SendOutcome(failures, notes)
