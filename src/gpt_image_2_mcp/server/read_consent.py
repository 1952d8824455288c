"""Asks the user before a file is read that lies where programs, and not people, keep pictures.

The question is an elicitation, as in `consent`, and comes before that about the price. Each file is asked about once in
the life of a process. A client that cannot ask reads what was pasted into its chats; other such files are refused.
"""

from collections.abc import Sequence
from contextvars import ContextVar
from typing import Annotated, Any, TypeAlias

from mcp.server.mcpserver import AcceptedElicitation, Context, Elicit, ElicitationResult, Resolve
from pydantic import BaseModel, Field, StrictBool

from ..errors import ConsentRefused, shown
from ..parameters.models import ExportRequest, MakeBatchRequest, PaidRequest, ShowImageRequest
from ..paths.read_policy import PrivateFile
from ..service.images import ImageService
from .client_abilities import can_ask

_ASKED: ContextVar[Sequence[PrivateFile]] = ContextVar("asked", default=())
"""The files of the present call that the question was about."""


class ReadConsent(BaseModel):
    """What the person answers."""

    # Without a default, and nothing that only means yes: see `Consent`.
    read: StrictBool = Field(title="Read it", description="Let this server read the file and send it")


async def ask_to_read(
    request: PaidRequest | ShowImageRequest | ExportRequest | MakeBatchRequest, call: Context[ImageService, Any]
) -> ReadConsent | Elicit[ReadConsent]:
    """Give consent where the user need not or cannot be asked, otherwise the question."""
    service: ImageService = call.request_context.lifespan_context
    if isinstance(request, MakeBatchRequest):
        private = await service.batches.find_private(request)
    else:
        private = await service.find_private(request)
    _ASKED.set(private)
    if private and can_ask(call):
        # In full: an answer counts for the question with the same text, and so for these files alone.
        files = "; ".join(f"{str(file.path)!r}, which is in {file.reason}" for file in private)
        question = f"The assistant asks for a picture from a place where programs keep theirs: {files}."
        return Elicit(f"{question} May this server read it, and send it to the API or show it?", ReadConsent)
    # Nothing else is read without a yes: the file is refused when it is opened.
    service.allow(file for file in private if file.is_pasted)
    _ASKED.set(())
    return ReadConsent(read=True)


ReadAnswer: TypeAlias = Annotated[ElicitationResult[ReadConsent], Resolve(ask_to_read)]
"""The type of a parameter that the SDK fills with the user's answer; it is not in the tool's schema."""


def allow_reading(answer: ElicitationResult[ReadConsent], service: ImageService) -> None:
    """Note the user's yes to the files of the present call.

    Raises:
        ConsentRefused: the user was asked, and said no.

    """
    asked = _ASKED.get()
    if not isinstance(answer, AcceptedElicitation) or not answer.data.read:
        files = ", ".join(shown(str(file.path)) for file in asked)
        raise ConsentRefused(f"The person did not allow {files} to be read. Nothing was sent.")
    service.allow(asked)
