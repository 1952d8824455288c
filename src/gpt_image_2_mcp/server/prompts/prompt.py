"""Prompts whose arguments are the fields of one model, as the tools' parameters are.

What a person typed is checked by `parse`, like a tool's arguments, and answered in the same words. A field's
`Literal` or `examples` are what completion offers for it.
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
    """What a person typed. Clients send a field that was left empty as a blank text: it counts as left out."""

    model_config = ConfigDict(json_schema_extra=None)  # The order is the one in which the fields are declared.

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, typed: dict[str, str]) -> dict[str, str]:
        return {name: text.strip() for name, text in typed.items() if text.strip()}


ArgumentsT = TypeVar("ArgumentsT", bound=Arguments)


class RequestPrompt(Prompt):
    """A prompt that takes one model of arguments and gives one message of the user."""

    request: type[Arguments] = Field(exclude=True)

    @classmethod
    def of(cls, compose: Callable[[ArgumentsT], str], request: type[ArgumentsT], *, title: str) -> Self:
        """Make a prompt of a function: its name is the prompt's, its docstring what a person reads."""
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
        """The message.

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
        """The values that an argument has, or some that go well; none where any text will do."""
        field: dict[str, Any] = self.request.model_json_schema()["properties"].get(argument, {})
        return field.get("enum") or field.get("examples", [])
