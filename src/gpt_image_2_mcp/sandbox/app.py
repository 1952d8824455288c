"""The sandbox's ASGI application: its routes, and the answers to its exceptions (an `ApiRefusal`, for example)."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from . import azure
from . import batches_route as batches
from . import control_route as control
from . import files_route as files
from . import images_route as images
from . import responses_route as responses
from .errors import ApiRefusal, no_such_url, wrong_method
from .http import KeyAndHeaders, NoAnswer, refusal_response
from .knobs import CallerLeftError, Knobs
from .state import SandboxState


def build_sandbox(*, knobs: Knobs | None = None) -> Starlette:
    """Make a new, empty sandbox; a test passes `knobs` to control it and to read its counters."""
    app = Starlette(
        routes=[
            *_api_routes("/v1"),
            *_api_routes(f"{azure.ROOT}/v1"),
            *_api_routes(azure.ROOT),
            *_image_routes(f"{azure.ROOT}/deployments/{{deployment}}"),
            Route("/pictures/{key}", files.picture, methods=["GET"], name="picture"),
            Route("/", control.about, methods=["GET"]),
            Route("/_sandbox/state", control.get_state, methods=["GET"]),
            Route("/_sandbox/requests", control.get_requests, methods=["GET"]),
            Route("/_sandbox/knobs", control.set_knobs, methods=["POST"]),
            Route("/_sandbox/release", control.release_held, methods=["POST"]),
        ],
        middleware=[Middleware(KeyAndHeaders)],
        exception_handlers={
            ApiRefusal: _api_refusal,
            HTTPException: _no_route,
            CallerLeftError: _caller_left,
            ClientDisconnect: _caller_left,
            Exception: _bug,
        },
    )
    app.router.redirect_slashes = False
    app.state.sandbox = SandboxState(knobs or Knobs())
    return app


def _api_routes(root: str) -> list[Route]:
    """The routes of OpenAI's API, below `root`."""
    return [
        *_image_routes(root),
        Route(f"{root}/responses", responses.responses, methods=["POST"]),
        Route(f"{root}/responses/{{response_id}}", responses.one_response, methods=["GET", "DELETE"]),
        Route(f"{root}/files", files.upload, methods=["POST"]),
        Route(f"{root}/files", files.list_files, methods=["GET"]),
        Route(f"{root}/files/{{file_id}}", files.one_file, methods=["GET", "DELETE"]),
        Route(f"{root}/files/{{file_id}}/content", files.file_content, methods=["GET"]),
        Route(f"{root}/batches", batches.create, methods=["POST"]),
        Route(f"{root}/batches", batches.list_batches, methods=["GET"]),
        Route(f"{root}/batches/{{batch_id}}", batches.one_batch, methods=["GET"]),
        Route(f"{root}/batches/{{batch_id}}/cancel", batches.cancel, methods=["POST"]),
        Route(f"{root}/models", files.list_models, methods=["GET"]),
        Route(f"{root}/models/{{model}}", files.one_model, methods=["GET"]),
    ]


def _image_routes(root: str) -> list[Route]:
    return [
        Route(f"{root}/images/generations", images.generations, methods=["POST"]),
        Route(f"{root}/images/edits", images.edits, methods=["POST"]),
    ]


async def _api_refusal(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, ApiRefusal)
    return refusal_response(request, exc)


async def _no_route(request: Request, exc: Exception) -> Response:
    """Answer a 404 or 405 of Starlette's in OpenAI's words."""
    assert isinstance(exc, HTTPException)
    if exc.status_code == 405:  # noqa: PLR2004, the status that Starlette gives for a known path
        # Starlette lists the methods in the order of a set, which varies; `min` makes the answer the same every time.
        allowed = min(set((exc.headers or {}).get("Allow", "POST").split(", ")) - {"HEAD"})
        return refusal_response(request, wrong_method(request.method, request.url.path, allowed))
    return refusal_response(request, no_such_url(request.method, request.url.path))


async def _caller_left(request: Request, exc: Exception) -> Response:  # noqa: ARG001, Starlette passes both
    """Send nothing: the connection is closed already."""
    return NoAnswer()


async def _bug(request: Request, exc: Exception) -> Response:
    """Answer a bug of the sandbox with a 500 that says so; Starlette also raises the exception to the ASGI server."""
    refusal = ApiRefusal(500, f"The sandbox has a bug: {exc!r}", code=None, kind="server_error")
    return refusal_response(request, refusal, with_headers=True)
