"""Checks of each client's entry: which version it starts, with which command, and whether that answers in time."""

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from .. import __version__
from ..errors import SetupError
from ..install.changes import runs_this_program
from ..install.clients import CLIENTS, Client
from ..install.config_file import read_config
from ..install.entry import Configuration, command_of, environment_of
from ..install.formats.values import mapping
from ..install.systems import System
from ..settings import Settings
from .configuration import unread_variables
from .finding import Finding, green, red, yellow
from .start import Starter

SLOW_S: Final = 10.0
"""Codex gives a server that has no `startup_timeout_sec` so long."""

Entry = Mapping[str, Any]


def found_entries(system: System) -> Iterator[tuple[Client, str, Entry]]:
    """The entries of this program in the files of all clients, with their names; those that cannot be read are left."""
    for client in CLIENTS.values():
        try:
            text = read_config(client.user_file(system)).text
            entries = Configuration(client, text or "", "").entries
        except SetupError:
            continue
        for name, entry in entries.items():
            found = mapping(entry)
            if found is not None and (runs_this_program(dict(found)) or name == "gpt-image-2"):
                yield client, name, found


def key_environment(system: System) -> tuple[str, Mapping[str, str]] | None:
    """The first client's entry that has the key, and its variables that are this program's."""
    for client, _, entry in found_entries(system):
        environment = {
            name: value
            for name, value in environment_of(entry).items()
            if name in Settings.variables() and not value.startswith(("${", "{"))
        }
        if environment.keys() & {"OPENAI_API_KEY", "OPENAI_API_KEY_FILE", "GPT_IMAGE_2_KEYRING"}:
            return f"in the entry of {client.name}", environment
    return None


def check_entries(system: System, only: str | None = None) -> Iterator[Finding]:
    """Each client that is here, or `only` that one: its file, its entry, and the start of its command."""
    here = [client for client in CLIENTS.values() if client.is_here(system)]
    chosen = [CLIENTS[only]] if only else here
    if not chosen:
        yield yellow("clients", "no MCP client was found", "Run `gpt-image-2-mcp install CLIENT`.")
    entries = list(found_entries(system))
    starter = Starter(system.environ)
    for client in chosen:
        own = [(name, entry) for other, name, entry in entries if other is client]
        yield from _check_client(client, own, system, starter)


def _check_client(
    client: Client, entries: list[tuple[str, Entry]], system: System, starter: Starter
) -> Iterator[Finding]:
    check = f"clients: {client.id}"
    try:
        file = read_config(client.user_file(system))
        Configuration(client, file.text or "", "", shown=str(file.path))
    except SetupError as error:
        yield red(check, str(error), f"Correct the file, then run `gpt-image-2-mcp install {client.id}`.")
        return
    if not entries:
        yield yellow(check, "has no entry of this server", f"Run `gpt-image-2-mcp install {client.id}`.")
    if len(entries) > 1:
        names = ", ".join(repr(name) for name, _ in entries)
        way_out = f"Remove one: `gpt-image-2-mcp install {client.id} --uninstall --name NAME`."
        yield yellow(check, f"has {len(entries)} entries of this server: {names}", way_out)
    for name, entry in entries:
        for variable, meant in unread_variables(environment_of(entry)):
            yield yellow(check, f"{name!r} sets {variable}, which nothing reads", f"Name {meant} in it instead.")
        yield _check_entry(check, client, name, entry, starter)


def _check_entry(check: str, client: Client, name: str, entry: Entry, starter: Starter) -> Finding:
    update = f"Run `gpt-image-2-mcp install {client.id}" + ("`." if name == "gpt-image-2" else f" --name {name}`.")
    command = command_of(entry)
    if not command:
        return green(check, f"{name!r} names the address of a server; it was not asked")
    if shutil.which(command[0]) is None:
        return red(check, f"{name!r} starts {command[0]}, which is not there", update)
    environment = environment_of(entry)
    answer = starter.seconds_to_answer(command, environment)
    if isinstance(answer, str):
        return red(check, f"{name!r} starts {command[0]}, which {answer}", update)
    version = _named_version(command)
    if version is not None and version != __version__:
        return yellow(check, f"{name!r} starts version {version}, which answers in {answer:.1f} s", update)
    if answer > SLOW_S:
        way_out = "Start it once in a terminal, so that its packages are fetched: the next start is faster."
        return yellow(check, f"{name!r} answers only after {answer:.1f} s, and some clients wait 10", way_out)
    if not Path(command[0]).is_absolute():
        return yellow(
            check, f"{name!r} answers in {answer:.1f} s here, by a command that the client may not find", update
        )
    return green(check, f"{name!r} answers in {answer:.1f} s")


def _named_version(command: list[str]) -> str | None:
    found = re.search(r"gpt-image-2-mcp(?:\[[\w,]+\])?(?:@|==)(\d[\w.]*)", " ".join(command))
    return found[1] if found else None
