"""The tool `studio_app`, by which the studio's page works, and the page as a resource.

Hosts show the tool to the page alone (`_meta.ui.visibility`), but some show it to the model too: every argument is
checked as if the model had written it, and budgets and the question about the price hold as for the other tools.
"""

import json
from functools import cache
from typing import Annotated, Any, TypeAlias

from mcp.server.mcpserver import Context, Elicit, ElicitationResult, Resolve
from mcp_types import CallToolResult, TextContent, ToolAnnotations

from ..parameters.base import Request
from ..service.images import ImageService
from ..service.price_question import price_question
from ..studio.page import MIME, page
from ..studio.requests import StudioRequest, parse
from ..studio.studio import Studio
from .answer_room import room_for_pictures
from .client_abilities import can_ask, client_of
from .consent import Consent, require_consent
from .given_up_calls import NOTE_JOB
from .sdk import Extension, ReadResourceContents
from .tool import RequestTool, ResultT

EXTENSION_ID = "io.modelcontextprotocol/ui"


class StudioExtension(Extension):
    """Tells clients that there is a page for hosts of MCP Apps."""

    identifier = EXTENSION_ID


class StudioTool(RequestTool):
    """A tool whose answers are JSON, for a page."""

    def read(self, arguments: dict[str, Any]) -> Request:
        """Read what the page asks."""
        return parse(arguments)

    def finish(self, result: ResultT, *notes: str | None) -> ResultT:
        """Put the sentences into the JSON, as `note`."""
        said = " ".join(filter(None, notes))
        content = result.content if isinstance(result, CallToolResult) else []
        for block in content[:1] if said else []:
            if isinstance(block, TextContent):
                block.text = json.dumps({**json.loads(block.text), "note": said})
        return result


async def ask_before_click(request: StudioRequest, call: Context[ImageService, Any]) -> Consent | Elicit[Consent]:
    """Give consent where a click costs nothing or the user need not be asked, otherwise the question.

    The page has shown the price before the click. That is no consent above the user's limit: this server cannot see
    who has clicked, and a model may have called the tool.
    """
    service: ImageService = call.request_context.lifespan_context
    paid = await Studio(service).to_be_paid(request)
    if paid is None:
        return Consent(go_ahead=True)
    question = await price_question(paid, service, can_ask=can_ask(call))
    return Elicit(question, Consent) if question else Consent(go_ahead=True)


ClickConsent: TypeAlias = Annotated[ElicitationResult[Consent], Resolve(ask_before_click)]


async def studio_app(request: StudioRequest, call: Context[ImageService, Any], consent: ClickConsent) -> CallToolResult:
    """For the studio's page alone: do not call, use the other tools."""
    require_consent(consent)
    service: ImageService = call.request_context.lifespan_context
    studio = Studio(service, client=client_of(call), note_job=NOTE_JOB.get(), room=room_for_pictures)
    return CallToolResult(content=[TextContent(text=json.dumps(await studio.answer(request)))])


@cache
def studio_tool() -> StudioTool:
    """The tool of the page. Its schema names `op` alone: what the page sends beside it only concerns the page."""
    return StudioTool.of(
        studio_app,
        StudioRequest,
        title="The studio's page",
        annotations=ToolAnnotations(read_only_hint=False, destructive_hint=False),
        meta={"ui": {"visibility": ["app"]}},
    )


def page_contents() -> ReadResourceContents:
    """The page as the contents of its resource."""
    return ReadResourceContents(content=page(), mime_type=MIME, meta={"ui": {"prefersBorder": True}})
