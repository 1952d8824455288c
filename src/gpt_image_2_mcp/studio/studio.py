"""`Studio`: answers what the page asks; the tool `studio_app` and the command `studio` both enter here."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from typing import Any

from ..jobs.job import Job
from ..parameters.models import PaidRequest
from ..service.images import ImageService
from .requests import (
    CancelRequest,
    ClickRequest,
    EditRequest,
    ExportRequest,
    FinishRequest,
    GenerateRequest,
    JobRequest,
    MapRequest,
    OpenRequest,
    OriginalRequest,
    PictureRequest,
    PriceRequest,
    SearchRequest,
    StudioRequest,
    TargetsRequest,
)
from .shelf import Room, Shelf
from .work import Work


class Studio:
    """The studio of one service, for one caller."""

    def __init__(
        self,
        service: ImageService,
        *,
        client: str | None = None,
        note_job: Callable[[Job], None] | None = None,
        room: Room = nullcontext,
    ) -> None:
        """Use `service` for the caller `client`; `note_job` is told the job that a question is about.

        `room` is what a large answer is made in.
        """
        self._client = client
        self._note_job = note_job
        self._service = service
        self._shelf = Shelf(service, room)
        self._work = Work(service, self._shelf, room)
        self._answers: Mapping[type[StudioRequest], Callable[[Any], Awaitable[dict[str, Any]]]] = {
            OpenRequest: self._shelf.open,
            PictureRequest: self._shelf.picture,
            MapRequest: self._shelf.map,
            OriginalRequest: self._shelf.original,
            SearchRequest: self._shelf.search,
            PriceRequest: self._work.price,
            EditRequest: self._start,
            FinishRequest: self._start,
            GenerateRequest: self._start,
            JobRequest: self._job,
            CancelRequest: self._work.cancel,
            TargetsRequest: self._work.targets,
            ExportRequest: self._work.export,
        }

    async def answer(self, request: StudioRequest) -> dict[str, Any]:
        """The answer to what the page asks, as JSON.

        Raises:
            GptImageError: it cannot be done; the message is for the person.

        """
        return await self._answers[type(request)](request)

    async def _job(self, request: JobRequest) -> dict[str, Any]:
        job = await self._service.job(request.job)
        if self._note_job:
            self._note_job(job)
        return await self._work.job(request, job)

    async def _start(self, request: ClickRequest) -> dict[str, Any]:
        return await self._work.start(request, client=self._client)

    async def to_be_paid(self, request: StudioRequest) -> PaidRequest | None:
        """What a click would have the service make for money; None if it costs nothing, or was started already.

        Raises:
            GptImageError: the click would be refused in any case.

        """
        if not isinstance(request, ClickRequest):
            return None
        return None if await self._work.started(request) else await self._work.paid(request)
