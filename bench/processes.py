"""The memory of a process and its children in MiB, and their processor time in ms; Linux only."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from .figures import NotMeasured

_CPUCLOCK_SCHED = 2
"""With the complement of a process id above it, the id of that process's clock (Linux, clock_getcpuclockid(3))."""
PROC = Path("/proc")
RESET_PEAK = "5"
"""Written to `clear_refs`, it sets VmHWM back to what is held now (Linux, proc(5))."""


def rss(pid: int) -> float:
    """Resident memory of a process and its children."""
    return sum(_field(process, "status", "VmRSS") for process in _tree(pid))


def peak(pid: int) -> float:
    """The most that was resident since the start or `reset_peak`."""
    return sum(_field(process, "status", "VmHWM") for process in _tree(pid))


def pss(pid: int) -> float:
    """Resident memory, with shared pages divided among the processes that share them."""
    return sum(_field(process, "smaps_rollup", "Pss") for process in _tree(pid))


def threads(pid: int) -> int:
    """The number of threads of a process and its children."""
    return sum(len(list(PROC.joinpath(str(process), "task").iterdir())) for process in _tree(pid))


def descriptors(pid: int) -> int:
    """The number of files and sockets that a process and its children have open."""
    return sum(len(list(PROC.joinpath(str(process), "fd").iterdir())) for process in _tree(pid))


def cpu_time(pid: int) -> float:
    """Processor time of a process and its children in ms, of all their threads; other processes do not stretch it."""
    try:
        return sum(time.clock_gettime(~process << 3 | _CPUCLOCK_SCHED) * 1000 for process in _tree(pid))
    except OSError as error:
        raise NotMeasured(f"the process is gone ({error.strerror})") from None


def reset_peak(pid: int) -> None:
    """Let `peak` begin anew."""
    for process in _tree(pid):
        PROC.joinpath(str(process), "clear_refs").write_text(RESET_PEAK, encoding="ascii")


def _tree(pid: int) -> Iterator[int]:
    if not sys.platform.startswith("linux"):
        raise NotMeasured("memory is read from /proc, which Linux has")
    yield pid
    for file in PROC.joinpath(str(pid), "task").glob("*/children"):
        for child in file.read_text(encoding="ascii").split():
            yield from _tree(int(child))


def _field(pid: int, file: str, name: str) -> float:
    for line in _read(pid, file).splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise NotMeasured(f"there is no {name} in /proc")


def _read(pid: int, file: str) -> str:
    try:
        return PROC.joinpath(str(pid), file).read_text(encoding="utf-8")
    except OSError as error:
        raise NotMeasured(f"the process is gone or does not show itself ({error.strerror})") from None
