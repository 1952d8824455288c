"""The images route: `/images/generations` and `/images/edits`.

What a person left at its default is not sent, so that proxies and other servers that know fewer parameters work.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import anyio.to_thread

from ..pacing import Standing
from ..params import Options
from ..pictures import MIME
from ..sources import InputImage
from .answers import Answer, images_answer
from .client import Sender

OPTIONS = ("size", "quality", "background", "output_format", "output_compression", "moderation", "user")
"""The options that the API knows by the same names."""

Keep = Callable[[Answer], Awaitable[None]]
"""What is done with an answer the moment it came: its pictures are paid for, and saved before anything else."""


def chosen(options: Options, names: Sequence[str] = OPTIONS) -> dict[str, Any]:
    """The options whose value is not the default."""
    fields = type(options).model_fields
    values = {name: getattr(options, name) for name in names}
    return {name: value for name, value in values.items() if value != fields[name].default}


async def generate(
    sender: Sender, standing: Standing, keep: Keep, *, model: str, prompt: str, n: int, options: Options
) -> None:
    """Make pictures from words; raises `ApiError`."""
    params: dict[str, Any] = chosen(options) | ({"n": n} if n > 1 else {})
    images: Any = sender.sdk.images.with_raw_response
    raw = await sender.send(lambda: images.generate(model=model, prompt=prompt, **params), standing, model=model)
    await keep(await _read(raw.content, raw.headers, model))


async def edit(
    sender: Sender,
    standing: Standing,
    keep: Keep,
    *,
    model: str,
    prompt: str,
    n: int,
    options: Options,
    inputs: Sequence[InputImage],
    mask: InputImage | None,
) -> None:
    """Make pictures from pictures and words; raises `ApiError`, of which `RouteRefused` has another way to go."""
    params: dict[str, Any] = chosen(options) | ({"n": n} if n > 1 else {})
    if moderation := params.pop("moderation", None):
        # The API takes it on edits, the SDK's signature does not know it.
        params["extra_body"] = {"moderation": moderation}
    if mask is not None:
        params["mask"] = _file(mask)
    files = [_file(image) for image in inputs]
    images: Any = sender.sdk.images.with_raw_response
    raw = await sender.send(
        lambda: images.edit(model=model, prompt=prompt, image=files, **params), standing, model=model, editing=True
    )
    await keep(await _read(raw.content, raw.headers, model))


def _file(image: InputImage) -> tuple[str, bytes, str]:
    return image.name, image.data, MIME[image.format]


async def _read(content: bytes, headers: Mapping[str, str], model: str) -> Answer:
    return await anyio.to_thread.run_sync(lambda: images_answer(content, headers, model=model))
