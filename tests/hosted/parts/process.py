"""A program that the tests need running: ended with them, however they end."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from fault_proxy import until
from no_skips import STRICT
from patience import PATIENCE_S

GUARD = """\
import subprocess, sys
program = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
sys.stdin.read()
program.terminate()
try:
    program.wait(10)
except subprocess.TimeoutExpired:
    program.kill()
    program.wait()
"""
"""Ends the program when its own stdin ends, which it does even where the tests are killed."""

SYSTEM = os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin"))
"""Where servers lie that a system's packages bring."""


def binary(name: str) -> str:
    """The path of a program of the system; the test is skipped without it, and fails in CI, which installs it."""
    found = shutil.which(name, path=SYSTEM)
    if found is None:
        assert not STRICT, f"{name} is not installed: apt-get install {name}"
        pytest.skip(f"{name} is not installed")
    return found


def is_listening(port: int) -> bool:
    """Whether something takes connections there."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), PATIENCE_S):
        return True
    return False


@contextmanager
def running(
    command: Sequence[str | Path],
    *,
    port: int,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> "Generator[subprocess.Popen[bytes]]":
    """Run a program until the block ends, which begins once it listens on its port; `log` gets what it says.

    The process is the guard's, which ends as soon as the program is told to end.
    """
    with (
        log.open("ab") as told,
        subprocess.Popen(
            [sys.executable, "-c", GUARD, *command],
            stdin=subprocess.PIPE,
            stdout=told,
            stderr=told,
            cwd=cwd,
            env=None if env is None else {**os.environ, **env},
        ) as guard,
    ):
        assert guard.stdin is not None
        try:
            until(lambda: is_listening(port), alive=lambda: guard.poll() is None)
            yield guard
        except BaseException:
            sys.stderr.write(log.read_text(encoding="utf-8", errors="replace")[-4000:])
            raise
        finally:
            guard.stdin.close()
            guard.wait(PATIENCE_S)
