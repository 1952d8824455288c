"""Takes an answer back when its client gave the call up before reading it.

A client's timeout can cross the answer on the pipe: the client sends `notifications/cancelled` and repeats the call,
while the picture counts as delivered. The SDK ignores a cancellation that names a request which has been answered. Here
it makes the request's job joinable again, so that the repeated call gets the same picture and pays nothing.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import partial
from typing import Any

from mcp.server import ServerRequestContext
from mcp.server.context import CallNext, HandlerResult

from ..jobs.job import Job
from ..service.images import ImageService
from .asker import WHEN_SENT, WISH
from .sealed_answers import SEALED_ANSWER

MAX_CALLS = 200
"""The latest calls whose jobs are known; `JobRunner` remembers as many jobs, and joins them for ten minutes."""

NOTE_JOB: ContextVar[Callable[[Job], None]] = ContextVar("note_job")
"""Notes the job that the present `tools/call` waits for."""


class GivenUpCalls:
    """The jobs of one client's latest calls, by the ids of its requests."""

    def __init__(self, *, can_be_named: bool = True) -> None:
        """Begin without a call.

        Over HTTP they cannot be named: a number is that of several calls, and nothing is cancelled by it. There the
        server knows when an answer has left.
        """
        self._jobs: dict[str, Job] = {}
        self._can_be_named = can_be_named

    async def middleware(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Let tools note their jobs, and take the answer of a cancelled call back."""
        if ctx.method == "tools/call" and ctx.request_id is not None:
            if self._can_be_named:
                WISH.set(SEALED_ANSWER.get())
                NOTE_JOB.set(partial(self._note, str(ctx.request_id)))
            else:
                WISH.set(SEALED_ANSWER.get() or _wish_of(ctx))
                NOTE_JOB.set(partial(_confirm_when_sent, ctx.lifespan_context))
        result = await call_next(ctx)
        if ctx.method == "notifications/cancelled":
            # Behind the SDK's own handling, after which the call returns nothing any more.
            self.take_back(ctx.params or {}, ctx.lifespan_context)
        return result

    def note_read(self, request_id: int | str, service: ImageService) -> None:
        """Confirm the answer to a call, which counts as read by the client."""
        job = self._jobs.get(str(request_id))
        if job is not None:
            service.confirm(job)

    def _note(self, request_id: str, job: Job) -> None:
        self._jobs.pop(request_id, None)
        self._jobs[request_id] = job
        while len(self._jobs) > MAX_CALLS:
            del self._jobs[next(iter(self._jobs))]

    def take_back(self, params: Mapping[str, Any], service: ImageService) -> None:
        """Take the answer back that a cancellation with these parameters names; a second time it does nothing."""
        request_id = str(params.get("requestId"))
        job = self._jobs.get(request_id)
        # A job that is under way is handed out by the end of its call, which the SDK cancels. It may end just before.
        if job is not None and service.take_back(job):
            del self._jobs[request_id]


def _wish_of(ctx: ServerRequestContext[Any, Any]) -> str:
    """What is the same for the same request, bit by bit, and for no other one of its client."""
    return hashlib.sha256(json.dumps([ctx.request_id, ctx.params], default=str).encode()).hexdigest()


def _confirm_when_sent(service: ImageService, job: Job) -> None:
    WHEN_SENT.get([]).append(partial(service.confirm, job))
