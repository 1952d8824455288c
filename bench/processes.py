"""The memory of a program's processes in MiB, and their processor time in ms; Linux only.

A program is the process that was started, its children, and its engines, which are no children of it: `MARK` in their
environment tells whose they are.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from .figures import NotMeasured

_CPUCLOCK_SCHED = 2
"""With the complement of a process id above it, the id of that process's clock (Linux, clock_getcpuclockid(3))."""
PROC = Path("/proc")
RESET_PEAK = "5"
"""Written to `clear_refs`, it sets VmHWM back to what is held now (Linux, proc(5))."""


MARK = "BENCH_PROGRAM"
"""The variable that `wire.Wire` sets to a different value for each program that it starts."""


def rss(pid: int) -> float:
    """Resident memory of a program, in which pages that its processes share count for each of them."""
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


def engines(pid: int) -> Sequence[int]:
    """The other processes with the same mark in their environment."""
    mark = _mark(pid)
    found = [int(folder.name) for folder in PROC.iterdir() if folder.name.isdigit()] if mark else []
    return [process for process in found if process != pid and _mark(process) == mark]


def _mark(pid: int) -> bytes | None:
    try:
        variables = PROC.joinpath(str(pid), "environ").read_bytes().split(b"\0")
    except OSError:
        # It is gone, or belongs to another user.
        return None
    return next((variable for variable in variables if variable.startswith(MARK.encode() + b"=")), None)


def _tree(pid: int) -> Sequence[int]:
    if not sys.platform.startswith("linux"):
        raise NotMeasured("memory is read from /proc, which Linux has")
    return list(dict.fromkeys((*_descendants(pid), *engines(pid))))


def _descendants(pid: int) -> Iterator[int]:
    yield pid
    for file in PROC.joinpath(str(pid), "task").glob("*/children"):
        for child in file.read_text(encoding="ascii").split():
            yield from _descendants(int(child))


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
