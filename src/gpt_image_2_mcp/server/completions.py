"""What `completion/complete` offers while a person types: one entry, which asks whoever knows the reference."""

from mcp_types import Completion, CompletionArgument, PromptReference, ResourceTemplateReference

from ..service.images import ImageService
from . import results
from .prompts.templates import all_prompts

MAX_VALUES = 100
"""Values in one answer, by the protocol."""


async def complete(
    ref: PromptReference | ResourceTemplateReference, argument: CompletionArgument, service: ImageService | None
) -> Completion:
    """The values that go on from what was typed, whatever its capitals; none for an unknown reference."""
    typed = argument.value.strip().casefold()
    if isinstance(ref, PromptReference):
        known = _prompt_choices(ref, argument.name)
    else:
        known = await _resource_ids(ref.uri, argument.name, typed, service)
    values = [value for value in known if value.casefold().startswith(typed)]
    if len(values) > MAX_VALUES:
        # How many there are in all, nobody has counted.
        return Completion(values=values[:MAX_VALUES], has_more=True)
    return Completion(values=values, total=len(values), has_more=False)


def _prompt_choices(ref: PromptReference, argument: str) -> list[str]:
    return [value for prompt in all_prompts() if prompt.name == ref.name for value in prompt.choices(argument)]


async def _resource_ids(template: str, argument: str, typed: str, service: ImageService | None) -> list[str]:
    if service is None or argument != "id":
        return []
    match template:
        case results.PICTURE_URI:
            return await service.library.picture_ids(typed, MAX_VALUES + 1)
        case results.SESSION_URI:
            return await service.library.session_ids(typed, MAX_VALUES + 1)
        case _:
            return []
