"""The images route: `/images/generations` and `/images/edits`.

Options that have their default value are not sent, so that proxies and other servers that know fewer of them work.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from http import HTTPStatus
from typing import Any

import anyio.to_thread
import openai

from ..errors import ApiError, OutcomeUnknown
from ..images import MIME
from ..inputs import InputImage
from ..parameters.options import Options
from .answer import Answer, receive
from .api_result import ApiResult
from .body_reader import read_body
from .errors import translate_object
from .events import read_events
from .failed_streams import FailedStreams
from .request import ImageRequest
from .request_status import RequestStatus
from .results import decode_base64, parse_completed_event, parse_images_answer
from .retry import RequestSender
from .sink import ImageSink

OPENAI_HOST = "api.openai.com"

NOT_STREAMED = (
    "The backend failed to stream the picture (GPT_IMAGE_2_PARTIAL_IMAGES asks for a stream), so no more unfinished"
    " pictures are asked for from this address for a week. Unset GPT_IMAGE_2_PARTIAL_IMAGES for this backend."
)

OPTIONS = ("size", "quality", "background", "output_format", "output_compression", "moderation", "user")
"""The options that the API knows by the same names."""


def changed_options(options: Options, names: Sequence[str] = OPTIONS) -> dict[str, Any]:
    """The options whose value is not the default."""
    fields = type(options).model_fields
    values = {name: getattr(options, name) for name in names}
    return {name: value for name, value in values.items() if value != fields[name].default}


class ImagesRoute:
    """Sends requests to both endpoints, and passes what arrives to an `ImageSink`."""

    def __init__(self, sender: RequestSender, *, partial_images: int, failed_streams: FailedStreams) -> None:
        """Ask for `partial_images` unfinished pictures with each request for one picture; 0 does not stream. Blocks."""
        self._sender = sender
        self._failed_streams = failed_streams
        self._partial_images = 0 if failed_streams.has_failed() else partial_images

    async def generate(self, request: ImageRequest, status: RequestStatus, sink: ImageSink) -> None:
        """Make pictures from a prompt; raises `ApiError`."""
        params = changed_options(request.options)
        call = partial(self._sender.sdk.images.with_streaming_response.generate, prompt=request.prompt, **params)
        await self._send(call, request, status, sink, editing=False)

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
            partial(edit, prompt=request.prompt, image=files, **params), request, status, sink, editing=True
        )

    async def _send(
        self,
        call: Callable[..., AbstractContextManager[Any]],
        request: ImageRequest,
        status: RequestStatus,
        sink: ImageSink,
        *,
        editing: bool,
    ) -> None:
        """Send a request, streamed if unfinished pictures are wanted, and pass its result to `sink`.

        The lambdas run in the request's thread: sending, reading and saving are one call there.
        """
        send = partial(self._sender.send, status=status, model=request.model, editing=editing)
        n = request.n
        if n == 1 and self._partial_images:
            stream = partial(call, model=request.model, stream=True, partial_images=self._partial_images)
            try:
                read = partial(self._read_stream, sink=sink, model=request.model)
                failed = await send(
                    lambda: receive(
                        stream(),
                        read,
                        sink,
                        request=request,
                        wanted=1,
                        unfinished=self._partial_images,
                        warning=NOT_STREAMED,
                    )
                )
            except ApiError as error:
                if not _refuses_streaming(error):
                    await self._note_failed_stream(error)
                    raise
                self._partial_images = 0
            else:
                if failed:
                    await self._stream_no_more()
                return
        several = {"n": n} if n > 1 else {}
        read = partial(_read, model=request.model)
        await send(lambda: receive(call(model=request.model, **several), read, sink, request=request, wanted=n))

    async def _note_failed_stream(self, error: ApiError) -> None:
        """Stop streaming if a proxy answered a request for a stream, and the answer is no picture.

        LiteLLM, for one, has the picture made, fails to pass the stream on, and answers 500: the next request would be
        paid for and lost in the same way.
        """
        if isinstance(error.__cause__, openai.APIConnectionError) or not error.may_be_billed:
            return
        if self._sender.sdk.base_url.host != OPENAI_HOST:
            await self._stream_no_more()
            error.args = (f"{error.args[0]} {NOT_STREAMED}",)

    async def _stream_no_more(self) -> None:
        self._partial_images = 0
        await anyio.to_thread.run_sync(self._failed_streams.note)

    def _read_stream(self, answer: Answer, sink: ImageSink, model: str) -> ApiResult:
        """Read a stream of events: save the unfinished pictures, and give the result at its end."""
        if answer.origin.content_type == "text/event-stream":
            return self._read_events(answer, sink, model)
        # A backend that ignores `stream` sends a plain answer.
        return _read(answer, model)

    def _read_events(self, answer: Answer, sink: ImageSink, model: str) -> ApiResult:
        unfinished = 0
        for event in read_events(answer.pieces()):
            kind = str(event.get("type", ""))
            if kind.endswith(".completed"):
                return parse_completed_event(event, answer.origin)
            if kind.endswith(".partial_image"):
                unfinished += 1
                # A backend that sends more of them than were asked for would fill the disk.
                if unfinished <= self._partial_images:
                    _save_partial(event, sink)
                answer.forget()
            elif event.get("error"):
                raise translate_object(event, answer.origin, model=model)
        raise OutcomeUnknown("The API's stream ended without its picture.", request_id=answer.origin.request_id)


def _read(answer: Answer, model: str) -> ApiResult:
    for _ in answer.pieces():
        pass
    return parse_images_answer(read_body(answer.content), answer.origin, model=model)


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
