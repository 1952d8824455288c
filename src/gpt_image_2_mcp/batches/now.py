"""Makes a batch now: its lines become jobs, a few at a time, at the pace that the API allows."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import anyio

from ..errors import GptImageError, JobStopped, ShuttingDown, TooMuchAtOnce
from ..jobs.job import Job
from ..jobs.report import Report
from ..jobs.serialization import TOOLS
from ..jobs.shared_lines import BatchTaken
from .desk import Desk
from .left import end
from .lines import Line
from .load import Load
from .stored import line_job

if TYPE_CHECKING:
    from ..catalogue.batch_table import BatchRow

logger = logging.getLogger(__name__)

AHEAD: Final = 2
"""Lines whose inputs are read while as many are made as may be at once."""
FULL_PAUSE_S: Final = 1.0
"""Seconds after which a job is started again for which there was no room."""


class NowRun:
    """The jobs of one batch."""

    def __init__(self, desk: Desk, row: "BatchRow", lines: Sequence[Line]) -> None:
        """Make `lines`, which have their inputs' true names."""
        self._desk = desk
        self._row = row
        self._lines = lines
        self._running: set[Job] = set()
        self._has_ended = False
        self._is_left = False
        self.is_stopped = False

    @property
    def has_sent(self) -> bool:
        """Whether a line was sent."""
        return self._has_ended or any(job.status.sent for job in self._running)

    def stop(self) -> None:
        """Send no further line; those that were sent go on."""
        self.is_stopped = True
        self._desk.loads.pop(self._row.id, None)
        for job in self._running:
            self._desk.jobs.stop(job)

    def leave(self) -> None:
        """Send no further line, since this process ends; on a server, another replica goes on with them."""
        self.is_stopped = True
        self._is_left = self._desk.store.is_replica

    async def run(self) -> None:
        """Make all lines; raises nothing but a cancellation."""
        self._desk.loads[self._row.id] = Load.of(line.request for line in self._lines)
        try:
            await self._run()
        finally:
            self._desk.loads.pop(self._row.id, None)

    async def _run(self) -> None:
        room = anyio.Semaphore(self._desk.settings.max_concurrency + AHEAD)
        async with anyio.create_task_group() as tasks:
            for line in self._lines:
                await room.acquire()
                job = await self._start(line)
                if job is None:
                    break
                tasks.start_soon(self._follow, line, job, room)
        if not self._is_left:
            await end(self._desk, self._row)

    async def _start(self, line: Line) -> Job | None:
        """Start a line's job; None if no further one is to be sent."""
        desk, row = self._desk, self._row
        model = desk.settings.model_for(line.request)
        client = (row.details or {}).get("client")
        while not self.is_stopped:
            tool = TOOLS[type(line.request)]
            job = line_job(row.id, line.number, tool, line.request, model, created=row.created, client=client)
            job.expected_s = desk.durations.expected(line.request)
            job.is_shared_line = desk.store.is_replica
            job.status.is_paced = not line.request.is_cut_out
            try:
                desk.jobs.start(job)
            except TooMuchAtOnce:
                await anyio.sleep(FULL_PAUSE_S)
            except ShuttingDown:
                return None
            else:
                self._running.add(job)
                return job
        return None

    async def _follow(self, line: Line, job: Job, room: anyio.Semaphore) -> None:
        """Wait for a line, and note what failed before anything was sent for it."""
        await job.finished.wait()
        self._running.discard(job)
        self._has_ended = True
        if load := self._desk.loads.get(self._row.id):
            self._desk.loads[self._row.id] = load.without(Load.of([line.request]))
        outcome = job.outcome
        # What it holds need not stay in memory for as long as the job is remembered.
        room.release()
        if isinstance(outcome, BatchTaken):
            self.stop()
            return
        if isinstance(outcome, Report) or outcome is None or isinstance(outcome, JobStopped):
            return
        try:
            await self._desk.store.write_failure(job, outcome)
        except GptImageError as error:
            logger.warning("how line %s ended is not recorded: %s", job.id, error)
