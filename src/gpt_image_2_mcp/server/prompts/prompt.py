"""`RequestPrompt`: a prompt whose arguments are the fields of one model, like the parameters of a `RequestTool`.

`parameters.models.parse` checks what the user typed and explains what is wrong with it.
"""

from collections.abc import Callable
from typing import Any, Self, TypeVar, cast

from mcp import MCPError
from mcp.server.mcpserver import Context, Message, UserMessage
from mcp.server.mcpserver.prompts import Prompt
from mcp_types import INVALID_PARAMS
from pydantic import ConfigDict, Field, model_validator

from ...errors import BadRequest
from ...parameters.models import Request, parse
from ..sdk import PromptArgument


class Arguments(Request):
    """The base of all arguments. Clients send an empty field of a form as a blank text, which counts as left out."""

    model_config = ConfigDict(json_schema_extra=None)  # Fields stay in the order in which they are declared.

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, typed: dict[str, str]) -> dict[str, str]:
        return {name: text.strip() for name, text in typed.items() if text.strip()}


ArgumentsT = TypeVar("ArgumentsT", bound=Arguments)


class RequestPrompt(Prompt):
    """A prompt that takes one model of arguments and gives one user message."""

    request: type[Arguments] = Field(exclude=True)

    @classmethod
    def of(cls, compose: Callable[[ArgumentsT], str], request: type[ArgumentsT], *, title: str) -> Self:
        """Make a prompt of a function: its name becomes the prompt's, its docstring the description users read."""
        return cls(
            fn=compose,
            name=getattr(compose, "__name__"),  # noqa: B009 - it is a function, which its type cannot say
            title=title,
            description=" ".join((compose.__doc__ or "").split()),
            arguments=[
                PromptArgument(name=name, description=field.description, required=field.is_required())
                for name, field in request.model_fields.items()
            ],
            context_kwarg=None,
            request=request,
        )

    async def render(self, arguments: dict[str, Any] | None, context: Context[Any, Any]) -> list[Message]:
        """Make the message.

        Raises:
            MCPError: an argument is missing, unknown, too long or none of the choices (invalid params).

        """
        del context
        try:
            request = parse(self.request, arguments or {})
        except BadRequest as error:
            raise MCPError(INVALID_PARAMS, str(error)) from None
        return [UserMessage(cast("str", self.fn(request)))]

    def choices(self, argument: str) -> list[str]:
        """The values of an argument's `Literal`, or its `examples`; none if it has neither."""
        field: dict[str, Any] = self.request.model_json_schema()["properties"].get(argument, {})
        return field.get("enum") or field.get("examples", [])
