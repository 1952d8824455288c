"""OpenAI's Batch API: uploads, submitting, looking, cancelling, and the results, one line after the other.

Everything here blocks, and is called in threads. Only `create` costs money: it is sent once, and what becomes of it is
known, or found by the mark in the batch's metadata. The other requests are sent again where that may help.
"""

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, Final, Literal, TypeVar

import httpx2
import openai

from ..errors import ApiError, OutcomeUnknown
from .errors import MODEL_NAMED_IN, translate
from .origin import Origin
from .retry import wait_before_retry
from .unbilled import was_never_sent

Endpoint = Literal["/v1/images/generations", "/v1/images/edits"]

MARK: Final = "gpt_image_2_mcp"
"""The key in a batch's metadata under which its mark stands."""
MAX_LISTED: Final = 2_000
"""The newest batches among which one is looked for by its mark."""
KEPT_S: Final = 30 * 24 * 3600
"""Seconds for which OpenAI keeps uploads and results: the most that it takes."""
MAX_LINE_BYTES: Final = 10 * 48 * 1024 * 1024 + 1024 * 1024
"""Bytes of one line of the results: ten of the largest pictures in base64."""
MAX_SHORT_WAIT_S: Final = 10.0
"""Seconds of a named wait that are waited for here; a longer one is an error, and all is looked at again later."""

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class RemoteBatch:
    """What OpenAI says of a batch."""

    id: str
    status: str
    input_file: str | None = None
    output_file: str | None = None
    error_file: str | None = None
    total: int = 0
    completed: int = 0
    failed: int = 0
    error: str = ""
    """Why it failed as a whole, in the API's words."""

    @property
    def is_over(self) -> bool:
        """Whether no line of it can end any more."""
        return self.status in ("completed", "failed", "expired", "cancelled")


class BatchRoute:
    """The Batch API behind one SDK client."""

    def __init__(self, sdk: openai.OpenAI) -> None:
        """Send with `sdk`."""
        self._sdk = sdk

    def upload_picture(self, name: str, data: bytes, mime: str) -> str:
        """Upload a reference, and return the file's id; raises ApiError."""
        return self._again(
            lambda: (
                self._sdk.files.create(
                    file=(name, data, mime),
                    purpose="vision",
                    expires_after={"anchor": "created_at", "seconds": KEPT_S},
                ).id
            )
        )

    def upload_lines(self, name: str, file: IO[bytes]) -> str:
        """Upload a file of lines, and return its id; raises ApiError."""

        def upload() -> str:
            file.seek(0)
            return self._sdk.files.create(
                file=(name, file, "application/jsonl"),
                purpose="batch",
                expires_after={"anchor": "created_at", "seconds": KEPT_S},
            ).id

        return self._again(upload)

    def create(self, input_file: str, endpoint: Endpoint, mark: str) -> RemoteBatch:
        """Submit a batch, once.

        Raises:
            OutcomeUnknown: it may be submitted, and is to be looked for by its mark.
            ApiError: it is not submitted.

        """
        try:
            return _remote(
                self._sdk.batches.create(
                    input_file_id=input_file,
                    endpoint=endpoint,
                    completion_window="24h",
                    metadata={MARK: mark},
                    output_expires_after={"anchor": "created_at", "seconds": KEPT_S},
                )
            )
        except openai.APIConnectionError as error:
            failure = translate(error, model="", variable=MODEL_NAMED_IN)
            if was_never_sent(error):
                raise failure from error
            raise OutcomeUnknown(str(failure)) from error
        except openai.APIStatusError as error:
            failure = translate(error, model="", variable=MODEL_NAMED_IN)
            if error.status_code < 500:  # noqa: PLR2004 - the API's own refusal
                raise failure from error
            raise OutcomeUnknown(str(failure)) from error
        except (openai.OpenAIError, httpx2.HTTPError) as error:
            raise OutcomeUnknown("The answer to the submission cannot be read.") from error

    def find(self, mark: str) -> RemoteBatch | None:
        """The batch with this mark, if it is among the newest; raises ApiError."""

        def look() -> RemoteBatch | None:
            for count, batch in enumerate(self._sdk.batches.list(limit=100)):
                if (batch.metadata or {}).get(MARK) == mark:
                    return _remote(batch)
                if count >= MAX_LISTED:
                    break
            return None

        return self._again(look)

    def retrieve(self, batch_id: str) -> RemoteBatch:
        """How a batch stands; raises ApiError."""
        return self._again(lambda: _remote(self._sdk.batches.retrieve(batch_id)))

    def cancel(self, batch_id: str) -> None:
        """Cancel a batch; one that is over stays as it is. Raises ApiError."""
        try:
            self._again(lambda: self._sdk.batches.cancel(batch_id))
        except ApiError as error:
            if error.status != 409:  # noqa: PLR2004 - it is over
                raise

    @contextmanager
    def results(self, file_id: str) -> "Generator[ResultLines]":
        """Open a file of results, whose lines are read from the network one after the other; raises ApiError."""
        with self._translated(), self._sdk.files.with_streaming_response.content(file_id) as response:
            yield ResultLines(response)

    def delete_file(self, file_id: str) -> None:
        """Delete an upload; raises ApiError."""
        self._again(lambda: self._sdk.files.delete(file_id))

    def _again(self, call: Callable[[], ResultT]) -> ResultT:
        """Send a request that costs nothing, and again where that may help; raises ApiError."""
        tries = 0
        while True:
            tries += 1
            with self._translated():
                try:
                    return call()
                except openai.OpenAIError as error:
                    wait = wait_before_retry(error, tries)
                    if wait is None or wait > MAX_SHORT_WAIT_S:
                        raise
            time.sleep(wait)

    @contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except openai.OpenAIError as error:
            raise translate(error, model="", variable=MODEL_NAMED_IN) from error
        except httpx2.HTTPError as error:
            raise ApiError(f"The connection to the API broke off ({type(error).__name__}).") from error


