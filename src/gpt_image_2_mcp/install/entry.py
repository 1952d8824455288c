"""The server's entry in the text of a client's configuration: what it is, and the text with it or without it."""

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, Final

from ..errors import SetupError
from .clients import Client, Entry
from .formats.json_editor import ItemWith
from .formats.unreadable import Unreadable
from .formats.values import mapping, strings

INPUT: Final = "gpt-image-2-openai-key"
"""The id of the question for the key in VS Code's `inputs`."""
KEY_INPUT: Final[Entry] = {
    "type": "promptString",
    "id": INPUT,
    "description": "OpenAI API key for gpt-image-2",
    "password": True,
}
_INPUT_PATH: Final = ("inputs", ItemWith("id", INPUT))

WAYS_TO_START: Final = frozenset(("command", "args", "cmd", "url", "uri", "serverUrl", "httpUrl", "type", "env_vars"))
"""Members of an entry that say how the server is reached: old ones go when new ones come."""
_ENVIRONMENTS: Final = ("env", "envs", "environment")


class Configuration:
    """The text of one client's file, and where in it the entry `name` is."""

    def __init__(self, client: Client, text: str, name: str, *, shown: str = "The file") -> None:
        """Read the text; `shown` is what a refusal calls it. Raises SetupError if it cannot be read."""
        self.client = client
        self.text = text
        self.shown = shown
        self.path: tuple[str, str] = (client.section, name)
        try:
            self.document: Any = _editor(client).read(text)
        except Unreadable as error:
            raise SetupError(f"{shown} is no {_FORMAT_NAMES[client.format]} ({error}), so it was left alone.") from None

    @property
    def entries(self) -> Mapping[str, Any]:
        """All servers of the file by their names."""
        document = mapping(self.document) or {}
        return mapping(document.get(self.path[0])) or {}

    @property
    def entry(self) -> Entry | None:
        """The entry that is there; None if there is none."""
        return mapping(self.entries.get(self.path[1]))

    def with_entry(self, entry: Entry) -> str:
        """The text with this entry. Of one that is there, only what differs is changed, and what a person added stays.

        Raises:
            SetupError: the place for it is written in a way that cannot be changed.

        """
        editor = _editor(self.client)
        try:
            text = self.text
            old = self.entry
            if old is None:
                text = editor.put(text, self.path, entry)
            else:
                for name in [name for name in old if name in WAYS_TO_START and name not in entry]:
                    text = editor.remove(text, (*self.path, name))
                for path, value in _differences(old, entry):
                    text = editor.put(text, (*self.path, *path), value)
            if _names_input({**environment_of(old or {}), **environment_of(entry)}):
                text = editor.put(text, _INPUT_PATH, KEY_INPUT)
            elif _names_input(environment_of(old or {})):
                text = editor.remove(text, _INPUT_PATH)
        except Unreadable as error:
            raise SetupError(f"{self.shown} was left alone, since {error}. Add the entry of --print by hand.") from None
        return text

    def without_entry(self) -> str:
        """The text without the entry; raises as `with_entry` does."""
        editor = _editor(self.client)
        try:
            text: str = editor.remove(self.text, self.path)
            if _names_input(environment_of(self.entry or {})):
                text = editor.remove(text, _INPUT_PATH)
        except Unreadable as error:
            raise SetupError(f"{self.shown} was left alone, since {error}. Remove the entry by hand.") from None
        return text

    def was(self, before: str | None) -> bool:
        """Whether an earlier text, or no file, became the present one by its entry and nothing else."""
        if self.entry is None:
            return False
        try:
            earlier = Configuration(self.client, before or "", self.path[1])
            return earlier.entry is None and earlier.with_entry(self.entry) == self.text
        except SetupError:
            return False


_FORMAT_NAMES: Final[Mapping[str, str]] = {"json": "JSON with comments", "toml": "TOML", "yaml": "YAML"}


def environment_of(entry: Mapping[str, Any]) -> Mapping[str, str]:
    """The environment variables of an entry, whatever its client calls them."""
    for name in _ENVIRONMENTS:
        found = mapping(entry.get(name))
        if found is not None:
            return {key: str(value) for key, value in found.items()}
    return {}


def command_of(entry: Mapping[str, Any]) -> list[str]:
    """The command of an entry with its arguments; nothing if it names an address."""
    command = entry.get("command", entry.get("cmd"))
    return [command, *strings(entry.get("args"))] if isinstance(command, str) else strings(command)


def _differences(
    old: Mapping[str, Any], new: Mapping[str, Any], path: Sequence[str] = ()
) -> list[tuple[Sequence[str], Any]]:
    """The values of `new` that `old` does not have, each with the names that lead to it."""
    found: list[tuple[Sequence[str], Any]] = []
    for name, value in new.items():
        inner, there = mapping(value), mapping(old.get(name))
        if inner is not None and there is not None:
            found += _differences(there, inner, (*path, name))
        elif old.get(name) != value:
            found.append(((*path, name), value))
    return found


def _names_input(environment: Mapping[str, str]) -> bool:
    return any(INPUT in value for value in environment.values())


def _editor(client: Client) -> ModuleType:
    if client.format == "toml":
        from .formats import toml_editor

        return toml_editor
    if client.format == "yaml":
        from .formats import yaml_editor

        return yaml_editor
    from .formats import json_editor

    return json_editor
