"""Which words of an answer are of no use to a person at another computer than the server."""

import re

from gpt_image_2_mcp.paths.other_computer import OPERATORS_PART

BY_PATH = re.compile(
    r"\b[Pp]aths?\b|\bPATH\b|output_dir|[Tt]his computer|library (?:list|rebuild)|\bfolders? of yours|~/"
)
"""Words of somebody who is at this computer."""
SETTING = re.compile(r"\b(?:GPT_IMAGE_2|OPENAI|SSL|AWS)_[A-Z_]+|`gpt-image-2-mcp ")


def wrong_words(text: str) -> list[str]:
    """What a text says that the person can do nothing with."""
    # A refusal says that this very way is none; the other is a name for programs.
    found = BY_PATH.findall(re.sub(r'reads no file by its path|"path\\*":', "", text))
    return found + (SETTING.findall(text) if OPERATORS_PART not in text else [])
