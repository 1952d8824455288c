"""The sandbox's application: its routes, and how a refusal becomes an answer."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from . import control_route as control
from . import files_route as files
from . import images_route as images
from . import responses_route as responses
from .errors import ApiRefusal, no_such_url, wrong_method
from .http import KeyAndHeaders, NoAnswer, refusal_response
from .knobs import CallerLeftError, Knobs
from .state import SandboxState


def build_sandbox(*, knobs: Knobs | None = None) -> Starlette:
    """A sandbox of its own, with nothing in it; `knobs` is how a test turns and reads it."""
    app = Starlette(
        routes=[
            Route("/v1/images/generations", images.generations, methods=["POST"]),
            Route("/v1/images/edits", images.edits, methods=["POST"]),
            Route("/v1/responses", responses.responses, methods=["POST"]),
            Route("/v1/files", files.upload, methods=["POST"]),
            Route("/v1/files", files.list_files, methods=["GET"]),
            Route("/v1/files/{file_id}", files.one_file, methods=["GET", "DELETE"]),
            Route("/v1/files/{file_id}/content", files.file_content, methods=["GET"]),
            Route("/v1/models", files.list_models, methods=["GET"]),
            Route("/v1/models/{model}", files.one_model, methods=["GET"]),
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


async def _api_refusal(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, ApiRefusal)
    return refusal_response(request, exc)


async def _no_route(request: Request, exc: Exception) -> Response:
    """Starlette's own refusals, in OpenAI's words."""
    assert isinstance(exc, HTTPException)
    if exc.status_code == 405:  # noqa: PLR2004, the status that Starlette gives for a known path
        # A set of names, in no order: the same answer every time is easier to read.
        allowed = min(set((exc.headers or {}).get("Allow", "POST").split(", ")) - {"HEAD"})
        return refusal_response(request, wrong_method(request.method, request.url.path, allowed))
    return refusal_response(request, no_such_url(request.method, request.url.path))


async def _caller_left(request: Request, exc: Exception) -> Response:  # noqa: ARG001, Starlette passes both
    return NoAnswer()


async def _bug(request: Request, exc: Exception) -> Response:
    """A mistake of the sandbox itself: said as such; whoever runs the app gets the exception as well."""
    refusal = ApiRefusal(500, f"The sandbox has a bug: {exc!r}", code=None, kind="server_error")
    return refusal_response(request, refusal, with_headers=True)
