"""The state of one sandbox, `SandboxState`: its knobs, files and batches, and the pictures that it serves by URL.

Everything is in memory and bounded. Each call of `build_sandbox` makes a state of its own.
"""

import secrets
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio
from starlette.requests import Request

from .batch_state import MadeLine, StoredBatch
from .errors import ApiRefusal, JsonObject, no_such_batch, no_such_file
from .grounds import MAX_REMEMBERED, Recipe
from .input_images import Upload
from .knobs import Knobs

MAX_FILES = 2000
"""Uploaded files that a sandbox keeps."""

MAX_FILE_BYTES = 256 * 1024 * 1024
"""Bytes that all files of a sandbox may take together."""

MAX_BATCHES = 200
"""Batches that a sandbox keeps; the oldest are dropped beyond that."""

MAX_PAINTING = 4
"""Requests whose pictures are decoded or painted at once; each may need a few hundred megabytes."""

MAX_RESPONSES = 16
"""Responses that a later one can go on from; the oldest are dropped beyond that."""

MAX_PUBLISHED = 32
"""Pictures that can be fetched by URL; the oldest are dropped beyond that."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file. `created` and `expires` are Unix times; a file whose `expires` is None stays.

    `lines` are those of a batch's output, which is made from them whenever it is read; `upload` has only its name then.
    """

    id: str
    upload: Upload
    purpose: str
    created: int
    expires: int | None
    lines: Sequence[MadeLine | JsonObject] | None = None

    def row(self, size: int) -> JsonObject:
        """Describe the file of `size` bytes as `GET /v1/files` does."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": size,
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
    batch_lock: anyio.Lock = field(default_factory=anyio.Lock)
    """Held while the lines of batches run: each runs once."""
    sizes: dict[str, int] = field(default_factory=dict[str, int], init=False)
    """The bytes of each output of a batch that were counted."""
    _batches: OrderedDict[str, StoredBatch] = field(default_factory=OrderedDict[str, StoredBatch], init=False)
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
        now = int(self.knobs.now())
        self._files = {key: file for key, file in self._files.items() if _is_there(file, now)}
        total = sum(len(file.upload.data) for file in self._files.values()) + len(upload.data)
        if len(self._files) >= MAX_FILES or total > MAX_FILE_BYTES:
            message = f"The sandbox keeps at most {MAX_FILES} files of {MAX_FILE_BYTES} bytes in all: delete some."
            raise ApiRefusal(400, message, code="storage_limit_exceeded")
        expires = None if lifetime_s is None else now + lifetime_s
        file = StoredFile(_new_file_id(), upload, purpose, now, expires)
        self._files[file.id] = file
        self.knobs.files_uploaded += 1
        return file

    def store_output(
        self, name: str, lines: Sequence[MadeLine | JsonObject], *, created: float, lifetime_s: int
    ) -> str:
        """Keep a batch's output or its errors as a file, and return its id."""
        since = int(created)
        file = StoredFile(
            _new_file_id(), Upload(b"", name=name), "batch_output", since, since + lifetime_s, tuple(lines)
        )
        self._files[file.id] = file
        return file.id

    def files(self) -> list[StoredFile]:
        """Return the files that have not expired, the oldest first."""
        now = self.knobs.now()
        return [file for file in self._files.values() if _is_there(file, now)]

    def file(self, file_id: str, *, param: str = "id", at: float | None = None) -> StoredFile:
        """Return the file with that id; `param` is the parameter that an error names, `at` a time other than now.

        Raises:
            ApiRefusal: 404, there is no such file, or it has expired.
        """
        file = self._files.get(file_id)
        if file is None or not _is_there(file, self.knobs.now() if at is None else at):
            raise no_such_file(file_id, param=param)
        return file

    def delete(self, file_id: str) -> None:
        """Delete a file.

        Raises:
            ApiRefusal: 404, there is no such file, or it has expired.
        """
        self.file(file_id)
        del self._files[file_id]
        self.knobs.files_deleted += 1

    def add_batch(self, batch: StoredBatch) -> None:
        """Keep a new batch."""
        self._batches[batch.id] = batch
        self.knobs.batches += 1
        while len(self._batches) > MAX_BATCHES:
            self._batches.popitem(last=False)

    def batches(self) -> list[StoredBatch]:
        """Return the batches, the oldest first."""
        return list(self._batches.values())

    def batch(self, batch_id: str) -> StoredBatch:
        """Return the batch with that id.

        Raises:
            ApiRefusal: 404, there is no such batch.
        """
        if batch_id not in self._batches:
            raise no_such_batch(batch_id)
        return self._batches[batch_id]

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


def _is_there(file: StoredFile, at: float) -> bool:
    return file.expires is None or file.expires > at


def _new_file_id() -> str:
    return f"file-{secrets.token_hex(12)}"


def state_of(request: Request) -> SandboxState:
    """Return the state of the sandbox that received the request."""
    state = request.app.state.sandbox
    assert isinstance(state, SandboxState)
    return state
