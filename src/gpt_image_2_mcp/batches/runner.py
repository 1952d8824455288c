"""`BatchRunner`: the batches of this process, and those that other processes left.

A call starts a batch and leaves it. One that is made now ends with its process, or another replica of a server goes on
with it (`batches.left`); a cheap one is followed by whichever process runs, one at a time.
"""

import logging
import secrets
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.abc
import anyio.lowlevel

from ..billing.prices import BATCH_SHARE
from ..database.retry import retry_undone
from ..errors import BadRequest, GptImageError, ShuttingDown
from ..jobs.job import BATCH_PREFIX
from ..jobs.progress import PROGRESS_S, ProgressCallback
from ..persistence.unit_of_work import Repositories
from .batch import BatchStatus, line_id
from .desk import Desk
from .follow import Follower
from .left import release, take_left
from .now import NowRun
from .plan import Plan
from .submit import Submission

if TYPE_CHECKING:
    from ..catalogue.batch_table import BatchRow

logger = logging.getLogger(__name__)

REPEATED_S: Final = 600.0
"""Seconds for which an identical call is taken for a repetition of the same one."""
NEVER_SUBMITTED: Final = "Its process was ended before anything was submitted; nothing of it is billed."
LOOK_S: Final = 10.0
"""Seconds for which a question about a cheap batch waits for OpenAI's answer."""


