"""What is known of who asks, beyond whose service it is: set for each request over HTTP."""

from contextvars import ContextVar
from typing import Final

SEES_TEAM: Final[ContextVar[bool]] = ContextVar("sees_team", default=False)
"""Whether the person may see what all people together spend: a member of a group in `GPT_IMAGE_2_ADMINS`."""
