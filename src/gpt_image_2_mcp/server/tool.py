"""`RequestTool`: a tool whose parameters are the fields of one request model.

The SDK's own tools take their parameters from a function's signature, ignore unknown arguments and answer wrong ones
with pydantic's messages. Here the request model is the signature: clients see its schema (`flat_schema`), and
`parameters.models.parse` checks the arguments and explains what is wrong with them.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any, Concatenate, Self, TypeVar, cast

from mcp import MCPError
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.mcpserver.tools import Tool
from mcp_types import CallToolResult, InputRequiredResult, TextContent, ToolAnnotations
from pydantic import Field

from ..errors import GptImageError, InvalidConsentAnswer, shorten
from ..jobs.report import MAX_TEXT
from ..parameters.models import PaidRequest, Request, parse
from ..paths.other_computer import operators_part
from ..redaction.printable import printable
from ..service.images import ImageService
from ..telemetry import count_refusal
from .server_paths import cleared, text_of

logger = logging.getLogger(__name__)

RequestT = TypeVar("RequestT", bound=Request)
ResultT = TypeVar("ResultT", bound=CallToolResult | InputRequiredResult)
Handler = Callable[Concatenate[RequestT, Context[Any, Any], ...], Awaitable[CallToolResult]]
"""A tool's function: takes the request, the call, and parameters that the SDK fills (`ConsentAnswer`)."""

CALL_ARRIVED_AT: ContextVar[float] = ContextVar("arrived")
"""When the call that is being answered arrived, by `anyio.current_time`."""


class RequestTool(Tool):
    """A tool that takes one request model, and answers every failure with a text that says what to do."""

    request: type[Request] = Field(exclude=True)

    @classmethod
    def of(
        cls,
        handler: Handler[RequestT],
        request: type[RequestT],
        *,
        title: str,
        annotations: ToolAnnotations,
        meta: dict[str, Any] | None = None,
    ) -> Self:
        """Make a tool of a handler: its name becomes the tool's name, its docstring the tool's description."""
        description = " ".join((handler.__doc__ or "").split())
        tool = Tool.from_function(handler, title=title, description=description, annotations=annotations, meta=meta)
        return cls.model_validate({**dict(tool), "parameters": flat_schema(request), "request": request})

    async def run(
        self, arguments: dict[str, Any], context: Context[Any, Any], convert_result: bool = False
    ) -> CallToolResult | InputRequiredResult:
        """Parse the arguments, complete them from `like`, and run the handler; the SDK calls this for `tools/call`."""
        del convert_result  # A handler gives a finished result.
        service: ImageService = context.request_context.lifespan_context
        async with service.desk.laid_out():
            result = await self._answer(arguments, context, service)
        return self.finish(result, service.desk.reminder())

    async def _answer(
        self, arguments: dict[str, Any], context: Context[Any, Any], service: ImageService
    ) -> CallToolResult | InputRequiredResult:
        try:
            CALL_ARRIVED_AT.set(service.arrival())
            service.settings.require_valid()
            request = await service.complete(self.read(arguments))
            result = await self._run_handler(request, context)
            # The report of a picture says by itself whether it is in the catalogue.
            incomplete = None if isinstance(request, PaidRequest) else service.incomplete
            result = self.finish(result, *request.notes, incomplete, service.stuck)
            if service.links is None:
                return result
            result = cleared(result, service.links.told)
            return self.finish(result, operators_part(text_of(result)))
        except GptImageError as error:
            count_refusal(type(error).__name__, tool=self.name)
            text = str(error)
        except (MCPError, ToolError):
            raise
        except Exception as error:
            count_refusal("fault of the program", tool=self.name)
            logger.exception("%s failed", self.name)
            text = (
                f"{self.name} failed by an error in this program ({type(error).__name__}); stderr has the details."
                " What was paid for is saved: list_images finds it, or the output folder has it."
            )
        text = service.settings.redact(text)
        text = shorten(service.links.told_error(text) if service.links else text, MAX_TEXT)
        return _finished(CallToolResult(content=[TextContent(text=text)], is_error=True), service.stuck)

    def read(self, arguments: dict[str, Any]) -> Request:
        """Read the arguments of a call; raises BadRequest."""
        return parse(self.request, arguments)

    def finish(self, result: ResultT, *notes: str | None) -> ResultT:
        """Add sentences to an answer that the handler gave."""
        return _finished(result, *notes)

    async def _run_handler(self, request: Request, context: Context[Any, Any]) -> CallToolResult | InputRequiredResult:
        """Let the SDK call the handler with `request` as its one argument, and raise what the handler raised.

        An `InputRequiredResult` is the question of a resolver, which the client answers by calling again.
        """
        try:
            return await super().run({"request": request}, context)
        except UnexpectedToolError as error:
            # The SDK's wrapper hides an error's text from the client; ours is written for the client.
            failure = error.__cause__ or error
        except ToolError as error:
            # Handlers raise none: the client answered a resolver's question in a form that was not asked for.
            raise InvalidConsentAnswer from error
        raise failure


def _finished(result: ResultT, *notes: str | None) -> ResultT:
    """Add sentences to the text of an answer, and replace what steers a terminal or hides words."""
    content = result.content if isinstance(result, CallToolResult) else []
    texts = [block for block in content if isinstance(block, TextContent)]
    if texts:
        texts[0].text += "".join(f"\nNote: {note}" for note in notes if note)
    for block in texts:
        block.text = printable(block.text)
    return result


def flat_schema(request: type[Request]) -> dict[str, Any]:
    """A request model's JSON schema in the form that every client accepts.

    It is flat, without `$defs` and `anyOf`; required parameters come first; and it has none of the titles and null
    defaults that pydantic adds. It has no `additionalProperties`, since google-genai fails on `false`: the request
    model refuses other parameters.
    """
    schema = request.model_json_schema()
    properties = {
        name: _plain_field(field) for name, field in cast("dict[str, Any]", schema.get("properties", {})).items()
    }
    required = [name for name in properties if name in schema.get("required", [])]
    order = [*required, *(name for name in properties if name not in required)]
    flat: dict[str, Any] = {"type": "object", "properties": {name: properties[name] for name in order}}
    return flat | ({"required": required} if required else {})


def _plain_field(field: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of one field without its title, and without the null that pydantic adds for optional fields."""
    if "anyOf" in field:
        (choice,) = (part for part in cast("list[dict[str, Any]]", field["anyOf"]) if part != {"type": "null"})
        field = {**choice, **{key: value for key, value in field.items() if key not in ("anyOf", "default")}}
    # An empty text as default would break the field's own rules (`minLength`); it only means that it may be left out.
    plain = {key: value for key, value in field.items() if key != "title" and (key, value) != ("default", "")}
    # That an object may have any keys goes without saying.
    plain.pop("additionalProperties", None)
    if "items" in plain:
        plain["items"] = {key: value for key, value in plain["items"].items() if key != "additionalProperties"}
    return plain
