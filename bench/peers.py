"""Other servers, as the command line names them: `--peer 'name=command'` and what goes with it."""

import json
import shlex
from collections.abc import Sequence
from typing import Any

from .workspace import Subject


def read_peers(commands: Sequence[str], tools: Sequence[str], arguments: Sequence[str]) -> Sequence[Subject]:
    """Make subjects of `name=…` options.

    Raises:
        ValueError: one of them is not of that form, or its JSON is broken.

    """
    tool_of, arguments_of = _pairs(tools), _pairs(arguments)
    peers = _pairs(commands)
    if strangers := (tool_of.keys() | arguments_of.keys()) - peers.keys():
        raise ValueError(f"there is no peer {', '.join(sorted(strangers))}")
    return [
        Subject(
            name,
            tuple(shlex.split(command)),
            "peer",
            tool=tool_of.get(name, "generate_image"),
            **({"arguments": _object(arguments_of[name])} if name in arguments_of else {}),
        )
        for name, command in peers.items()
    ]


def _pairs(options: Sequence[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not (name and equals and value):
            raise ValueError(f"{option!r} is not of the form name=value")
        pairs[name] = value
    return pairs


def _object(text: str) -> dict[str, Any]:
    given: Any = json.loads(text)
    if not isinstance(given, dict):
        raise ValueError(f"{text!r} is not a JSON object")  # noqa: TRY004 - of the command line's making
    return {str(name): value for name, value in given.items()}  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
