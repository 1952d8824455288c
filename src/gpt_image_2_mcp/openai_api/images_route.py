"""The images route: `/images/generations` and `/images/edits`.

Options that have their default value are not sent, so that proxies and other servers that know fewer of them work.
"""

import json
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from http import HTTPStatus
from typing import Any

import httpx2
import openai

from ..errors import ApiError, OutcomeUnknown
from ..images import MIME
from ..inputs import InputImage
from ..parameters.models import Options
from .api_result import ApiResult
from .body_reader import read_body
from .client import with_deadline
from .rate_limiter import RequestStatus
from .request import ImageRequest
from .results import decode_base64, parse_completed_event, parse_images_answer, reading_answer
from .retry import RequestSender
from .sink import ImageSink

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
                await send(lambda: sink.save_result(self._read_stream(stream(), sink)))
            except ApiError as error:
                if not _refuses_streaming(error):
                    raise
                self._partial_images = 0
            else:
                return
        several = {"n": n} if n > 1 else {}
        await send(lambda: sink.save_result(self._read_whole(call(model=self._model, **several))))

    def _read_whole(self, call: AbstractContextManager[Any]) -> ApiResult:
        """Read an answer that is not streamed."""
        with call as response, _as_sdk_errors(response):
            return self._read(response)

    def _read_stream(self, call: AbstractContextManager[Any], sink: ImageSink) -> ApiResult:
        """Read a stream of events: save the unfinished pictures, and return the result at its end."""
        with call as response:
            with _as_sdk_errors(response):
                if not response.headers.get("content-type", "").startswith("text/event-stream"):
                    # A backend that ignores `stream` sends a plain answer.
                    return self._read(response)
                for event in with_deadline(response.parse()):
                    kind = str(getattr(event, "type", ""))
                    if kind.endswith(".completed"):
                        with reading_answer(response.headers):
                            return parse_completed_event(event, response.headers)
                    if kind.endswith(".partial_image"):
                        _save_partial(event, sink)
            raise OutcomeUnknown("The API's stream ended without its picture.", request_id=response.request_id)

    def _read(self, response: Any) -> ApiResult:
        body = read_body(with_deadline(response.iter_bytes()))
        with reading_answer(response.headers):
            return parse_images_answer(body, response.headers, model=self._model)


def _save_partial(event: Any, sink: ImageSink) -> None:
    """Pass an unfinished picture to `sink`; a broken one is ignored, since the finished one is still to come."""
    try:
        data = decode_base64(event.b64_json)
    except (AttributeError, TypeError, ValueError):
        return
    sink.save_partial(data)


@contextmanager
def _as_sdk_errors(response: Any) -> Generator[None]:
    """Raise the SDK's errors for a connection that fails while the body is read.

    The SDK itself translates httpx2's errors only until the headers are there.
    """
    try:
        yield
    except httpx2.TimeoutException as error:
        raise openai.APITimeoutError(request=response.http_request) from error
    except httpx2.RequestError as error:
        raise openai.APIConnectionError(request=response.http_request) from error
    except json.JSONDecodeError as error:
        raise OutcomeUnknown("The API's stream is garbled.", request_id=response.request_id) from error


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
