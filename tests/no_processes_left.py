"""When the tests are over, no process that they started is left: an engine outlives its front, but not the tests.

Linux only. All processes of a run are known by a variable in their environment, the workers of pytest-xdist included.
"""

import os
import secrets
import signal
import sys
import time
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

import pytest
from patience import MOMENT_S

NAME = "TESTS_OF_GPT_IMAGE_2"

END_S = 20 * MOMENT_S
"""How long what is ending by itself may take."""


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        os.environ[NAME] = secrets.token_hex(8)


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None]:
    yield
    if sys.platform != "linux" or hasattr(session.config, "workerinput"):
        return
    until = time.monotonic() + END_S
    while (left := _left()) and time.monotonic() < until:
        time.sleep(0.1)
    if left:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    for number, command in left.items():
        sys.stderr.write(f"\nThe tests have left a process: {number}, {command}\n")
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)


def _left() -> dict[int, str]:
    """The commands of the processes that run with this run's variable, by their ids."""
    mark = f"{NAME}={os.environ[NAME]}".encode()
    found: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        # A process may end meanwhile.
        with suppress(OSError):
            if folder.name != str(os.getpid()) and mark in (folder / "environ").read_bytes().split(b"\0"):
                found[int(folder.name)] = (
                    (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                )
    return found
