"""Reads requests to the Responses route: its parameters, the words and pictures of the input, and the image tool.

The sandbox's host model is simple: if it may call the image tool it always does, and it passes the words on unchanged.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from .errors import (
    IMAGE_USER_ERROR,
    ApiRefusal,
    Json,
    JsonObject,
    missing,
    model_refusal,
    not_supported,
    unknown,
)
from .images_route import picture_from_reference
from .input_images import MAX_PICTURES, Upload
from .models import DEFAULT_TOOL_MODEL, check_host_model
from .rules import TOOL, CheckedParams, check_params, is_object, refuse_type
from .state import SandboxState

Action = Literal["generate", "edit"]
"""What the image tool does; `auto` is replaced by one of these."""

_KNOWN = frozenset(
    {"model", "input", "instructions", "tools", "tool_choice", "stream", "stream_options", "metadata", "temperature"}
    | {"top_p", "user", "safety_identifier", "store", "include", "parallel_tool_calls", "previous_response_id"}
    | {"reasoning", "text", "truncation", "max_output_tokens", "max_tool_calls", "background", "conversation"}
    | {"service_tier", "prompt", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"}
    | {"context_management", "moderation", "top_logprobs"}
)
_ROLES = ("user", "assistant", "system", "developer")
_NOT_IMAGE_PARAMS = ("type", "action", "input_image_mask")


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of the image tool; a generation has no `pictures`."""

    params: CheckedParams
    action: Action
    pictures: tuple[Upload, ...]
    mask: Upload | None


@dataclass(frozen=True, slots=True)
class ResponsesRequest:
    """A checked request to the Responses route; `call` is None if the image tool is not to be called."""

    model: str
    prompt: str
    stream: bool
    tools: list[Json]
    tool_choice: Json
    call: ToolCall | None
    pictures: tuple[Upload, ...]
    """That of the previous response, if there is one, and those of the input."""
    wants_json: bool
    """Whether the answer in words is to be JSON with a schema."""


def read_request(params: JsonObject, state: SandboxState) -> ResponsesRequest:
    """Check a request to the Responses route.

    Raises:
        ApiRefusal: OpenAI's answer to the first rule that is broken.
    """
    for name in params:
        if name not in _KNOWN:
            raise unknown(name)
    model = params.get("model")
    if model is None:
        raise missing("model")
    if not isinstance(model, str):
        raise refuse_type("model", model, expected="a string")
    stream = params.get("stream")
    if not isinstance(stream, bool | None):
        raise refuse_type("stream", stream, expected="a boolean")
    previous = _previous_pictures(params.get("previous_response_id"), state)
    words, pictures = _read_input(params.get("input"), state)
    pictures = [*previous, *pictures]
    tools = params.get("tools") or []
    if not isinstance(tools, list):
        raise refuse_type("tools", tools, expected="an array")
    check_host_model(model, with_tool=bool(tools))
    prompt = "\n".join(words)
    choice = params.get("tool_choice", "auto")
    call = None if choice == "none" else _read_tools(tools, prompt, pictures, state, stream=bool(stream))
    if call is None and is_object(choice):
        message = "Tool choice 'image_generation' not found in 'tools' parameter."
        raise ApiRefusal(400, message, code=None, param="tool_choice")
    echo = [_echo(tool) for tool in tools]
    wants_json = _wants_json(params.get("text"))
    return ResponsesRequest(model, prompt, bool(stream), echo, choice, call, tuple(pictures), wants_json)


def _previous_pictures(response_id: Json, state: SandboxState) -> tuple[Upload, ...]:
    """Return the pictures of the response that a request goes on from."""
    if response_id is None:
        return ()
    if not isinstance(response_id, str):
        raise refuse_type("previous_response_id", response_id, expected="a string")
    previous = state.response(response_id)
    if previous is None:
        message = f"Previous response with id '{response_id}' not found."
        raise ApiRefusal(400, message, code="previous_response_not_found", param="previous_response_id")
    return previous.pictures


def _wants_json(text: Json) -> bool:
    """Read `text.format`; a JSON schema needs its name, and a strict one has to be closed."""
    form = text.get("format") if is_object(text) else None
    if not is_object(form) or form.get("type") != "json_schema":
        return False
    for name in ("name", "schema"):
        if form.get(name) is None:
            raise missing(f"text.format.{name}")
    schema = form["schema"]
    if form.get("strict") and (not is_object(schema) or schema.get("additionalProperties") is not False):
        message = (
            f"Invalid schema for response_format '{form['name']}': In context=(), 'additionalProperties' is required to"
            " be supplied and to be false."
        )
        raise ApiRefusal(400, message, code="invalid_json_schema", param="text.format.schema")
    return True


