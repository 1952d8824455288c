"""Processes whose cost is measured: what they use of processors and memory, and how they are held to a share of one."""

import os
import signal
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

MARK: Final = "BENCH_OF_HOSTING"
TICKS: Final = os.sysconf("SC_CLK_TCK")
LOOK_S: Final = 0.005
SAVED_MS: Final = 20.0
"""How much of its share a process can save up while it waits."""


def marked(mark: str) -> list[int]:
    """The processes with the mark in their environment: also an engine, which is no child of the server."""
    wanted = f"{MARK}={mark}".encode()
    found = [int(one.name) for one in Path("/proc").glob("[0-9]*")]
    return [pid for pid in found if wanted in _read(pid, "environ").split(b"\0")]


def below(pid: int) -> list[int]:
    """A process and all processes below it."""
    children = [int(child) for file in Path(f"/proc/{pid}/task").glob("*/children") for child in _words(file)]
    return [pid, *(one for child in children for one in below(child))]


def cpu_ms(pids: list[int]) -> float:
    """Processor time of processes, and of their ended children."""
    return sum(sum(map(int, _stat(pid)[11:15])) for pid in pids) * 1000 / TICKS


def memory_mib(pids: list[int]) -> float:
    """What processes have in memory (RSS)."""
    return sum(int(_stat(pid)[21]) for pid in pids) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _stat(pid: int) -> list[str]:
    return _read(pid, "stat").rpartition(b")")[2].decode().split() or ["0"] * 40


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="ascii").split()
    except OSError:
        return []


@contextmanager
def held(pids: Sequence[int], share: float) -> Generator[None]:
    """Hold each process to a share of one processor while the block runs: it is stopped while it has used more."""
    over = threading.Event()
    holders = [threading.Thread(target=_hold, args=(pid, share, over)) for pid in pids]
    for holder in holders:
        holder.start()
    try:
        yield
    finally:
        over.set()
        for holder in holders:
            holder.join()


def _hold(pid: int, share: float, over: threading.Event) -> None:
    left, used, looked = 0.0, cpu_ms([pid]), time.monotonic()
    while not over.wait(LOOK_S):
        used_now, now = cpu_ms([pid]), time.monotonic()
        left = min(SAVED_MS, left + (now - looked) * 1000 * share - (used_now - used))
        used, looked = used_now, now
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP if left < 0 else signal.SIGCONT)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
