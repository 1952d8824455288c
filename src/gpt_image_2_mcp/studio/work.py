"""`Work`: what the page has made: pictures, as jobs that a click starts, and exports."""

import re
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.to_thread

from ..billing.prices import dollars
from ..catalogue.session import ORIGINALS
from ..database.people import LOCAL
from ..errors import BadRequest, GptImageError, SessionError, shorten_line, shown
from ..jobs.job import Job
from ..jobs.report import Report
from ..jobs.stop_text import stop_fact
from ..library.export_text import export_text
from ..library.exporter import ExportedFile, ExportOutcome
from ..library.targets import ICON_SETS
from ..parameters import models
from ..parameters.models import PaidRequest
from ..parameters.size_names import NAMED_SIZES
from ..service.images import ImageService
from .requests import (
    CancelRequest,
    ClickRequest,
    EditRequest,
    ExportRequest,
    FinishRequest,
    GenerateRequest,
    JobRequest,
    PriceRequest,
    TargetsRequest,
)
from .shelf import Room, Shelf, looked_at

POLL_S: Final = 0.8
"""Seconds that a question about a job waits for it to end."""
PREPARED_S: Final = 10.0
"""Seconds that the answer to a click waits until the job has read its pictures, which takes milliseconds as a rule."""
PARTIAL_EDGE: Final = 768
"""Pixels of the longest edge of an unfinished picture."""
MAX_PARTIAL_BYTES: Final = 64 << 20


