"""How the program opens a studio: the environment, the working directory, and the sandbox in place of the network."""

import logging
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
from platformdirs import user_data_path

from .service.images import ImageService, open_service
from .settings import Settings


@asynccontextmanager
async def started_service(settings: Settings, *, since: float | None = None) -> AsyncGenerator[ImageService]:
    """Open the studio for whoever started the program, where it was started.

    `since` is when the first call arrived, by `time.monotonic`, if that was before anything was loaded.
    """
    async with open_service(
        settings,
        transport=_sandbox() if settings.sandbox else None,
        working_dir=Path.cwd(),
        home=Path.home(),
        data_dir=user_data_path("gpt-image-2-mcp", appauthor=False),
    ) as service:
        service.first_call_at = since
        yield service


def read_settings(*, sandbox: bool) -> Settings:
    """Read the environment of this process."""
    return Settings.read(os.environ, sandbox=sandbox)


def log_to_stderr(settings: Settings) -> None:
    """Say on stderr what goes wrong, and with debugging on what happens."""
    # Before the SDK does: what it sets up is meant for a terminal and breaks lines.
    logging.basicConfig(
        format="gpt-image-2-mcp: %(message)s", level=logging.INFO if settings.debug else logging.WARNING
    )


def _sandbox() -> httpx2.AsyncBaseTransport:
    from .sandbox import SandboxTransport, build_sandbox

    return SandboxTransport(build_sandbox())
