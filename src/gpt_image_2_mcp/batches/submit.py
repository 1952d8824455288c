"""Submits a cheap batch: reads the inputs, uploads them, writes the intent, and only then asks for it.

A kill before the intent is written has submitted nothing. After it, the batch is looked for by its mark, and is never
asked for a second time.
"""

import json
import logging
import secrets
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import IO, TYPE_CHECKING, Any, Final

import anyio

from ..billing.prices import BATCH_SHARE
from ..database.retry import retry_undone
from ..errors import ApiError, GptImageError, OutcomeUnknown
from ..generation.sent_request import image_request
from ..images import MIME
from ..inputs import InputImage
from ..jobs.job import Job
from ..jobs.serialization import TOOLS
from ..openai_api.threads import run_in_thread
from ..persistence.unit_of_work import Repositories
from .batch import line_id
from .desk import Desk
from .lines import Line
from .parts import Part
from .stored import line_job, stored_order

if TYPE_CHECKING:
    from ..catalogue.batch_table import BatchRow
    from ..generation.charges import PricedRequest
    from ..openai_api.batch_route import BatchRoute, Endpoint

logger = logging.getLogger(__name__)

MAX_PART_BYTES: Final = 150_000_000
"""Bytes of one file of lines: OpenAI takes 200 MB."""
TIDY_S: Final = 30.0
"""Seconds for which uploads that are not needed any more are deleted: OpenAI deletes the others after 30 days."""
IN_MEMORY: Final = 8_000_000
"""Bytes of such a file that are kept in memory."""


@dataclass(slots=True)
class _Draft:
    """The file of one part while its lines are prepared."""

    model: str
    endpoint: "Endpoint"
    file: IO[bytes]
    size: int = 0
    numbers: list[int] = field(default_factory=list[int])


