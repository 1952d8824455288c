"""`Knobs`: the controls of a sandbox (delay, hold, faults, drift), its counters, and the requests that it recorded.

A test keeps the `Knobs` that it passed to `build_sandbox`, sets them and reads them. A sandbox that runs in a process
of its own offers the same over HTTP, below `/_sandbox/` (see `control_route`). Faults form a queue: each request for
pictures takes the first fault that is meant for its route, and a fault stays in the queue until it was taken `times`
times.

A request that passed the checks is billed even if its caller leaves before the answer: that is what OpenAI does.
"""

from collections import Counter, deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from time import time
from typing import Literal

import anyio
from starlette.requests import Request

from .drift import Drift
from .errors import Json, JsonObject
from .faults import PICTURE_ROUTES, Fault, Route
from .grounds import GroundKind

MAX_RECORDED = 1000
"""Requests that are kept in `Knobs.requests`; the oldest are dropped beyond that."""


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """A file of a request: its form field, name, media type, size in bytes and SHA-256."""

    field: str
    name: str
    mime_type: str | None
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request that came in. `headers` lack `authorization` and `cookie`; `fields` are a form's field names in order.

    Strings of more than 40,000 characters in `params` are cut short: they are data URLs.
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
    """The controls and counters of one sandbox.

    - `delay_s`: seconds that each request for pictures waits before its answer.
    - `faults`: the queue of faults, the next one first.
    - `drift`: what edits do to pixels that were to stay; None is `local` for an edit with a mask, and otherwise `none`.
    - `ground`: how plain backgrounds come out that a prompt asks for.
    - `uncompressed`: PNG files of three bytes a pixel, which are about as large as the real model's.
    - `batch_s`: seconds of the sandbox's clock that a batch takes from its creation to its completion; beyond 24 hours
      it expires with some of its lines done. A batch keeps the value that it was created with.
    - `batch_shuffled`: whether a batch's lines run, and come back, in another order than they were sent in.
    - `advance()` moves the sandbox's clock, which batches and the expiry of files go by.
    - `hold()` makes requests for pictures wait until `release()`; `wait_for(n)` returns once n of them have come in.
    """

    delay_s: float = 0.0
    faults: list[Fault] = field(default_factory=list[Fault])
    drift: Drift | None = None
    ground: GroundKind = "plain"
    uncompressed: bool = False
    batch_s: float = 10.0
    batch_shuffled: bool = True
    requests: deque[RecordedRequest] = field(default_factory=lambda: deque[RecordedRequest](maxlen=MAX_RECORDED))
    paid: int = 0
    """Pictures that were billed at the full price."""
    paid_at_half: int = 0
    """Pictures that were billed at half the price: those of batches."""
    paid_lines: Counter[str] = field(default_factory=Counter[str])
    """How often a batch's line with a `custom_id` was billed."""
    painted: int = 0
    """Pictures that were painted: fewer than billed if a caller left first, and those of batches at each reading."""
    started: int = 0
    """Requests for pictures that passed the checks or met a fault."""
    left: int = 0
    """Requests for pictures, or for a batch's output, whose caller left before the end of the answer."""
    running: int = 0
    """Requests for pictures that are under way."""
    max_running: int = 0
    files_uploaded: int = 0
    files_deleted: int = 0
    batches: int = 0
    """Batches that were created."""
    _ahead_s: float = field(default=0.0, init=False, repr=False)
    """How far the sandbox's clock is ahead."""
    _gate: anyio.Event | None = field(default=None, init=False, repr=False)
    """Set by `release`; None while nothing is held."""
    _changed: anyio.Event = field(default_factory=anyio.Event, init=False, repr=False)
    """Set, and replaced by a new event, whenever a counter changes."""

    @property
    def held(self) -> bool:
        """Whether requests for pictures have to wait for `release`."""
        return self._gate is not None

    def hold(self) -> None:
        """Make requests for pictures wait until `release`."""
        self._gate = self._gate or anyio.Event()

    def release(self) -> None:
        """Let the waiting requests go on, and do not hold further ones."""
        if self._gate is not None:
            self._gate.set()
            self._gate = None

    def now(self) -> float:
        """Return the Unix time of the sandbox's clock."""
        return time() + self._ahead_s

    def advance(self, seconds: float) -> None:
        """Move the sandbox's clock forward."""
        self._ahead_s += seconds

    def bill_line(self, custom_id: str, *, pictures: int) -> None:
        """Bill a batch's line for its pictures, at half the price."""
        self.paid_lines[custom_id] += 1
        self.paid_at_half += pictures
        self._notify()

    async def wait_for(self, count: int, *, what: Literal["started", "left", "paid", "running"] = "started") -> None:
        """Wait until the counter `what` is at least `count`."""
        while getattr(self, what) < count:
            await self._changed.wait()

    def take_fault(self, route: Route) -> Fault | None:
        """Return the first fault for a route, or None; its `times` is counted down, and at zero it leaves the queue."""
        for index, fault in enumerate(self.faults):
            if fault.route in (route, "any") or (fault.route == "pictures" and route in PICTURE_ROUTES):
                if fault.times is not None:
                    self.faults[index : index + 1] = [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
                return fault
        return None

    @asynccontextmanager
    async def image_request(self, request: Request, *, pictures: int) -> AsyncGenerator[None]:
        """Account for a request for pictures: wait out the gate and the delay, then run the block.

        The request is billed for `pictures`, even if its caller leaves or the block raises.
        """
        self.running += 1
        self.max_running = max(self.max_running, self.running)
        self.started += 1
        self._notify()
        try:
            await self._wait(request)
            yield
        except (CallerLeftError, anyio.get_cancelled_exc_class()):
            self.count_left()
            raise
        finally:
            self.paid += pictures
            self.running -= 1
            self._notify()

    def count_left(self) -> None:
        """Note that a caller left before the end of its answer."""
        self.left += 1
        self._notify()

    def state(self) -> JsonObject:
        """Return the controls and counters as JSON."""
        return {
            "delay_s": self.delay_s,
            "held": self.held,
            "faults": len(self.faults),
            "drift": self.drift,
            "ground": self.ground,
            "uncompressed": self.uncompressed,
            "batch_s": self.batch_s,
            "batch_shuffled": self.batch_shuffled,
            "requests": len(self.requests),
            "paid": self.paid,
            "paid_at_half": self.paid_at_half,
            "painted": self.painted,
            "started": self.started,
            "left": self.left,
            "running": self.running,
            "max_running": self.max_running,
            "files_uploaded": self.files_uploaded,
            "files_deleted": self.files_deleted,
            "batches": self.batches,
            "paid_lines": dict(self.paid_lines),
        }

    async def _wait(self, request: Request) -> None:
        """Wait for the gate, then for the delay; raise CallerLeftError if the caller leaves first."""
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
    """The caller closed its connection before the end of the answer."""


async def wait_while_connected(event: anyio.Event, request: Request) -> None:
    """Wait for the event.

    Raises:
        CallerLeftError: the caller closed its connection first.
    """
    gone = False

    async def watch_connection(scope: anyio.CancelScope) -> None:
        nonlocal gone
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone = True
        scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch_connection, tasks.cancel_scope)
        await event.wait()
        tasks.cancel_scope.cancel()
    if gone:
        raise CallerLeftError


def recorded_json(recorded: RecordedRequest) -> JsonObject:
    """Return a recorded request as JSON."""
    return asdict(recorded)
