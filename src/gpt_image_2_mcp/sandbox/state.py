"""The state of one sandbox: its knobs, its files, and the pictures that it serves by address.

Everything is in memory and bounded. Each `build_sandbox` makes its own.
"""

import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, field

import anyio
from starlette.requests import Request

from .errors import ApiRefusal, JsonObject, no_such_file
from .input_images import Upload
from .knobs import Knobs

MAX_FILES = 200
"""Files that a sandbox keeps."""

MAX_FILE_BYTES = 256 * 1024 * 1024
"""Bytes that all files of a sandbox may take together."""

MAX_PAINTING = 4
"""Requests that are decoded or painted at once; each may take a few hundred megabytes."""

MAX_PUBLISHED = 32
"""Pictures that can be fetched by address; older ones are forgotten."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """An uploaded file. `created` and `expires` are Unix times; None never expires."""

    id: str
    upload: Upload
    purpose: str
    created: int
    expires: int | None

    def row(self) -> JsonObject:
        """The file as OpenAI describes it."""
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


@dataclass(slots=True)
class SandboxState:
    """What a sandbox holds."""

    knobs: Knobs
    paint_limiter: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(MAX_PAINTING))
    """Threads that decode and paint."""
    _files: dict[str, StoredFile] = field(default_factory=dict[str, StoredFile], init=False)
    _served: OrderedDict[str, tuple[bytes, str]] = field(
        default_factory=OrderedDict[str, tuple[bytes, str]], init=False
    )

    def store(self, upload: Upload, *, purpose: str, lifetime_s: int | None) -> StoredFile:
        """Keep a file.

        Raises:
            ApiRefusal: 400, the sandbox is full.
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
        """The files that have not expired, oldest first."""
        now = time.time()
        self._files = {key: file for key, file in self._files.items() if file.expires is None or file.expires > now}
        return list(self._files.values())

    def file(self, file_id: str, *, param: str = "id") -> StoredFile:
        """The file of that id.

        Raises:
            ApiRefusal: 404, there is none.
        """
        self.files()
        if file_id not in self._files:
            raise no_such_file(file_id, param=param)
        return self._files[file_id]

    def delete(self, file_id: str) -> None:
        """Forget a file.

        Raises:
            ApiRefusal: 404, there is none.
        """
        self.file(file_id)
        del self._files[file_id]
        self.knobs.files_deleted += 1

    def publish(self, data: bytes, media_type: str) -> str:
        """Keep a picture to be fetched; returns its id."""
        key = secrets.token_hex(16)
        self._served[key] = (data, media_type)
        while len(self._served) > MAX_PUBLISHED:
            self._served.popitem(last=False)
        return key

    def published(self, key: str) -> tuple[bytes, str] | None:
        """A picture's bytes and media type."""
        return self._served.get(key)


def state_of(request: Request) -> SandboxState:
    """The state of the sandbox that a request came to."""
    state = request.app.state.sandbox
    assert isinstance(state, SandboxState)
    return state
