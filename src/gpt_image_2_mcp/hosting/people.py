"""The people who are served at the moment: each has a service and an MCP server of their own in this process.

So nothing that is in memory can reach another person: what `last` means, jobs, news, numbers of a contact sheet. It is
opened at the first request, and closed when the person was idle for a while.
"""

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import Context
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio
from anyio.abc import TaskGroup
from starlette.types import ASGIApp

from ..errors import GptImageError
from .person import Person

if TYPE_CHECKING:
    from ..server.hosting import Hosting
    from ..service.images import ImageService

logger = logging.getLogger(__name__)

IDLE_S: Final = 600.0
"""After which the service of a person without jobs and requests is closed."""
MAX_OPEN: Final = 200
"""People who are served at once."""
LOOK_EVERY_S: Final = 30.0
MAX_REQUESTS: Final = 250
"""Requests and streams of one person at once: a quarter of the server's connections, so that others have some."""
MAX_BODY: Final = 16 * 2**20
"""Bytes of a request: a picture as a data URL, of the 12 MiB that are read."""

ServiceOf: TypeAlias = "Callable[[Person], AbstractAsyncContextManager[ImageService]]"


class TooManyPeople(GptImageError):
    """So many people are served that none of them can be closed for another one."""


class TooManyRequests(GptImageError):
    """A person has so many requests and streams that one more has to wait."""


class Served:
    """One person who is served."""

    def __init__(self, person: Person) -> None:
        """Begin without a service."""
        self.person = person
        self.app: ASGIApp | None = None
        self.failure: Exception | None = None
        self.requests = 0
        """Those that are not answered yet, and open streams."""
        self.idle_since = anyio.current_time()
        self.opened = anyio.Event()
        """Set when `app` or `failure` is."""
        self.leaves = anyio.Event()
        self.service: ImageService | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        is_working = self.service is not None and self.service.is_working
        return self.opened.is_set() and not self.requests and not is_working


class People:
    """All people who are served; `open_people` makes it."""

    def __init__(
        self,
        open_service: ServiceOf,
        hosting_of: "Callable[[Person], Hosting]",
        tasks: TaskGroup,
        *,
        idle_s: float = IDLE_S,
        max_open: int = MAX_OPEN,
    ) -> None:
        """Begin without a person."""
        self._open_service = open_service
        self._hosting_of = hosting_of
        self._tasks = tasks
        self._idle_s = idle_s
        self._max_open = max_open
        self._served: dict[str, Served] = {}

    @property
    def count(self) -> int:
        """How many people are served."""
        return len(self._served)

    @asynccontextmanager
    async def serving(self, person: Person) -> AsyncGenerator[ASGIApp]:
        """The app of a person's own MCP server, which stays open for the block.

        Raises:
            TooManyPeople: as many are busy as may be.
            TooManyRequests: this person has as many requests as may be.
            Exception: whatever opening the service has failed with; the next request tries again.

        """
        served = self._served.get(person.key) or self._open(person)
        if served.requests >= MAX_REQUESTS:
            raise TooManyRequests(f"{MAX_REQUESTS} requests of yours are not answered yet; nothing was sent or paid.")
        served.requests += 1
        try:
            await served.opened.wait()
            if served.app is None:
                raise served.failure or TooManyPeople("The service of this person is closed.")
            yield served.app
        finally:
            served.requests -= 1
            served.idle_since = anyio.current_time()

    @asynccontextmanager
    async def working_for(self, key: str) -> "AsyncGenerator[ImageService]":
        """The service of the person with this key, which stays open for the block, and as long as it works.

        Raises as `serving` does.
        """
        person = Person(key)
        async with self.serving(person):
            service = self._served[key].service
            assert service is not None
            yield service

    @property
    def services(self) -> "list[ImageService]":
        """The services that are open."""
        return [served.service for served in self._served.values() if served.service is not None]

    async def close_idle(self) -> None:
        """Close what is idle, again and again."""
        while True:
            await anyio.sleep(min(LOOK_EVERY_S, self._idle_s))
            now = anyio.current_time()
            for served in list(self._served.values()):
                if served.is_idle and now - served.idle_since >= self._idle_s:
                    self._close(served)

    def close(self) -> None:
        """Have all services end: what was sent is finished and saved."""
        for served in list(self._served.values()):
            self._close(served)

    def _open(self, person: Person) -> Served:
        if len(self._served) >= self._max_open:
            idle = sorted((one for one in self._served.values() if one.is_idle), key=lambda one: one.idle_since)
            if not idle:
                raise TooManyPeople(f"{self._max_open} people are served at this moment; try again in a minute.")
            self._close(idle[0])
        served = self._served[person.key] = Served(person)
        # In a context of its own: what the first request has in its context is not that of the person's jobs.
        Context().run(self._tasks.start_soon, self._serve, served)
        return served

    def _close(self, served: Served) -> None:
        self._served.pop(served.person.key, None)
        served.leaves.set()

    async def _serve(self, served: Served) -> None:
        @asynccontextmanager
        async def open_service() -> "AsyncGenerator[ImageService]":
            async with self._open_service(served.person) as service:
                served.service = service
                # An answer counts as read when it has left, which the endpoint says.
                service.confirm_answers()
                yield service

        try:
            # Not at the start: a server that nobody has asked yet does without most of the program.
            from ..server.factory import build_server
            from ..server.sdk import open_http

            server = build_server(open_service, self._hosting_of(served.person))
            async with open_http(server, max_body=MAX_BODY) as app:
                served.app = app
                served.opened.set()
                await served.leaves.wait()
        except Exception as error:
            logger.exception("The service of a person ended with an error")
            served.failure = error
        finally:
            served.app = None
            served.opened.set()
            if self._served.get(served.person.key) is served:
                del self._served[served.person.key]


@asynccontextmanager
async def open_people(
    open_service: ServiceOf,
    hosting_of: "Callable[[Person], Hosting]",
    *,
    idle_s: float = IDLE_S,
    max_open: int = MAX_OPEN,
) -> AsyncGenerator[People]:
    """Serve people in the block; leaving it waits until all that was sent for them is saved."""
    async with anyio.create_task_group() as tasks:
        people = People(open_service, hosting_of, tasks, idle_s=idle_s, max_open=max_open)
        try:
            # Within the other group: its cancellation must not reach the services, which finish what was sent.
            async with anyio.create_task_group() as looking:
                looking.start_soon(people.close_idle)
                yield people
                looking.cancel_scope.cancel()
        finally:
            people.close()
