"""OpenAI's rules for every parameter of a picture request.

They are the rules of 2026-11-22, stated here independently of the client. `check_params` checks the requests of all
routes, which differ in the parameters that they know: `GENERATION`, `EDIT_FORM`, `EDIT_JSON` and `TOOL`.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, TypeGuard, cast

from .errors import (
    ApiRefusal,
    Json,
    JsonObject,
    empty_string,
    missing,
    model_refusal,
    not_supported,
    out_of_range,
    too_long,
    unknown,
    wrong_type,
)
from .models import PictureModel, Quality, find_model

Format = Literal["png", "jpeg", "webp"]
"""A file format that pictures are painted in."""

MAX_PROMPT = 32_000
"""Characters of a prompt."""

MAX_N = 10
"""Pictures of one request."""

MAX_PARTIALS = 3
"""Partial pictures of one stream."""

MAX_IDENTIFIER = 128
"""Characters of `safety_identifier`."""

MAX_DEPTH = 100
"""Arrays and objects within one another in a request: the sandbox's own limit, which bounds its recursion."""

EDGE_STEP = 16
"""Width and height must be multiples of this many pixels."""
MAX_EDGE = 3840
"""The most pixels of the width or the height."""
MIN_PIXELS = 655_360
"""The fewest pixels of a picture: 1024x640."""
MAX_PIXELS = 8_294_400
"""The most pixels of a picture: 3840x2160."""
MAX_ASPECT = 3
"""The most that the long side may be of the short one."""

_OUTPUT_PARAMS = frozenset(
    {"size", "quality", "background", "output_format", "output_compression", "moderation", "partial_images"}
    | {"complexity", "frame_count", "frame_duration_ms", "svg"}
)
_SHARED = _OUTPUT_PARAMS | {"prompt", "model", "n", "stream", "user", "safety_identifier"}

GENERATION = _SHARED
"""Parameters of `/v1/images/generations`."""

EDIT_FORM = _SHARED | {"image", "image[]", "mask"}
"""Parameters of `/v1/images/edits` as a form; several pictures are `image[]`."""

EDIT_JSON = _SHARED | {"images", "mask"}
"""Parameters of `/v1/images/edits` as JSON."""

TOOL = _OUTPUT_PARAMS | {"type", "action", "model", "input_image_mask"}
"""Keys of the Responses route's `image_generation` tool."""

_NAMES: dict[type, str] = {
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a decimal number",
    list: "an array",
}
_SIZE = re.compile(r"([0-9]{1,6})x([0-9]{1,6})")


@dataclass(frozen=True, slots=True)
class CheckedParams:
    """The parameters of a request that passed the rules, with defaults filled in; `size` is None for `auto`."""

    model: PictureModel
    prompt: str
    n: int
    size: tuple[int, int] | None
    quality: Quality
    background: Literal["opaque", "transparent"]
    output_format: Format
    output_compression: int
    stream: bool
    partial_images: int
    safety_identifier: str | None


def check_params(params: Mapping[str, Json], *, known: frozenset[str]) -> CheckedParams:
    """Check the parameters of a picture request, except those that contain pictures (see `input_images`).

    Raises:
        ApiRefusal: OpenAI's answer to the first rule that is broken.
    """
    model = _check_names(params, known=known)
    prompt = _text(params, "prompt", limit=MAX_PROMPT)
    if prompt is None:
        raise missing("prompt")
    if not prompt:
        raise empty_string("prompt")
    n = _integer(params, "n", low=1, high=MAX_N, default=1)
    output_format = _output_format(params)
    stream = _boolean(params, "stream")
    if stream and n > 1:
        raise model_refusal("Streaming is only supported with n=1.", param="stream")
    _choice(params, "moderation", ("auto", "low"))
    user = _text(params, "user", limit=None, nullable=False)
    checked = CheckedParams(
        model=model,
        prompt=prompt,
        n=n,
        size=_size(params),
        quality=_quality(params, model),
        background=_background(params, model, output_format),
        output_format=output_format,
        output_compression=_compression(params, output_format),
        stream=stream,
        partial_images=_integer(params, "partial_images", low=0, high=MAX_PARTIALS, default=0),
        safety_identifier=_text(params, "safety_identifier", limit=MAX_IDENTIFIER) or user or None,
    )
    _check_previews(params, model)
    return checked


def _check_names(params: Mapping[str, Json], *, known: frozenset[str]) -> PictureModel:
    """Refuse parameters that the endpoint does not know; then find the model, which the other rules depend on."""
    for name in params:
        if name not in known and name != "input_fidelity":
            raise unknown(name)
    name = _text(params, "model", limit=None)
    if not name:
        raise missing("model")
    model = find_model(name)
    if "input_fidelity" in params:
        message = f"The model '{name}' does not support the 'input_fidelity' parameter."
        raise model_refusal(message, param="input_fidelity", code="invalid_input_fidelity_model")
    return model


