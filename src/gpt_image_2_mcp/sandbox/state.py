"""The state of one sandbox, `SandboxState`: its knobs, its uploaded files, and the pictures that it serves by URL.

Everything is in memory and bounded. Each call of `build_sandbox` makes a state of its own.
"""

import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, field

import anyio
from starlette.requests import Request

from .errors import ApiRefusal, JsonObject, no_such_file
from .grounds import MAX_REMEMBERED, Recipe
from .input_images import Upload
from .knobs import Knobs

MAX_FILES = 200
"""Uploaded files that a sandbox keeps."""

MAX_FILE_BYTES = 256 * 1024 * 1024
"""Bytes that all files of a sandbox may take together."""

MAX_PAINTING = 4
"""Requests whose pictures are decoded or painted at once; each may need a few hundred megabytes."""

MAX_RESPONSES = 16
"""Responses that a later one can go on from; the oldest are dropped beyond that."""

MAX_PUBLISHED = 32
"""Pictures that can be fetched by URL; the oldest are dropped beyond that."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """An uploaded file. `created` and `expires` are Unix times; a file whose `expires` is None stays."""

    id: str
    upload: Upload
    purpose: str
    created: int
    expires: int | None

    def row(self) -> JsonObject:
        """Describe the file as `GET /v1/files` does."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": len(self.upload.data),
            "created_at": self.created,
            "expires_at": self.expires,
            "filename": self.upload.name,
            "purpose": self.purpose,
            "status": "processed",
            "status_details": None,
        }


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """A response that a later one can go on from; `pictures` is the one that it made, or else its inputs."""

    body: JsonObject
    pictures: tuple[Upload, ...]


@dataclass(slots=True)
class SandboxState:
    """Everything that one sandbox holds."""

    knobs: Knobs
    paint_limiter: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(MAX_PAINTING))
    """Limits the threads that decode and paint to `MAX_PAINTING`."""
    _files: dict[str, StoredFile] = field(default_factory=dict[str, StoredFile], init=False)
    _responses: OrderedDict[str, StoredResponse] = field(default_factory=OrderedDict[str, StoredResponse], init=False)
    _recipes: OrderedDict[str, Recipe] = field(default_factory=OrderedDict[str, Recipe], init=False)
    _published: OrderedDict[str, tuple[bytes, str]] = field(
        default_factory=OrderedDict[str, tuple[bytes, str]], init=False
    )

    def remember(self, key: str, recipe: Recipe) -> None:
        """Keep what a picture on a plain ground was painted from."""
        self._recipes[key] = recipe
        while len(self._recipes) > MAX_REMEMBERED:
            self._recipes.popitem(last=False)

    def recipe(self, key: str) -> Recipe | None:
        """Return what a picture was painted from; None if the sandbox did not paint it lately."""
        return self._recipes.get(key)

    def store(self, upload: Upload, *, purpose: str, lifetime_s: int | None) -> StoredFile:
        """Keep an uploaded file; `lifetime_s` is None for a file that does not expire.

        Raises:
            ApiRefusal: 400, the files together would exceed `MAX_FILES` or `MAX_FILE_BYTES`.
        """
        files = self.files()
        total = sum(len(file.upload.data) for file in files) + len(upload.data)
        if len(files) >= MAX_FILES or total > MAX_FILE_BYTES:
            message = f"The sandbox keeps at most {MAX_FILES} files of {MAX_FILE_BYTES} bytes in all: delete some."
            raise ApiRefusal(400, message, code="storage_limit_exceeded")
        now = int(time.time())
        expires = None if lifetime_s is None else now + lifetime_s
        file = StoredFile(f"file-{secrets.token_hex(12)}", upload, purpose, now, expires)
        self._files[file.id] = file
        self.knobs.files_uploaded += 1
        return file

    def files(self) -> list[StoredFile]:
        """Return the files that have not expired, the oldest first; expired ones are dropped."""
        now = time.time()
        self._files = {key: file for key, file in self._files.items() if file.expires is None or file.expires > now}
        return list(self._files.values())

    def file(self, file_id: str, *, param: str = "id") -> StoredFile:
        """Return the file with that id; `param` is the parameter that an error names.

        Raises:
            ApiRefusal: 404, there is no such file, or it has expired.
        """
        self.files()
        if file_id not in self._files:
            raise no_such_file(file_id, param=param)
        return self._files[file_id]

    def delete(self, file_id: str) -> None:
        """Delete a file.

        Raises:
            ApiRefusal: 404, there is no such file, or it has expired.
        """
        self.file(file_id)
        del self._files[file_id]
        self.knobs.files_deleted += 1

    def store_response(self, response: StoredResponse) -> None:
        """Keep a finished response."""
        self._responses[str(response.body["id"])] = response
        while len(self._responses) > MAX_RESPONSES:
            self._responses.popitem(last=False)

    def response(self, response_id: str) -> StoredResponse | None:
        """Return the stored response with that id; None if it was deleted, was dropped, or never was stored."""
        return self._responses.get(response_id)

    def delete_response(self, response_id: str) -> None:
        """Delete a stored response, if it is there."""
        self._responses.pop(response_id, None)

    def publish(self, data: bytes, media_type: str) -> str:
        """Keep a picture that an answer refers to by URL; return the key, which is the last part of the URL."""
        key = secrets.token_hex(16)
        self._published[key] = (data, media_type)
        while len(self._published) > MAX_PUBLISHED:
            self._published.popitem(last=False)
        return key

    def published(self, key: str) -> tuple[bytes, str] | None:
        """Return the bytes and the media type of a published picture; None if the key is unknown."""
        return self._published.get(key)


def state_of(request: Request) -> SandboxState:
    """Return the state of the sandbox that received the request."""
    state = request.app.state.sandbox
    assert isinstance(state, SandboxState)
    return state
