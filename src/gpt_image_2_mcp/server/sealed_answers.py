"""What a person answered to a question, as the client carries it back: it makes pictures once, however often it comes.

Since 2026-07-28, a call that asks something ends with the question and a sealed `requestState`, and the client sends
the same call again with the state and the answer. No two seals are alike, so a seal tells one answer from the next: a
call with one that has come before gets the job that was begun then.
"""

import hashlib
import os
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final

from mcp.server import ServerRequestContext
from mcp.server.request_state import AESGCMRequestStateCodec, RequestStateSecurity

from ..jobs.job import ANSWER

SEALED_ANSWER: Final[ContextVar[str | None]] = ContextVar("sealed_answer", default=None)
"""The wish of a call with a sealed answer; see `Job.wish`."""


class _NotedSeals(AESGCMRequestStateCodec):
    def unseal(self, token: str) -> bytes:
        """Note whose seal was opened. A token can be written in one way only, or it is refused."""
        content = super().unseal(token)
        SEALED_ANSWER.set(ANSWER + hashlib.sha256(token.encode()).hexdigest())
        return content


def sealing(secret: str | None, person: Callable[[ServerRequestContext[Any, Any]], str | None]) -> RequestStateSecurity:
    """Seals with a secret that other processes have too, or with one of this process; it counts for one person."""
    return RequestStateSecurity(
        codec=_NotedSeals([secret or os.urandom(32)]), bind_principal=person, audience="gpt-image-2-mcp"
    )
