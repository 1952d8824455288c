"""The commands that docs/hosting.md has a person type, run as they stand there."""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

from patience import PATIENCE_S

PAGE = Path(__file__).parents[3] / "docs" / "hosting.md"
SUDO = '#!/bin/sh\nif [ "$1" = chown ] && [ "$(id -u)" != 0 ]; then exit 0; fi\nexec "$@"\n'
"""In place of `sudo`: the files are the tests' own, and only root can give them to another user."""


def steps(heading: str) -> list[str]:
    """The shell commands of a section, block by block."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n{heading}\n")[2]
    assert section, f"docs/hosting.md has no section {heading}"
    own = re.split(rf"^#{{1,{heading.count('#')}}} ", section, maxsplit=1, flags=re.MULTILINE)[0]
    return [dedent(block) for block in re.findall(r"^ *```sh\n(.+?)^ *```$", own, re.MULTILINE | re.DOTALL)]


def step(heading: str, words: str, **changes: str) -> str:
    """The one block of a section that has these words; each of the `changes` sets a shell variable anew."""
    (found,) = [block for block in steps(heading) if words in block]
    for name, value in changes.items():
        found, count = re.subn(rf"^{name}=.*$", f"{name}={value}", found, flags=re.MULTILINE)
        assert count == 1, f"the block sets no {name}"
    return found


def typed(commands: str, folder: Path, environ: Mapping[str, str] | None = None) -> str:
    """Run commands in a folder; gives what they print."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    sudo = programs / "sudo"
    sudo.write_text(SUDO, encoding="utf-8")
    sudo.chmod(0o755)
    path = os.pathsep.join((str(programs), os.environ.get("PATH", "")))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env={**os.environ, **(environ or {}), "PATH": path},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, f"{commands}\n{done.stderr}"
    return done.stdout.strip()


def variables(file: Path) -> dict[str, str]:
    """What a file of lines NAME=VALUE sets."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
