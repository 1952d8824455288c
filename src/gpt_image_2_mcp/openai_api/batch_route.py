"""OpenAI's Batch API: uploads, submitting, looking, cancelling, and the results, one line after the other.

Everything here blocks, and is called in threads. Only `create` costs money: it is sent once, and what becomes of it is
known, or found by the mark in the batch's metadata. The other requests are sent again where that may help.
"""

import re
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any, Final, Literal, TypeVar, cast

import httpx2
import openai

from ..errors import ODD_JSON, ApiError, OutcomeUnknown
from ..redaction.printable import printable_line
from .errors import MODEL_NAMED_IN, translate
from .origin import Origin
from .retry import wait_before_retry
from .sdk_modules import load_resources
from .unbilled import was_never_sent

Endpoint = Literal["/v1/images/generations", "/v1/images/edits"]

_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,200}")
MAX_STATUS: Final = 100
"""Characters that are kept of a status or a code."""
MAX_COUNT: Final = 1_000_000
"""A batch has 50,000 lines at most."""
MAX_TIME: Final = 32_503_680_000
"""Seconds since 1970: the year 3000."""
MARK: Final = "gpt_image_2_mcp"
"""The key in a batch's metadata under which its mark stands."""
MAX_LISTED: Final = 2_000
"""The newest batches among which one is looked for by its mark."""
KEPT_S: Final = 30 * 24 * 3600
"""Seconds for which OpenAI keeps uploads and results: the most that it takes."""
DELETED_IN_S: Final = 10.0
"""Seconds for which the answer to a deletion is waited for."""
MAX_LINE_BYTES: Final = 10 * 48 * 1024 * 1024 + 1024 * 1024
"""Bytes of one line of the results: ten of the largest pictures in base64."""
MAX_LINES: Final = 60_000
"""Lines that are read of a file of results, empty ones included: a batch has 50,000 at most."""
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
    ended_s: float | None = None
    """When it was over, in seconds since 1970; None if that is not told."""

    @property
    def is_over(self) -> bool:
        """Whether no line of it can end any more."""
        return self.status in ("completed", "failed", "expired", "cancelled")


class BatchRoute:
    """The Batch API behind one SDK client."""

    def __init__(self, sdk: openai.OpenAI) -> None:
        """Send with `sdk`."""
        self._client = sdk

    @property
    def _sdk(self) -> openai.OpenAI:
        load_resources("files", "batches")
        return self._client

    def upload_picture(self, name: str, data: bytes, mime: str) -> str:
        """Upload a reference, and return the file's id; raises ApiError."""
        return self._again(
            lambda: _id_of(
                self._sdk.files.create(
                    file=(name, data, mime),
                    purpose="vision",
                    expires_after={"anchor": "created_at", "seconds": KEPT_S},
                )
            )
        )

    def upload_lines(self, name: str, file: IO[bytes]) -> str:
        """Upload a file of lines, and return its id; raises ApiError."""

        def upload() -> str:
            file.seek(0)
            return _id_of(
                self._sdk.files.create(
                    file=(name, file, "application/jsonl"),
                    purpose="batch",
                    expires_after={"anchor": "created_at", "seconds": KEPT_S},
                )
            )

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
        except (openai.OpenAIError, httpx2.HTTPError, ApiError, *ODD_JSON) as error:
            raise OutcomeUnknown("The answer to the submission cannot be read.") from error

    def find(self, mark: str) -> RemoteBatch | None:
        """The batch with this mark, if it is among the newest; raises ApiError."""

        def look() -> RemoteBatch | None:
            for count, batch in enumerate(self._sdk.batches.list(limit=100)):
                metadata: object = getattr(batch, "metadata", None)
                if isinstance(metadata, dict) and cast("dict[str, object]", metadata).get(MARK) == mark:
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

    def delete_files(self, file_ids: Iterable[str], *, within_s: float) -> None:
        """Delete uploads, as far as that works in so many seconds; raises nothing.

        OpenAI deletes what is left after `KEPT_S` seconds.
        """
        until = time.monotonic() + within_s
        for file_id in file_ids:
            if time.monotonic() > until:
                return
            with suppress(openai.OpenAIError, httpx2.HTTPError, *ODD_JSON):
                self._sdk.files.delete(file_id, timeout=DELETED_IN_S)

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
        except ODD_JSON as error:
            raise ApiError("The API's answer about a batch or a file cannot be read.") from error


class ResultLines:
    """The lines of a file of results, as they arrive."""

    def __init__(self, response: Any) -> None:
        """Read nothing yet; `response` is the SDK's."""
        self.origin = Origin.of(response.http_response)
        self._pieces = response.iter_bytes()
        self._rest = bytearray()
        self._looked_at = 0
        self._count = 0

    def next(self) -> bytes | None:
        """The next line; None at the end, and behind the lines that a file may have. Blocks.

        Raises:
            ApiError: the connection broke off, or a line is longer than any picture.

        """
        while True:
            end = self._rest.find(b"\n", self._looked_at)
            if end >= 0:
                line = bytes(self._rest[:end])
                del self._rest[: end + 1]
                self._looked_at = 0
                self._count += 1
                if self._count > MAX_LINES:
                    return None
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
    """Read what was said of a batch; raises ApiError without a plain id."""
    counts = batch.request_counts
    data: Any = getattr(batch.errors, "data", None)
    return RemoteBatch(
        id=_id_of(batch),
        status=printable_line(str(batch.status))[:MAX_STATUS],
        input_file=_plain(batch.input_file_id),
        output_file=_plain(batch.output_file_id),
        error_file=_plain(batch.error_file_id),
        total=_count(counts, "total"),
        completed=_count(counts, "completed"),
        failed=_count(counts, "failed"),
        ended_s=_ended_s(batch),
        error="; ".join(_words(error) for error in (cast("list[Any]", data)[:3] if isinstance(data, list) else [])),
    )


def _id_of(found: Any) -> str:
    """The id of a file or a batch, which is put into addresses; raises ApiError if it is none."""
    plain = _plain(found.id)
    if plain is None:
        raise ApiError("The API's answer has no id.")
    return plain


def _plain(value: object) -> str | None:
    return value if isinstance(value, str) and _ID.fullmatch(value) else None


def _count(counts: object, name: str) -> int:
    value: object = getattr(counts, name, 0)
    return value if isinstance(value, int) and 0 <= value <= MAX_COUNT else 0


def _ended_s(batch: Any) -> float | None:
    times = (getattr(batch, f"{how}_at", None) for how in ("completed", "expired", "cancelled", "failed"))
    return next((float(at) for at in times if isinstance(at, int) and 0 < at < MAX_TIME), None)


def _words(error: Any) -> str:
    line: object = getattr(error, "line", None)
    place = f" (line {line})" if isinstance(line, int) and 0 < line <= MAX_COUNT else ""
    code, message = (printable_line(str(getattr(error, name, None) or "")) for name in ("code", "message"))
    return f"{code[:MAX_STATUS] or 'error'}: {message[:300]}{place}"


def line_of(custom_id: str, endpoint: Endpoint, body: Mapping[str, Any]) -> dict[str, Any]:
    """One line of the file that is submitted."""
    return {"custom_id": custom_id, "method": "POST", "url": endpoint, "body": dict(body)}
