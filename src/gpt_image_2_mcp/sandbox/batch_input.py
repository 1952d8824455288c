"""The input file of a batch: which lines OpenAI accepts.

A rule that is broken here fails the whole batch before anything runs or is billed. Whether a body is a good request is
found out when its line runs, and fails that line alone.

The codes and sentences for lines are those that users and OpenAI's documents report; `too_many_tasks` and
`file_too_large` are worded by the sandbox.
"""

import json
import random
from collections.abc import Sequence

from .batch_state import BatchLine
from .errors import Json, JsonObject
from .models import PICTURE_MODELS
from .rules import is_object, json_type, parse_json

MAX_LINES = 50_000
"""Requests of one batch."""

MAX_BATCH_BYTES = 200 * 1024 * 1024
"""Bytes of one input file."""


def read_lines(data: bytes, *, endpoint: str) -> tuple[list[BatchLine], str | None, list[JsonObject]]:
    """Read an input file into its lines, their model, and its errors, which are as `errors.data` shows them."""
    if len(data) > MAX_BATCH_BYTES:
        message = f"The batch input file is larger than the {MAX_BATCH_BYTES} maximum. Please use a smaller batch."
        return [], None, [batch_error("file_too_large", message)]
    texts = [(number, text) for number, text in enumerate(data.split(b"\n"), start=1) if text.strip()]
    if not texts:
        message = "The batch input file is empty. Please ensure that the batch contains at least one request."
        return [], None, [batch_error("empty_file", message)]
    if len(texts) > MAX_LINES:
        message = f"The batch input file contains more requests than the maximum of {MAX_LINES}."
        return [], None, [batch_error("too_many_tasks", message)]
    reader = _Reader(endpoint)
    for number, text in texts:
        reader.read(number, text)
    return reader.lines, reader.model, reader.errors


def shuffled(lines: Sequence[BatchLine], *, seed: str) -> list[BatchLine]:
    """Return the lines in another order, which is the same for the same seed."""
    order = [*lines]
    random.Random(seed).shuffle(order)  # noqa: S311, no secret
    return order if len(order) < 2 or order != [*lines] else order[::-1]  # noqa: PLR2004, one line has one order


def batch_error(code: str, message: str, *, line: int | None = None, param: str | None = None) -> JsonObject:
    """Return an entry of `errors.data`."""
    return {"code": code, "message": message, "param": param, "line": line}


class _BadLineError(Exception):
    """A line breaks a rule."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param


class _Reader:
    """Reads lines one after another, and remembers what the rules for the whole file need."""

    def __init__(self, endpoint: str) -> None:
        self.lines: list[BatchLine] = []
        self.model: str | None = None
        self.errors: list[JsonObject] = []
        self._endpoint = endpoint
        self._ids: set[str] = set()

    def read(self, number: int, text: bytes) -> None:
        """Read a line, or note the first rule that it breaks."""
        try:
            self.lines.append(self._line(text))
        except _BadLineError as exc:
            self.errors.append(batch_error(exc.code, exc.message, line=number, param=exc.param))

    def _line(self, text: bytes) -> BatchLine:
        try:
            line = parse_json(text)
        except ValueError as exc:
            raise _BadLineError("invalid_json_line", "This line is not parseable as valid JSON.") from exc
        if not is_object(line):
            raise _BadLineError("invalid_json_line", "This line is not a JSON object.")
        custom_id, method, url = (_text(line.get(name), name) for name in ("custom_id", "method", "url"))
        body = line.get("body")
        if body is None:
            raise _missing("body")
        if not is_object(body):
            raise _wrong_type("body", body, expected="an object")
        self._check_id(custom_id)
        if method != "POST":
            raise _BadLineError(
                "invalid_value", f"Invalid value: '{method}'. Supported values are: 'POST'.", param="method"
            )
        if url != self._endpoint:
            message = "The URL provided for this request does not match the batch endpoint."
            raise _BadLineError("invalid_url", message, param="url")
        self._check_model(_text(body.get("model"), "body.model"))
        return BatchLine(custom_id, json.dumps(body).encode())

    def _check_id(self, custom_id: str) -> None:
        if custom_id in self._ids:
            message = (
                f"The custom_id '{custom_id}' for this request is a duplicate of another request. The custom_id "
                "parameter must be unique for each request in a batch."
            )
            raise _BadLineError("duplicate_custom_id", message, param="custom_id")
        self._ids.add(custom_id)

    def _check_model(self, model: str) -> None:
        if model not in PICTURE_MODELS:
            message = f"The provided model '{model}' is not supported by the Batch API."
            raise _BadLineError("model_not_found", message, param="body.model")
        self.model = self.model or model
        if model != self.model:
            message = (
                f"The model '{model}' for this request does not match the rest of the batch. Each batch must contain "
                "requests for a single model."
            )
            raise _BadLineError("mismatched_model", message, param="body.model")


def _text(value: Json, name: str) -> str:
    if value is None or value == "":
        raise _missing(name)
    if not isinstance(value, str):
        raise _wrong_type(name, value, expected="a string")
    return value


def _missing(name: str) -> _BadLineError:
    return _BadLineError("missing_required_parameter", f"Missing required parameter: '{name}'.", param=name)


def _wrong_type(name: str, value: Json, *, expected: str) -> _BadLineError:
    message = f"Invalid type for '{name}': expected {expected}, but got {json_type(value)} instead."
    return _BadLineError("invalid_type", message, param=name)
