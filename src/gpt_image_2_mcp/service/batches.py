"""`BatchService`: what `make_batch` and `gpt-image-2-mcp batch` call."""

import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path

import anyio.to_thread

from ..batches.batch import BatchStatus
from ..batches.desk import Desk
from ..batches.file import MAX_FILE_BYTES, check_suffix, parse_file
from ..batches.lines import (
    LINE_REQUESTS,
    Fault,
    Item,
    Line,
    LineRequest,
    common_images,
    faults_of,
    items_of,
    read_lines,
    refuse,
)
from ..batches.plan import Plan
from ..batches.runner import BatchRunner
from ..billing.prices import BATCH_SHARE
from ..errors import BadRequest, DatabaseUnusable, GptImageError
from ..generation.charges import PricedRequest
from ..inputs import Sources
from ..jobs.progress import ProgressCallback
from ..parameters.models import MakeBatchRequest
from ..paths.read_policy import PrivateFile

logger = logging.getLogger(__name__)

Complete = Callable[[LineRequest], Awaitable[LineRequest]]
"""Fills in what a line's `like` has."""
Check = Callable[[LineRequest], None]
"""Raises what the settings do not allow."""
FindPrivate = Callable[[LineRequest], Awaitable[list[PrivateFile]]]
"""Finds the files that are read only with the person's yes."""
Require = Callable[[str], Awaitable[None]]
"""Raises GptImageError if there is no picture of that name."""


async def _as_it_is(request: LineRequest) -> LineRequest:
    return request


async def _nothing(_: LineRequest) -> list[PrivateFile]:
    return []


async def _anything(_: str) -> None:
    return


