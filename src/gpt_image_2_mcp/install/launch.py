"""How a client starts the server: `uvx` with this version of the package, or the program that is running."""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

PACKAGE: Final = "gpt-image-2-mcp"
EXTRAS: Final = "[pixels]"
"""The extras that an entry names: what exact edits need."""

FIRST_RUN_TIMEOUT_S: Final = 300
"""How long `uvx` may take to download the package and all that it needs."""

_PASSED_ON: Final = (
    *("HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER"),
    *("APPDATA", "HOMEDRIVE", "HOMEPATH", "LOCALAPPDATA", "PATHEXT", "PROCESSOR_ARCHITECTURE", "PROGRAMFILES"),
    *("SYSTEMDRIVE", "SYSTEMROOT", "TEMP", "USERNAME", "USERPROFILE"),
)
"""The variables that the official SDKs for clients pass on, on Windows those of the last two lines."""
_OF_UV: Final = re.compile(r"UV_.+|(?:HTTPS?|ALL|NO)_PROXY|SSL_CERT_(?:FILE|DIR)", re.IGNORECASE)
"""Variables that say to uv where packages are and how it gets there."""


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


def client_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What a client passes on of its environment to a server that it starts."""
    return {name: environ[name] for name in _PASSED_ON if name in environ}


def last_error(stderr: str) -> str:
    """What a program wrote last to stderr, on one line: of uv's errors the innermost one, without its hints."""
    text = re.split(r"^\s*hint:", stderr, maxsplit=1, flags=re.MULTILINE)[0].strip()
    *outer, last = re.split(r"^\s*(?:error:|×|╰─▶|(?:Caused by|cause):)", text, flags=re.MULTILINE)
    return " ".join(last.split()) if outer else text.rpartition("\n")[2].strip()


def run_uv(
    command: list[str], environ: Mapping[str, str], *, timeout: float, given: str = "", folder: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program of uv to its end with `given` as its stdin.

    Raises:
        subprocess.TimeoutExpired: it took longer than `timeout` seconds, and was killed.
        OSError: it cannot be started.

    """
    return subprocess.run(  # noqa: S603 - the program that was found on the user's PATH
        command,
        env=environ,
        cwd=folder,
        input=given,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout,
        check=False,
    )


def why_uvx_fails(uvx: str, version: str, environ: Mapping[str, str]) -> str | None:
    """Have `uvx` start this version, which fills its cache, so that the client's first start is fast.

    It gets what a client would pass on of `environ`: with another index or another cache, the client's start would fail
    all the same. None if it could; otherwise the reason, on one line.
    """
    try:
        done = run_uv(
            [uvx, *uvx_arguments(version), "--version"], client_environment(environ), timeout=FIRST_RUN_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        return f"it took longer than {FIRST_RUN_TIMEOUT_S} seconds"
    except OSError as error:
        return error.strerror or type(error).__name__
    if done.returncode == 0 and version in done.stdout:
        return None
    reason = last_error(done.stderr) or f"it ended with code {done.returncode}"
    withheld = [name for name in sorted(environ) if _OF_UV.fullmatch(name)]
    return f"{reason}; tried without {', '.join(withheld)}, which clients do not pass on" if withheld else reason
