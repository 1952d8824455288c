"""The models that the sandbox knows, and how they differ.

Picture models are those that OpenAI's pages listed on 2026-11-22. `gpt-image-1.5`, `gpt-image-1-mini` and
`chatgpt-image-latest` shut down on 2026-12-01 and have other sizes and prices: for the sandbox they are gone already.

Host models are those that the Responses route accepts. Some old ones exist but have no image tool; OpenAI answers a
request for it with a general 400.
"""

import re
from dataclasses import dataclass
from typing import Literal

from .errors import ApiRefusal, JsonObject, model_not_found

Quality = Literal["low", "medium", "high", "xhigh", "max"]
"""A quality that pictures are painted in; `auto` is replaced by one of these."""

_GRID_2 = {"low": 16, "medium": 48, "high": 96}
_GRID_25 = {"low": 16, "medium": 24, "high": 48, "xhigh": 64, "max": 96}


@dataclass(frozen=True, slots=True)
class PictureModel:
    """A model that makes pictures; `grid` is the token grid of each of its qualities (see `tokens.output_tokens`)."""

    name: str
    grid: dict[str, int]
    transparent: bool
    complexity: bool = False


PICTURE_MODELS = {
    model.name: model
    for model in (
        PictureModel("gpt-image-2", _GRID_2, transparent=False),
        PictureModel("gpt-image-2-2026-04-21", _GRID_2, transparent=False),
        PictureModel("gpt-image-2.5-sunburst", _GRID_25, transparent=True),
        PictureModel("gpt-image-2.5-sunburst-2026-09-08", _GRID_25, transparent=True),
        PictureModel("gpt-image-2.5-flare", _GRID_25, transparent=True),
        PictureModel("gpt-image-2.5-flare-2026-09-08", _GRID_25, transparent=True),
        PictureModel("gpt-image-2.6-sunburst", _GRID_25, transparent=True, complexity=True),
        PictureModel("gpt-image-2.6-flare", _GRID_25, transparent=True, complexity=True),
    )
}
"""The picture models by name. The token grid of 2.6 is not published: 2.5's is assumed."""

SHUT_DOWN = ("gpt-image-1", "dall-e-2", "dall-e-3")
"""Models that were shut down during 2026."""

DEFAULT_TOOL_MODEL = "gpt-image-2.6-sunburst"
"""The model of the Responses image tool if it names none (docstring of `openai` 3.54.0)."""

HOST_MODELS: dict[str, str | None] = {
    "gpt-4o": "2027-01-14",
    "gpt-4o-mini": "2027-01-14",
    "gpt-4.1": "2027-01-14",
    "gpt-4.1-mini": "2027-01-14",
    "o3": "2026-12-11",
    "gpt-5": "2026-12-11",
    "gpt-5-mini": "2026-12-11",
    "gpt-5.1": "2027-04-01",
    "gpt-5.2": None,
    "gpt-5.4": None,
    "gpt-5.4-mini": None,
    "gpt-5.5": None,
    "gpt-5.6-sol": None,
    "gpt-5.6-terra": None,
    "gpt-5.6-luna": None,
    "gpt-6-astra": None,
    "gpt-6-sol": None,
    "gpt-6-luna": None,
}
"""Host models with the image tool, and the day on which each shuts down (docstring of `ChatModel`, `openai` 3.54.0)."""

OLD_HOST_MODELS = ("gpt-3.5-turbo", "gpt-4", "gpt-4-turbo", "o1", "o3-mini")
"""Host models without the image tool: OpenAI answers a general 400."""

_CREATED = 1_776_729_600
"""2026-04-21 as Unix time, the release of gpt-image-2. For simplicity all rows have this date."""


def find_model(name: str) -> PictureModel:
    """Return the picture model of that name.

    Raises:
        ApiRefusal: 404, the model does not exist or was shut down.
    """
    model = PICTURE_MODELS.get(name)
    if model is None:
        raise model_not_found(name, shut_down=name in SHUT_DOWN)
    return model


def check_host_model(name: str, *, with_tool: bool) -> None:
    """Refuse a host model that does not exist or has no image tool; a dated snapshot counts as its model.

    Raises:
        ApiRefusal: 404, the model does not exist; 400, it has no image tool.
    """
    family = re.sub(r"-[0-9]{4}-[0-9]{2}-[0-9]{2}$", "", name)
    if family in OLD_HOST_MODELS and with_tool:
        message = f"Hosted tool 'image_generation' is not supported with {name}."
        raise ApiRefusal(400, message, code=None, param="tools")
    if family not in HOST_MODELS and family not in OLD_HOST_MODELS:
        raise model_not_found(name)


def model_row(name: str) -> JsonObject:
    """Return the row of `GET /v1/models` for a model.

    Raises:
        ApiRefusal: 404, the model does not exist.
    """
    if name not in PICTURE_MODELS and name not in HOST_MODELS and name not in OLD_HOST_MODELS:
        raise model_not_found(name, shut_down=name in SHUT_DOWN)
    return {
        "id": name,
        "object": "model",
        "created": _CREATED,
        "owned_by": "system",
        "shutdown_date": HOST_MODELS.get(name),
    }


def model_rows() -> JsonObject:
    """Return the body of `GET /v1/models`."""
    return {"object": "list", "data": [model_row(name) for name in (*PICTURE_MODELS, *HOST_MODELS, *OLD_HOST_MODELS)]}
