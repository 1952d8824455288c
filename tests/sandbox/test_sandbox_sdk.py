"""The sandbox against the types of the `openai` package: what it takes, and what it answers.

The listed differences: `moderation` on edits and JSON edits, which the API has and the package's types lack.
"""

import ast
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from openai.types import (
    Batch,
    FileDeleted,
    FileObject,
    ImageEditStreamEvent,
    ImageGenStreamEvent,
    ImagesResponse,
    Model,
)
from openai.types.image_edit_params import ImageEditParams
from openai.types.image_generate_params import ImageGenerateParams
from openai.types.responses import Response, ResponseStreamEvent
from openai.types.responses.response_create_params import ResponseCreateParams
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from sandbox_batches import GENERATIONS, jsonl, line
from sandbox_pictures import SMALL, as_file, data_url, mask, photo, png, upload

import gpt_image_2_mcp.sandbox
from gpt_image_2_mcp.sandbox import Knobs
from gpt_image_2_mcp.sandbox.errors import ApiRefusal, Json
from gpt_image_2_mcp.sandbox.rules import EDIT_FORM, GENERATION, check_params

pytestmark = pytest.mark.anyio

ANY_FILE = ConfigDict(arbitrary_types_allowed=True)
GENERATE = TypeAdapter[Any](ImageGenerateParams, config=ANY_FILE)
EDIT = TypeAdapter[Any](ImageEditParams, config=ANY_FILE)
CREATE = TypeAdapter[Any](ResponseCreateParams, config=ANY_FILE)

VALUES: dict[str, list[Any]] = {
    "prompt": ["a fox", "", 7],
    "model": ["gpt-image-2", "gpt-image-2.5-flare", "gpt-image-2.6-sunburst", "dall-e-3"],
    "n": [None, 1, 2, 10, 11, 0, "1", True, 1.0],
    "size": [None, "auto", "1024x1024", "1024x640", "1000x1000", "256x256", 5],
    "quality": [None, "auto", "low", "high", "xhigh", "max", "standard", "hd", "best"],
    "background": [None, "auto", "opaque", "transparent", "none"],
    "output_format": [None, "png", "jpeg", "webp", "gif", "svg", "bmp"],
    "output_compression": [None, 0, 80, 100, 101, "80"],
    "moderation": [None, "auto", "low", "high"],
    "stream": [None, True, False, "true"],
    "partial_images": [None, 0, 3, 4],
    "user": ["me", None, 5],
    "safety_identifier": [None, "me", "x" * 200],
    "complexity": [None, "low", "most"],
    "frame_count": [None, 4],
    "svg": [None, {"model": "gpt-6-sol"}],
    "style": ["vivid"],
    "input_fidelity": ["high", None],
    "foo": [1],
}


def requests() -> Iterator[dict[str, Any]]:
    """Every two values together, and thereby every one."""
    pairs = [(name, value) for name, values in VALUES.items() for value in values]
    for (one, first), (other, second) in itertools.combinations(pairs, 2):
        if one != other:
            yield {"model": "gpt-image-2.5-flare", "prompt": "a fox", one: first, other: second}


def accepted(params: dict[str, Json], known: frozenset[str]) -> bool:
    try:
        check_params(params, known=known)
    except ApiRefusal:
        return False
    return True


def fits(adapter: TypeAdapter[Any], params: dict[str, Any]) -> bool:
    try:
        adapter.validate_python(params, strict=True, extra="forbid")
    except ValidationError:
        return False
    return True


def test_every_generation_that_is_taken_has_the_sdks_types() -> None:
    taken = [params for params in requests() if accepted(params, GENERATION)]
    assert len(taken) > 500
    assert [params for params in taken if not fits(GENERATE, params)] == []


def test_every_edit_that_is_taken_has_the_sdks_types_but_for_moderation() -> None:
    taken = [params for params in requests() if accepted(params, EDIT_FORM)]
    typed = [{name: value for name, value in params.items() if name != "moderation"} for params in taken]
    assert len(taken) > 500
    assert [params for params in typed if not fits(EDIT, {**params, "image": b"..."})] == []


def test_the_sdks_types_tell_right_from_wrong() -> None:
    """Or the two tests above would say nothing."""
    assert fits(GENERATE, {"prompt": "a fox", "model": "m", "n": 1})
    assert not fits(GENERATE, {"prompt": "a fox", "model": "m", "n": "1"})
    assert not fits(GENERATE, {"prompt": "a fox", "model": "m", "foo": 1})
    assert not fits(EDIT, {"prompt": "a fox", "model": "m", "image": b"", "moderation": "low"})


def parsed(model: type[BaseModel], body: Any) -> BaseModel:
    """Parsed as the SDK's model with nothing converted, and nothing that the model has no field for."""
    return model.model_validate(body, strict=True, extra="forbid")


GENERATION_BODY = {"model": "gpt-image-2.5-flare", "prompt": "a fox", "size": SMALL, "safety_identifier": "me"}


@pytest.mark.parametrize("extra", [{}, {"n": 2}, {"background": "transparent"}, {"output_format": "jpeg"}])
async def test_answers_of_the_images_routes_are_the_sdks_models(
    http: httpx2.AsyncClient, extra: dict[str, Any]
) -> None:
    made = await http.post("/images/generations", json={**GENERATION_BODY, **extra})
    parsed(ImagesResponse, made.json())
    fields = {name: str(value) for name, value in {**GENERATION_BODY, **extra}.items()}
    hole = as_file(mask((64, 64), (0, 0, 9, 9)))
    files = [("image[]", upload(png((64, 64)))), ("image[]", upload(png((64, 64)))), ("mask", upload(hole))]
    edited = await http.post("/images/edits", data=fields, files=files)
    parsed(ImagesResponse, edited.json())


