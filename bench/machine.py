"""The machine and the versions of a run: they stand above every table, since figures mean little without them."""

import os
import platform
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("gpt-image-2-mcp", "mcp", "openai", "httpx2", "pydantic", "pillow")


def described(*, quick: bool) -> dict[str, str]:
    """The run's circumstances, by name."""
    versions: list[str] = []
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            versions.append(f"{package} {version(package)}")
    return {
        "date": f"{datetime.now().astimezone():%Y-%m-%d %H:%M %z}",
        "run": "quick" if quick else "full",
        "commit": _commit(),
        "machine": f"{os.cpu_count()} cores, {_cpu()}, {_memory()}, {platform.system()} {platform.release()}",
        "load before": _load(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "versions": ", ".join(versions),
    }


def with_end(header: Mapping[str, str], seconds: float) -> dict[str, str]:
    """The same, with what is known when the run is over."""
    return {**header, "load after": _load(), "took": f"{seconds:.0f} s"}


def _load() -> str:
    """How busy the machine was anyway: others' work makes figures larger and ratios noisier."""
    try:
        return " ".join(f"{load:.2f}" for load in os.getloadavg())
    except (AttributeError, OSError):
        return "unknown"


def _cpu() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory() -> str:
    with suppress(OSError, ValueError, AttributeError):
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    return "memory unknown"


def _commit() -> str:
    here = Path(__file__).parent
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty"],  # noqa: S607 - the git that a person uses
            cwd=here,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()
