"""The ASGI app of `serve`: the protocol at `/mcp`, how to get a token, and what balancers ask."""

from collections.abc import Sequence
from functools import partial

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from ..hosted_settings import HostedSettings
from .authentication import WELL_KNOWN, answer_metadata
from .endpoint import Endpoint
from .own_host import OwnHostOnly
from .readiness import Readiness

PATH = "/mcp"
"""Where the protocol is spoken."""


def build_app(
    hosted: HostedSettings,
    endpoint: Endpoint,
    readiness: Readiness,
    routes: Sequence[BaseRoute] = (),
    *,
    is_local: bool,
) -> ASGIApp:
    """Put the endpoint, the other `routes` and the checks of the host's name together.

    `is_local` says that the server listens on a loopback address, so that its names are those of this computer too.
    """
    metadata = [
        # With and without the path of the resource: RFC 9728 has it with, older clients ask without.
        Route(path, partial(answer_metadata, hosted), methods=["GET"])
        for path in (WELL_KNOWN, WELL_KNOWN + "/{resource:path}")
        if hosted.oauth_issuer
    ]
    app = Starlette(
        routes=[
            # With a slash too: a redirection by the name that the request gives could lead from https to http, and the
            # token with it.
            *(Route(path, endpoint) for path in (PATH, f"{PATH}/")),
            Route("/healthz", readiness.healthz, methods=["GET"]),
            Route("/readyz", readiness.readyz, methods=["GET"]),
            *metadata,
            *routes,
        ]
    )
    app.router.redirect_slashes = False
    return OwnHostOnly(app, public_url=hosted.public_url, is_local=is_local)
