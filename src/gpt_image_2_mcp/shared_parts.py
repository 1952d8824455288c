"""Wires what the people of one process share; `app.open_service` gives each of them a service of their own.

A server that serves several people opens these parts once. Everything else that is in memory, such as what `last`
means, belongs to the service of one person.
"""

import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread
import httpx2

from .billing.budgets import Budgets
from .database.lazy_store import LazyStore
from .database.people import EVERYONE, LOCAL
from .database.url import Address, PostgresUrl
from .errors import NotConfigured
from .openai_api.lazy_backend import LazyBackend
from .openai_api.picture_pace import Pace, PicturePace
from .openai_api.rate_limiter import RateLimiter
from .persistence.unit_of_work import Repositories
from .persistence.writer_thread import WriterThread
from .redaction.printable import printable
from .service.recovery import recovering
from .settings import Settings

if TYPE_CHECKING:
    from .generation.charge_ends import Audit
    from .picture_store.store import PictureStore
    from .service.own_disk import OwnDisk

DATABASE: Final = "gpt-image-2.db"
"""The database file in the data folder; the built-in sandbox has another one, as its pictures are not the user's."""

PEOPLE: Final = "people"
"""The folder in the data folder with a folder for each person of a server for several."""

PICTURES: Final = "pictures"
"""The folder in the data folder for paid pictures that no output folder takes, and for all of a person's there."""

STORE: Final = "store"
"""The folder in the data folder for the pictures of a server without GPT_IMAGE_2_STORE_URL."""

CONNECTIONS: Final = 8
"""Connections to a PostgreSQL server for several people. A transaction takes milliseconds, so few are open at once."""


@dataclass(frozen=True, slots=True)
class SharedParts:
    """What all people of a process share; `open_shared` makes it."""

    settings: Settings
    database: LazyStore
    backend: LazyBackend
    limiter: RateLimiter
    budgets: Budgets
    everyone: WriterThread
    """Uses the database as `people.EVERYONE`, for what concerns the work and the money of all people."""
    data_dir: Path | None
    """The data folder of the process; None for a database in memory."""
    store: "PictureStore | None" = None
    """On a server, where the pictures of all people are; None where they are the files of the one person."""
    link_seconds: int = 3600
    """Seconds for which the link to a picture is valid."""
    audit: "Audit" = "off"
    """Whether the audit is written, for other people than `LOCAL`."""

    disk: "OwnDisk | None" = None
    """On a replica, whose queue other processes may make too: what is on its disk; see `service.fleet`."""

    @property
    def is_replica(self) -> bool:
        """Whether other processes may make what this one has in its queue."""
        return self.disk is not None

    async def require_fence(self) -> None:
        """Check that the database, on a PostgreSQL server, keeps people apart.

        Raises:
            DatabaseUnusable: it does not, or cannot be opened.

        """
        await self.everyone.run(_require_fence)

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


def _require_fence(repositories: Repositories) -> None:
    from .database.fence import require_fence

    require_fence(repositories.ledger_store.database)


@asynccontextmanager
async def open_shared(
    settings: Settings,
    *,
    transport: httpx2.AsyncBaseTransport | None = None,
    data_dir: Path | None = None,
    for_people: bool = False,
    per_person_usd: Decimal | None = None,
    audit: "Audit" = "off",
    store: "PictureStore | None" = None,
    link_seconds: int = 3600,
    lease_s: float | None = None,
) -> AsyncGenerator[SharedParts]:
    """Open the parts, which open the network and the database when they are needed; see `app.open_service`.

    `for_people` is set for a server that serves several people, each of whom may spend `per_person_usd` dollars a day.
    All services have to be closed before the parts are. `audit` says whether what they pay for is noted in the audit. A
    server's pictures are put into `store`, and its links are valid for `link_seconds`; what could not be put there at
    once is put there meanwhile.

    A server on PostgreSQL is a replica: it and all others that use the database are one server. `lease_s` is the length
    of its lease there, in seconds.
    """
    at = database_of(settings, data_dir)
    disk = _own_disk(data_dir, at) if for_people and data_dir is not None and isinstance(at, PostgresUrl) else None
    is_replica = disk is not None
    owner = disk.owner if disk else None
    database = LazyStore(at, connections=CONNECTIONS if for_people else 1, lease_s=lease_s, owner=owner)
    limiter = RateLimiter(settings.max_concurrency, _pace(settings, database if is_replica else None))
    budgets = Budgets(settings.budget_per_call_usd, settings.budget_per_day_usd, per_person_usd)
    everyone = WriterThread(Repositories(database, person=EVERYONE, keeps_history=settings.history))
    async with LazyBackend(settings, transport, limiter, None if settings.sandbox else data_dir) as backend:
        try:
            async with AsyncExitStack() as stack:
                if is_replica:
                    await stack.enter_async_context(recovering(everyone, settings.model_for))
                if store is not None and data_dir is not None:
                    from .picture_store.upkeep import kept_up

                    await stack.enter_async_context(kept_up(store, database, data_dir))
                yield SharedParts(
                    settings,
                    database,
                    backend,
                    limiter,
                    budgets,
                    everyone,
                    data_dir,
                    store,
                    link_seconds,
                    audit,
                    disk,
                )
        finally:
            with anyio.CancelScope(shield=True):
                if for_people:
                    await everyone.close()
                await anyio.to_thread.run_sync(database.close)
                if disk is not None:
                    disk.close()


def _own_disk(data_dir: Path, database: PostgresUrl) -> "OwnDisk":
    """The disk of a replica; raises NotConfigured if it cannot be used."""
    # Over stdio nothing of it is needed.
    from .service.own_disk import OwnDisk

    try:
        return OwnDisk(data_dir, database)
    except OSError as error:
        raise NotConfigured(
            f"The server does not start:\n- The folder {data_dir} cannot be written and locked ({error.strerror})."
        ) from None


def _pace(settings: Settings, database: LazyStore | None) -> Pace:
    """The pace of all replicas that use `database`; without it, that of this process."""
    if database is None:
        return PicturePace(settings.pictures_per_minute)
    # With the database's library, which other processes load when they need it.
    from .openai_api.shared_pace import SharedPace

    return SharedPace(database, settings.pictures_per_minute)


def database_of(settings: Settings, data_dir: Path | None) -> Address:
    """The database's address; None for memory.

    The sandbox has a file of its own, also if a database server is set. A server for several people needs that one,
    and has other tables there.
    """
    address = settings.database_address() if settings.database_url else data_dir and data_dir / DATABASE
    if not settings.sandbox:
        return address
    if settings.hosted and isinstance(address, PostgresUrl):
        return address.for_sandbox
    path = address if isinstance(address, Path) or address is None else data_dir and data_dir / DATABASE
    return path and path.with_stem(f"{path.stem}-sandbox")


def log_to_stderr(settings: Settings) -> None:
    """Log warnings to stderr, and with `GPT_IMAGE_2_MCP_DEBUG` what happens as well."""
    handler = logging.StreamHandler()
    handler.setFormatter(_LogFormatter(settings))
    # Before the MCP SDK configures the root logger: its handler is made for a terminal and wraps lines.
    logging.basicConfig(handlers=[handler], level=logging.INFO if settings.debug else logging.WARNING)


class _LogFormatter(logging.Formatter):
    """Takes secrets and what steers a terminal out of each line: libraries log addresses and texts of others."""

    def __init__(self, settings: Settings) -> None:
        super().__init__("gpt-image-2-mcp: %(message)s")
        self._redact = settings.redact

    def format(self, record: logging.LogRecord) -> str:
        return printable(self._redact(super().format(record)))
