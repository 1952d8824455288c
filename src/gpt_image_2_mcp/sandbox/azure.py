"""The two shapes in which Azure serves the same routes, and where it differs from OpenAI.

The v1 endpoint is `/openai/v1/…`, with a deployment's name as `model`. The older one is
`/openai/deployments/NAME/images/…?api-version=…`, with the name in the path. Both take the key in the header `api-key`
too. A deployment may have any name: one that is no model's stands for gpt-image-2.
"""

from collections.abc import Mapping

from starlette.requests import Request

from .errors import ApiRefusal, Json, not_supported
from .models import PICTURE_MODELS, SHUT_DOWN

ROOT = "/openai"
"""The beginning of every path of Azure's."""

_DEFAULT_MODEL = "gpt-image-2"
_FORMATS = ("png", "jpeg")


def is_azure(request: Request) -> bool:
    """Whether a request came to one of Azure's paths."""
    return request.url.path.startswith(f"{ROOT}/")


def azure_key(request: Request) -> str:
    """Return the key in Azure's own header; empty if there is none."""
    return request.headers.get("api-key", "").strip() if is_azure(request) else ""


def wrong_azure_key() -> ApiRefusal:
    """The key is absent or not known, in Azure's words."""
    message = (
        "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an "
        "active subscription and use a correct regional API endpoint for your resource."
    )
    return ApiRefusal(401, message, code="401")


def version_refusal(request: Request) -> ApiRefusal | None:
    """Return the refusal of a request to the older shape that names no `api-version`; None for any other request."""
    path = request.url.path
    needs_version = is_azure(request) and not path.startswith(f"{ROOT}/v1/")
    if not needs_version or request.query_params.get("api-version"):
        return None
    return ApiRefusal(404, "Resource not found", code="404")


def as_openai(request: Request, params: Mapping[str, Json]) -> dict[str, Json]:
    """Return the parameters of a picture request with the model that its deployment stands for.

    Raises:
        ApiRefusal: Azure's models make no WebP.
    """
    if not is_azure(request):
        return dict(params)
    if params.get("output_format") == "webp":
        raise not_supported("output_format", "webp", _FORMATS)
    name = request.path_params.get("deployment", params.get("model"))
    if isinstance(name, str) and name and name not in PICTURE_MODELS and name not in SHUT_DOWN:
        name = _DEFAULT_MODEL
    return dict(params) if name is None else {**params, "model": name}
