"""Chooses the route of an edit.

Edits go to `/images/edits`. If the backend refuses that route, this edit and all later ones of the process go through
the Responses API.
"""

from ..errors import RouteRefused
from . import responses_route
from .client import RequestSender
from .images_route import ImagesRoute
from .rate_limiter import RequestStatus
from .request import ImageRequest, SendOutcome
from .sink import ImageSink


class EditRouter:
    """Sends edits by the route that this backend serves."""

    def __init__(
        self, sender: RequestSender, images: ImagesRoute, *, model: str, host_model: str, through_responses: bool
    ) -> None:
        """Edit with `model` through `images`, until the backend refuses that route.

        `host_model` is the text model that calls the image tool on the Responses route. With `through_responses`, that
        route is used from the start.
        """
        self._sender = sender
        self._images = images
        self._model = model
        self._host_model = host_model
        self._through_responses = through_responses

    async def edit(self, request: ImageRequest, status: RequestStatus, sink: ImageSink) -> SendOutcome:
        """Send an edit; raises `ApiError` if no picture arrived."""
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