def _read_tools(
    tools: list[Json], prompt: str, pictures: list[Upload], state: SandboxState, *, stream: bool
) -> ToolCall | None:
    call = None
    for index, tool in enumerate(tools):
        if not is_object(tool):
            raise refuse_type(f"tools[{index}]", tool, expected="an object")
        kind = tool.get("type")
        if kind is None:
            raise missing(f"tools[{index}].type")
        if kind == "image_generation" and call is None:
            call = _read_tool(tool, index, prompt, pictures, state, stream=stream)
        elif kind != "image_generation":
            # OpenAI has a dozen other tools; the sandbox has only this one.
            raise not_supported(f"tools[{index}].type", str(kind), ("image_generation",))
    return call


def _read_tool(
    tool: JsonObject, index: int, prompt: str, pictures: list[Upload], state: SandboxState, *, stream: bool
) -> ToolCall:
    image_params = {name: value for name, value in tool.items() if name not in _NOT_IMAGE_PARAMS}
    try:
        checked = check_params({"model": DEFAULT_TOOL_MODEL, **image_params, "prompt": prompt}, known=TOOL | {"prompt"})
    except ApiRefusal as refusal:
        raise _in_tool(refusal, index) from refusal
    action = tool.get("action", "auto")
    if action not in ("generate", "edit", "auto"):
        raise not_supported(f"tools[{index}].action", str(action), ("generate", "edit", "auto"))
    mask_reference = tool.get("input_image_mask")
    mask = (
        None
        if mask_reference is None
        else picture_from_reference(mask_reference, state, param=f"tools[{index}].input_image_mask")
    )
    if action == "edit" and not pictures:
        raise model_refusal("An image edit needs at least one input image.", param="tools", code=None)
    if mask and (action == "generate" or not pictures):
        raise model_refusal("A mask can only be used to edit an input image.", param="tools", code=None)
    if len(pictures) > MAX_PICTURES:
        raise model_refusal(f"At most {MAX_PICTURES} input images are supported.", param="tools", code=None)
    edits = bool(pictures) and action != "generate"
    return ToolCall(
        params=replace(checked, stream=stream),
        action="edit" if edits else "generate",
        pictures=tuple(pictures) if edits else (),
        mask=mask,
    )


def _in_tool(refusal: ApiRefusal, index: int) -> ApiRefusal:
    """Adapt the error of one of the tool's keys: an API error names the key, a picture model's `tools` as a whole."""
    if refusal.param is None or refusal.param == "prompt":
        return refusal
    if refusal.kind == IMAGE_USER_ERROR:
        return refusal.with_param("tools")
    return refusal.with_param(f"tools[{index}].{refusal.param}")


def _read_input(value: Json, state: SandboxState) -> tuple[list[str], list[Upload]]:
    """Return the texts and the pictures of the user's messages, in their order."""
    if value is None:
        raise missing("input")
    if isinstance(value, str):
        return [value], []
    if not isinstance(value, list):
        raise refuse_type("input", value, expected="a string or an array")
    words: list[str] = []
    pictures: list[Upload] = []
    for where, part in _parts(value):
        match part.get("type"):
            case "input_text":
                text = part.get("text")
                if not isinstance(text, str):
                    raise missing(f"{where}.text")
                words.append(text)
            case "input_image":
                reference = {key: part[key] for key in ("image_url", "file_id") if part.get(key) is not None}
                pictures.append(picture_from_reference(reference, state, param=where))
            case other:
                raise not_supported(f"{where}.type", str(other), ("input_text", "input_image"))
    return words, pictures


def _parts(items: list[Json]) -> Iterator[tuple[str, JsonObject]]:
    """Yield the content parts of the user's messages, each after its path, such as `input[0].content[1]`."""
    for number, item in enumerate(items):
        where = f"input[{number}]"
        if not is_object(item):
            raise refuse_type(where, item, expected="an object")
        if item.get("type", "message") != "message":
            continue  # calls of tools and their results, from earlier turns
        role = item.get("role")
        if role not in _ROLES:
            raise not_supported(f"{where}.role", str(role), _ROLES)
        content = item.get("content")
        if isinstance(content, str):
            said: JsonObject = {"type": "input_text", "text": content}
            content = [said]
        if not isinstance(content, list):
            raise refuse_type(f"{where}.content", content, expected="a string or an array")
        if role != "user":
            continue
        for index, part in enumerate(content):
            if not is_object(part):
                raise refuse_type(f"{where}.content[{index}]", part, expected="an object")
            yield f"{where}.content[{index}]", part


def _echo(tool: Json) -> Json:
    """Return a tool as the response repeats it: without its mask, which may have megabytes."""
    return {name: value for name, value in tool.items() if name != "input_image_mask"} if is_object(tool) else tool
