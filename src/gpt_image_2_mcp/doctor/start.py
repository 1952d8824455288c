"""Starts a server as a client does, and measures until it answers."""

import json
import subprocess
import tempfile
import time
from collections.abc import Mapping
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
            with tempfile.TemporaryFile() as stderr:
                environ = {**client_environment(self.environ), **environment}
                answer = _seconds_to_answer(command, environ, stderr)
                if isinstance(answer, str):
                    answer += _told(stderr, environment)
            self.answers[again] = answer
        return self.answers[again]


def _seconds_to_answer(command: list[str], environ: Mapping[str, str], stderr: IO[bytes]) -> str | float:
    started = time.monotonic()
    try:
        process = subprocess.Popen(  # noqa: S603 - the command that the user's client starts as well
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, env=environ
        )
    except OSError as error:
        return f"cannot be started ({error.strerror})"
    with process:
        lines: list[bytes] = []
        reader = Thread(target=lambda: lines.append(process.stdout.readline() if process.stdout else b""), daemon=True)
        reader.start()
        try:
            if process.stdin:
                process.stdin.write(json.dumps(INITIALIZE).encode() + b"\n")
                process.stdin.flush()
            reader.join(START_TIMEOUT_S)
            took = time.monotonic() - started
            return took if _is_answer(lines) else _why_no_answer(process, lines)
        except OSError:
            # It has closed its stdin; what it wrote before is still to be read.
            reader.join(END_TIMEOUT_S)
            return _why_no_answer(process, lines)
        finally:
            _end(process)


def _is_answer(lines: list[bytes]) -> bool:
    try:
        return bool(lines) and "result" in (mapping(json.loads(lines[0])) or {})
    except ValueError:
        return False


def _why_no_answer(process: subprocess.Popen[bytes], lines: list[bytes]) -> str:
    if lines and lines[0].strip():
        return "writes something else to stdout than MCP"
    try:
        return f"ended with code {process.wait(1)} instead of answering"
    except subprocess.TimeoutExpired:
        return f"has not answered in {START_TIMEOUT_S:.0f} s"


def _told(stderr: IO[bytes], environment: Mapping[str, str]) -> str:
    """What the server wrote to stderr last, for the end of a sentence."""
    stderr.seek(0)
    text = last_error(stderr.read(MOST_STDERR).decode(errors="replace"))[:MOST_TOLD]
    key = known_key(environment)
    return f": {redact_key(text, key) if key else text}" if text else ""


def _end(process: subprocess.Popen[bytes]) -> None:
    """Close its stdin, as a client does at the end, and kill it if it does not end by that."""
    if process.stdin:
        try:
            process.stdin.close()
        except OSError:
            process.kill()
    try:
        process.wait(END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
