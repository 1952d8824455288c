"""Answers `completion/complete`: values that a client offers while the user types an argument."""

from mcp_types import Completion, CompletionArgument, PromptReference, ResourceTemplateReference

from ..service.images import ImageService
from . import results
from .prompts.templates import all_prompts

MAX_VALUES = 100
"""Values in one answer; the protocol allows no more (specification of 2025-11-25, `completion/complete`)."""


async def complete(
    ref: PromptReference | ResourceTemplateReference, argument: CompletionArgument, service: ImageService | None
) -> Completion:
    """Give the values that begin with what was typed, ignoring case.

    A prompt's argument has the values of its `Literal` or `examples`; the id in a resource's URI those in the
    catalogue. An unknown prompt, argument or template has none.

    Raises:
        GptImageError: the catalogue cannot be read.

    """
    typed = argument.value.strip().casefold()
    if isinstance(ref, PromptReference):
        known = _prompt_choices(ref, argument.name)
    else:
        known = await _resource_ids(ref.uri, argument.name, typed, service)
    values = [value for value in known if value.casefold().startswith(typed)]
    if len(values) > MAX_VALUES:
        # The catalogue was asked for one more than fits, so the total is unknown.
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
