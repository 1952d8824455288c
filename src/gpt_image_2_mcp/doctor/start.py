"""Starts a server as a client does, and measures until it answers."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Thread
from typing import IO, Final

from .. import __version__
from ..install.formats.values import mapping
from ..install.key_choice import known_key
from ..install.launch import client_environment, last_error
from ..redaction.key import redact_key

START_TIMEOUT_S: Final = 60.0
END_TIMEOUT_S: Final = 5.0
MAX_LINE: Final = 1024 * 1024
"""Bytes of a first line that are read; the answer to `initialize` has some thousand."""
MOST_STDERR: Final = 20_000
"""Bytes of what the server wrote to stderr that are looked at, from its beginning."""
MOST_TOLD: Final = 300

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


@dataclass(slots=True)
class Starter:
    """Starts each command once, with what a client passes on of `environ`."""

    environ: Mapping[str, str]
    answers: dict[str, str | float] = field(default_factory=dict[str, "str | float"])

    def seconds_to_answer(self, command: list[str], environment: Mapping[str, str]) -> str | float:
        """Seconds from the start to the answer to `initialize`; a sentence's end if there is none.

        `environment` are the variables of the client's entry.
        """
        again = json.dumps([command, dict(environment)])
        if again not in self.answers:
            stderr = bytearray()
            answer = _seconds_to_answer(command, {**client_environment(self.environ), **environment}, stderr)
            if isinstance(answer, str):
                answer += _told(stderr, environment)
            self.answers[again] = answer
        return self.answers[again]


def _seconds_to_answer(command: list[str], environ: Mapping[str, str], stderr: bytearray) -> str | float:
    started = time.monotonic()
    try:
        process = subprocess.Popen(  # noqa: S603 - the command that the user's client starts as well
            command,
            # Unbuffered: a buffer could not be closed while a process that the command left behind has the pipe.
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environ,
            start_new_session=True,
        )
    except OSError as error:
        return f"cannot be started ({error.strerror})"
    except ValueError:
        return "cannot be started: its arguments or variables have characters that no system takes"
    with process:
        line = bytearray()
        reader = Thread(target=_read_line, args=(process.stdout, line), daemon=True)
        listener = Thread(target=_read_all, args=(process.stderr, stderr), daemon=True)
        reader.start()
        listener.start()
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
            listener.join(END_TIMEOUT_S)


def _wait_for_answer(process: subprocess.Popen[bytes], reader: Thread) -> None:
    """Wait for the first line; of a process that has ended, what it left behind may still write it for a moment."""
    until = time.monotonic() + START_TIMEOUT_S
    while reader.is_alive() and time.monotonic() < until:
        reader.join(0.1)
        if process.poll() is not None:
            reader.join(END_TIMEOUT_S)
            return


def _read_line(pipe: IO[bytes] | None, line: bytearray) -> None:
    """Add what comes through a pipe to `line`, up to the end of the first one or `MAX_LINE`."""
    with suppress(OSError, ValueError):
        while pipe and b"\n" not in line and len(line) < MAX_LINE:
            if not (piece := pipe.read(65536)):
                return
            line += piece


def _read_all(pipe: IO[bytes] | None, text: bytearray) -> None:
    """Add the first `MOST_STDERR` bytes of a pipe to `text`, and read it to its end."""
    with suppress(OSError, ValueError):
        while pipe and (piece := pipe.read(65536)):
            text += piece[: MOST_STDERR - len(text)]


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


def _told(stderr: bytearray, environment: Mapping[str, str]) -> str:
    """What the server wrote to stderr last, for the end of a sentence."""
    text = last_error(stderr.decode(errors="replace"))[:MOST_TOLD]
    key = known_key(environment)
    return f": {redact_key(text, key) if key else text}" if text else ""


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
