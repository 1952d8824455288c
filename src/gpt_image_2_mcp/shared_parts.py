"""Wires what the people of one process share; `app.open_service` gives each of them a service of their own.

A server that serves several people opens these parts once. Everything else that is in memory, such as what `last`
means, belongs to the service of one person.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread
import httpx2

from .database.lazy_store import LazyStore
from .database.people import LOCAL
from .database.url import Address
from .generation.charge_ends import Audit
from .openai_api.lazy_backend import LazyBackend
from .openai_api.rate_limiter import RateLimiter
from .settings import Settings

if TYPE_CHECKING:
    from .picture_store.store import PictureStore

DATABASE: Final = "gpt-image-2.db"
"""The database file in the data folder; the built-in sandbox has another one, as its pictures are not the user's."""

PEOPLE: Final = "people"
"""The folder in the data folder with a folder for each person of a server for several."""

PICTURES: Final = "pictures"
"""The folder in the data folder for paid pictures that no output folder takes, and for all of a person's there."""

CONNECTIONS: Final = 8
"""Connections to a PostgreSQL server for several people. A transaction takes milliseconds, so few are open at once."""


@dataclass(frozen=True, slots=True)
class SharedParts:
    """What all people of a process share; `open_shared` makes it."""

    settings: Settings
    database: LazyStore
    backend: LazyBackend
    limiter: RateLimiter
    data_dir: Path | None
    """The data folder of the process; None for a database in memory."""
    store: "PictureStore | None" = None
    """On a server, where the pictures of all people are; None where they are the files of the one person."""
    link_seconds: int = 3600
    """Seconds for which the link to a picture is valid."""
    audit: Audit = "off"
    """Whether the audit is written, for other people than `LOCAL`."""

    def folder_of(self, person: str) -> Path | None:
        """The data folder of a person: that of the process for `LOCAL`, and one in it for another person."""
        if person == LOCAL or self.data_dir is None:
            return self.data_dir
        return self.data_dir / PEOPLE / sha256(person.encode()).hexdigest()[:32]

    def settings_of(self, person: str) -> Settings:
        """The settings for a person: of files, another one than `LOCAL` reaches those in the own folder only."""
        folder = self.folder_of(person)
        if person == LOCAL or folder is None:
            return self.settings
        own = {"output_dir": str(folder / PICTURES), "allowed_dirs": (), "allow_unsafe_output_dir": False}
        return self.settings.model_copy(update=own)


@asynccontextmanager
async def open_shared(
    settings: Settings,
    *,
    transport: httpx2.AsyncBaseTransport | None = None,
    data_dir: Path | None = None,
    for_people: bool = False,
    audit: Audit = "off",
    store: "PictureStore | None" = None,
    link_seconds: int = 3600,
) -> AsyncGenerator[SharedParts]:
    """Open the parts, which open the network and the database when they are needed; see `app.open_service`.

    `for_people` is set for a server that serves several people. Their services have to be closed before. `audit` says
    whether what they pay for is noted in the audit. A server's pictures are put into `store`, and its links are valid
    for `link_seconds`; what could not be put there at once is put there meanwhile.
    """
    database = LazyStore(database_of(settings, data_dir), connections=CONNECTIONS if for_people else 1)
    limiter = RateLimiter(settings.max_concurrency, settings.pictures_per_minute)
    async with LazyBackend(settings, transport, limiter, None if settings.sandbox else data_dir) as backend:
        try:
            shared = SharedParts(settings, database, backend, limiter, data_dir, store, link_seconds, audit)
            if store is None or data_dir is None:
                yield shared
            else:
                from .picture_store.upkeep import kept_up

                async with kept_up(store, database, data_dir):
                    yield shared
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(database.close)


def database_of(settings: Settings, data_dir: Path | None) -> Address:
    """The database's address; None for memory. The sandbox has a file of its own, also if a database server is set."""
    address = settings.database_address() if settings.database_url else data_dir and data_dir / DATABASE
    if not settings.sandbox:
        return address
    path = address if isinstance(address, Path) or address is None else data_dir and data_dir / DATABASE
    return path and path.with_stem(f"{path.stem}-sandbox")
