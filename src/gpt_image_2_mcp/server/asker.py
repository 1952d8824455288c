"""What is known of who asks, beyond whose service it is: set for each request over HTTP."""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Final

SEES_TEAM: Final[ContextVar[bool]] = ContextVar("sees_team", default=False)
"""Whether the person may see what all people together spend: a member of a group in `GPT_IMAGE_2_ADMINS`."""

WISH: Final[ContextVar[str | None]] = ContextVar("wish", default=None)
"""What is the same for a request that comes twice, or a person's answer that does; see `Job.wish`."""
WHEN_SENT: Final[ContextVar[list[Callable[[], None]]]] = ContextVar("when_sent")
"""What is to be called when the answer to the request has left the server."""
