"""`Shelf`: what the page shows of the library: pictures with their sessions, pixels to look at, files, and pages."""

import base64
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Final

import anyio.to_thread

from ..catalogue.picture_record import Picture
from ..catalogue.search_query import SearchQuery
from ..catalogue.session import ORIGINALS, Session
from ..errors import BadRequest, ChildFailed, GptImageError, UnreadableSource, shown
from ..images.look import make_look
from ..jobs.report import Report
from ..library.text import not_shown_text
from ..parameters.fields import MAX_PROMPT
from ..service.images import ImageService
from .describe import MAX_SHORT, MAX_TURNS, described, described_session, roles
from .requests import MapRequest, OpenRequest, OriginalRequest, PictureRequest, SearchRequest

PAGE: Final = 24
"""Pictures on a page of the library."""
CHUNK: Final = 384 * 1024
"""Bytes of a file in one answer: hosts limit what one holds."""
MAX_PROOFS: Final = 20
"""Pictures of which one answer has the proof, the newest."""

Room = Callable[[], AbstractAsyncContextManager[object]]
"""Gives what is held while a large answer is made, of which the caller has a few."""


class Shelf:
    """Shows the pictures of one service."""

    def __init__(self, service: ImageService, room: Room) -> None:
        """Show the pictures of `service`; `room` is taken by what makes a large answer."""
        self._room = room
        self._service = service
        self._library = service.library

    async def open(self, request: OpenRequest) -> dict[str, Any]:
        """The pictures that are named, the session of the last one, and what that one was made from.

        Raises:
            BadRequest: there is no such session, or none of the pictures.

        """
        named = [p for each in dict.fromkeys(request.pictures) if (p := await self._library.picture(each))]
        session = await self._session(request, named)
        if not named and session is None:
            if request.pictures:
                raise BadRequest(f"There is no picture {shown(request.pictures[0])} in the catalogue any more.")
            named = [*(await self._library.find(SearchQuery(page_size=1))).pictures]
        role_of = roles(named)
        sheet = [picture.id for picture in named if role_of[picture.id] != "model"] or [p.id for p in named]
        turns = [turn.picture for turn in session.turns[-MAX_TURNS:]] if session else []
        top = next((p for p in named if sheet and p.id == sheet[-1]), None) or (
            session.head.picture if session else None
        )
        before = await self._before(top, session) if top else None
        pictures = {p.id: p for p in [*([before] if before else []), *turns, *named, *([top] if top else [])]}
        if session and (origin := described_session(session)["origin"]) and origin not in pictures:
            found = await self._library.picture(origin)
            pictures |= {found.id: found} if found else {}
        proofs = await self._proofs(list(pictures.values()))
        role_of = roles(pictures.values())
        return {
            "pictures": [
                described(p, role=role_of[p.id], proofs=proofs, most=MAX_PROMPT if p is top else MAX_SHORT)
                for p in pictures.values()
            ],
            "session": described_session(session) if session else None,
            "sheet": sheet,
            "shown": top.id if top else None,
            "before": before.id if before else None,
        }

    async def picture(self, request: PictureRequest) -> dict[str, Any]:
        """A picture as a WebP to look at; raises UnreadableSource if it cannot be shown."""
        picture = await self.known(request.picture)
        if not picture.record.can_be_shown:
            raise UnreadableSource(not_shown_text(picture))
        async with self._room():
            return await looked_at(await self._library.read_bytes(picture), request.edge, picture.path.name)

    async def map(self, request: MapRequest) -> dict[str, Any]:
        """The map of what differs between two pictures, and how much; raises UnreadableSource if there is none."""
        from ..library.comparison import differences

        pictures = [await self.known(each) for each in (request.picture, request.against)]
        async with self._room():
            data = [await self._library.read_bytes(picture) for picture in pictures]
            found = await anyio.to_thread.run_sync(partial(differences, *data))
            seen = await looked_at(found.drawn, request.edge, "map") if found.drawn else {"type": None, "data": None}
        return {**seen, "share": found.share, "text": found.text}

    async def original(self, request: OriginalRequest) -> dict[str, Any]:
        """A part of the picture's file, byte for byte; `next` is where the part behind it begins, 0 at the end."""
        picture = await self.known(request.picture)
        async with self._room():
            data = await self._library.read_bytes(picture)
        if request.offset > len(data):
            raise BadRequest(
                f"`offset` is a number up to {len(data):,}, the bytes of the file; got {request.offset:,}."
            )
        end = request.offset + CHUNK
        return {
            "type": picture.mime_type,
            "data": base64.b64encode(data[request.offset : end]).decode(),
            "name": picture.path.name,
            "size": len(data),
            "next": end if end < len(data) else 0,
        }

    async def search(self, request: SearchRequest) -> dict[str, Any]:
        """A page of the library, the newest first."""
        query = SearchQuery(text=request.query.strip() or None, page=request.page, page_size=PAGE)
        found = await self._library.find(query)
        role_of = roles(found.pictures)
        pictures = [described(picture, role=role_of[picture.id]) for picture in found.pictures]
        return {"pictures": pictures, "page": found.page, "more": found.has_more}

    async def known(self, picture_id: str) -> Picture:
        """The picture of an id; raises BadRequest if there is none."""
        found = await self._library.picture(picture_id)
        if found is None:
            raise BadRequest(f"There is no picture {shown(picture_id)} in the catalogue. list_images finds pictures.")
        return found

    async def _session(self, request: OpenRequest, named: Sequence[Picture]) -> Session | None:
        position = named[-1].record.position if named else None
        wanted = request.session or (position.session_id if position else None)
        session = await self._library.session(wanted) if wanted else None
        if request.session and session is None:
            raise BadRequest(f"There is no session {shown(request.session)}.")
        return session

    async def _before(self, picture: Picture, session: Session | None) -> Picture | None:
        """The picture that one was made from: the turn before it, or its first input."""
        turn = next((t for t in session.turns if t.picture.id == picture.id), None) if session else None
        if session and turn and turn.parent != ORIGINALS and (parent := session.turn(turn.parent)):
            return parent.picture
        inputs = [each.id for each in picture.record.parents if each.role == "image" and each.id]
        return await self._library.picture(inputs[0]) if inputs else None

    async def _proofs(self, pictures: Sequence[Picture]) -> dict[str, Any]:
        """What was counted in exact edits, as far as the reports of their jobs are still there."""
        proofs: dict[str, Any] = {}
        jobs = [p.record.job_id for p in pictures if p.record.is_composite and p.record.job_id]
        for job_id in list(dict.fromkeys(jobs))[-MAX_PROOFS:]:
            try:
                outcome = (await self._service.job(job_id)).outcome
            except GptImageError:
                continue
            images = outcome.images if isinstance(outcome, Report) else ()
            proofs |= {image.id: image.proof for image in images if image.proof}
        return proofs


async def looked_at(data: bytes, edge: int, name: str) -> dict[str, Any]:
    """A picture's bytes as a WebP in base64; raises UnreadableSource if it cannot be shown."""
    try:
        found = await anyio.to_thread.run_sync(make_look, data, edge)
    except (ValueError, ChildFailed) as error:
        raise UnreadableSource(f"The picture {name} {error}.") from None
    encoded = base64.b64encode(found.data).decode()
    return {"type": "image/webp", "data": encoded, "width": found.width, "height": found.height}
