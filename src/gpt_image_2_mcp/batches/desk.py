"""`Desk`: what the two ways of making a batch share: the parts of this process, and how a batch stands."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ..database.retry import retry_undone
from ..errors import BadRequest, shown
from ..generation.charges import PricedRequest, Spending
from ..generation.pipeline import Pipeline
from ..jobs.durations import DurationHistory
from ..jobs.runner import JobRunner
from ..jobs.serialization import TOOLS, stored_request
from ..jobs.store import JobStore
from ..openai_api.lazy_backend import LazyBackend
from ..openai_api.rate_limiter import RateLimiter
from ..persistence.unit_of_work import Repositories
from ..persistence.writer_thread import WriterThread
from ..settings import Settings
from .batch import NEWEST, BatchStatus, given, line_id
from .handover import handover_of
from .lines import LINE_REQUESTS, Line, LineRequest
from .load import Load

if TYPE_CHECKING:
    from ..catalogue.batch_table import BatchRow, LineRow
    from ..catalogue.picture_record import Picture


@dataclass(frozen=True, slots=True)
class Desk:
    """The parts of the process that batches use."""

    settings: Settings
    pipeline: Pipeline
    jobs: JobRunner
    store: JobStore
    writer: WriterThread
    spending: Spending
    backend: LazyBackend
    limiter: RateLimiter
    durations: DurationHistory
    loads: dict[str, Load] = field(default_factory=dict[str, Load])
    """What is left of the batches that this process makes now, by their ids."""

    def priced(self, line: Line, *, share: Decimal) -> PricedRequest:
        """What the price of a line depends on, before its inputs are read."""
        return replace(self.pipeline.priced(line.request), share=share)

    def stored_lines(self, lines: Sequence[Line], *, is_cheap: bool) -> "list[LineRow]":
        """The lines as rows, without secrets, and with what another replica needs to make them; see `batches.left`."""
        from ..catalogue.batch_table import LineRow

        return [
            LineRow(
                line.number,
                line.name,
                TOOLS[type(line.request)],
                stored := stored_request(line.request, self.settings.redact),
                handover_of(line, stored) if self.store.is_replica and not is_cheap else None,
            )
            for line in lines
        ]

    async def insert(
        self, row: "BatchRow", lines: "Sequence[LineRow]", *, retry_of: str | None, within_s: float, besides: str | None
    ) -> "BatchRow":
        """Write a new batch with this process as its owner; gives it as written.

        Gives that of an identical call instead, if one has been written since `repeated` looked for it; `besides` is
        the id of one that it found, which does not go on.

        Raises:
            BadRequest: the batch whose lines it sends again was sent again meanwhile.
            DatabaseUnusable: it cannot be written.

        """

        @retry_undone
        def write(repositories: Repositories) -> "BatchRow":
            mine = replace(row, owner=repositories.catalogue_store.owner)
            with repositories.unit_of_work() as unit:
                if unit.batches.get(row.id):
                    return mine
                unit.batches.wait_for_same(row.key)
                same = unit.batches.newest_of(row.key, after=row.created - timedelta(seconds=within_s))
                if same and same.id != besides:
                    return same
                if retry_of is not None:
                    old = unit.batches.get(retry_of)
                    details = dict(old.details or {}) if old else {}
                    if again := details.get("retried_as"):
                        raise BadRequest(f"{retry_of} was sent again as {again}: ask about that one, or retry it.")
                    unit.batches.update(retry_of, details=details | {"retried_as": row.id})
                unit.batches.insert(mine, lines)
            return mine

        return await self.writer.run(write)

    async def repeated(self, key: str, *, within_s: float) -> "BatchRow | None":
        """The batch of an identical call that is not over, or was made a short while ago."""
        after = datetime.now(UTC) - timedelta(seconds=within_s)
        return await self.writer.read(lambda unit: unit.batches.newest_of(key, after=after))

    async def row(self, batch_id: str) -> "BatchRow":
        """A batch's row; raises BadRequest if there is none."""
        row = await self.writer.read(lambda unit: unit.batches.get(batch_id))
        if row is None:
            raise BadRequest(
                f"There is no batch {shown(batch_id)}. get_image_job without a job_id lists the recent ones."
            )
        return row

    async def status(self, batch_id: str, *, joined: bool = False) -> BatchStatus:
        """How a batch stands; raises BadRequest if there is none."""
        row = await self.row(batch_id)

        @retry_undone
        def read(repositories: Repositories) -> "tuple[Any, ...]":
            with repositories.unit_of_work(read_only=True) as unit:
                lines, ends = unit.batches.lines(row.id), unit.batches.ends(row)
                states = unit.batches.states(row)
                pictures: list[Picture] = unit.batches.newest_pictures(row, 3 * NEWEST)
            dead = repositories.catalogue_store.dead_owners({row.owner, *(owner for _, owner in states.values())})
            return lines, ends, states, pictures, dead

        lines, ends, states, pictures, dead = await self.writer.run(read)
        # On a server, another replica goes on with it.
        is_left = row.owner in dead and not row.is_cheap and row.state != "ended" and not self.store.is_replica

        def is_lost(state: str, sender: str) -> bool:
            if row.is_cheap:
                return state == "lost" or (state == "sent" and row.owner in dead)
            return state == "lost" or (state == "sent" and (sender in dead or row.state == "ended"))

        lost = frozenset(number for number, (state, sender) in states.items() if is_lost(state, sender))
        status = BatchStatus(row, lines, ends, given(pictures)[-NEWEST:], is_left=is_left, lost=lost, joined=joined)
        return replace(status, usd=await self._cost(status), minutes=self._minutes(status))

    async def _cost(self, status: BatchStatus) -> Decimal | None:
        """What the lines cost, by the ledger: the estimates of those that are not over included."""
        if self.settings.sandbox:
            return None
        from ..catalogue.batch_table import CLOCKS

        start, since = line_id(status.row.id, 0)[:-1], (status.row.created - CLOCKS).astimezone().date()
        return await self.writer.run(lambda repositories: repositories.ledger.batch_cost(start, since=since))

    def _minutes(self, status: BatchStatus) -> float | None:
        """Minutes until a batch that is made now is done; None for a cheap one, and for one that is over."""
        if status.row.is_cheap or status.is_over or not status.left:
            return None
        left = [line for line in status.lines if line.number not in status.ends]
        return self.minutes_for(
            [LINE_REQUESTS[line.tool].model_validate(line.request) for line in left], besides=status.row.id
        )

    def minutes_for(self, requests: Sequence[LineRequest], *, besides: str | None = None) -> float:
        """Minutes until these requests are made, the batches of this process counted in but `besides`."""
        if not requests:
            return 0.0
        load = Load.of(requests).beside([load for name, load in self.loads.items() if name != besides])
        seconds = self.durations.expected(requests[0]) * load.lines / self.settings.max_concurrency
        return max(self.limiter.pace.minutes_for(load.pictures), seconds / 60)
