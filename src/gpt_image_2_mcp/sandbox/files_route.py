"""`/v1/files` and `/v1/models`, and the pictures that answers refer to by URL."""

import re

from starlette.requests import Request
from starlette.responses import Response

from .batch_runner import catch_up, output_lines
from .errors import ApiRefusal, missing, not_supported, out_of_range, unknown, wrong_type
from .http import JsonAnswer, Streamed, TruncatedAnswer, read_form, record_request
from .models import model_row, model_rows
from .pipeline import answer_without_picture
from .state import SandboxState, StoredFile, state_of

PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
"""What a file may be uploaded for."""

MIN_LIFETIME = 3600
"""The least seconds that `expires_after` may say: an hour."""
MAX_LIFETIME = 2_592_000
"""The most seconds that `expires_after` may say: 30 days."""
BATCH_LIFETIME = 2_592_000
"""Seconds after which a file of purpose `batch` expires if `expires_after` says nothing; other files stay."""

MAX_LISTED = 10_000
"""Files on one page of the list, which is also the default."""

_FIELDS = ("file", "purpose", "expires_after[anchor]", "expires_after[seconds]")


async def upload(request: Request) -> Response:
    """`POST /v1/files`."""
    state = state_of(request)
    form = await read_form(request, state.knobs)
    fault = state.knobs.take_fault("files")
    early = await answer_without_picture(request, state, fault, model="", billed=0)
    if early:
        return early
    for name in form.names:
        if name not in _FIELDS:
            raise unknown(name)
    found = [file for name, file in form.files if name == "file"]
    if not found:
        raise wrong_type("file", expected="a file", got="a string") if "file" in form.fields else missing("file")
    purpose = form.fields.get("purpose")
    if purpose is None:
        raise missing("purpose")
    if purpose not in PURPOSES:
        raise not_supported("purpose", purpose, PURPOSES)
    if purpose == "batch" and not found[0].name.endswith(".jsonl"):
        raise ApiRefusal(400, "Invalid file format for Batch API. Must be .jsonl", code=None)
    lifetime = _lifetime(form.fields)
    if lifetime is None and purpose == "batch":
        lifetime = BATCH_LIFETIME
    await catch_up(state)  # Lines that are due still find the files that have expired since.
    file = state.store(found[0], purpose=purpose, lifetime_s=lifetime)
    return JsonAnswer(file.row(len(found[0].data)))


async def list_files(request: Request) -> Response:
    """`GET /v1/files`, by default the newest first."""
    state = state_of(request)
    query = request.query_params
    record_request(request, state.knobs, params=dict(query))
    order = query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise not_supported("order", order, ("asc", "desc"))
    limit = int(query["limit"]) if re.fullmatch(r"[0-9]{1,9}", query.get("limit", "")) else MAX_LISTED
    if not 1 <= limit <= MAX_LISTED:
        raise out_of_range("limit", limit, low=1, high=MAX_LISTED)
    await catch_up(state)
    found = [file for file in state.files() if query.get("purpose") in (None, file.purpose)]
    if order == "desc":
        found.reverse()
    if after := query.get("after"):
        ids = [file.id for file in found]
        found = found[ids.index(after) + 1 :] if after in ids else []
    rows = [file.row(await _size(file, request, state)) for file in found[:limit]]
    return JsonAnswer(
        {
            "object": "list",
            "data": rows,
            "first_id": rows[0]["id"] if rows else "",
            "last_id": rows[-1]["id"] if rows else "",
            "has_more": len(found) > limit,
        }
    )


async def one_file(request: Request) -> Response:
    """`GET` and `DELETE /v1/files/{file_id}`."""
    state = state_of(request)
    record_request(request, state.knobs)
    file_id = request.path_params["file_id"]
    if request.method == "DELETE":
        await catch_up(state)  # Lines that ran before do not miss the file.
        state.delete(file_id)
        return JsonAnswer({"id": file_id, "object": "file", "deleted": True})
    file = state.file(file_id)
    return JsonAnswer(file.row(await _size(file, request, state)))


async def file_content(request: Request) -> Response:
    """`GET /v1/files/{file_id}/content`; a batch's output is made and sent line by line."""
    state = state_of(request)
    record_request(request, state.knobs)
    file = state.file(request.path_params["file_id"])
    fault = state.knobs.take_fault("contents")
    if early := await answer_without_picture(request, state, fault, model="", billed=0):
        return early
    if file.lines is None:
        answer = Response(file.upload.data, media_type="application/octet-stream")
    else:
        answer = Streamed(output_lines(file.lines, request, state))
    return TruncatedAnswer(answer, after=fault.after) if fault and fault.kind == "cut" else answer


async def list_models(request: Request) -> Response:
    """`GET /v1/models`."""
    record_request(request, state_of(request).knobs)
    return JsonAnswer(model_rows())


async def one_model(request: Request) -> Response:
    """`GET /v1/models/{model}`."""
    record_request(request, state_of(request).knobs)
    return JsonAnswer(model_row(request.path_params["model"]))


async def picture(request: Request) -> Response:
    """`GET /pictures/{key}`: a picture that an answer referred to by URL."""
    found = state_of(request).published(request.path_params["key"])
    if found is None:
        raise ApiRefusal(404, "There is no such picture.", code=None)
    data, media_type = found
    return Response(data, media_type=media_type)


async def _size(file: StoredFile, request: Request, state: SandboxState) -> int:
    """Count a file's bytes; those of a batch's output once, by making it."""
    if file.lines is None:
        return len(file.upload.data)
    if file.id not in state.sizes:
        state.sizes[file.id] = sum([len(line) async for line in output_lines(file.lines, request, state)])
    return state.sizes[file.id]


def _lifetime(fields: dict[str, str]) -> int | None:
    """Read `expires_after`, in seconds; None if it was not given."""
    anchor, seconds = fields.get("expires_after[anchor]"), fields.get("expires_after[seconds]")
    if anchor is None and seconds is None:
        return None
    if anchor is None:
        raise missing("expires_after[anchor]")
    if anchor != "created_at":
        raise not_supported("expires_after[anchor]", anchor, ("created_at",))
    if seconds is None:
        raise missing("expires_after[seconds]")
    if not re.fullmatch(r"-?[0-9]{1,12}", seconds):
        raise wrong_type("expires_after[seconds]", expected="an integer", got="a string")
    if not MIN_LIFETIME <= int(seconds) <= MAX_LIFETIME:
        raise out_of_range("expires_after[seconds]", int(seconds), low=MIN_LIFETIME, high=MAX_LIFETIME)
    return int(seconds)
