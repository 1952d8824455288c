"""The images route: `/images/generations` and `/images/edits`.

What a person left at its default is not sent, so that proxies and other servers that know fewer parameters work.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import httpx2
import openai

from ..errors import ApiError, OutcomeUnknown
from ..pacing import Standing
from ..params import Options
from ..pictures import MIME
from ..sources import InputImage
from .answers import Answer, decoded, images_answer, said_by, streamed_answer
from .client import Sender

if TYPE_CHECKING:
    from ..keeper import Keeper

OPTIONS = ("size", "quality", "background", "output_format", "output_compression", "moderation", "user")
"""The options that the API knows by the same names."""


def chosen(options: Options, names: Sequence[str] = OPTIONS) -> dict[str, Any]:
    """The options whose value is not the default."""
    fields = type(options).model_fields
    values = {name: getattr(options, name) for name in names}
    return {name: value for name, value in values.items() if value != fields[name].default}


class ImagesRoute:
    """Both endpoints, for one model."""

    def __init__(self, sender: Sender, *, model: str, partial_images: int) -> None:
        """Ask for `partial_images` unfinished pictures where one picture is made; 0 does not stream."""
        self._sender = sender
        self._model = model
        self._partial_images = partial_images

    async def generate(self, standing: Standing, keeper: "Keeper", *, prompt: str, n: int, options: Options) -> None:
        """Make pictures from words; raises `ApiError`."""
        call = partial(self._sender.sdk.images.with_raw_response.generate, prompt=prompt, **chosen(options))
        await self._make(call, standing, keeper, n=n, editing=False)

    async def edit(
        self,
        standing: Standing,
        keeper: "Keeper",
        *,
        prompt: str,
        n: int,
        options: Options,
        inputs: Sequence[InputImage],
        mask: InputImage | None,
    ) -> None:
        """Make pictures from pictures and words; raises `ApiError`, of which `RouteRefused` has another way to go."""
        params = chosen(options)
        if moderation := params.pop("moderation", None):
            # The API takes it on edits, the SDK's signature does not know it.
            params["extra_body"] = {"moderation": moderation}
        if mask is not None:
            params["mask"] = _file(mask)
        files = [_file(image) for image in inputs]
        call = partial(self._sender.sdk.images.with_raw_response.edit, prompt=prompt, image=files, **params)
        await self._make(call, standing, keeper, n=n, editing=True)

    async def _make(
        self, call: Callable[..., Awaitable[Any]], standing: Standing, keeper: "Keeper", *, n: int, editing: bool
    ) -> None:
        send = partial(self._sender.send, standing=standing, model=self._model, editing=editing)
        if n == 1 and self._partial_images:
            stream = partial(call, model=self._model, stream=True, partial_images=self._partial_images)
            try:
                await keeper.keep(await send(lambda: self._streamed(stream, keeper)))
            except ApiError as error:
                if not _cannot_stream(error):
                    raise
                self._partial_images = 0
            else:
                return
        several = {"n": n} if n > 1 else {}
        raw = await send(lambda: call(model=self._model, **several))
        await keeper.keep(await self._read(raw.content, raw.headers))

    async def _streamed(self, stream: Callable[[], Awaitable[Any]], keeper: "Keeper") -> Answer:
        """Keep the partial pictures, and give the answer at the stream's end."""
        raw = await stream()
        try:
            if not raw.headers.get("content-type", "").startswith("text/event-stream"):
                # A backend that ignores `stream` answers all at once.
                return await self._read(await raw.http_response.aread(), raw.headers)
            async for event in raw.parse():
                if event.type.endswith(".completed"):
                    with said_by(raw.headers):
                        return await anyio.to_thread.run_sync(streamed_answer, event, raw.headers)
                if event.type.endswith(".partial_image"):
                    await keeper.keep_partial(await anyio.to_thread.run_sync(decoded, event.b64_json))
        except httpx2.TransportError as error:
            raise openai.APIConnectionError(request=raw.http_response.request) from error
        finally:
            await raw.http_response.aclose()
        raise OutcomeUnknown(
            "The API's stream ended without its picture.",
            request_id=raw.request_id,
        )

    async def _read(self, content: bytes, headers: Mapping[str, str]) -> Answer:
        with said_by(headers):
            return await anyio.to_thread.run_sync(partial(images_answer, content, headers, model=self._model))


def _cannot_stream(error: ApiError) -> bool:
    """Whether a backend refused to stream, free of charge, and may answer all at once."""
    cause = error.__cause__
    if not isinstance(cause, openai.APIStatusError) or cause.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return False
    return cause.param in ("stream", "partial_images") or any(
        word in str(cause).lower() for word in ("stream", "partial_images")
    )


def _file(image: InputImage) -> tuple[str, bytes, str]:
    return image.name, image.data, MIME[image.format]
