"""The words by which a draft is made final, around the draft's own prompt."""

from typing import Final

from ..parameters.fields import MAX_PROMPT

_FINISH: Final = (
    "Image 1 is a draft. Change only the finish: clean edges, fine detail. Keep all else as it is in image 1:"
    " composition, subjects, poses, colours, light and every text. It was drawn from these words: "
)


def finishing(prompt: str) -> str:
    """The prompt that makes the final picture of a draft with this one."""
    return f"{_FINISH}{own_words(prompt)}"[:MAX_PROMPT]


def own_words(prompt: str) -> str:
    """A prompt without those words: what a person has said."""
    return prompt.removeprefix(_FINISH)


def is_finishing(prompt: str) -> bool:
    """Whether a prompt makes a draft final."""
    return prompt.startswith(_FINISH)