class BatchService:
    """The batches of one user."""

    def __init__(self, desk: Desk, runner: BatchRunner, sources: Sources) -> None:
        """Use the parts that `app.open_service` made."""
        self._desk = desk
        self._complete: Complete = _as_it_is
        self._check: Check = lambda _: None
        self._find_private: FindPrivate = _nothing
        self._require: Require = _anything
        self._runner = runner
        self._sources = sources

    def use(self, complete: Complete, check: Check, find_private: FindPrivate, require: Require) -> None:
        """Treat each line as the `ImageService` treats a single call."""
        self._complete, self._check, self._find_private, self._require = complete, check, find_private, require

    async def find_private(self, request: MakeBatchRequest) -> list[PrivateFile]:
        """The files that a batch names and that are read only with the person's yes."""
        lines = (await self.plan(request)).lines
        return list(dict.fromkeys([file for line in lines for file in await self._find_private(line.request)]))

    async def plan(self, request: MakeBatchRequest, *, content: bytes | None = None) -> Plan:
        """Check everything that can be known of a batch before its inputs are read, and give what it should cost.

        `content` is that of `file` where the person has named it; otherwise it is read under the rules for files that a
        model names.

        Raises:
            GptImageError: a line, the file or the batch to be retried is wrong. Nothing was sent.

        """
        is_cheap = request.when == "cheap"
        if request.retry is not None:
            lines, was_cheap = await self._lines_to_retry(request.retry)
            is_cheap = is_cheap if "when" in request.model_fields_set else was_cheap
        else:
            lines = await anyio.to_thread.run_sync(partial(read_lines, await self._items(request, content), request))
            await self._require_common(request)
        lines = await self._completed(lines)
        if is_cheap:
            _check_cheap(lines)
        return await self._priced(Plan(lines, is_cheap, None, None, retry_of=request.retry and request.retry.strip()))

    async def _require_common(self, request: MakeBatchRequest) -> None:
        """Check that there are the pictures that all lines share, which would all fail; raises BadRequest."""
        missing: list[str] = []
        for name in dict.fromkeys(common_images(request)):
            try:
                await self._require(name)
            except GptImageError as error:
                missing.append(f"`common`, `images`: {error}")
        if missing:
            raise BadRequest("\n".join([*missing, "Nothing was sent."]))

    async def _completed(self, lines: Sequence[Line]) -> list[Line]:
        """The lines with what their `like` has; raises BadRequest if the settings do not allow one."""
        complete: list[Line] = []
        faults: list[Fault] = []
        for line in lines:
            try:
                complete.append(replace(line, request=await self._complete(line.request)))
                self._check(complete[-1].request)
            except BadRequest as error:
                faults += faults_of(f"Line {line.label}", error)
        refuse(faults, len(lines))
        return complete

    async def _items(self, request: MakeBatchRequest, content: bytes | None) -> Sequence[Item]:
        if request.file is None:
            return items_of(request)
        check_suffix(request.file)
        if content is None:
            read = partial(self._sources.read_list, request.file, most=MAX_FILE_BYTES)
            content = await anyio.to_thread.run_sync(read)
        name = Path(request.file).name
        return await anyio.to_thread.run_sync(parse_file, name, content)

    async def _priced(self, plan: Plan) -> Plan:
        share = BATCH_SHARE if plan.is_cheap else Decimal(1)
        paid = [line for line in plan.lines if not line.request.is_cut_out]

        def price() -> list[PricedRequest]:
            return [self._desk.priced(line, share=share) for line in paid]

        usd = await self._desk.spending.estimate_all(await anyio.to_thread.run_sync(price))
        minutes = None if plan.is_cheap else self._desk.minutes_for([line.request for line in paid])
        return replace(plan, usd=usd, minutes=minutes)

    async def _lines_to_retry(self, batch_id: str) -> tuple[list[Line], bool]:
        """The lines of a batch that may be sent again, and whether it was cheap; raises BadRequest if there is none."""
        status = await self._runner.status(batch_id)
        if not status.is_over:
            raise BadRequest(f"{status.row.id} is still under way: cancel it first, or wait until it ends.")
        if again := (status.row.details or {}).get("retried_as"):
            raise BadRequest(f"{status.row.id} was sent again as {again}: ask about that one, or retry it.")
        wanted = set(status.retryable)
        if not wanted:
            why = (
                "all of them are done"
                if status.done == status.row.total
                else "those that moderation refused would be refused again, and those that may be billed are not sent"
                " twice"
            )
            raise BadRequest(f"{status.row.id} has no line that can be sent again: {why}.")
        rows = [row for row in status.lines if row.number in wanted]
        lines = [
            Line(number, row.name, LINE_REQUESTS[row.tool].model_validate(row.request))
            for number, row in enumerate(rows, start=1)
        ]
        return lines, status.row.is_cheap

    async def start(self, plan: Plan, *, client: str | None) -> BatchStatus:
        """Begin a batch; raises as `BatchRunner.start` does."""
        batch_id, is_joined = await self._runner.start(plan, client=client)
        return await self._runner.status(batch_id, looks=False, joined=is_joined)

    async def status(self, batch_id: str) -> BatchStatus:
        """How a batch stands; raises BadRequest if there is none."""
        return await self._runner.status(batch_id)

    async def wait(
        self,
        batch_id: str,
        *,
        until: float = math.inf,
        on_progress: ProgressCallback | None = None,
        to_end: bool = False,
    ) -> BatchStatus:
        """Wait until a batch is over or submitted; see `BatchRunner.wait`. Raises BadRequest if there is none."""
        return await self._runner.wait(batch_id, until=until, on_progress=on_progress, to_end=to_end)

    def stop_now(self, batch_id: str) -> bool:
        """Send no further line of a batch that this process makes now; False if it is none of these."""
        return self._runner.stop_now(batch_id)

    def give_up(self, batch_id: str) -> None:
        """Note that the call which began a batch was cancelled: one of which nothing was sent is stopped."""
        self._runner.give_up(batch_id)

    async def recent(self, limit: int) -> list[BatchStatus]:
        """How the newest batches stand, as the database knows it; none while it cannot be read."""
        try:
            return [await self._desk.status(row.id) for row in await self._runner.recent(limit)]
        except DatabaseUnusable as error:
            # The jobs of this process are told beside them, and are known without it.
            logger.warning("batches are not known: %s", error)
            return []

    async def resume(self) -> None:
        """Go on with the cheap batches that processes left; raises nothing."""
        await self._runner.resume()

    async def go_on(self) -> None:
        """Make what other replicas have left of the batches that they were making; raises nothing."""
        await self._runner.go_on()

    async def hand_over(self) -> None:
        """Begin nothing any more, and let other replicas go on; see `BatchRunner.hand_over`."""
        await self._runner.hand_over()

    def stop(self) -> None:
        """Begin no batch and no line any more; see `BatchRunner.stop`."""
        self._runner.stop()

    @property
    def is_working(self) -> bool:
        """Whether a batch is being made, submitted or saved by this process."""
        return self._runner.is_working

    async def cancel(self, batch_id: str) -> BatchStatus:
        """Cancel what can be cancelled of a batch; raises BadRequest if there is none."""
        return await self._runner.cancel(batch_id)


def _check_cheap(lines: Sequence[Line]) -> None:
    """Check that each line can go through the Batch API; raises BadRequest."""
    faults = [Fault(f"Line {line.label}", f": {why}") for line in lines if (why := _not_cheap(line.request))]
    refuse(faults, len(lines), ending="Make these with `when` 'now'. Nothing was sent.")


def _not_cheap(request: LineRequest) -> str | None:
    if request.is_transparent:
        return (
            "a transparent background is made in several steps, which a cheap batch does not have. For a plain subject,"
            " ask for a plain white ground, and cut it out later, free: edit_image with `background` 'transparent' and"
            " no prompt."
        )
    if request.is_exact:
        return (
            "what is to stay is put back into the model's picture from your own file, which may be another one when a"
            " cheap batch answers. With `keep` 'off' a cheap line takes `mask` and `extend`, and gives the model's"
            " picture as it is."
        )
    return None
