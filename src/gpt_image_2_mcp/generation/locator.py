"""`PaidLocator`: has the host model look for something in a picture, and keeps what it costs in the ledger.

What was found is remembered, so that a mask that was shown, or a call that is repeated, is not paid again.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Final, Literal
from uuid import uuid4

import anyio
import anyio.to_thread

from ..billing.budgets import Budgets, ChargeEnd, ChargeEntry, local_now
from ..billing.prices import dollars, host_cost
from ..billing.tokens import Usage
from ..database.retry import retry_undone
from ..errors import ApiError, BadAnswer, GptImageError, UnreadableSource
from ..images.headers import facts
from ..images.preview import POINTING_EDGE, make_preview
from ..masks.found import Place, Search
from ..openai_api.lazy_backend import LazyBackend
from ..openai_api.request_status import RequestStatus
from ..persistence.unit_of_work import Repositories
from ..persistence.writer_thread import WriterThread
from ..redaction.printable import quoted_line
from ..settings import Settings
from .api_key import load_key

if TYPE_CHECKING:
    from ..openai_api.api_result import HostUsage
    from ..openai_api.locate import Located

MAX_REMEMBERED: Final = 200
"""Searches whose result is remembered."""
MAX_SENT_BYTES: Final = 400_000
"""Bytes of the copy of the picture that is sent."""
_EXPECTED_TOKENS: Final = (2500, 200)
"""Tokens in and out of a search: the picture at 1024 pixels takes 765 to 2,400 of them, depending on the model."""

_State = Literal["settled", "unknown", "released"]

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Charge:
    """The row of the ledger for one search."""

    budgets: Budgets
    entry: ChargeEntry
    estimate: Decimal | None
    row: int | None = None
    was_tried: bool = False
    begun: datetime = field(default_factory=local_now)

    def reserve(self, repositories: Repositories, *, is_sent: bool) -> None:
        """Insert the row; raises OverBudget or NoPrice where a budget does not allow it."""
        repositories.replay()
        again, self.was_tried = self.was_tried, True
        self.row = repositories.ledger.reserve(
            self.entry,
            estimate=self.estimate,
            budgets=self.budgets,
            is_sent=is_sent,
            again=again,
        )


class PaidLocator:
    """The `Locator` of one process."""

    def __init__(self, settings: Settings, backend: LazyBackend, writer: WriterThread, budgets: Budgets) -> None:
        """Send through `backend`, and write what it costs through `writer`."""
        self._settings = settings
        self._backend = backend
        self._writer = writer
        self._budgets = budgets
        self._known = OrderedDict[tuple[str, str], Search]()
        self._looking = anyio.Lock()

    async def __call__(self, words: str, picture: bytes, sha256: str) -> Search:
        """Look for `words` in a picture; see `masks.found.Locator`."""
        # One at a time: the same call that comes again meanwhile finds what the first one paid for.
        async with self._looking:
            key = (sha256, words.lower())
            if key in self._known:
                return self._known[key]
            # The answer is paid for once the request is sent, so it is waited for whatever happens to the call.
            with anyio.CancelScope(shield=True):
                self._known[key] = await self._search(words, picture)
            while len(self._known) > MAX_REMEMBERED:
                self._known.popitem(last=False)
            return self._known[key]

    async def _search(self, words: str, picture: bytes) -> Search:
        settings, model = self._settings, self._settings.responses_edit_model
        settings.require_key()
        await load_key(settings)
        preview = await anyio.to_thread.run_sync(
            partial(make_preview, picture, facts(picture), share=MAX_SENT_BYTES, max_edge=POINTING_EDGE)
        )
        if preview is None:
            raise UnreadableSource("The picture is too large to be looked through: give the mask as a shape.")
        charge = _Charge(
            self._budgets,
            ChargeEntry(model, "find", "find", pictures=0, job=f"find-{uuid4().hex}"),
            await anyio.to_thread.run_sync(host_cost, model, _EXPECTED_TOKENS[0], 0, _EXPECTED_TOKENS[1]),
        )
        if self._budgets.any and not settings.sandbox:
            await self._writer.run(retry_undone(partial(charge.reserve, is_sent=False)))
        status = RequestStatus(before_sending=partial(self._mark_sent, charge))
        backend = await self._backend.get()
        try:
            located = await backend.locate(words, f"data:{preview.mime_type};base64,{preview.base64}", status)
        except BaseException as error:
            await self._end_without(charge, status, error)
            if isinstance(error, ApiError):
                error.redact(settings.redact)
            raise
        cost = await anyio.to_thread.run_sync(_cost, located.usage)
        await self._end(charge, "released" if located.sandbox else "settled", located, cost)
        places = [Place(quoted_line(settings.redact(found.label)), found.words, found.sure) for found in located.found]
        price = "" if cost is None else f", for about {dollars(cost)}"
        return Search(places, f"{model}{'' if located.sandbox else price}")

    async def _mark_sent(self, charge: _Charge) -> None:
        """Record that the search may be billed from now on."""
        if self._settings.sandbox:
            return

        @retry_undone
        def write(repositories: Repositories) -> None:
            if charge.row is None:
                charge.reserve(repositories, is_sent=True)
            else:
                repositories.ledger.mark_sent(charge.row)

        await self._written(write)

    async def _end_without(self, charge: _Charge, status: RequestStatus, error: BaseException) -> None:
        from ..openai_api.locate import cost_of

        is_free = isinstance(error, ApiError) and error.from_sandbox
        usage = cost_of(error) if isinstance(error, GptImageError) else None
        cost = await anyio.to_thread.run_sync(_cost, usage)
        may_be_billed = (status.sent > 0 or isinstance(error, BadAnswer)) and not is_free
        await self._end(charge, "unknown" if may_be_billed else "released", None, cost)

    async def _end(self, charge: _Charge, state: _State, located: "Located | None", cost: Decimal | None) -> None:
        if self._settings.sandbox or (charge.row is None and state == "released"):
            return
        counts: Usage | None = None
        if located is not None and located.usage is not None:
            usage = located.usage
            counts = Usage(
                input_tokens=usage.input_tokens,
                text_tokens=usage.input_tokens,
                image_tokens=0,
                output_tokens=usage.output_tokens,
                output_text_tokens=usage.output_tokens,
            )
        end = ChargeEnd(
            charge.entry,
            charge.estimate,
            charge.begun,
            state,
            usage=counts,
            usd=cost,
            request_id=located.request_id if located else None,
        )
        await self._written(retry_undone(lambda repositories: repositories.ledger.end(end, charge=charge.row)))

    async def _written(self, write: Callable[[Repositories], None]) -> None:
        """Write to the ledger; where no budget is set, a ledger that cannot be written stops nothing."""
        try:
            await self._writer.run(write)
        except GptImageError as error:
            if self._budgets.any:
                raise
            logger.warning("spending is not recorded: %s", error)


def _cost(usage: "HostUsage | None") -> Decimal | None:
    if usage is None:
        return None
    return host_cost(usage.model, usage.input_tokens, usage.cached_tokens, usage.output_tokens)
