"""Runs a transaction again that the database server has undone."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Final, ParamSpec, TypeVar

from ..errors import TransactionUndone

logger = logging.getLogger(__name__)

TRIES: Final = 4
"""How often a transaction is run. Most are undone because of another process or a pause, which is over by then."""

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
