"""Gives memory back to the system when no job is under way."""

from collections.abc import Iterable
from typing import Final

import anyio
import anyio.to_thread

from ..malloc import trim, use_one_arena
from .job import Job

IDLE_S: Final = 0.3
"""Seconds without a job after which memory is given back; a call that follows at once would only ask for it again."""


class IdleTrim:
    """Waits for the pauses between jobs."""

    def __init__(self) -> None:
        """Begin without a pause."""
        self._pause = anyio.CancelScope()
        use_one_arena()

    def cancel(self) -> None:
        """Give nothing back now: a job starts, or the process ends."""
        self._pause.cancel()

    async def when_idle(self, jobs: Iterable[Job]) -> None:
        """Give memory back if no job starts within `IDLE_S` seconds and none of `jobs` is under way."""
        self._pause.cancel()
        with anyio.CancelScope() as self._pause:
            await anyio.sleep(IDLE_S)
            if all(job.finished.is_set() for job in list(jobs)):
                await anyio.to_thread.run_sync(trim)
