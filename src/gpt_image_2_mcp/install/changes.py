"""What `install` does to the file of one client: worked out first, shown, and then written."""

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..errors import SetupError
from .clients import Client, Entry
from .config_file import ConfigFile, read_backup, read_config, replace_config
from .entry import Configuration, command_of, environment_of
from .formats.values import mapping
from .key_choice import VARIABLE, KeyChoice, KeySources, known_key
from .launch import PACKAGE, Launch
from .systems import System

HIDDEN_KEY: Final = "sk-…"


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one client's file; `after` is the new text, None to remove the file."""

    client: Client
    file: ConfigFile
    after: str | None
    key: KeyChoice | None = None
    notes: tuple[str, ...] = ()
    spare_backups: tuple[Path, ...] | None = None
    """The copies that are not needed when `after` is again what was there before the entry; None if it is not."""

    @property
    def changes_nothing(self) -> bool:
        """Whether the file is already as it should be."""
        return self.file.text == self.after

    def diff(self) -> str:
        """The lines that come and go, with the place of the key left blank."""
        before, after = ((text or "").splitlines() for text in (self.file.text, self.after))
        lines = list(difflib.unified_diff(before, after, "", "", n=0, lineterm=""))[2:]
        text = "\n".join(lines)
        return text.replace(self.key.secret, HIDDEN_KEY) if self.key and self.key.secret else text

    def write(self) -> Path | None:
        """Write it, and give the path of the copy of what was there; raises SetupError."""
        backup = replace_config(self.file, self.after, keep_old=self.spare_backups is None)
        for spare in self.spare_backups or ():
            spare.unlink(missing_ok=True)
        return backup


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asked for, for all clients alike."""

    name: str
    launch: Launch
    keys: KeySources
    project: Path | None = None
    """The folder of a project whose files are meant, instead of the person's own."""
    needs_key: bool = True

    def file_of(self, client: Client, system: System) -> Path:
        """The client's file; raises SetupError if it has none for projects."""
        if self.project is None:
            return client.user_file(system)
        if client.project_file is None:
            raise SetupError("It has no file for a project. Leave --project out.")
        return self.project / client.project_file


def plan_install(client: Client, system: System, wanted: Wanted) -> Change:
    """Work out the text with the entry; raises SetupError."""
    file = read_config(wanted.file_of(client, system))
    configuration = Configuration(client, file.text or "", wanted.name, shown=str(file.path))
    old = configuration.entry or {}
    key = None
    launch = wanted.launch
    if wanted.needs_key:
        key = wanted.keys.choose(client, environment_of(old), file.path, shared=wanted.project is not None)
        launch = Launch(launch.command, launch.args, {**launch.env, **key.env}, key.forwarded)
    entry = client.entry(launch)
    return _checked(Change(client, file, configuration.with_entry(entry), key, _notes(configuration, file, key)))


def plan_uninstall(client: Client, system: System, wanted: Wanted) -> Change:
    """Work out the text without the entry; raises SetupError."""
    file = read_config(wanted.file_of(client, system))
    if file.text is None:
        return Change(client, file, None)
    configuration = Configuration(client, file.text, wanted.name, shown=str(file.path))
    copies = {path: text for path in file.backups() if (text := _text_of(path)) is not None}
    key = KeyChoice("", secret=known_key(environment_of(configuration.entry or {})))
    for before in (*copies.values(), None):
        if configuration.was(before):
            spare = (
                path for path, text in copies.items() if text == before or _is_with_entry(client, wanted, text, before)
            )
            return _checked(Change(client, file, before, key, spare_backups=tuple(spare)))
    return _checked(Change(client, file, configuration.without_entry(), key))


def _checked(change: Change) -> Change:
    """The change, if it can be written as far as that is known now: before a person agrees to it. Raises SetupError."""
    if not change.changes_nothing:
        change.file.check_writable()
    return change


def _is_with_entry(client: Client, wanted: Wanted, text: str, before: str | None) -> bool:
    """Whether a text is an earlier one with an entry of this name, and nothing else."""
    try:
        return Configuration(client, text, wanted.name).was(before)
    except SetupError:
        return False


def snippet(client: Client, wanted: Wanted) -> str:
    """What a person can put into the client's file: the entry in an otherwise empty one.

    The key is named if the client or `wanted` can, and otherwise a place for it is left. Raises SetupError.
    """
    launch = wanted.launch
    if wanted.needs_key:
        key = wanted.keys.choose(client, {}, Path(), shared=True)
        env = key.env or ({} if key.forwarded else {VARIABLE: HIDDEN_KEY})
        launch = Launch(launch.command, launch.args, {**launch.env, **env}, key.forwarded)
    return Configuration(client, "", wanted.name).with_entry(client.entry(launch)).rstrip("\n")


def _notes(configuration: Configuration, file: ConfigFile, key: KeyChoice | None) -> tuple[str, ...]:
    notes: list[str] = []
    others = [
        name
        for name, entry in configuration.entries.items()
        if name != configuration.path[1] and runs_this_program(mapping(entry) or {})
    ]
    if others:
        notes.append(f"{', '.join(map(repr, others))} starts this program as well; remove it with --uninstall --name.")
    if key is not None and key.env.get(VARIABLE) == key.secret and key.secret and file.others_can_read:
        notes.append(f"Other users of this computer can read {file.path}: run `chmod 600` on it, or use --key-file.")
    return tuple(notes)


def runs_this_program(entry: Entry) -> bool:
    """Whether an entry starts this program, in whatever way."""
    return any(PACKAGE in part or "gpt_image_2_mcp" in part for part in command_of(entry))


def _text_of(path: Path) -> str | None:
    data = read_backup(path)
    try:
        return None if data is None else data.decode()
    except UnicodeDecodeError:
        return None
