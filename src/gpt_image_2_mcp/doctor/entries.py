"""Checks of each client's entry: which version it starts, with which command, and whether that answers in time."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Thread
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
from .finding import Finding, green, red, yellow

START_TIMEOUT_S: Final = 60.0
SLOW_S: Final = 10.0
"""Codex gives a server that has no `startup_timeout_sec` so long."""
END_TIMEOUT_S: Final = 5.0
MAX_LINE: Final = 1024 * 1024
"""Bytes of a first line that are read; the answer to `initialize` has some thousand."""

_PASSED_ON: Final = (
    "HOME",
    "LOGNAME",
    "PATH",
    "SHELL",
    "TERM",
    "USER",
    "TMPDIR",
    "SystemRoot",
    "USERPROFILE",
    "APPDATA",
)
"""What clients pass on of their own environment."""
INITIALIZE: Final = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "gpt-image-2-mcp doctor", "version": __version__},
    },
}
"""The first message of a client, to see whether a program answers it."""

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
    answers: dict[str, str | float] = {}
    for client in chosen:
        own = [(name, entry) for other, name, entry in entries if other is client]
        yield from _check_client(client, own, system, answers)


def _check_client(
    client: Client, entries: list[tuple[str, Entry]], system: System, answers: dict[str, str | float]
) -> Iterator[Finding]:
    check = f"clients: {client.id}"
    try:
        Configuration(client, read_config(client.user_file(system)).text or "", "")
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
        yield _check_entry(check, client, name, entry, answers)


def _check_entry(check: str, client: Client, name: str, entry: Entry, answers: dict[str, str | float]) -> Finding:
    update = f"Run `gpt-image-2-mcp install {client.id}" + ("`." if name == "gpt-image-2" else f" --name {name}`.")
    command = command_of(entry)
    if not command:
        return green(check, f"{name!r} names the address of a server; it was not asked")
    if shutil.which(command[0]) is None:
        return red(check, f"{name!r} starts {command[0]}, which is not there", update)
    environment = environment_of(entry)
    again = json.dumps([command, dict(environment)])
    if again not in answers:
        answers[again] = seconds_to_answer(command, environment)
    answer = answers[again]
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


def seconds_to_answer(command: list[str], environment: Mapping[str, str]) -> str | float:
    """Start a server as a client does, and measure until it answers `initialize`; a sentence's end if it does not."""
    inherited = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    started = time.monotonic()
    try:
        process = subprocess.Popen(  # noqa: S603 - the command that the user's client starts as well
            command,
            # Unbuffered: a buffer could not be closed while a process that the command left behind has the pipe.
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**inherited, **environment},
            start_new_session=True,
        )
    except OSError as error:
        return f"cannot be started ({error.strerror})"
    except ValueError:
        return "cannot be started: its arguments or variables have characters that no system takes"
    with process:
        line = bytearray()
        reader = Thread(target=_read_line, args=(process, line), daemon=True)
        reader.start()
        try:
            if process.stdin:
                process.stdin.write(json.dumps(INITIALIZE).encode() + b"\n")
            _wait_for_answer(process, reader)
            took = time.monotonic() - started
            return took if _is_answer(line) else _why_no_answer(process, line)
        except OSError:
            # It has closed its stdin; what it wrote before is still to be read.
            reader.join(END_TIMEOUT_S)
            return _why_no_answer(process, line)
        finally:
            _end(process)


def _wait_for_answer(process: subprocess.Popen[bytes], reader: Thread) -> None:
    """Wait for the first line; of a process that has ended, what it left behind may still write it for a moment."""
    until = time.monotonic() + START_TIMEOUT_S
    while reader.is_alive() and time.monotonic() < until:
        reader.join(0.1)
        if process.poll() is not None:
            reader.join(END_TIMEOUT_S)
            return


def _read_line(process: subprocess.Popen[bytes], line: bytearray) -> None:
    """Add what a process writes to `line`, up to the end of the first one or `MAX_LINE`."""
    with suppress(OSError, ValueError):
        while process.stdout and b"\n" not in line and len(line) < MAX_LINE:
            if not (piece := process.stdout.read(65536)):
                return
            line += piece


def _is_answer(line: bytearray) -> bool:
    first = line.partition(b"\n")[0]
    try:
        return bool(first) and "result" in (mapping(json.loads(first)) or {})
    except (ValueError, RecursionError):
        return False


def _why_no_answer(process: subprocess.Popen[bytes], line: bytearray) -> str:
    if line.strip():
        return "writes something else to stdout than MCP"
    try:
        return f"ended with code {process.wait(1)} instead of answering"
    except subprocess.TimeoutExpired:
        return f"has not answered in {START_TIMEOUT_S:.0f} s"


def _end(process: subprocess.Popen[bytes]) -> None:
    """Close its stdin, as a client does at the end; kill it if it does not end by that, and what it left behind."""
    if process.stdin:
        try:
            process.stdin.close()
        except OSError:
            process.kill()
    try:
        process.wait(END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
    if sys.platform != "win32":
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
