"""Follows a cheap batch until all its lines have an end: looks for it, polls it, cancels it, collects its results."""

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio

from ..errors import ApiError, GptImageError, Unavailable
from ..openai_api.threads import run_in_thread
from .collect import NOT_FOUND, Collector
from .desk import Desk
from .parts import Part, deletion_text
from .submit import TIDY_S, write_part

if TYPE_CHECKING:
    from ..catalogue.batch_table import BatchRow
    from ..openai_api.batch_route import BatchRoute, RemoteBatch

logger = logging.getLogger(__name__)

FIRST_POLL_S: Final = 60.0
LAST_POLL_S: Final = 600.0
"""Seconds between two looks at a batch: the first, and the most."""
GROWTH: Final = 1.5
MIN_POLL_S: Final = 1.0
"""Seconds between two looks that a person asks for."""
LOOKED_FOR_S: Final = 600.0
"""Seconds for which a batch is looked for whose submission had no answer. One that the list does not have then was not
submitted, and is not submitted now."""


class Follower:
    """One batch that this process follows."""

    def __init__(self, desk: Desk, row: "BatchRow", *, was_taken_over: bool) -> None:
        """Follow a batch; `was_taken_over` says that another process has worked on it."""
        self._desk = desk
        self._id = row.id
        self._was_taken_over = was_taken_over
        self._collector: Collector | None = None
        self._wanted = anyio.Event()
        self._looked = anyio.Event()
        """Set at the end of the next look."""
        self._begun = 0
        self._ended: float = 0
        self._cancelled: set[str] = set()
        self.is_saving = False
        self.trouble = ""
        """Why the last look failed; empty if it did not."""

    async def look_now(self, *, within_s: float) -> None:
        """Have the batch looked at now, and wait for that, but no longer than `within_s` seconds."""
        self._wanted.set()
        # Not for a look that is under way: it may have read what has changed since.
        wanted = self._begun + 1
        with anyio.move_on_after(within_s):
            while self._ended < wanted:
                await self._looked.wait()

    async def run(self) -> None:
        """Follow it to its end; raises nothing but a cancellation."""
        pause = FIRST_POLL_S
        while True:
            self._wanted = anyio.Event()
            self._begun += 1
            is_over = False
            try:
                is_over = await self._look()
                self.trouble = ""
            except GptImageError as error:
                self.trouble = self._desk.settings.redact(str(error))
                logger.warning("%s cannot be looked at now: %s %s", self._id, self.trouble, await self._deletion())
            except Exception as error:
                # Money and pictures are at stake: the next look may succeed.
                self.trouble = f"This failed by an error in this program ({type(error).__name__})."
                logger.exception("%s cannot be looked at now by an error in this program", self._id)
            self._ended = math.inf if is_over else self._begun
            looked, self._looked = self._looked, anyio.Event()
            looked.set()
            if is_over:
                return
            await anyio.sleep(MIN_POLL_S)
            with anyio.move_on_after(pause - MIN_POLL_S):
                await self._wanted.wait()
            pause = min(pause * GROWTH, LAST_POLL_S)

    async def _deletion(self) -> str:
        """See `deletion_text`; empty too while the database cannot be read."""
        try:
            return deletion_text((await self._desk.row(self._id)).parts)
        except GptImageError:
            return ""

    async def _look(self) -> bool:
        """Look at each part, and save what there is; gives whether the batch is over.

        Raises:
            GptImageError: something is in the way; all is tried again at the next look.

        """
        desk = self._desk
        row = await desk.row(self._id)
        route = (await desk.backend.get()).batches
        failure: GptImageError | None = None
        parts = [Part.of(kept) for kept in row.parts]
        for part in parts:
            if part.state == "over":
                continue
            try:
                await self._advance(row, part, route)
            except GptImageError as error:
                failure = error
        if failure is not None:
            raise failure
        row = await desk.row(self._id)
        if any(kept["state"] != "over" for kept in row.parts):
            return False
        await desk.writer.in_transaction(lambda unit: unit.batches.end(self._id))
        await self._tidy(row, route)
        return True

    async def _advance(self, row: "BatchRow", part: Part, route: "BatchRoute") -> None:
        collector = await self._collect_with(row)
        match part.state:
            case "refused":
                await collector.fail_all(part, ApiError(part.error))
                await self._close(part)
            case "creating":
                remote = await run_in_thread(partial(route.find, part.mark))
                if remote is not None:
                    await self._seen(row, part.seen(remote), remote, route)
                elif time.time() - part.asked_s > LOOKED_FOR_S:
                    text = "OpenAI does not have this batch: it was not submitted, and nothing is billed."
                    await collector.fail_all(part, Unavailable(text))
                    await self._close(part)
            case _:
                remote = await self._retrieve(part, route)
                if remote is None:
                    text = "OpenAI does not know this batch any more: its results cannot be fetched."
                    await collector.fail_all(part, Unavailable(text))
                    await self._close(part)
                else:
                    await self._seen(row, part.seen(remote), remote, route)

    async def _retrieve(self, part: Part, route: "BatchRoute") -> "RemoteBatch | None":
        """How a part stands; None if it is gone for good, as those of the built-in sandbox are after a restart."""
        assert part.batch is not None
        try:
            return await run_in_thread(partial(route.retrieve, part.batch))
        except ApiError as error:
            if error.status == NOT_FOUND and self._desk.settings.sandbox:
                return None
            raise

    async def _seen(self, row: "BatchRow", part: Part, remote: "RemoteBatch", route: "BatchRoute") -> None:
        """Write down how a part stands; cancel it if that is wanted; collect it when it is over."""
        if part.as_dict() not in [dict(kept) for kept in row.parts]:
            await write_part(self._desk, self._id, part)
        if remote.is_over:
            self.is_saving = True
            try:
                await (await self._collect_with(row)).collect(part, remote, route)
            finally:
                self.is_saving = False
            await self._close(part)
        elif row.is_cancelled and part.mark not in self._cancelled:
            await run_in_thread(partial(route.cancel, remote.id))
            self._cancelled.add(part.mark)

    async def _close(self, part: Part) -> None:
        await write_part(self._desk, self._id, replace(part, state="over"))

    async def _collect_with(self, row: "BatchRow") -> Collector:
        if self._collector is None:
            lines = await self._desk.writer.read(lambda unit: unit.batches.lines(row.id))
            self._collector = Collector(self._desk, row, lines, was_taken_over=self._was_taken_over)
        return self._collector

    async def _tidy(self, row: "BatchRow", route: "BatchRoute") -> None:
        """Delete what was uploaded, as far as that works."""
        files: Sequence[str] = [*(row.details or {}).get("uploads", []), *(str(p["input_file"]) for p in row.parts)]
        await run_in_thread(partial(route.delete_files, files, within_s=TIDY_S))