def check_size(text: str) -> tuple[int, int]:
    """Parse `WIDTHxHEIGHT` into (width, height), in pixels.

    Raises:
        ApiRefusal: 400, the text is no size, or the model cannot make pictures of this size.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise model_refusal(f"Invalid size '{text}'. Size must be 'auto' or in the form WIDTHxHEIGHT.", param="size")
    width, height = int(match[1]), int(match[2])
    problem = _size_problem(width, height)
    if problem:
        raise model_refusal(f"Invalid size '{text}'. {problem}", param="size")
    return width, height


def _size_problem(width: int, height: int) -> str | None:
    short, long = sorted((width, height))
    if short == 0 or width % EDGE_STEP or height % EDGE_STEP:
        return f"Width and height must both be divisible by {EDGE_STEP}."
    if long > MAX_EDGE:
        return f"Width and height must each be at most {MAX_EDGE} pixels."
    if Fraction(long, short) > MAX_ASPECT:
        return f"The aspect ratio must be between 1:{MAX_ASPECT} and {MAX_ASPECT}:1."
    if width * height < MIN_PIXELS:
        return f"The requested resolution is below the current minimum pixel budget of {MIN_PIXELS} pixels."
    if width * height > MAX_PIXELS:
        return f"The requested resolution is above the current maximum pixel budget of {MAX_PIXELS} pixels."
    return None


def _size(params: Mapping[str, Json]) -> tuple[int, int] | None:
    size = _text(params, "size", limit=None)
    return None if size is None or size == "auto" else check_size(size)


def _quality(params: Mapping[str, Json], model: PictureModel) -> Quality:
    quality = _choice(params, "quality", (*model.grid, "auto"))
    # OpenAI does not say what its `auto` chooses; most often it is billed as medium.
    return cast("Quality", "medium" if quality in (None, "auto") else quality)


def _background(
    params: Mapping[str, Json], model: PictureModel, output_format: Format
) -> Literal["opaque", "transparent"]:
    background = _choice(params, "background", ("transparent", "opaque", "auto"))
    if background != "transparent":
        return "opaque"
    if not model.transparent:
        raise model_refusal("Transparent background is not supported for this model.", param="background")
    if output_format == "jpeg":
        message = "Transparent background is not supported with output format 'jpeg'. Use 'png' or 'webp'."
        raise model_refusal(message, param="background")
    return "transparent"


def _output_format(params: Mapping[str, Json]) -> Format:
    output_format = _choice(params, "output_format", ("png", "webp", "jpeg", "gif", "svg"))
    if output_format in ("gif", "svg"):
        # They came with 2.6, only for organisations with early access, which the sandbox's does not have.
        raise not_supported("output_format", output_format, ("png", "webp", "jpeg"))
    return cast("Format", output_format or "png")


def _compression(params: Mapping[str, Json], output_format: Format) -> int:
    compression = _integer(params, "output_compression", low=0, high=100, default=100)
    if output_format == "png" and compression != 100:  # noqa: PLR2004, a hundred percent
        raise model_refusal(
            "Compression less than 100 is not supported for PNG output format", param="output_compression"
        )
    return compression


def _check_previews(params: Mapping[str, Json], model: PictureModel) -> None:
    """Check the preview features: `complexity` came with 2.6; frames and SVG need formats that the sandbox refuses."""
    if _choice(params, "complexity", ("low", "medium", "high")) and not model.complexity:
        message = f"The model '{model.name}' does not support the 'complexity' parameter."
        raise model_refusal(message, param="complexity")
    for name, output_format in (("frame_count", "gif"), ("frame_duration_ms", "gif"), ("svg", "svg")):
        if params.get(name) is not None:
            raise model_refusal(f"'{name}' is only supported with output_format={output_format}.", param=name)


def _text(params: Mapping[str, Json], name: str, *, limit: int | None, nullable: bool = True) -> str | None:
    value = params.get(name)
    if value is None:
        if name in params and not nullable:
            raise wrong_type(name, expected="a string", got="null")
        return None
    if not isinstance(value, str):
        raise wrong_type(name, expected="a string", got=json_type(value))
    if limit is not None and len(value) > limit:
        raise too_long(name, len(value), limit)
    return value


def _choice(params: Mapping[str, Json], name: str, values: tuple[str, ...]) -> str | None:
    value = _text(params, name, limit=None)
    if value is not None and value not in values:
        raise not_supported(name, value, values)
    return value


def _integer(params: Mapping[str, Json], name: str, *, low: int, high: int, default: int) -> int:
    value = params.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong_type(name, expected="an integer", got=json_type(value))
    if not low <= value <= high:
        raise out_of_range(name, value, low=low, high=high)
    return value


def _boolean(params: Mapping[str, Json], name: str) -> bool:
    value = params.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise wrong_type(name, expected="a boolean", got=json_type(value))
    return value


def parse_json(text: bytes) -> Json:
    """Parse JSON strictly: UTF-8 without a byte order mark, and no `NaN`.

    Raises:
        ValueError: it is no JSON, or is nested too deeply.
    """

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    try:
        value: Json = json.loads(text.decode(), parse_constant=refuse)
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [item for outer in level for item in _items(outer)]
    if level:
        raise ValueError(f"nested more than {MAX_DEPTH} deep")
    return value


def _items(value: Json) -> Collection[Json]:
    """Return what an array or an object holds."""
    return value.values() if is_object(value) else value if isinstance(value, list) else ()


def json_type(value: Json) -> str:
    """Name the type of a value as OpenAI does, with its article."""
    if value is None:
        return "null"
    return _NAMES.get(type(value), "an object")


def is_object(value: Json) -> TypeGuard[JsonObject]:
    """Whether a value is a JSON object."""
    return isinstance(value, dict)


def params_from_form(fields: Mapping[str, str]) -> dict[str, Json]:
    """Convert the fields of a form, which are all strings, to the JSON that they stand for.

    A field that cannot be read as an integer or a boolean stays a string, and the rules refuse it for its type.
    """
    params: dict[str, Json] = dict(fields)
    for name in ("n", "output_compression", "partial_images", "frame_count", "frame_duration_ms"):
        if name in fields and re.fullmatch(r"[+-]?[0-9]{1,9}", fields[name]):
            params[name] = int(fields[name])
    if fields.get("stream") in ("true", "false"):
        params["stream"] = fields["stream"] == "true"
    return params


def refuse_type(param: str, value: Json, *, expected: str) -> ApiRefusal:
    """Return the `wrong_type` error for a value."""
    return wrong_type(param, expected=expected, got=json_type(value))
