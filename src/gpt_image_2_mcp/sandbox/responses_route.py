"""`/v1/responses` with the image tool: a host model's response that contains one picture per call of the tool."""

import base64
import secrets
import time
from collections.abc import AsyncGenerator
from dataclasses import replace

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response

from . import locating, pipeline
from .errors import ApiRefusal, Json, JsonObject, no_such_response
from .faults import Fault
from .http import EventStream, JsonAnswer, TruncatedAnswer, read_json, record_request, sse_event
from .input_images import Upload, open_picture
from .knobs import wait_while_connected
from .pipeline import PaintTask
from .responses_request import ResponsesRequest, ToolCall, read_request
from .state import SandboxState, StoredResponse, state_of
from .tokens import Usage, input_picture_tokens, text_tokens
from .triggers import fault_in

_OUTPUT_TOKENS = 24
"""Output tokens of the host model for its call of the tool: an arbitrary small number."""


async def responses(request: Request) -> Response:
    """`POST /v1/responses`."""
    state = state_of(request)
    params = await read_json(request, state.knobs)
    fault = state.knobs.take_fault("responses")
    model = params.get("model")
    early = await pipeline.answer_without_picture(
        request, state, fault, model=model if isinstance(model, str) else "", billed=1
    )
    if early:
        return early
    parsed = read_request(params, state)
    if fault is None and parsed.call and (fault := fault_in(parsed.call.params.prompt)):
        # A prompt that moderation blocks fails the call of the tool, and not the response.
        early = (
            None
            if fault.error == "moderation_blocked"
            else await pipeline.answer_without_picture(
                request, state, fault, model=parsed.call.params.model.name, billed=1
            )
        )
        if early:
            return early
    builder = _ResponseBuilder(request, state, params, parsed, fault)
    await builder.prepare()
    if parsed.stream:
        stream = EventStream(builder.events())
        return TruncatedAnswer(stream, after=fault.after) if fault and fault.kind == "cut" else stream
    answer = JsonAnswer(await builder.body(), headers=fault.headers if fault else None)
    return TruncatedAnswer(answer, after=fault.after) if fault and fault.kind == "cut" else answer


async def one_response(request: Request) -> Response:
    """`GET` and `DELETE /v1/responses/{response_id}`."""
    state = state_of(request)
    record_request(request, state.knobs)
    response_id = request.path_params["response_id"]
    stored = state.response(response_id)
    if stored is None:
        raise no_such_response(response_id)
    if request.method == "DELETE":
        state.delete_response(response_id)
        return JsonAnswer({"id": response_id, "object": "response", "deleted": True})
    return JsonAnswer(stored.body)


