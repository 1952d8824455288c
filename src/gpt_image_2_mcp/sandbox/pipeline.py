"""Makes pictures from checked parameters: it decodes the inputs, counts tokens, paints, encodes, and applies faults.

All routes that make pictures use these functions; the routes differ in how they read a request and write the answer.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from http import HTTPStatus
from typing import Literal

import anyio
import anyio.to_thread
from PIL import Image
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from . import painter
from .drift import DRIFTS, Drift, drifted, other_size
from .faults import Fault
from .grounds import GroundKind, Recipe, asked_ground, changes_ground_only, key_of
from .http import NoAnswer
from .input_images import Upload, open_mask, open_picture
from .knobs import wait_while_connected
from .rules import CheckedParams, Format
from .state import SandboxState
from .tokens import (
    GENERATION_EXTRA,
    PARTIAL_TOKENS,
    Usage,
    input_picture_tokens,
    output_tokens,
    text_tokens,
)

DRIFT_WORD = "sandbox-drift-"
"""With the name of a drift behind it, a word in a prompt that gives an edit this drift."""

_SMALL_COPY = (512, 512)
"""The second and further input pictures are scaled down to this size: sixteen large ones would fill the memory."""


_KEPT_FILES = 16
"""How many files of new pictures are kept: 2 MB each at most sizes that are asked for."""


@dataclass(frozen=True, slots=True)
class PaintTask:
    """Everything that the painter needs for one request; a generation has no `pictures`, which are the decoded inputs.

    `size` is the size that is painted. The second and further `pictures` are small copies (`_SMALL_COPY`).
    """

    params: CheckedParams
    size: tuple[int, int]
    pictures: Sequence[Image.Image] = ()
    mask: Image.Image | None = None
    usage: Usage = field(default_factory=lambda: Usage(0, 0, 0))
    drift: Drift = "none"
    is_blank: bool = False
    """Whether its pictures are white."""
    recipe: Recipe | None = None
    """What the first picture was painted from, if only its plain ground is to change."""

    @property
    def event_prefix(self) -> Literal["image_generation", "image_edit"]:
        """The beginning of the names of its stream events."""
        return "image_edit" if self.pictures else "image_generation"

    def output_fields(self) -> dict[str, str]:
        """Return the fields of an answer that describe its pictures."""
        return {
            "size": f"{self.size[0]}x{self.size[1]}",
            "quality": self.params.quality,
            "background": self.params.background,
            "output_format": self.params.output_format,
        }


async def plan_generation(params: CheckedParams) -> PaintTask:
    """Make the task for new pictures."""
    return _with_usage(PaintTask(params, params.size or painter.AUTO_SIZE))


async def plan_edit(
    params: CheckedParams, uploads: Sequence[Upload], mask: Upload | None, *, state: SandboxState
) -> PaintTask:
    """Make the task for an edit; the input pictures are decoded in a thread.

    Raises:
        ApiRefusal: 400, code `invalid_image_file`.
    """

    def decode() -> PaintTask:
        pictures: list[Image.Image] = []
        sizes: list[tuple[int, int]] = []
        for number, upload in enumerate(uploads, start=1):
            picture = open_picture(upload, number=number)
            sizes.append(picture.size)
            if number > 1:
                picture.thumbnail(_SMALL_COPY)
            pictures.append(picture)
        alpha = None if mask is None else open_mask(mask, size=sizes[0])
        size = params.size or painter.edit_size(sizes[0])
        recipe = state.recipe(key_of(pictures[0])) if changes_ground_only(params.prompt) else None
        drift = _drift(params.prompt, state, is_masked=alpha is not None)
        size = other_size(size) if drift == "resized" else size
        return _with_usage(PaintTask(params, size, pictures, alpha, drift=drift, recipe=recipe), sizes)

    return await anyio.to_thread.run_sync(decode, limiter=state.paint_limiter)


async def paint(task: PaintTask, state: SandboxState) -> list[bytes]:
    """Paint the pictures of a task, and return them as files in the requested format."""

    def make() -> list[bytes]:
        return [paint_one(index) for index in range(task.params.n)]

    def paint_one(index: int) -> bytes:
        params, keyed = task.params, asked_ground(task.params.prompt) is not None
        if not (task.pictures or keyed or task.is_blank or state.knobs.uncompressed):
            return _paint_file(
                params.prompt,
                task.size,
                index=index,
                transparent=params.background == "transparent",
                note=_note(task, index),
                output_format=params.output_format,
                compression=params.output_compression,
            )
        painted = _paint_one(task, index, state.knobs.ground)
        if keyed and not task.pictures:
            state.remember(key_of(painted), Recipe(params.prompt, index, _note(task, index)))
        return _encode(task, painted, state)

    # A thread cannot be cancelled: if the caller leaves, it paints to its end and its pictures are dropped.
    made = await anyio.to_thread.run_sync(make, abandon_on_cancel=True, limiter=state.paint_limiter)
    state.knobs.painted += len(made)
    return made


async def paint_partials(task: PaintTask, state: SandboxState) -> list[bytes]:
    """Paint the partial pictures of a stream, and return them as files, the most blurred first."""

    def make() -> list[bytes]:
        steps = task.params.partial_images
        whole = _paint_one(task, 0, state.knobs.ground)
        return [_encode(task, painter.partial_image(whole, step=step, steps=steps), state) for step in range(steps)]

    if task.params.partial_images == 0:
        return []
    return await anyio.to_thread.run_sync(make, abandon_on_cancel=True, limiter=state.paint_limiter)


def with_fault(task: PaintTask, fault: Fault | None) -> PaintTask:
    """Return the task as a fault of the picture changes it, or unchanged."""
    match fault.kind if fault else None:
        case "other_size" if fault:
            return replace(task, size=fault.size)
        case "other_format":
            other: Format = "png" if task.params.output_format == "jpeg" else "jpeg"
            return replace(task, params=replace(task.params, output_format=other))
        case "blank":
            return replace(task, is_blank=True)
        case _:
            return task


async def answer_without_picture(
    request: Request, state: SandboxState, fault: Fault | None, *, model: str, billed: int
) -> Response | None:
    """Answer a request whose fault needs no picture, after the knobs' delay; None for any other request.

    `model` is the model that the request named, and `billed` the number of pictures that `drop` and `hang` are billed.

    Raises:
        ApiRefusal: the fault is an `error`.
        CallerLeftError: the fault is a `hang`, and the caller has left.
    """
    if fault is None:
        return None
    match fault.kind:
        case "error":
            async with state.knobs.image_request(request, pictures=0):
                raise fault.refusal(model=model)
        case "html":
            async with state.knobs.image_request(request, pictures=0):
                status = fault.status or HTTPStatus.BAD_GATEWAY
                phrase = HTTPStatus(status).phrase
                page = f"<html><head><title>{phrase}</title></head><body><h1>{phrase}</h1></body></html>"
                return HTMLResponse(page, status, headers=fault.headers)
        case "drop":
            async with state.knobs.image_request(request, pictures=billed):
                return NoAnswer()
        case "hang":
            async with state.knobs.image_request(request, pictures=billed):
                await wait_while_connected(anyio.Event(), request)
        case _:
            pass
    return None


def data_entry(
    data: bytes, task: PaintTask, fault: Fault | None, *, request: Request, state: SandboxState
) -> dict[str, str]:
    """Return one entry of the answer's `data`: the picture in base64, or what a fault puts there instead."""
    media_type = f"image/{task.params.output_format}"
    match fault.kind if fault else None:
        case "url":
            key = state.publish(data, media_type)
            return {"url": str(request.url_for("picture", key=key))}
        case "data_url":
            return {"url": f"data:{media_type};base64,{base64.b64encode(data).decode()}"}
        case "not_an_image":
            return {"b64_json": base64.b64encode(b"<html>this is no picture</html>").decode()}
        case "bad_base64":
            return {"b64_json": "%%% this is not base64 %%%"}
        case "empty_data":
            return {"b64_json": ""}
        case _:
            return {"b64_json": base64.b64encode(data).decode()}