class ResultLines:
    """The lines of a file of results, as they arrive."""

    def __init__(self, response: Any) -> None:
        """Read nothing yet; `response` is the SDK's."""
        self.origin = Origin.of(response.http_response)
        self._pieces = response.iter_bytes()
        self._rest = bytearray()
        self._looked_at = 0

    def next(self) -> bytes | None:
        """The next line; None at the end. Blocks.

        Raises:
            ApiError: the connection broke off, or a line is longer than any picture.

        """
        while True:
            end = self._rest.find(b"\n", self._looked_at)
            if end >= 0:
                line = bytes(self._rest[:end])
                del self._rest[: end + 1]
                self._looked_at = 0
                if line.strip():
                    return line
                continue
            self._looked_at = len(self._rest)
            if self._looked_at > MAX_LINE_BYTES:
                raise ApiError(f"A line of the batch's results has more than {MAX_LINE_BYTES:,} bytes.")
            try:
                self._rest += next(self._pieces)
            except StopIteration:
                line, self._rest = bytes(self._rest), bytearray()
                self._looked_at = 0
                return line if line.strip() else None
            except (httpx2.HTTPError, openai.OpenAIError) as error:
                raise ApiError(f"The connection to the API broke off ({type(error).__name__}).") from error


def _remote(batch: Any) -> RemoteBatch:
    counts = batch.request_counts
    data: list[Any] = list((batch.errors and batch.errors.data) or [])
    return RemoteBatch(
        id=batch.id,
        status=batch.status,
        input_file=batch.input_file_id,
        output_file=batch.output_file_id,
        error_file=batch.error_file_id,
        total=counts.total if counts else 0,
        completed=counts.completed if counts else 0,
        failed=counts.failed if counts else 0,
        error="; ".join(_words(error) for error in data[:3]),
    )


def _words(error: Any) -> str:
    place = f" (line {error.line})" if getattr(error, "line", None) else ""
    return f"{error.code or 'error'}: {str(error.message or '')[:300]}{place}"


def line_of(custom_id: str, endpoint: Endpoint, body: Mapping[str, Any]) -> dict[str, Any]:
    """One line of the file that is submitted."""
    return {"custom_id": custom_id, "method": "POST", "url": endpoint, "body": dict(body)}
