"""The images route: `/images/generations` and `/images/edits`.

Options that have their default value are not sent, so that proxies and other servers that know fewer of them work.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from http import HTTPStatus
from typing import Any

import openai

from ..errors import ApiError, OutcomeUnknown
from ..images import MIME
from ..inputs import InputImage
from ..parameters.models import Options
from .answer import Answer, find_result, save_answer
from .api_result import ApiResult
from .body_reader import read_body
from .errors import translate_object
from .events import read_events
from .rate_limiter import RequestStatus
from .request import ImageRequest
from .results import decode_base64, parse_completed_event, parse_images_answer, request_id
from .retry import RequestSender
from .sink import ImageSink
from .threads import run_in_thread

OPENAI_HOST = "api.openai.com"

NOT_STREAMED = (
    "The backend failed to stream the picture (GPT_IMAGE_2_PARTIAL_IMAGES asks for a stream), so no more unfinished"
    " pictures are asked for until this server is started again. Unset GPT_IMAGE_2_PARTIAL_IMAGES for this backend."
)

OPTIONS = ("size", "quality", "background", "output_format", "output_compression", "moderation", "user")
"""The options that the API knows by the same names."""


def changed_options(options: Options, names: Sequence[str] = OPTIONS) -> dict[str, Any]:
    """The options whose value is not the default."""
    fields = type(options).model_fields
    values = {name: getattr(options, name) for name in names}
    return {name: value for name, value in values.items() if value != fields[name].default}


class ImagesRoute:
    """Sends requests for one model to both endpoints, and passes what arrives to an `ImageSink`."""

    def __init__(self, sender: RequestSender, *, model: str, partial_images: int) -> None:
        """Ask for `partial_images` unfinished pictures if a request is for one picture; 0 does not stream."""
        self._sender = sender
        self._model = model
        self._partial_images = partial_images

    async def generate(self, request: ImageRequest, status: RequestStatus, sink: ImageSink) -> None:
        """Make pictures from a prompt; raises `ApiError`."""
        params = changed_options(request.options)
        call = partial(self._sender.sdk.images.with_streaming_response.generate, prompt=request.prompt, **params)
        await self._send(call, request.n, status, sink, editing=False)

    async def edit(self, request: ImageRequest, status: RequestStatus, sink: ImageSink) -> None:
        """Make pictures from a prompt and input images.

        Raises:
            RouteRefused: this backend does not serve the route; the edit can go through the Responses API.
            ApiError: any other failure.

        """
        params = changed_options(request.options)
        if moderation := params.pop("moderation", None):
            # The API takes it on edits, but the SDK's method has no argument for it.
            params["extra_body"] = {"moderation": moderation}
        if request.mask is not None:
            params["mask"] = _form_file(request.mask)
        files = [_form_file(image) for image in request.inputs]
        edit = self._sender.sdk.images.with_streaming_response.edit
        await self._send(
            partial(edit, prompt=request.prompt, image=files, **params), request.n, status, sink, editing=True
        )

    async def _send(
        self,
        call: Callable[..., AbstractContextManager[Any]],
        n: int,
        status: RequestStatus,
        sink: ImageSink,
        *,
        editing: bool,
    ) -> None:
        """Send a request, streamed if unfinished pictures are wanted, and pass its result to `sink`.

        The lambdas run in the request's thread: sending, reading and saving are one call there.
        """
        send = partial(self._sender.send, status=status, model=self._model, editing=editing)
        if n == 1 and self._partial_images:
            stream = partial(call, model=self._model, stream=True, partial_images=self._partial_images)
            try:
                await send(lambda: self._receive_stream(stream(), sink))
            except ApiError as error:
                if await self._has_rescued(error, sink):
                    return
                if not _refuses_streaming(error):
                    raise
                self._partial_images = 0
            else:
                return
        several = {"n": n} if n > 1 else {}
        await send(lambda: self._receive(call(model=self._model, **several), sink))

    async def _has_rescued(self, error: ApiError, sink: ImageSink) -> bool:
        """Whether the failure of a stream had the picture in it; if so, `sink` has it.

        LiteLLM makes the picture, fails to pass the stream on, and puts what it has into the message of a 500. The next
        request would fail in the same way, so nothing is streamed from this address any more.
        """
        cause = error.__cause__
        if not isinstance(cause, openai.InternalServerError) or self._sender.sdk.base_url.host == OPENAI_HOST:
            return False
        self._partial_images = 0
        result = find_result(cause.response.content, cause.response.headers, warning=NOT_STREAMED)
        if result is None:
            error.args = (f"{error.args[0]} {NOT_STREAMED}",)
            return False
        await run_in_thread(partial(sink.save_result, result))
        return True

    def _receive(self, call: AbstractContextManager[Any], sink: ImageSink) -> None:
        """Receive an answer that is not streamed."""
        with call as response:
            answer = Answer(response)
            save_answer(answer, lambda: self._read(answer), sink)

    def _receive_stream(self, call: AbstractContextManager[Any], sink: ImageSink) -> None:
        """Receive a stream of events: the unfinished pictures, and the result at its end."""
        with call as response:
            answer = Answer(response)
            is_stream = response.headers.get("content-type", "").startswith("text/event-stream")
            # A backend that ignores `stream` sends a plain answer.
            save_answer(answer, lambda: self._read_events(answer, sink) if is_stream else self._read(answer), sink)

    def _read_events(self, answer: Answer, sink: ImageSink) -> ApiResult:
        for event in read_events(answer.pieces()):
            kind = str(event.get("type", ""))
            if kind.endswith(".completed"):
                return parse_completed_event(event, answer.headers)
            if kind.endswith(".partial_image"):
                _save_partial(event, sink)
            elif isinstance(event.get("error"), dict):
                raise translate_object(event["error"], model=self._model, request_id=request_id(answer.headers))
        raise OutcomeUnknown("The API's stream ended without its picture.", request_id=request_id(answer.headers))

    def _read(self, answer: Answer) -> ApiResult:
        for _ in answer.pieces():
            pass
        return parse_images_answer(read_body(answer.content), answer.headers, model=self._model)


def _save_partial(event: Mapping[str, Any], sink: ImageSink) -> None:
    """Pass an unfinished picture to `sink`; a broken one is ignored, since the finished one is still to come."""
    try:
        data = decode_base64(event["b64_json"])
    except (KeyError, AttributeError, TypeError, ValueError):
        return
    sink.save_partial(data)


def _refuses_streaming(error: ApiError) -> bool:
    """Whether a backend refused the request because of `stream`: nothing was billed, and it may answer without."""
    cause = error.__cause__
    if not isinstance(cause, openai.APIStatusError) or cause.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return False
    return cause.param in ("stream", "partial_images") or any(
        word in str(cause).lower() for word in ("stream", "partial_images")
    )


def _form_file(image: InputImage) -> tuple[str, bytes, str]:
    return image.name, image.data, MIME[image.format]
