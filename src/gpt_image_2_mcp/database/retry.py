"""When a database is tried again: at once for a transaction that its server has undone, later where it is not there."""

import logging
from collections.abc import Callable
from functools import wraps
from time import monotonic
from typing import Final, ParamSpec, TypeVar

from ..errors import TransactionUndone

logger = logging.getLogger(__name__)

TRIES: Final = 4
"""How often a transaction is run. Most are undone because of another process or a pause, which is over by then."""

RETRY_SECONDS = 30.0
"""Seconds after which a database that could not be opened or written is tried again in any case.

Making one picture uses the database several times, and each try would wait: so the next one comes after `RETRY_FACTOR`
times as long as the last one has taken, and a try that failed at once is soon repeated.
"""
RETRY_FACTOR = 10.0

ParamsT = ParamSpec("ParamsT")
ResultT = TypeVar("ResultT")


def retry_undone(work: Callable[ParamsT, ResultT]) -> Callable[ParamsT, ResultT]:
    """Have `work`, which runs one transaction, run again when that is undone; the last failure is raised.

    If the connection broke during a commit, it is not known whether the transaction was written. So `work` has to find
    its own rows when it runs again: it inserts only what is not there.
    """

    @wraps(work)
    def run(*args: ParamsT.args, **kwargs: ParamsT.kwargs) -> ResultT:
        for _ in range(TRIES - 1):
            try:
                return work(*args, **kwargs)
            except TransactionUndone as error:
                logger.debug("a transaction is run again: %s", error)
        return work(*args, **kwargs)

    return run


def next_try(began: float) -> float:
    """When to try again what was tried from `began` on until now, by `time.monotonic`."""
    now = monotonic()
    return now + min(RETRY_FACTOR * (now - began), RETRY_SECONDS)
