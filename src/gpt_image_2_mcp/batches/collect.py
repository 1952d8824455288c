"""Collects the results of one part: each line is saved and recorded before the next one is read.

A line that is recorded is skipped, so that this can be begun again after any interruption.
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from ..billing.prices import BATCH_SHARE
from ..errors import ApiError, BadAnswer, Unavailable
from ..generation.charges import Charge
from ..jobs.job import Job
from ..jobs.order import Order
from ..openai_api.sink import ImageSink
from ..openai_api.threads import run_in_thread
from .batch import line_id
from .desk import Desk
from .parts import Part
from .stored import job_of_line, order_of

if TYPE_CHECKING:
    from ..catalogue.batch_table import BatchRow, LineRow
    from ..openai_api.batch_lines import LineAnswer
    from ..openai_api.batch_route import BatchRoute, RemoteBatch, ResultLines

logger = logging.getLogger(__name__)

CLOSE_S: Final = 5.0
"""Seconds for which the end of a download is waited for."""
NOT_FOUND: Final = 404
GONE: Final = (
    "OpenAI has deleted the results, which it keeps for 30 days, and they were not fetched before. What was made is"
    " billed."
)
RESCUED: Final = "-rescued."
"""What stands in the names of pictures that a killed process had not named."""


class Collector:
    """Saves the results of one batch."""

    def __init__(self, desk: Desk, row: "BatchRow", lines: "Sequence[LineRow]", *, was_taken_over: bool) -> None:
        """Save the answers to `lines`; `was_taken_over` says that a killed process may have saved some."""
        self._desk = desk
        self._row = row
        self._lines = {line_id(row.id, line.number): line for line in lines if line.sent is not None}
        self._was_taken_over = was_taken_over
        self._names: dict[Path, list[Path]] = {}
        self._taken: set[str] = set()
        """The lines that are saved, also where the database cannot be written yet."""

    async def collect(self, part: Part, remote: "RemoteBatch", route: "BatchRoute") -> None:
        """Save and record every line of a part that is over.

        Raises:
            ApiError: the results cannot be read now; what was saved stays.
            CannotSave: there is no room.

        """
        wanted = {name: line for name, line in self._lines.items() if (line.sent or {}).get("mark") == part.mark}
        missing = missing_error(remote)
        for file in filter(None, (remote.output_file, remote.error_file)):
            try:
                await self._read(file, wanted, part, route)
            except ApiError as error:
                if error.status != NOT_FOUND or not part.are_results_gone:
                    raise
                missing = BadAnswer(GONE)
        open_ids = await self._without_end(wanted)
        for custom_id in open_ids:
            await self._fail(wanted[custom_id], missing, may_be_billed=isinstance(missing, BadAnswer))

    async def fail_all(self, part: Part, error: ApiError) -> None:
        """Record that no line of a part was made."""
        wanted = {name: line for name, line in self._lines.items() if (line.sent or {}).get("mark") == part.mark}
        for custom_id in await self._without_end(wanted):
            await self._fail(wanted[custom_id], error)

    async def _without_end(self, wanted: "Mapping[str, LineRow]") -> list[str]:
        ends = await self._desk.writer.read(lambda unit: unit.batches.ends(self._row))
        return [name for name, line in wanted.items() if line.number not in ends and name not in self._taken]

    async def _read(self, file: str, wanted: "Mapping[str, LineRow]", part: Part, route: "BatchRoute") -> None:
        from ..openai_api.batch_lines import custom_id_of

        left = set(await self._without_end(wanted))
        if not left:
            return
        opened = route.results(file)
        lines: ResultLines = await run_in_thread(opened.__enter__)
        try:
            while left and (content := await run_in_thread(lines.next)) is not None:
                custom_id = custom_id_of(content)
                if custom_id not in left:
                    continue
                # Shielded: between the file and its record, nothing of this process comes.
                with anyio.CancelScope(shield=True):
                    await self._take(wanted[custom_id], content, lines, part)
                    self._taken.add(custom_id)
                left.discard(custom_id)
        finally:
            # In a thread, since closing a connection may wait.
            with anyio.move_on_after(CLOSE_S, shield=True), suppress(ApiError):
                await run_in_thread(partial(opened.__exit__, None, None, None))

    async def _take(self, line: "LineRow", content: bytes, lines: "ResultLines", part: Part) -> None:
        """Save and record one line."""
        from ..openai_api.batch_lines import read_line

        job, order, charge = self._parts_of(line)
        try:
            answer: LineAnswer = await run_in_thread(partial(read_line, content, lines.origin, model=part.model))
        except BadAnswer as error:
            answer = _failed(job.id, error)
        if answer.failure is not None and not answer.failure.may_be_billed:
            await self._desk.pipeline.record_refused(job, charge, answer.failure)
            return

        def save(sink: ImageSink) -> None:
            try:
                if answer.failure is not None:
                    raise answer.failure
                assert answer.result is not None
                sink.save_result(answer.result)
            except BadAnswer as error:
                if path := sink.keep_raw(content):
                    error.args = (f"{error.args[0]} What arrived is kept in {path}.",)
                raise

        job.status.sent = 1
        known = await anyio.to_thread.run_sync(self._known, job, order) if self._was_taken_over else ()
        with suppress(ApiError):
            # It is recorded: the other lines go on.
            await self._desk.pipeline.receive(job, order, charge, save, known=known)

    async def _fail(self, line: "LineRow", error: ApiError, *, may_be_billed: bool = False) -> None:
        job, _, charge = self._parts_of(line)
        job.status.sent = int(may_be_billed)
        await self._desk.pipeline.record_refused(job, charge, error)

    def _parts_of(self, line: "LineRow") -> tuple[Job, Order, Charge]:
        desk, sent = self._desk, line.sent or {}
        job, order = job_of_line(self._row, line), order_of(sent)
        job.files.folder = order.folder
        priced = replace(desk.pipeline.priced(job.request, order.inputs, order.part), share=BATCH_SHARE)
        return job, order, desk.spending.line_charge(job.id, priced, sent.get("charge"))

    def _known(self, job: Job, order: Order) -> list[Path]:
        """The files in a line's folder that a killed process may have saved of it. Blocks."""
        files = self._names.get(order.folder)
        if files is None:
            files = self._names[order.folder] = []
            for folder in (order.folder, order.folder / "sandbox"):
                with suppress(OSError):
                    files += sorted(folder.iterdir())
        stem = self._desk.pipeline.stem_of(job, order)
        return [path for path in files if path.name.startswith(stem) or RESCUED in path.name]


def missing_error(remote: "RemoteBatch") -> ApiError:
    """Why a line has no result in a batch that is over."""
    from ..openai_api.batch_lines import NOT_MADE

    if remote.status == "completed":
        return BadAnswer("OpenAI's results do not have this line.")
    reason = f"OpenAI did not accept the batch ({remote.error or 'no reason is given'}); nothing of it is billed."
    text = NOT_MADE.get(f"batch_{remote.status}", reason)
    return Unavailable(text)


def _failed(custom_id: str, error: BadAnswer) -> "LineAnswer":
    from ..openai_api.batch_lines import LineAnswer

    return LineAnswer(custom_id, failure=error)
