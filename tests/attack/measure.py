"""How much memory and processor time something takes."""

import os
import time
from collections.abc import Callable
from pathlib import Path

MIB = 1024 * 1024


class Peak:
    """The most memory that a process holds from now on; Linux only."""

    def __init__(self, pid: int | None = None) -> None:
        """Measure the process `pid`, or this one."""
        self._folder = Path("/proc") / str(pid or os.getpid())
        # 5 sets the mark of the highest resident size back to the present one.
        (self._folder / "clear_refs").write_text("5")
        self._before = self._read("VmRSS")

    def grown_mib(self) -> float:
        """By how many MiB the process was larger at its largest than at the beginning."""
        return (self._read("VmHWM") - self._before) / 1024

    def _read(self, field: str) -> int:
        """A field of the process's status in KiB."""
        lines = (self._folder / "status").read_text(encoding="ascii", errors="replace").splitlines()
        (value,) = (line.split()[1] for line in lines if line.startswith(f"{field}:"))
        return int(value)


def cpu_s(work: Callable[[], object]) -> float:
    """The processor time that a call takes."""
    began = time.process_time()
    work()
    return time.process_time() - began