class BatchRunner:
    """Starts, follows, cancels and finds batches."""

    def __init__(self, desk: Desk, tasks: anyio.abc.TaskGroup, marker: Path | None) -> None:
        """Work in `tasks`, which outlives every call. `marker` is a file that is there while a cheap batch is open."""
        self._desk = desk
        self._tasks = tasks
        self._marker = marker
        self._now: dict[str, NowRun] = {}
        self._submissions: dict[str, Submission] = {}
        self._followers: dict[str, Follower] = {}
        self._scopes: set[anyio.CancelScope] = set()
        self._working: dict[str, anyio.Event] = {}
        self._nothing = anyio.Event()
        self._closing = False
        self._idle = anyio.Event()
        self._idle.set()

    async def start(self, plan: Plan, *, client: str | None) -> tuple[str, bool]:
        """Begin a batch, and give its id, and whether it is that of an identical call made a moment ago.

        Raises:
            GptImageError: it cannot be written down, or the server is shutting down.

        """
        if self._closing:
            raise ShuttingDown
        key = plan.key
        found = await self._desk.repeated(key, within_s=REPEATED_S)
        if found is not None and not await self._is_left(found):
            return found.id, True
        if plan.is_cheap:
            self._require_history()
        await self._desk.spending.check_lines(
            [
                (line_id("", line.number), self._desk.priced(line, share=BATCH_SHARE if plan.is_cheap else Decimal(1)))
                for line in plan.lines
                if not line.request.is_cut_out
            ]
        )
        new = self._new_row(plan, key, client)
        if plan.is_cheap:
            # Before it is written: a process that is killed right after leaves a batch that the next start looks for.
            self._mark()
        row = await self._desk.insert(
            new,
            self._desk.stored_lines(plan.lines, is_cheap=plan.is_cheap),
            retry_of=plan.retry_of,
            within_s=REPEATED_S,
            besides=None if found is None else found.id,
        )
        if row.id != new.id:
            return row.id, True
        if plan.is_cheap:
            # Once more: another process may have found no batch in between, and removed it.
            self._mark()
            submission = self._submissions[row.id] = Submission(self._desk, row, plan.lines)
            self._start(self._submit, row, submission)
        else:
            run = self._now[row.id] = NowRun(self._desk, row, plan.lines)
            self._start(self._make_now, row, run)
        return row.id, False

    def _require_history(self) -> None:
        """Check that what is submitted can be found again after a restart; raises BadRequest."""
        if not self._desk.writer.repositories.keeps_history:
            raise BadRequest(
                "A cheap batch takes up to 24 hours and is remembered in the database, which GPT_IMAGE_2_HISTORY=off or"
                " a database in memory forbids: use `when` 'now', or have the person change that setting. Nothing was"
                " sent."
            )

    def _new_row(self, plan: Plan, key: str, client: str | None) -> "BatchRow":
        from ..catalogue.batch_table import BatchRow

        return BatchRow(
            id=f"{BATCH_PREFIX}{secrets.token_hex(6)}",
            key=key,
            owner="",
            state="preparing" if plan.is_cheap else "open",
            is_cheap=plan.is_cheap,
            created=datetime.now(UTC),
            total=len(plan.lines),
            details={"client": client} | ({"retry_of": plan.retry_of} if plan.retry_of else {}),
        )

    def _start(self, work: Any, *arguments: Any) -> None:
        self._tasks.start_soon(self._run, work, arguments)

    async def _run(self, work: Any, arguments: tuple[Any, ...]) -> None:
        with anyio.CancelScope() as scope:
            if not self._scopes:
                self._idle = anyio.Event()
            self._scopes.add(scope)
            try:
                await work(*arguments)
            except Exception:
                logger.exception("a batch was given up by an error in this program; a restart goes on with it")
            finally:
                self._scopes.discard(scope)
                if not self._scopes:
                    self._idle.set()

    async def _make_now(self, row: "BatchRow", run: NowRun) -> None:
        done = self._working[row.id] = anyio.Event()
        if self._closing:
            run.leave()
        try:
            await run.run()
        finally:
            del self._now[row.id], self._working[row.id]
            done.set()

    async def _submit(self, row: "BatchRow", submission: Submission) -> None:
        done = self._working[row.id] = anyio.Event()
        try:
            await submission.run()
        except GptImageError as error:
            await self._note(row.id, self._desk.settings.redact(str(error)))
        except Exception as error:
            logger.exception("a batch cannot be submitted by an error in this program")
            await self._note(row.id, f"This failed by an error in this program ({type(error).__name__}).")
        finally:
            del self._submissions[row.id], self._working[row.id]
            done.set()
        written = await self._desk.row(row.id)
        if written.state == "preparing":
            # Nothing was submitted.
            await self._desk.writer.in_transaction(lambda unit: unit.batches.end(row.id))
        else:
            await self._follow(written, was_taken_over=False)

    async def _note(self, batch_id: str, note: str) -> None:
        def write(unit: Any) -> None:
            details = dict(unit.batches.get(batch_id).details or {})
            unit.batches.update(batch_id, details=details | {"notes": [*details.get("notes", []), note]})

        await self._desk.writer.in_transaction(write)

    async def _follow(self, row: "BatchRow", *, was_taken_over: bool) -> None:
        follower = self._followers[row.id] = Follower(self._desk, row, was_taken_over=was_taken_over)
        try:
            await follower.run()
        finally:
            del self._followers[row.id]

    async def status(self, batch_id: str, *, looks: bool = True, joined: bool = False) -> BatchStatus:
        """How a batch stands; a cheap one that is open is looked at now. Raises BadRequest if there is none."""
        batch_id = batch_id.strip()
        row = await self._desk.row(batch_id)
        if looks and row.is_cheap and row.state != "ended":
            if batch_id not in self._followers:
                await self._take_over(row)
                await anyio.lowlevel.checkpoint()
            if follower := self._followers.get(batch_id):
                await follower.look_now(within_s=LOOK_S)
        status = await self._desk.status(batch_id, joined=joined)
        follower = self._followers.get(batch_id)
        return replace(status, trouble=follower.trouble) if follower and not status.is_over else status

    async def wait(
        self, batch_id: str, *, until: float, on_progress: ProgressCallback | None, to_end: bool
    ) -> BatchStatus:
        """Wait until a batch is over, or until a time of `anyio.current_time`; gives how it stands.

        A cheap one is only waited for until it is submitted, unless `to_end`.

        Raises:
            BadRequest: there is no such batch.

        """
        while True:
            status = await self.status(batch_id)
            is_waited_for = not status.is_over and (to_end or not status.is_submitted)
            if not is_waited_for or anyio.current_time() >= until:
                return status
            if on_progress:
                await on_progress(100 * len(status.ends) / max(status.row.total, 1), status.headline)
            with anyio.move_on_at(min(until, anyio.current_time() + PROGRESS_S)):
                await self._ended(status.row.id).wait()

    def _ended(self, batch_id: str) -> anyio.Event:
        """Set when this process has done for a batch what it is doing now."""
        return self._working.get(batch_id, self._nothing)

    def stop_now(self, batch_id: str) -> bool:
        """Send no further line of a batch that this process makes now; False if it is none of these."""
        run = self._now.get(batch_id)
        if run is not None:
            run.stop()
        return run is not None

    def give_up(self, batch_id: str) -> None:
        """Stop a batch of which nothing was sent yet: its call was cancelled."""
        if (run := self._now.get(batch_id)) and not run.has_sent:
            run.stop()
        if submission := self._submissions.get(batch_id):
            submission.is_stopped = True

    @property
    def is_working(self) -> bool:
        """Whether this process makes, submits or saves a batch; waiting for OpenAI is no work."""
        return bool(self._now or self._submissions) or any(f.is_saving for f in self._followers.values())

    async def cancel(self, batch_id: str) -> BatchStatus:
        """Send no further line of a batch, and have OpenAI cancel a cheap one; gives how it stands then."""
        batch_id = batch_id.strip()
        row = await self._desk.row(batch_id)
        if row.state != "ended":
            await self._desk.writer.in_transaction(lambda unit: unit.batches.update(batch_id, cancelled=True))
        if run := self._now.get(batch_id):
            run.stop()
        if submission := self._submissions.get(batch_id):
            submission.is_stopped = True
        return await self.status(batch_id)

    async def recent(self, limit: int) -> "list[BatchRow]":
        """The newest batches of all processes."""
        return await self._desk.writer.read(lambda unit: unit.batches.recent(limit))

    async def resume(self) -> None:
        """Go on with the cheap batches that processes left which are gone; raises nothing."""
        try:
            if self._marker is not None and not self._marker.exists():
                return
            rows = await self._desk.writer.read(lambda unit: unit.batches.not_over(cheap=True))
            if not rows and self._marker is not None:
                self._marker.unlink(missing_ok=True)
            for row in rows:
                await self._take_over(row)
        except (GptImageError, OSError) as error:
            logger.warning("open batches cannot be looked for now: %s", error)

    async def go_on(self) -> None:
        """Make what other replicas have left of the batches that they were making; raises nothing."""
        try:
            for row in await self._desk.writer.read(lambda unit: unit.batches.not_over(cheap=False)):
                if self._closing or row.id in self._now:
                    continue
                lines = await take_left(self._desk, row)
                if lines is not None:
                    logger.info("%s is made here, in place of another replica", row.id)
                    run = self._now[row.id] = NowRun(self._desk, row, lines)
                    self._start(self._make_now, row, run)
        except GptImageError as error:
            logger.warning("batches of other replicas cannot be looked for now: %s", error)

    async def _take_over(self, row: "BatchRow") -> None:
        """Follow a batch whose process is gone; does nothing to one that another process follows."""
        if self._closing or row.id in self._followers or row.id in self._submissions:
            return

        @retry_undone
        def take(repositories: Repositories) -> bool:
            store = repositories.catalogue_store
            if row.owner != store.owner and row.owner not in store.dead_owners({row.owner}):
                return False
            if row.owner == store.owner and row.state == "preparing":
                return False  # This process is about to write how that went.
            with repositories.unit_of_work() as unit:
                if not unit.batches.take_over(row.id, store.owner, from_owner=row.owner):
                    return False
                if row.state == "preparing":
                    unit.batches.update(row.id, details={**(row.details or {}), "notes": [NEVER_SUBMITTED]})
                    unit.batches.end(row.id)
                return row.state == "open"

        if await self._desk.writer.run(take):
            # A second question may come before the task begins.
            self._start(self._follow_once, row)

    async def _follow_once(self, row: "BatchRow") -> None:
        if row.id not in self._followers:
            await self._follow(row, was_taken_over=True)

    async def _is_left(self, row: "BatchRow") -> bool:
        return (await self._desk.status(row.id)).is_left

    def _mark(self) -> None:
        if self._marker is not None:
            try:
                self._marker.touch(mode=0o600)
            except OSError as error:
                logger.warning("a restart will not see by itself that a batch is open: %s", error)

    def stop(self) -> None:
        """Begin nothing any more, and end what waits; a line that is being saved is saved."""
        self._closing = True
        for run in list(self._now.values()):
            run.leave()

    async def hand_over(self) -> None:
        """Begin nothing any more, and let other replicas make the lines that are not sent; raises nothing."""
        self.stop()
        await release(self._desk, list(self._now))

    async def close(self, grace_s: float) -> None:
        """Wait until what is being saved is saved; cheap batches are followed by the next process."""
        self.stop()
        for scope in list(self._scopes):
            scope.cancel()
        with anyio.move_on_after(grace_s):
            await self._idle.wait()
