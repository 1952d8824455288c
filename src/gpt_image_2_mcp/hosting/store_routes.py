"""The addresses that the links of a folder store lead to: `GET /pictures/…` and `/shown/…`, and `PUT /uploads/…`.

Whoever has a link needs no token: it is signed for one file, and ends. An object store answers its links itself, so
there these routes are not.
"""

from collections.abc import AsyncGenerator, Mapping
from typing import IO, Final

import anyio
import anyio.to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from ..images.validate import MAX_BYTES
from ..picture_store.folder_store import PIECE, FolderStore
from ..picture_store.keys import is_key
from ..picture_store.store import PictureStore, StoreUnusable, TooMuch, disposition_of, media_type_of
from .request_room import NoRoom, RequestRoom

SAFE: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-store",
}
"""For every answer: the files are people's, and are shown under the address of this server."""

ROOM_WITHIN_S: Final = 60.0
"""How long a file waits for those that come before it."""
UPLOAD_SECONDS: Final = 300
"""How long a file may take to come."""

_REFUSED: Final = "This link is not valid, or has ended. Ask for the picture again to get a new one.\n"


def store_routes(store: PictureStore, *, prefix: str = "") -> list[Route]:
    """The routes of a folder store, below a path; none for an object store."""
    if not isinstance(store, FolderStore):
        return []
    files = _Files(store)
    kinds = ("pictures", "shown")
    return [
        *(Route(f"{prefix}/{kind}/{{rest:path}}", files.fetch, methods=["GET"], name=kind) for kind in kinds),
        Route(f"{prefix}/uploads/{{rest:path}}", files.receive, methods=["PUT"], name="uploads"),
    ]


class _Files:
    def __init__(self, store: FolderStore) -> None:
        self._store = store
        self._room = RequestRoom()
        """For what is uploaded, which is in memory while it comes: a person who sends slowly holds up no others."""

    async def fetch(self, request: Request) -> Response:
        """Send the file of a signed link."""
        key = _key_of(request)
        ends, sign = _number(request, "ends"), request.query_params.get("sign", "")
        if not is_key(key) or not self._store.signer.is_valid(sign, "GET", key, ends, ends=ends):
            return _text(403, _REFUSED)
        try:
            file = await anyio.to_thread.run_sync(self._store.open, key)
        except FileNotFoundError:
            return _text(404, "This file is not in the picture store yet, or not any more.\n")
        except OSError:
            return _text(503, "The picture store cannot be read now: try again later.\n")
        size = await anyio.to_thread.run_sync(_size_of, file)
        headers = {**SAFE, "Content-Disposition": disposition_of(key), "Content-Length": str(size)}
        if request.method == "HEAD":
            file.close()
            return Response(headers=headers, media_type=media_type_of(key))
        return StreamingResponse(_pieces(file), headers=headers, media_type=media_type_of(key))

    async def receive(self, request: Request) -> Response:
        """Take the file that is sent to a signed link, once."""
        key = _key_of(request)
        size, ends = _number(request, "size"), _number(request, "ends")
        media_type, sign = request.query_params.get("type", ""), request.query_params.get("sign", "")
        if not is_key(key) or not self._store.signer.is_valid(sign, "PUT", key, size, media_type, ends, ends=ends):
            return _text(403, "This link is not valid, or has ended. upload_link gives a new one.\n")
        most = min(size, MAX_BYTES)
        if _content_length(request) > most:
            return _too_large(most)
        try:
            with anyio.fail_after(UPLOAD_SECONDS):
                async with self._room.taken(key.split("/")[1], most, within_s=ROOM_WITHIN_S):
                    return await self._stored(request, key, most)
        except NoRoom:
            return _text(503, "Too many files come at the moment: send it again in a minute.\n", {"Retry-After": "30"})
        except (ClientDisconnect, TimeoutError):
            return _text(408, "The file has not come completely: send it again.\n")

    async def _stored(self, request: Request, key: str, most: int) -> Response:
        data = bytearray()
        async for piece in request.stream():
            data += piece
            if len(data) > most:
                return _too_large(most)
        if not data:
            return _text(400, "The file is empty.\n")
        try:
            await anyio.to_thread.run_sync(self._store.put, key, bytes(data))
        except TooMuch:
            return _text(507, "You have sent as much as may wait here: it is deleted a day after it was sent.\n")
        except StoreUnusable as error:
            if isinstance(error.__cause__, FileExistsError):
                return _text(409, "A file was sent to this link already. upload_link gives a new one.\n")
            return _text(503, "The picture store cannot be written now: try again later.\n")
        return _text(201, "The file is there. Use it as the answer of upload_link says.\n")


def _content_length(request: Request) -> int:
    text = request.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() else 0


def _too_large(most: int) -> Response:
    return _text(413, f"This link takes {most:,} bytes: ask upload_link for one with the file's size.\n")


def _key_of(request: Request) -> str:
    """The key of an address; the kind of file is the name of its route's folder."""
    return f"{request.scope['route'].name}/{request.path_params['rest']}"


def _number(request: Request, name: str) -> int:
    text = request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else 0  # noqa: PLR2004 - of no number


def _text(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    return PlainTextResponse(text, status, {**SAFE, **(headers or {})})


def _size_of(file: IO[bytes]) -> int:
    size = file.seek(0, 2)
    file.seek(0)
    return size


async def _pieces(file: IO[bytes]) -> AsyncGenerator[bytes]:
    with file:
        while piece := await anyio.to_thread.run_sync(file.read, PIECE):
            yield piece