class _ResponseBuilder:
    """Builds one response, whole (`body`) or as a stream (`events`), from the same items."""

    def __init__(
        self, request: Request, state: SandboxState, params: JsonObject, parsed: ResponsesRequest, fault: Fault | None
    ) -> None:
        self._request = request
        self._state = state
        self._params = params
        self._parsed = parsed
        self._fault = fault
        self._task: PaintTask | None = None
        self._blocked: ApiRefusal | None = None
        self._id = f"resp_{secrets.token_hex(24)}"
        self._call_id = f"ig_{secrets.token_hex(24)}"
        self._created = int(time.time())
        self._sequence = -1
        self._said = "The sandbox's host model only makes images."
        self._seen_tokens = 0

    async def prepare(self) -> None:
        """Decode the input pictures, unless moderation blocks the prompt.

        Raises:
            ApiRefusal: one of them cannot be read.
        """
        call = self._parsed.call
        if call is None:
            if self._parsed.wants_json and self._parsed.pictures:
                await self._look()
            return
        if self._fault and self._fault.error == "moderation_blocked":
            self._blocked = self._fault.refusal(model=call.params.model.name)
        else:
            self._task = await _plan(call, self._state)

    async def _look(self) -> None:
        """Answer a question about the first picture.

        Raises:
            ApiRefusal: the picture cannot be decoded.
        """
        upload, prompt = self._parsed.pictures[0], self._parsed.prompt

        def look() -> tuple[str, int]:
            picture = open_picture(upload, number=1)
            return locating.answer(prompt, picture), input_picture_tokens(*picture.size)

        async with self._state.knobs.image_request(self._request, pictures=0):
            found = await anyio.to_thread.run_sync(look, limiter=self._state.paint_limiter)
        self._said, self._seen_tokens = found

    async def body(self) -> JsonObject:
        """Return the finished response."""
        if self._task is None:
            return self._finished([*self._failed_call_item(), self._message_item()])
        async with self._state.knobs.image_request(self._request, pictures=1):
            if self._has_fault("stall"):
                await wait_while_connected(anyio.Event(), self._request)
            painted = pipeline.with_fault(self._task, self._fault)
            (data,) = await pipeline.paint(painted, self._state)
        return self._finished([self._call_item(painted, data)], made=data)

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Yield the response as a stream."""
        yield self._event("response.created", response=self._response("in_progress", []))
        yield self._event("response.in_progress", response=self._response("in_progress", []))
        if self._task is None:
            items = [*self._failed_call_item(), self._message_item()]
            for index, item in enumerate(items):
                yield self._event("response.output_item.added", output_index=index, item=item)
                yield self._event("response.output_item.done", output_index=index, item=item)
            yield self._event("response.completed", response=self._finished(items))
            return
        painted = pipeline.with_fault(self._task, self._fault)
        async with self._state.knobs.image_request(self._request, pictures=1):
            async for chunk in self._call_events(painted):
                yield chunk

    async def _call_events(self, painted: PaintTask) -> AsyncGenerator[bytes, None]:
        """Yield the events of the picture, until a fault breaks the stream."""
        fault = self._fault
        begun: JsonObject = {"id": self._call_id, "type": "image_generation_call", "status": "in_progress"}
        yield self._event("response.output_item.added", output_index=0, item=begun)
        yield self._call_event("in_progress")
        yield self._call_event("generating")
        breaks = self._has_fault("stall", "no_completed", "error_event")
        for index, data in enumerate(await pipeline.paint_partials(painted, self._state)):
            if fault and breaks and index >= fault.after:
                break
            picture = base64.b64encode(data).decode()
            yield self._call_event(
                "partial_image", partial_image_index=index, partial_image_b64=picture, **painted.output_fields()
            )
        if self._has_fault("stall"):
            await wait_while_connected(anyio.Event(), self._request)
        if fault and self._has_fault("error_event"):
            refusal = replace(fault, error=fault.error or "server_error").refusal(model=painted.params.model.name)
            error = refusal.error(request_id=self._request.scope["request_id"])
            yield self._event("error", code=error["code"], message=error["message"], param=error["param"])
        if breaks:
            return
        (data,) = await pipeline.paint(painted, self._state)
        yield self._call_event("completed")
        item = self._call_item(painted, data)
        yield self._event("response.output_item.done", output_index=0, item=item)
        yield self._event("response.completed", response=self._finished([item], made=data))

    def _has_fault(self, *kinds: str) -> bool:
        return self._fault is not None and self._fault.kind in kinds

    def _event(self, name: str, **fields: Json) -> bytes:
        self._sequence += 1
        return sse_event(name, {"type": name, "sequence_number": self._sequence, **fields})

    def _call_event(self, step: str, **fields: Json) -> bytes:
        name = f"response.image_generation_call.{step}"
        return self._event(name, output_index=0, item_id=self._call_id, **fields)

    def _call_item(self, painted: PaintTask, data: bytes) -> JsonObject:
        """Return the output item of a finished call of the tool."""
        body = pipeline.data_entry(data, painted, self._fault, request=self._request, state=self._state)
        call = self._parsed.call
        assert call is not None
        return {
            "id": self._call_id,
            "type": "image_generation_call",
            "status": "completed",
            "action": call.action,
            "result": None if self._has_fault("empty_data") else next(iter(body.values())),
            "revised_prompt": call.params.prompt,
            **painted.output_fields(),
        }

    def _failed_call_item(self) -> list[JsonObject]:
        """Return the output item of a call that moderation blocked, if there was one."""
        if self._blocked is None:
            return []
        error = self._blocked.error(request_id=self._request.scope["request_id"])
        item: JsonObject = {"id": self._call_id, "type": "image_generation_call", "status": "failed", "error": error}
        return [{**item, "result": None}]

    def _message_item(self) -> JsonObject:
        """Return the output item with the host model's text, if there is no picture."""
        text = "I can't make that image." if self._blocked else self._said
        content: Json = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]
        return {
            "id": f"msg_{secrets.token_hex(24)}",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": content,
        }

    def _finished(self, output: list[JsonObject], *, made: bytes | None = None) -> JsonObject:
        """Return the finished response with its items, and store it; `made` is its picture."""
        body = self._response("completed", output)
        if self._params.get("store") is not False:
            pictures = self._parsed.pictures if made is None else (Upload(made),)
            self._state.store_response(StoredResponse(body, pictures))
        return body

    def _response(self, status: str, output: list[JsonObject]) -> JsonObject:
        """Return the response object with its items; only a completed one has its usage."""
        params = self._params
        done = status == "completed"
        body: JsonObject = {
            "id": self._id,
            "object": "response",
            "created_at": self._created,
            "completed_at": int(time.time()) if done else None,
            "status": status,
            "background": False,
            "error": None,
            "incomplete_details": None,
            "instructions": params.get("instructions"),
            "max_output_tokens": params.get("max_output_tokens"),
            "max_tool_calls": params.get("max_tool_calls"),
            "metadata": params.get("metadata") or {},
            "model": self._parsed.model,
            "output": [*output],
            "parallel_tool_calls": True,
            "previous_response_id": params.get("previous_response_id"),
            "reasoning": {"effort": None, "summary": None},
            "safety_identifier": params.get("safety_identifier"),
            "service_tier": "default",
            "temperature": params.get("temperature", 1.0),
            "text": {"format": {"type": "text"}, "verbosity": "medium"},
            "tool_choice": self._parsed.tool_choice,
            "tools": self._parsed.tools,
            "top_logprobs": 0,
            "top_p": params.get("top_p", 1.0),
            "truncation": "disabled",
            "usage": self._host_usage() if done else None,
            "user": params.get("user"),
        }
        if done and not self._has_fault("no_usage"):
            usage = self._task.usage if self._task else Usage(0, 0, 0)
            body["tool_usage"] = {"image_gen": usage.body(), "web_search": {"num_requests": 0}}
        return body

    def _host_usage(self) -> JsonObject:
        """Return the usage of the host model: the words and pictures that it read, and its call of the tool."""
        read = text_tokens(self._parsed.prompt) + (self._task.usage.pictures if self._task else self._seen_tokens)
        return {
            "input_tokens": read,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": _OUTPUT_TOKENS,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": read + _OUTPUT_TOKENS,
        }


async def _plan(call: ToolCall, state: SandboxState) -> PaintTask:
    if call.action == "generate":
        return await pipeline.plan_generation(call.params)
    return await pipeline.plan_edit(call.params, call.pictures, call.mask, state=state)
