"""`/v1/batches`: many requests for pictures in one file, at half the price and within a day."""

import hashlib
import re
import secrets

from starlette.requests import Request
from starlette.responses import Response

from .batch_input import batch_error, read_lines, shuffled
from .batch_runner import EDITS, GENERATIONS, catch_up
from .batch_state import FINAL, StoredBatch
from .errors import (
    ApiRefusal,
    Json,
    JsonObject,
    batch_is_final,
    missing,
    not_supported,
    out_of_range,
    too_long,
    unknown,
)
from .faults import Fault
from .files_route import BATCH_LIFETIME, MAX_LIFETIME, MIN_LIFETIME
from .http import JsonAnswer, read_json, record_request
from .pipeline import answer_without_picture
from .rules import is_object, refuse_type
from .state import SandboxState, StoredFile, state_of

MAX_PAIRS = 16
"""Pairs of a batch's `metadata`."""
MAX_KEY = 64
"""Characters of a key of `metadata`."""
MAX_VALUE = 512
"""Characters of a value of `metadata`."""

MAX_LISTED = 100
"""Batches on one page of the list."""
DEFAULT_LISTED = 20
"""Batches on a page of the list for which no number was asked."""

_REFUSALS = ("error", "html")
"""Faults that keep a request from having an effect; after the others it has one, and its answer is lost."""

_PARAMS = ("input_file_id", "endpoint", "completion_window", "metadata", "output_expires_after")


async def create(request: Request) -> Response:
    """`POST /v1/batches`."""
    state = state_of(request)
    params = await read_json(request, state.knobs)
    fault = state.knobs.take_fault("batches")
    if fault and fault.kind in _REFUSALS and (early := await _meet(request, state, fault)):
        return early
    batch = _new_batch(params, state, fault)
    state.add_batch(batch)
    # A connection that breaks now leaves a batch behind that its caller does not know.
    before_validating = batch.created - 1  # However short it is: its creation never waits for it.
    return await _meet(request, state, fault) or JsonAnswer(batch.body(before_validating))


async def list_batches(request: Request) -> Response:
    """`GET /v1/batches`, the newest first."""
    state = state_of(request)
    query = request.query_params
    record_request(request, state.knobs, params=dict(query))
    if early := await _meet(request, state, state.knobs.take_fault("polls")):
        return early
    limit = int(query["limit"]) if re.fullmatch(r"[0-9]{1,9}", query.get("limit", "")) else DEFAULT_LISTED
    if not 1 <= limit <= MAX_LISTED:
        raise out_of_range("limit", limit, low=1, high=MAX_LISTED)
    now = await catch_up(state)
    found = state.batches()[::-1]
    if after := query.get("after"):
        ids = [batch.id for batch in found]
        found = found[ids.index(after) + 1 :] if after in ids else []
    rows = [batch.body(now) for batch in found[:limit]]
    return JsonAnswer(
        {
            "object": "list",
            "data": rows,
            "first_id": rows[0]["id"] if rows else None,
            "last_id": rows[-1]["id"] if rows else None,
            "has_more": len(found) > limit,
        }
    )


async def one_batch(request: Request) -> Response:
    """`GET /v1/batches/{batch_id}`."""
    state = state_of(request)
    record_request(request, state.knobs)
    if early := await _meet(request, state, state.knobs.take_fault("polls")):
        return early
    now = await catch_up(state)
    return JsonAnswer(state.batch(request.path_params["batch_id"]).body(now))


async def cancel(request: Request) -> Response:
    """`POST /v1/batches/{batch_id}/cancel`: the lines that have run stay, and are billed."""
    state = state_of(request)
    record_request(request, state.knobs)
    fault = state.knobs.take_fault("cancels")
    if fault and fault.kind in _REFUSALS and (early := await _meet(request, state, fault)):
        return early
    now = await catch_up(state)
    batch = state.batch(request.path_params["batch_id"])
    status = batch.status(now)
    if status in FINAL:
        raise batch_is_final(status)
    if batch.cancel_asked is None:
        batch.cancel_asked = now
    return await _meet(request, state, fault) or JsonAnswer(batch.body(now))


