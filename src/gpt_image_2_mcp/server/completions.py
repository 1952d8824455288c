"""What `completion/complete` offers while a person types: one entry, which asks whoever knows the reference."""

from mcp_types import Completion, CompletionArgument, CompletionContext, PromptReference, ResourceTemplateReference

from .prompts import all_prompts

MAX_VALUES = 100
"""Values in one answer, by the protocol."""


async def complete(
    ref: PromptReference | ResourceTemplateReference, argument: CompletionArgument, _: CompletionContext | None
) -> Completion:
    """The values that go on from what was typed, whatever its capitals; none for an unknown reference."""
    known = _of_prompt(ref, argument.name) if isinstance(ref, PromptReference) else _of_resource(ref, argument.name)
    typed = argument.value.strip().casefold()
    values = [value for value in known if value.casefold().startswith(typed)]
    return Completion(values=values[:MAX_VALUES], total=len(values), has_more=len(values) > MAX_VALUES)


def _of_prompt(ref: PromptReference, argument: str) -> list[str]:
    return [value for prompt in all_prompts() if prompt.name == ref.name for value in prompt.choices(argument)]


def _of_resource(_ref: ResourceTemplateReference, _argument: str) -> list[str]:
    return []