def _with_usage(task: PaintTask, sizes: Sequence[tuple[int, int]] = ()) -> PaintTask:
    """Return the task with its tokens counted; `sizes` are the original sizes of the input pictures."""
    params = task.params
    painted = output_tokens(*task.size, grid=params.model.grid[params.quality]) * params.n
    shown = params.partial_images * PARTIAL_TOKENS if params.stream else 0
    usage = Usage(
        text=text_tokens(params.prompt) + (0 if task.pictures else GENERATION_EXTRA),
        pictures=sum(input_picture_tokens(*size) for size in sizes),
        output=painted + shown,
    )
    return replace(task, usage=usage)


@lru_cache(maxsize=_KEPT_FILES)
def _paint_file(
    prompt: str,
    size: tuple[int, int],
    *,
    index: int,
    transparent: bool,
    note: str,
    output_format: Format,
    compression: int,
) -> bytes:
    """Paint a new picture, as a file. The same arguments give the same bytes, so the last files are kept.

    Painting is most of what the sandbox costs, and tests and demos ask for the same few pictures again and again.
    """
    painted = painter.paint(prompt, size, index=index, transparent=transparent, note=note)
    return painter.encode(painted, output_format, compression=compression)


def _note(task: PaintTask, index: int) -> str:
    """The small print of a picture."""
    params = task.params
    note = f"{params.model.name} · {task.size[0]}x{task.size[1]} · {params.quality} · {params.output_format}"
    return f"{note} · {index + 1} of {params.n}" if params.n > 1 else note


def _paint_one(task: PaintTask, index: int, ground_kind: GroundKind) -> Image.Image:
    params, recipe = task.params, task.recipe
    if task.is_blank:
        return Image.new("RGB", task.size, "white")
    transparent = params.background == "transparent"
    if recipe is not None:
        painted = painter.paint(
            recipe.prompt,
            task.size,
            index=recipe.index,
            transparent=False,
            note=recipe.note,
            ground=asked_ground(params.prompt),
            ground_kind=ground_kind,
        )
        return drifted(painted, task.drift, stencil=None, seed=params.prompt)
    note = _note(task, index)
    if not task.pictures:
        return painter.paint(
            params.prompt, task.size, index=index, transparent=transparent, note=note, ground_kind=ground_kind
        )
    return painter.paint_edit(
        task.pictures,
        params.prompt,
        task.size,
        mask=task.mask,
        index=index,
        transparent=transparent,
        note=note,
        drift=task.drift,
        ground_kind=ground_kind,
    )


def _drift(prompt: str, state: SandboxState, *, is_masked: bool) -> Drift:
    """Give the drift of an edit: the one that its prompt names, or that of the knobs, or the usual one."""
    for drift in DRIFTS:
        if DRIFT_WORD + drift in prompt:
            return drift
    return state.knobs.drift or ("local" if is_masked else "none")


def _encode(task: PaintTask, picture: Image.Image, state: SandboxState) -> bytes:
    return painter.encode(
        picture,
        task.params.output_format,
        compression=task.params.output_compression,
        uncompressed=state.knobs.uncompressed,
    )
