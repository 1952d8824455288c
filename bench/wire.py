"""A raw MCP client on pipes: it sends lines and notes when lines come, and does not decode pictures."""

import contextlib
import itertools
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from .figures import NotMeasured
from .processes import MARK

Era = Literal["2025-11-25", "2026-07-28"]

PATIENCE_S = 120.0
"""How long an answer may take."""
CHUNK = 1 << 20
SMALL = 100_000
"""Answers that hold no picture: they are read, to see whether they are errors."""
LEAVE_S = 1.0
"""How long a process may take to go when its stdin ends, before it is killed."""

CLIENT = {"name": "bench", "version": "1"}
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": CLIENT,
}

_numbers = itertools.count()
_ID_FIRST = re.compile(rb'"id":\s*(\d+)')
_ID_LAST = re.compile(rb'"id":\s*(\d+)\s*\}\s*$')


@dataclass(frozen=True, slots=True)
class Answer:
    """A line that came, and when its last byte was here."""

    line: bytes
    at: float

    def check(self) -> Self:
        """See that it is no error.

        Raises:
            NotMeasured: it is one, or says that there is no picture yet.

        """
        if len(self.line) > SMALL:
            return self
        message: dict[str, Any] = json.loads(self.line)
        result: dict[str, Any] = message.get("result") or {}
        if "error" in message or result.get("isError"):
            raise NotMeasured(f"answered {self.line[:300].decode('utf-8', 'replace')}")
        if "gpt-image-2/job" in (result.get("_meta") or {}):
            raise NotMeasured("answered with a job id: the picture took too long")
        return self


class Wire:
    """A child process and its two pipes; a group of its own, so that what it starts ends with it."""

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> None:
        """Start it, and take the time."""
        self._answers: dict[int, Answer] = {}
        self._news = threading.Condition()
        self._gone = False
        self._number = 0
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process, and nameless
        self.began = time.perf_counter()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - what the person who runs the benchmark names
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env={**env, MARK: f"{os.getpid()}-{next(_numbers)}"},
                cwd=cwd,
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            raise NotMeasured(f"cannot be started ({error.strerror})") from None
        self.pid = self._process.pid
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> Self:
        """It runs already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close its stdin, then end it and all that it started."""
        with contextlib.suppress(OSError):
            if self._process.stdin:
                self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(LEAVE_S)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self._log.close()

    def send(self, method: str, params: Mapping[str, Any] | None = None) -> int:
        """Send a request and give its id."""
        self._number += 1
        self._write({"id": self._number, "method": method}, params)
        return self._number

    def notify(self, method: str) -> None:
        """Send a notification."""
        self._write({"method": method}, None)

    def wait(self, number: int) -> Answer:
        """Wait for the answer to a request.

        Raises:
            NotMeasured: it does not come.

        """
        with self._news:
            came = self._news.wait_for(lambda: number in self._answers or self._gone, PATIENCE_S)
            if number in self._answers:
                return self._answers.pop(number)
        why = "ended" if came else f"did not answer within {PATIENCE_S:.0f} s"
        raise NotMeasured(f"{why}; its last words: {self._last_words()}")

    def ask(self, method: str, params: Mapping[str, Any] | None = None) -> Answer:
        """Send a request and wait for its answer, which must be no error."""
        return self.wait(self.send(method, params)).check()

    def is_answered(self, number: int) -> bool:
        """Whether the answer is here."""
        with self._news:
            return number in self._answers or self._gone

    def shake_hands(self, era: Era = "2025-11-25") -> tuple[float, float]:
        """Open the connection; give the ms since the start at which the first answer and the tools were here."""
        if era == "2025-11-25":
            first = self.ask("initialize", {"protocolVersion": era, "capabilities": {}, "clientInfo": CLIENT})
            self.notify("notifications/initialized")
            listed = self.ask("tools/list")
        else:
            first = self.ask("server/discover", {"_meta": META})
            listed = self.ask("tools/list", {"_meta": META})
        return (first.at - self.began) * 1000, (listed.at - self.began) * 1000

    def _write(self, message: Mapping[str, Any], params: Mapping[str, Any] | None) -> None:
        whole = {"jsonrpc": "2.0", **message} | ({"params": params} if params else {})
        stdin = self._process.stdin
        try:
            if stdin is not None:
                stdin.write(json.dumps(whole).encode() + b"\n")
        except OSError:
            raise NotMeasured(f"ended; its last words: {self._last_words()}") from None

    def _read(self) -> None:
        stdout = self._process.stdout
        parts: list[bytes] = []
        while stdout is not None and (chunk := os.read(stdout.fileno(), CHUNK)):
            now = time.perf_counter()
            *ends, rest = chunk.split(b"\n")
            for end in ends:
                self._keep(b"".join([*parts, end]), now)
                parts = []
            parts.append(rest)
        with self._news:
            self._gone = True
            self._news.notify_all()

    def _keep(self, line: bytes, now: float) -> None:
        found = _ID_FIRST.search(line[:100]) or _ID_LAST.search(line[-100:])
        if found is None:
            return
        with self._news:
            self._answers[int(found[1])] = Answer(line, now)
            self._news.notify_all()

    def _last_words(self) -> str:
        self._log.seek(0)
        words = self._log.read().decode("utf-8", "replace").strip().splitlines()
        return words[-1][:200] if words else "none"
