"""How a client starts the server: `uvx` with this version of the package, or the program that is running."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

PACKAGE: Final = "gpt-image-2-mcp"
EXTRAS: Final = "[pixels]"
"""The extras that an entry names: what exact edits need."""

FIRST_RUN_TIMEOUT_S: Final = 300
"""How long `uvx` may take to download the package and all that it needs."""


@dataclass(frozen=True, slots=True)
class Launch:
    """A command with its arguments and environment variables; or with `url` the address of a server that runs."""

    command: str = "uvx"
    args: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict[str, str])
    forwarded: tuple[str, ...] = ()
    """The variables that the client is to pass on from its own environment."""
    url: str | None = None


def uvx_arguments(version: str) -> tuple[str, ...]:
    """The arguments of `uvx` that start this version; without one it would take the newest at each start."""
    return ("--from", f"{PACKAGE}{EXTRAS}=={version}", PACKAGE)


def find_uvx() -> str | None:
    """The absolute path of `uvx`: a program with windows does not have the `PATH` of a terminal."""
    found = shutil.which("uvx")
    return str(Path(found).absolute()) if found else None


def running_program() -> tuple[str, tuple[str, ...]]:
    """The command that starts this very installation."""
    return sys.executable, ("-m", "gpt_image_2_mcp")


def why_uvx_fails(uvx: str, version: str) -> str | None:
    """Have `uvx` start this version, which fills its cache, so that the client's first start is fast.

    None if it could; otherwise the reason, on one line.
    """
    # The key is no business of this process.
    environ = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"}
    command = [uvx, *uvx_arguments(version), "--version"]
    try:
        done = subprocess.run(  # noqa: S603 - the program that was found on the user's PATH
            command,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=FIRST_RUN_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it took longer than {FIRST_RUN_TIMEOUT_S} seconds"
    except OSError as error:
        return error.strerror or type(error).__name__
    if done.returncode == 0 and version in done.stdout:
        return None
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return lines[-1] if lines else f"it ended with code {done.returncode}"
