"""Which of the two routes an edit takes.

Directly through `/images/edits` where the backend serves it; where it refuses the route, through the Responses API,
and the process remembers.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import GptImageError, RouteRefused
from ..inputs import InputImage
from ..parameters.models import Options
from . import responses_route as responses
from .client import RequestSender
from .images_route import ImagesRoute
from .rate_limiter import RequestStatus

if TYPE_CHECKING:
    from ..generation.image_saver import ImageSaver


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

    async def edit(
        self,
        status: RequestStatus,
        saver: "ImageSaver",
        *,
        prompt: str,
        n: int,
        options: Options,
        inputs: Sequence[InputImage],
        mask: InputImage | None,
    ) -> tuple[Sequence[GptImageError], Sequence[str]]:
        """Make `n` pictures; give the failures of single ones, and sentences that the answer is to say.

        Raises:
            ApiError: no picture came.

        """
        notes: list[str] = []
        if not self._through_responses:
            try:
                await self._images.edit(status, saver, prompt=prompt, n=n, options=options, inputs=inputs, mask=mask)
            except RouteRefused as refusal:
                self._through_responses = True
                notes.append(f"{refusal} From now on, edits go through the Responses API instead.")
            else:
                return [], notes
        notes.append(f"Edited through the Responses API, with {self._host_model} as the host model.")
        failures = await responses.edit(
            self._sender,
            status,
            saver,
            model=self._model,
            host_model=self._host_model,
            prompt=prompt,
            n=n,
            options=options,
            inputs=inputs,
            mask=mask,
        )
        return failures, notes