async def test_stream_events_are_the_sdks_models(http: httpx2.AsyncClient) -> None:
    body = {**GENERATION_BODY, "stream": True, "partial_images": 2}
    answer = await http.post("/images/generations", json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    adapter = TypeAdapter[Any](ImageGenStreamEvent)
    names = [check_event(adapter, block) for block in blocks(answer.text)]
    assert names == ["image_generation.partial_image"] * 2 + ["image_generation.completed"]

    form = {"model": "gpt-image-2", "prompt": "a hat", "stream": "true", "partial_images": "1", "size": SMALL}
    answer = await http.post("/images/edits", data=form, files=[("image", upload(png((64, 64))))])
    adapter = TypeAdapter[Any](ImageEditStreamEvent)
    names = [check_event(adapter, block) for block in blocks(answer.text)]
    assert names == ["image_edit.partial_image", "image_edit.completed"]


def blocks(text: str) -> list[str]:
    assert text.endswith("\n\n")
    return text[:-2].split("\n\n")


def check_event(adapter: TypeAdapter[Any], block: str) -> str:
    """Validate one server-sent event; its `event:` line repeats its type."""
    first, second = block.split("\n")
    event = adapter.validate_json(second.removeprefix("data: "), strict=True, extra="forbid")
    assert first == f"event: {event.type}"
    return event.type


RESPONSE_BODY: dict[str, Any] = {
    "model": "gpt-4.1-mini",
    "input": [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "add a hat"},
                {"type": "input_image", "image_url": data_url(as_file(photo((64, 64)))), "detail": "auto"},
            ],
        }
    ],
    "tools": [{"type": "image_generation", "model": "gpt-image-2", "action": "edit", "size": SMALL}],
    "tool_choice": {"type": "image_generation"},
}


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"input": "a fox", "tools": [{"type": "image_generation"}], "tool_choice": "auto"},
        {"input": "a moderation-blocked fox", "tools": [{"type": "image_generation"}]},
        {"input": "hello", "tools": [], "tool_choice": "none"},
    ],
    ids=["edit", "generate", "blocked", "talk"],
)
async def test_responses_and_their_streams_are_the_sdks_models(http: httpx2.AsyncClient, extra: dict[str, Any]) -> None:
    body = {**RESPONSE_BODY, **extra}
    assert fits(CREATE, body)
    answer = await http.post("/responses", json=body)
    parsed(Response, answer.json())
    streamed = await http.post("/responses", json={**body, "stream": True})
    adapter = TypeAdapter[Any](ResponseStreamEvent)
    names = [check_event(adapter, block) for block in blocks(streamed.text)]
    assert names[0] == "response.created"
    assert names[-1] == "response.completed"


async def test_files_and_models_are_the_sdks_models(http: httpx2.AsyncClient) -> None:
    models = (await http.get("/models")).json()
    for row in models["data"]:
        parsed(Model, row)
    parsed(Model, (await http.get("/models/gpt-image-2")).json())
    form = {"purpose": "vision"}
    file = (await http.post("/files", data=form, files=[("file", upload(b"x"))])).json()
    parsed(FileObject, file)
    parsed(FileObject, (await http.get(f"/files/{file['id']}")).json())
    parsed(FileDeleted, (await http.delete(f"/files/{file['id']}")).json())


@pytest.mark.parametrize("prompt", ["a fox", "moderation-blocked"])
@pytest.mark.parametrize("how", ["completed", "failed", "expired", "cancelled"])
async def test_batches_and_their_files_are_the_sdks_models(
    http: httpx2.AsyncClient, knobs: Knobs, how: str, prompt: str
) -> None:
    knobs.batch_s = 2 * 24 * 3600 if how == "expired" else 1000
    wanted = line("a", model="gpt-4" if how == "failed" else "gpt-image-2", prompt=prompt)
    file = ("lines.jsonl", jsonl(wanted, line("b")))
    sent = (await http.post("/files", data={"purpose": "batch"}, files=[("file", file)])).json()
    body = {"input_file_id": sent["id"], "endpoint": GENERATIONS, "completion_window": "24h"}
    batch = (await http.post("/batches", json=body)).json()
    parsed(Batch, batch)
    knobs.advance(700)
    parsed(Batch, (await http.get(f"/batches/{batch['id']}")).json())
    if how == "cancelled":
        parsed(Batch, (await http.post(f"/batches/{batch['id']}/cancel")).json())
    knobs.advance(24 * 3600)
    (batch,) = (await http.get("/batches")).json()["data"]
    parsed(Batch, batch)
    assert batch["status"] == how
    for row in (await http.get("/files", params={"purpose": "batch_output"})).json()["data"]:
        parsed(FileObject, row)


def test_the_sandbox_imports_nothing_of_the_client_side() -> None:
    """It is a witness: agreement with the client is evidence only while the two share nothing."""
    folder = Path(gpt_image_2_mcp.sandbox.__file__).parent
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                # One dot stays inside the sandbox; two would lead out of it.
                assert node.level <= 1, path
                names = [str(node.module)] if node.level == 0 else []
            for name in names:
                assert not name.startswith("openai"), path
                assert not name.startswith("gpt_image_2_mcp"), path
