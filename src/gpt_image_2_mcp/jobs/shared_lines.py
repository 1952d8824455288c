"""The lines of a batch that the replicas of a server share: a line is sent by the replica that has the batch."""

from typing import TYPE_CHECKING

from ..errors import JobError
from ..persistence.unit_of_work import UnitOfWork

if TYPE_CHECKING:
    from ..catalogue.batch_table import BatchRow
    from ..catalogue.job_table import JobRow


class BatchTaken(JobError):
    """Another replica makes the batch of a line, or it was cancelled there: the line is not sent here."""

    def __init__(self, line_id: str) -> None:
        """Create the error with its message."""
        super().__init__(f"{line_id} is not sent here: another replica has its batch, or it was cancelled.")


def claim_line(unit: UnitOfWork, row: "JobRow", *, is_sent: bool) -> None:
    """Check that this process may send a line, and with `is_sent`, write that it does.

    Until the end of the transaction, no other replica takes the batch over. A line that this process has sent before
    stays its own: no other one sends it.

    Raises:
        BatchTaken: another replica has the batch, or it was cancelled there.

    """
    batch = held_batch(unit, row.id, row.owner)
    found = unit.jobs.get(row.id)
    if found is None:
        may_send = batch is not None and not batch.is_cancelled
    else:
        may_send = found.owner == row.owner and found.state in ("sent", "lost")
    if not may_send:
        raise BatchTaken(row.id)
    if is_sent:
        unit.jobs.save(row, is_new=found is None)


def held_batch(unit: UnitOfWork, line_id: str, owner: str) -> "BatchRow | None":
    """The batch of a line, which no other process takes over until the end of the transaction; None if one has it."""
    return unit.batches.held(line_id.rpartition("-")[0], owner)