async def _meet(request: Request, state: SandboxState, fault: Fault | None) -> Response | None:
    """Answer as a fault wants it, or return None."""
    return await answer_without_picture(request, state, fault, model="", billed=0)


def _new_batch(params: JsonObject, state: SandboxState, fault: Fault | None) -> StoredBatch:
    """Check the parameters, and read the input file: what is wrong in the file is told by the batch itself."""
    for name in params:
        if name not in _PARAMS:
            raise unknown(name)
    file_id = _text(params, "input_file_id")
    endpoint = _choice(params, "endpoint", (GENERATIONS, EDITS))
    _choice(params, "completion_window", ("24h",))
    metadata = _metadata(params.get("metadata"))
    lifetime = _lifetime(params.get("output_expires_after"))
    file = _input_file(file_id, state)
    lines, model, errors = read_lines(file.upload.data, endpoint=endpoint)
    if fault and fault.kind == "batch_failed":
        errors = [_failure(fault, model=model or "")]
    if state.knobs.batch_shuffled:
        lines = shuffled(lines, seed=hashlib.sha256(file.upload.data).hexdigest())
    return StoredBatch(
        id=f"batch_{secrets.token_hex(16)}",
        endpoint=endpoint,
        input_file_id=file.id,
        created=state.knobs.now(),
        duration_s=state.knobs.batch_s,
        metadata=metadata,
        output_lifetime_s=lifetime,
        model=model,
        lines=lines,
        errors=errors,
    )


def _input_file(file_id: str, state: SandboxState) -> StoredFile:
    file = state.file(file_id, param="input_file_id")
    if file.purpose != "batch":
        message = f"Invalid file purpose '{file.purpose}' for '{file_id}': a batch's input has the purpose 'batch'."
        raise ApiRefusal(400, message, code="invalid_value", param="input_file_id")
    return file


def _failure(fault: Fault, *, model: str) -> JsonObject:
    queued = (
        f"Enqueued token limit reached for {model} in organization org-sandbox. Limit: 900,000 enqueued tokens. Please "
        "try again once some in_progress batches have been completed."
    )
    return batch_error(fault.code or "token_limit_exceeded", fault.message or queued, param=fault.param)


def _text(params: JsonObject, name: str) -> str:
    value = params.get(name)
    if value is None:
        raise missing(name)
    if not isinstance(value, str):
        raise refuse_type(name, value, expected="a string")
    return value


def _choice(params: JsonObject, name: str, values: tuple[str, ...]) -> str:
    value = _text(params, name)
    if value not in values:
        raise not_supported(name, value, values)
    return value


def _metadata(value: Json) -> Json:
    if value is None:
        return None
    if not is_object(value):
        raise refuse_type("metadata", value, expected="an object")
    if len(value) > MAX_PAIRS:
        message = f"Invalid 'metadata': too many properties. Expected at most {MAX_PAIRS}, but got {len(value)}."
        raise ApiRefusal(400, message, code="object_above_max_properties", param="metadata")
    for key, text in value.items():
        if len(key) > MAX_KEY:
            raise too_long("metadata", len(key), MAX_KEY)
        if not isinstance(text, str):
            raise refuse_type(f"metadata.{key}", text, expected="a string")
        if len(text) > MAX_VALUE:
            raise too_long(f"metadata.{key}", len(text), MAX_VALUE)
    return value


def _lifetime(value: Json) -> int:
    """Read `output_expires_after`, in seconds."""
    if value is None:
        return BATCH_LIFETIME
    if not is_object(value):
        raise refuse_type("output_expires_after", value, expected="an object")
    if value.get("anchor") is None:
        raise missing("output_expires_after.anchor")
    if value["anchor"] != "created_at":
        raise not_supported("output_expires_after.anchor", str(value["anchor"]), ("created_at",))
    seconds = value.get("seconds")
    if seconds is None:
        raise missing("output_expires_after.seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, int):
        raise refuse_type("output_expires_after.seconds", seconds, expected="an integer")
    if not MIN_LIFETIME <= seconds <= MAX_LIFETIME:
        raise out_of_range("output_expires_after.seconds", seconds, low=MIN_LIFETIME, high=MAX_LIFETIME)
    return seconds
