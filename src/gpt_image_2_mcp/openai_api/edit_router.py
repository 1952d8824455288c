"""Chooses the route of an edit.

Edits go to `/images/edits`. If the backend refuses that route, the edit goes through the Responses API. Where that
worked, later edits go there at once for some minutes: a stray 404 of a proxy is not the last word on a route.
"""

from anyio import current_time

from ..errors import RouteRefused
from . import responses_route
from .images_route import ImagesRoute
from .request import ImageRequest, SendOutcome
from .request_status import RequestStatus
from .retry import RequestSender
from .sink import ImageSink

REMEMBERED_S = 600.0
"""How long a refused route is not tried again, once the other one worked."""


class EditRouter:
    """Sends edits by the route that this backend serves."""

    def __init__(self, sender: RequestSender, images: ImagesRoute, *, host_model: str, through_responses: bool) -> None:
        """Edit through `images`, until the backend refuses that route.

        `host_model` is the text model that calls the image tool on the Responses route. With `through_responses`, that
        route is used from the start.
        """
        self._sender = sender
        self._images = images
        self._host_model = host_model
        self._through_responses = through_responses
        self._responses_until = dict[str, float]()
        """Until when, by the event loop's clock, each image model is edited with through the Responses API."""

    async def edit(self, request: ImageRequest, status: RequestStatus, sink: ImageSink) -> SendOutcome:
        """Send an edit; raises `ApiError` if no picture arrived."""
        notes: list[str] = []
        refused = False
        if not self._through_responses and current_time() >= self._responses_until.get(request.model, 0.0):
            try:
                await self._images.edit(request, status, sink)
            except RouteRefused as refusal:
                refused = True
                notes.append(f"{refusal} Edits go through the Responses API instead for the next minutes.")
            else:
                return SendOutcome()
        notes.append(f"Edited through the Responses API, with {self._host_model} as the host model.")
        failures = await responses_route.edit(self._sender, request, status, sink, host_model=self._host_model)
        if refused:
            self._responses_until[request.model] = current_time() + REMEMBERED_S
        return SendOutcome(failures, notes)