class Work:
    """Has pictures made by one service."""

    def __init__(self, service: ImageService, shelf: Shelf, room: Room) -> None:
        """Have them made by `service`; `room` is taken by what makes a large answer."""
        self._room = room
        self._service = service
        self._shelf = shelf

    async def start(self, request: ClickRequest, *, client: str | None) -> dict[str, Any]:
        """The job of a click: a new one, or the one that the same click has started before, in any process.

        Raises:
            GptImageError: the work cannot begin.

        """
        job = await self.started(request)
        if job is None:
            paid = await self.paid(request)
            job = self._service.start(paid, client=client, click_id=self._id_of(request))
            # It goes on when the page is gone, and is found when the page or this process begins anew.
            await self._service.wait(job, until=anyio.current_time())
            # Then its row is written, and every process finds it.
            with anyio.move_on_after(PREPARED_S):
                await job.prepared.wait()
        return {"job": job.id}

    async def started(self, request: ClickRequest) -> Job | None:
        """The job that a click has started; None if it has not."""
        try:
            return await self._service.job(self._id_of(request))
        except BadRequest:
            return None

    def _id_of(self, request: ClickRequest) -> str:
        """The id of a click's job. On a server it is the person's own, whoever else has made a click of this number."""
        person = self._service.person
        own = request.click if person == LOCAL else sha256(f"{person}\n{request.click}".encode()).hexdigest()[:32]
        return f"job-{own}"

    async def paid(self, request: ClickRequest | PriceRequest) -> PaidRequest:
        """What is asked of the service for a click, or for a question about its price.

        Raises:
            GptImageError: a picture, session or turn is not there, or the settings do not allow it.

        """
        match request:
            case EditRequest():
                mask = f"data:image/png;base64,{request.mask}" if request.mask else None
                paid = await self._edit(request, request.prompt, mask)
            case FinishRequest():
                paid = await self._finish(request.picture, request.quality)
            case PriceRequest():
                paid = await self._priced(request)
            case GenerateRequest():
                paid = _generate(request, request.prompt)
            case _:
                raise TypeError(f"{type(request).__name__} makes no picture")
        return await self._service.complete(paid)

    async def price(self, request: PriceRequest) -> dict[str, Any]:
        """What a click would cost; raises what the click would be refused with."""
        paid = await self.paid(request)
        expected = await self._service.preflight(paid)
        if paid.is_cut_out:
            return {"usd": "0", "text": "free"}
        if expected is None:
            return {"usd": None, "text": "The price is not known."}
        note = " (nothing is paid: this is the sandbox)" if self._service.settings.sandbox else ""
        return {"usd": f"{expected.usd:f}", "text": f"about {dollars(expected.usd)}{note}"}

    async def job(self, request: JobRequest, job: Job) -> dict[str, Any]:
        """How a job stands, or what came of it."""
        try:
            report = await self._service.wait(job, until=anyio.current_time() + POLL_S, is_caller=False)
        except GptImageError as error:
            return {"done": True, "error": self._service.settings.redact(str(error))}
        if report is None:
            return await self._standing(request, job)
        session = report.position.session_id if report.position else None
        return {
            "done": True,
            "pictures": [image.id for image in report.wanted],
            "behind": [image.id for image in report.behind],
            "session": session,
            "text": report.text(),
            # The page also shows jobs of the chat, which the model has asked for itself.
            "told": _told(job, report) if _is_click(job.id) else "",
        }

    async def cancel(self, request: CancelRequest) -> dict[str, Any]:
        """Stop a job that is not sent yet, and tell what became of it."""
        job = await self._service.job(request.job)
        fact = stop_fact(job, was_stopped=await self._service.cancel_job(job))
        return {"text": fact, "state": job.state}

    async def targets(self, request: TargetsRequest) -> dict[str, Any]:
        """The names of an export's targets."""
        del request  # It has no fields.
        return {"names": [*dict.fromkeys(ICON_SETS.values()), *(name for name in NAMED_SIZES if name not in ICON_SETS)]}

    async def export(self, request: ExportRequest) -> dict[str, Any]:
        """Make files of pictures; raises what `Exporter.export` raises."""
        wanted = models.ExportRequest(image=request.pictures, to=request.to, fit=request.fit)
        async with self._room():
            outcome = await self._service.exporter.export(wanted)
            if self._service.links:
                # What is left on a server's disk nobody reaches, and nobody deletes.
                outcome = await self._service.links.of_export(outcome)
        files = [{**file.as_dict(), "file_path": _place(file, outcome)} for file in outcome.files]
        return {"files": files, "text": export_text(outcome)}

    async def _edit(self, request: EditRequest | PriceRequest, prompt: str, mask: str | None) -> PaidRequest:
        """The next turn of the session that is named, or the first of a new one.

        A session that has ended is not gone on with: a new one begins with the picture of its turn.
        """
        options: dict[str, Any] = {"prompt": prompt, "quality": request.quality, "keep": request.keep}
        options |= {"mask": mask} if mask else {}
        picture = request.picture
        if request.session:
            session = await self._service.library.session(request.session)
            if session is None:
                raise SessionError(f"There is no session {shown(request.session)}.")
            if session.active:
                options |= {} if request.from_turn is None else {"from_turn": request.from_turn}
                return models.parse(models.ContinueSessionRequest, {"session_id": session.id, **options})
            number = session.parent_for(request.from_turn)
            turn = session.turn(number)
            origin = next((each.id for each in session.originals if each.id), None) if number == ORIGINALS else None
            picture = turn.picture.id if turn else origin
        if picture is None:
            raise BadRequest("Name the picture to change: `picture`, or `session` with a turn whose picture is here.")
        await self._shelf.known(picture)
        return models.parse(models.StartSessionRequest, {"images": [picture], **options})

    async def _finish(self, picture: str, quality: str) -> PaidRequest:
        await self._shelf.known(picture)
        return models.parse(models.EditRequest, {"images": [picture], "like": picture, "quality": quality})

    async def _priced(self, request: PriceRequest) -> PaidRequest:
        prompt = request.prompt or "x" * 400
        match request.action:
            case "generate":
                return _generate(request, prompt)
            case "finish":
                if request.picture is None:
                    raise BadRequest("`picture` is missing (a picture's id).")
                return await self._finish(request.picture, request.quality)
            case "edit":
                return await self._edit(request, prompt, "box 2%,2% 96%x96%" if request.mask else None)

    async def _standing(self, request: JobRequest, job: Job) -> dict[str, Any]:
        working = job.working_job
        found: dict[str, Any] = {
            "done": False,
            "state": "queued" if working.state in {"preparing", "queued"} else "running",
            "text": working.progress_text(),
            "elapsed_s": round(anyio.current_time() - job.started_at, 1),
            "expected_s": round(job.expected_s, 1),
        }
        partials = working.files.partials
        if len(partials) > request.partials:
            try:
                async with self._room():
                    data = await anyio.to_thread.run_sync(_read_bounded, partials[-1])
                    seen = await looked_at(data, PARTIAL_EDGE, partials[-1].name)
            except (OSError, GptImageError):
                return found  # The finished picture is on its way.
            found["partial"] = {**seen, "number": len(partials)}
        return found


def _generate(request: GenerateRequest | PriceRequest, prompt: str) -> PaidRequest:
    options = {"prompt": prompt, "quality": request.quality, "size": request.size, "n": request.n}
    return models.parse(models.GenerateRequest, options)


def _place(file: ExportedFile, outcome: ExportOutcome) -> str:
    """Where a person finds an exported file: a path, or on a server a link, to the archive if it is in one."""
    link = file.link or outcome.archive
    if not outcome.is_linked:
        return str(file.path)
    return f"{link.url}#{file.path.name}" if link else file.path.name


def _is_click(job_id: str) -> bool:
    return re.fullmatch("job-[0-9a-f]{32}", job_id) is not None


def _read_bounded(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_PARTIAL_BYTES)


def _told(job: Job, report: Report) -> str:
    """One line for the model's context: what the person did in the studio."""
    made = ", ".join(f"{image.id} ({image.path})" for image in report.wanted)
    masked = ", only where they had painted" if job.request.is_marked else ""
    words = f"with the words {shorten_line(report.prompt, 300)!r}"
    how = f"as the final picture of the draft {report.final['draft']}, {words}" if report.final else words
    text = f"In the studio the person had {made} made {how}{masked}."
    if report.position is not None:
        parent = f"turn {report.position.parent}" if report.position.parent else "the originals"
        text += f" It is turn {report.position.turn} of {report.position.session_id}, made from {parent}."
    return text
