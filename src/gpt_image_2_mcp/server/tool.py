"""Tools whose parameters are the fields of one request model.

The SDK derives a tool's parameters from a function's signature, ignores unknown arguments and answers wrong ones with
pydantic's own words. Here the request model is the signature: its schema is what clients are shown, and `parse` checks
what they send and says what is wrong with it.
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
from ..parameters.models import Request, parse
from ..service.images import ImageService

logger = logging.getLogger(__name__)

RequestT = TypeVar("RequestT", bound=Request)
Handler = Callable[Concatenate[RequestT, Context[Any, Any], ...], Awaitable[CallToolResult]]
"""Takes the request, the call, and what resolvers fill."""


CALL_ARRIVED_AT: ContextVar[float] = ContextVar("arrived")
"""When the call that is served arrived, by `anyio.current_time`."""


class RequestTool(Tool):
    """A tool that takes one request model; what goes wrong in a way its caller can act on is its answer."""

    request: type[Request] = Field(exclude=True)

    @classmethod
    def of(
        cls, handler: Handler[RequestT], request: type[RequestT], *, title: str, annotations: ToolAnnotations
    ) -> Self:
        """Make a tool of a handler: its name is the tool's, its docstring what the model reads."""
        description = " ".join((handler.__doc__ or "").split())
        tool = Tool.from_function(handler, title=title, description=description, annotations=annotations)
        return cls.model_validate({**dict(tool), "parameters": closed_schema(request), "request": request})

    async def run(
        self, arguments: dict[str, Any], context: Context[Any, Any], convert_result: bool = False
    ) -> CallToolResult | InputRequiredResult:
        """Check the arguments, ask the person where that is wanted, do the work; an error is answered as its text."""
        del convert_result  # A handler gives a result, never a value to convert.
        service: ImageService = context.request_context.lifespan_context
        try:
            CALL_ARRIVED_AT.set(service.arrival())
            service.settings.require_valid()
            request = await service.complete(parse(self.request, arguments))
            return await self._run_handler(request, context)
        except GptImageError as error:
            text = str(error)
        except (MCPError, ToolError):
            raise
        except Exception as error:
            logger.exception("%s failed", self.name)
            text = (
                f"{self.name} failed by an error in this program ({type(error).__name__}), which stderr tells more of."
                " What was paid for is saved: list_images finds it, or the output folder has it."
            )
        text = shorten(service.settings.redact(text), MAX_TEXT)
        return CallToolResult(content=[TextContent(text=text)], is_error=True)

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


def closed_schema(request: type[Request]) -> dict[str, Any]:
    """A request model's JSON schema as every client takes it: flat, closed, required parameters first, no noise."""
    schema = request.model_json_schema()
    properties = {
        name: _plain_field(field) for name, field in cast("dict[str, Any]", schema.get("properties", {})).items()
    }
    required = [name for name in properties if name in schema.get("required", [])]
    order = [*required, *(name for name in properties if name not in required)]
    closed: dict[str, Any] = {
        "type": "object",
        "properties": {name: properties[name] for name in order},
        "additionalProperties": False,
    }
    return closed | ({"required": required} if required else {})


def _plain_field(field: Mapping[str, Any]) -> dict[str, Any]:
    """Without pydantic's titles, and without the null that a parameter left out stands for."""
    if "anyOf" in field:
        (choice,) = (part for part in cast("list[dict[str, Any]]", field["anyOf"]) if part != {"type": "null"})
        field = {**choice, **{key: value for key, value in field.items() if key not in ("anyOf", "default")}}
    # An empty default is no value that the schema would take: the parameter may be left out, and that is all.
    return {key: value for key, value in field.items() if key != "title" and (key, value) != ("default", "")}
