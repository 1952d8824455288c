"""The backend, made when the first request needs it: `import openai` alone takes half a second."""

import asyncio
import logging
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio
import anyio.to_thread
import httpx2

from ..settings import Settings
from .rate_limiter import RateLimiter
from .sdk_modules import load_resources

if TYPE_CHECKING:
    from .backend import Backend


class LazyBackend:
    """Makes the process's one `Backend` at the first use, and closes it at the end."""

    def __init__(
        self,
        settings: Settings,
        transport: httpx2.AsyncBaseTransport | None,
        limiter: RateLimiter,
        data_dir: Path | None = None,
    ) -> None:
        """Reach the API with the address and key of `settings`, through `transport` instead of the network if given.

        What the backend cannot do is remembered in `data_dir`; if that is None, for this process.
        """
        self._settings = settings
        self._transport = transport
        self._limiter = limiter
        self._data_dir = data_dir
        self._making = anyio.Lock()
        self._backend: Backend | None = None

    async def get(self) -> "Backend":
        """The backend; the first call makes it, in a thread because of the imports."""
        async with self._making:
            if self._backend is None:
                self._backend = await anyio.to_thread.run_sync(self._make, asyncio.get_running_loop())
            return self._backend

    async def __aenter__(self) -> Self:
        """Open nothing yet."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the HTTP client."""
        if self._backend is not None:
            self._backend.close()
        if self._transport is not None:
            with anyio.CancelScope(shield=True):
                await self._transport.aclose()

    def _make(self, loop: asyncio.AbstractEventLoop) -> "Backend":
        load_resources("images")
        from .backend import Backend
        from .sync_transport import SyncTransport

        # Overrules OPENAI_LOG: at DEBUG the SDK would log whole requests, prompts included.
        logging.getLogger("openai").setLevel(logging.INFO if self._settings.debug else logging.WARNING)
        transport = SyncTransport(self._transport, loop) if self._transport else None
        return Backend(self._settings, transport, self._limiter, self._data_dir)
