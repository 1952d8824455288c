"""The rows of jobs as they are true at the moment at which they are read."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..persistence.unit_of_work import Repositories, UnitOfWork
from .serialization import is_readable

if TYPE_CHECKING:
    from ..catalogue.job_table import JobRow


def current(repositories: Repositories, unit: UnitOfWork, rows: "Sequence[JobRow]") -> "list[JobRow]":
    """The rows as they are true now, when the processes of some of them may be gone.

    A job that such a process had sent is lost, until it shows otherwise. One that it had not sent goes on waiting if
    another replica can make it; otherwise it is left out, since nothing was done for it. The table is not changed here:
    `Repositories.recover` does that at the next start, and logs what it finds. Rows that only a later version
    understands are left out.
    """
    dead = repositories.catalogue_store.dead_owners({row.owner for row in rows if not is_final(row)})
    offered = unit.queue.offered([row.id for row in rows if row.owner in dead and row.state == "queued"])
    current: list[JobRow] = []
    for row in filter(is_readable, rows):
        if is_final(row):
            current.append(row)
        elif row.owner not in dead:
            # A job that was declared lost while its process could not be seen goes on.
            current.append(replace(row, state="sent", ended=None) if row.state == "lost" else row)
        elif row.state != "queued":
            current.append(replace(row, state="lost", given_up=True))
        elif row.id in offered:
            current.append(replace(row, given_up=True))
    return current


def is_final(row: "JobRow") -> bool:
    """Whether a job has an outcome; that it is lost is only what another process could see at a moment."""
    return row.state in ("done", "failed")
