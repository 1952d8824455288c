"""The sandbox's other side: what it does wrong on demand, and what it saw.

`Knobs` is the one mutable object of a sandbox. A test keeps it, turns it and reads it; in a process of its own the
sandbox offers the same through `/_sandbox/` (see `control`). Faults queue: each request that makes pictures takes the
first one meant for its route, `times` times.

A request that passed its checks is billed whether its caller stays or leaves: that is what OpenAI does.
"""

from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

import anyio
from starlette.requests import Request

from .errors import Json, JsonObject
from .faults import Fault, Route

MAX_RECORDED = 1000
"""Requests that are remembered; older ones are forgotten."""


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """A file of a request: its form field, size in bytes and SHA-256."""

    field: str
    name: str
    mime_type: str | None
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request as it came. `headers` lack `authorization`; `fields` are a form's field names in order.

    Strings of more than 40,000 characters in `params`, which data URLs are, are cut short.
    """

    method: str
    path: str
    headers: dict[str, str]
    has_key: bool
    content_type: str
    params: dict[str, Json]
    fields: tuple[str, ...] = ()
    files: tuple[RecordedFile, ...] = ()


@dataclass(slots=True)
class Knobs:
    """What the sandbox does on demand, and its record.

    - `delay_s`: seconds that a request for pictures waits before its answer.
    - `faults`: what goes wrong next, in order.
    - `hold()` keeps requests for pictures waiting until `release()`; `wait_for(n)` returns once n have come.
    """

    delay_s: float = 0.0
    faults: list[Fault] = field(default_factory=list[Fault])
    requests: deque[RecordedRequest] = field(default_factory=lambda: deque[RecordedRequest](maxlen=MAX_RECORDED))
    paid: int = 0
    """Pictures that were billed."""
    painted: int = 0
    """Pictures that were painted: fewer than billed where a caller left first."""
    started: int = 0
    """Requests for pictures that were let in by the checks or met a fault."""
    left: int = 0
    """Requests for pictures whose caller left before the answer."""
    running: int = 0
    max_running: int = 0
    files_uploaded: int = 0
    files_deleted: int = 0
    _gate: anyio.Event | None = field(default=None, init=False, repr=False)
    _changed: anyio.Event = field(default_factory=anyio.Event, init=False, repr=False)

    @property
    def held(self) -> bool:
        """Whether requests for pictures are kept waiting."""
        return self._gate is not None

    def hold(self) -> None:
        """Keep requests for pictures waiting until `release`."""
        self._gate = self._gate or anyio.Event()

    def release(self) -> None:
        """Let the waiting requests go on, and further ones through."""
        if self._gate is not None:
            self._gate.set()
            self._gate = None

    async def wait_for(self, count: int, *, what: Literal["started", "left", "paid", "running"] = "started") -> None:
        """Return once that counter has reached `count`."""
        while getattr(self, what) < count:
            await self._changed.wait()

    def take_fault(self, route: Route) -> Fault | None:
        """The fault that a request on that route meets, counted down."""
        for index, fault in enumerate(self.faults):
            if fault.route in (route, "any") or (fault.route == "pictures" and route != "files"):
                if fault.times is not None:
                    self.faults[index : index + 1] = [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
                return fault
        return None

    @asynccontextmanager
    async def image_request(self, request: Request, *, pictures: int) -> AsyncGenerator[None]:
        """A request for pictures under way: it waits as told, and is billed for `pictures` however it ends."""
        self.running += 1
        self.max_running = max(self.max_running, self.running)
        self.started += 1
        self._notify()
        try:
            await self._wait(request)
            yield
        except (CallerLeftError, anyio.get_cancelled_exc_class()):
            self.left += 1
            raise
        finally:
            self.paid += pictures
            self.running -= 1
            self._notify()

    def state(self) -> JsonObject:
        """The counters, as JSON."""
        return {
            "delay_s": self.delay_s,
            "held": self.held,
            "faults": len(self.faults),
            "requests": len(self.requests),
            "paid": self.paid,
            "painted": self.painted,
            "started": self.started,
            "left": self.left,
            "running": self.running,
            "max_running": self.max_running,
            "files_uploaded": self.files_uploaded,
            "files_deleted": self.files_deleted,
        }

    async def _wait(self, request: Request) -> None:
        """The delay and the gate, unless the caller leaves first."""
        gate = self._gate
        if gate is not None:
            await wait_while_connected(gate, request)
        if self.delay_s > 0:
            with anyio.move_on_after(self.delay_s):
                await wait_while_connected(anyio.Event(), request)

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


class CallerLeftError(Exception):
    """The caller closed its connection; there is nobody to answer."""


async def wait_while_connected(event: anyio.Event, request: Request) -> None:
    """Wait for the event.

    Raises:
        CallerLeftError: the caller left first.
    """
    gone = False

    async def watch(scope: anyio.CancelScope) -> None:
        nonlocal gone
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone = True
        scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch, tasks.cancel_scope)
        await event.wait()
        tasks.cancel_scope.cancel()
    if gone:
        raise CallerLeftError


def recorded_json(seen: RecordedRequest) -> JsonObject:
    """A recorded request, as JSON."""
    return asdict(seen)