@dataclass(slots=True)
class Submission:
    """One batch on its way to OpenAI."""

    desk: Desk
    row: "BatchRow"
    lines: Sequence[Line]
    uploaded: dict[str, str] = field(default_factory=dict[str, str])
    """The ids of the uploads by the hash of what was sent: each reference is uploaded once."""
    is_stopped: bool = False
    _drafts: list[_Draft] = field(default_factory=list[_Draft])
    _sent: dict[int, dict[str, Any]] = field(default_factory=dict[int, dict[str, Any]])
    _priced: dict[int, "PricedRequest"] = field(default_factory=dict[int, "PricedRequest"])

    async def run(self) -> None:
        """Submit the batch.

        Raises:
            GptImageError: nothing was submitted, or not all of it; what was is written down.

        """
        route = (await self.desk.backend.get()).batches
        parts: list[Part] = []
        is_intended = False
        try:
            for line in self.lines:
                if self.is_stopped:
                    return
                await self._prepare(line, route)
            if self.is_stopped or not self._drafts:
                return
            for draft in self._drafts:
                parts.append(await self._upload(draft, route))  # noqa: PERF401 - those before a failure are deleted
            await self._write_intent(parts)
            is_intended = True
        finally:
            for draft in self._drafts:
                draft.file.close()
            if not is_intended:
                files = [*self.uploaded.values(), *(part.input_file for part in parts)]
                await run_in_thread(partial(route.delete_files, files, within_s=TIDY_S))
        await submit(self.desk, self.row.id, parts, route)

    async def _prepare(self, line: Line, route: "BatchRoute") -> None:
        """Read and check a line, and upload its references; a line that is wrong fails alone."""
        desk, row = self.desk, self.row
        model, tool = desk.settings.model_for(line.request), TOOLS[type(line.request)]
        client = (row.details or {}).get("client")
        job = line_job(row.id, line.number, tool, line.request, model, created=row.created, client=client)
        try:
            order = await desk.pipeline.prepare(job)
            files = [await self._file_id(image, route) for image in order.sent.images]
            mask = await self._file_id(order.sent.mask, route) if order.sent.mask else None
        except ApiError:
            # It is no fault of this line.
            raise
        except GptImageError as error:
            await desk.store.write_failure(job, error)
            return
        request = image_request(model, line.request, order)
        self._sent[line.number] = stored_order(order, model)
        self._priced[line.number] = replace(
            desk.pipeline.priced(line.request, order.inputs, order.part), share=BATCH_SHARE
        )
        await run_in_thread(partial(self._add, job, request, files, mask))

    async def _file_id(self, image: InputImage, route: "BatchRoute") -> str:
        known = self.uploaded.get(image.sha256)
        if known is None:
            upload = partial(route.upload_picture, image.name, image.data, MIME[image.format])
            known = self.uploaded[image.sha256] = await run_in_thread(upload)
        return known

    def _add(self, job: Job, request: Any, files: Sequence[str], mask: str | None) -> None:
        """Add a line to the file of its part."""
        from ..openai_api.batch_lines import body_of
        from ..openai_api.batch_route import line_of

        endpoint: Endpoint = "/v1/images/edits" if files else "/v1/images/generations"
        content = json.dumps(line_of(job.id, endpoint, body_of(request, files, mask))).encode() + b"\n"
        draft = next((d for d in self._drafts if (d.model, d.endpoint) == (request.model, endpoint)), None)
        if draft is None or draft.size + len(content) > MAX_PART_BYTES:
            draft = _Draft(request.model, endpoint, tempfile.SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115
            self._drafts.insert(0, draft)
        draft.file.write(content)
        draft.size += len(content)
        draft.numbers.append(int(job.id.rpartition("-")[2]))

    async def _upload(self, draft: _Draft, route: "BatchRoute") -> Part:
        mark = secrets.token_hex(16)
        upload = partial(route.upload_lines, f"batch-{mark[:8]}.jsonl", draft.file)
        input_file = await run_in_thread(upload)
        for number in draft.numbers:
            self._sent[number]["mark"] = mark
        return Part(mark, draft.model, draft.endpoint, input_file, 0.0)

    async def _write_intent(self, parts: list[Part]) -> None:
        """Write down in one transaction what is about to be submitted, and reserve its price.

        Raises:
            OverBudget: a budget does not allow the batch.
            DatabaseUnusable: it cannot be written, and so is not submitted.

        """
        desk, batch_id = self.desk, self.row.id
        asked = [replace(part, asked_s=time.time()) for part in parts]
        priced = [(line_id(batch_id, number), request) for number, request in self._priced.items()]

        @retry_undone
        def write(repositories: Repositories) -> None:
            if repositories.substituted is not None:
                raise repositories.substituted
            with repositories.transaction():
                charges = desk.spending.reserve_lines(repositories, priced)
                sent = {
                    number: self._sent[number] | {"charge": charge}
                    for number, charge in zip(self._priced, charges, strict=True)
                }
                with repositories.unit_of_work() as unit:
                    row = unit.batches.get(batch_id)
                    known = row.details if row else None
                    details = {**(known or {}), "uploads": sorted(self.uploaded.values())}
                    unit.batches.note_sent(batch_id, sent)
                    unit.batches.update(
                        batch_id, state="open", parts=[part.as_dict() for part in asked], details=details
                    )

        await desk.writer.run(write)


async def submit(desk: Desk, batch_id: str, parts: Sequence[Part], route: "BatchRoute") -> None:
    """Ask OpenAI for each part, once; what becomes of it is written down.

    Raises:
        ApiError: one was refused, after the others were asked for.

    """
    refusal: ApiError | None = None
    for part in parts:
        # Shielded, since a cancellation between the answer and the database would only have it looked for.
        with anyio.CancelScope(shield=True):
            try:
                remote = await run_in_thread(partial(route.create, part.input_file, part.endpoint, part.mark))
            except OutcomeUnknown as error:
                logger.warning("%s may be submitted, and is looked for: %s", batch_id, error)
                continue
            except ApiError as error:
                refusal = error
                changed = replace(part, state="refused", error=desk.settings.redact(str(error)))
            else:
                changed = part.seen(remote)
            await write_part(desk, batch_id, changed)
    if refusal is not None:
        raise refusal


async def write_part(desk: Desk, batch_id: str, part: Part) -> None:
    """Write down how a part stands."""

    def write(unit: Any) -> None:
        row = unit.batches.get(batch_id)
        kept = [dict(other) for other in row.parts]
        parts = [part.as_dict() if other["mark"] == part.mark else other for other in kept]
        unit.batches.update(batch_id, parts=parts)

    await desk.writer.in_transaction(write)
