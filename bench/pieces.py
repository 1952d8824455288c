"""What each piece of the machinery for speed buys: the server with all pieces beside servers that lack one.

Ratios are to the server with all pieces, of calls made one after the other: 1.10 means that a call takes 10 % longer
without the piece, or that the process holds 10 % more memory. A piece has to earn 5 % somewhere.
"""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

from .figures import Unit
from .processes import cpu_time, peak, reset_peak, rss
from .server_without import PIECES
from .workspace import HERE, LARGE, OURS, PYTHON, SQUARE, Caller, Subject, Workspace

LIVES = 3
"""How often the servers are started anew."""
ROUNDS = {SQUARE: (8, 4), LARGE: (5, 3)}
"""Calls of each life, in a full and in a quick run."""
WARM = 2
"""Calls before the clock starts."""
PAUSE_S = 0.03
"""Before each call."""
SETTLE_S = 0.5
"""After a round: longer than `jobs.runner` waits before it gives memory back, which counts as work of the call."""
IN_A_ROW = 10

Samples = defaultdict[tuple[str, str], list[float]]
"""By the piece that is missing and what was measured."""

BASE = "nothing"
"""What the server lacks that the others are compared with."""
UNITS: Mapping[str, Unit] = {"time": "ms", "processor time": "ms", "peak memory": "MiB", "memory at rest": "MiB"}


def measure_pieces(workspace: Workspace) -> None:
    """Measure calls, the first call of a process, and the memory that large pictures leave behind."""
    calls = {size: Samples(list) for size in ROUNDS}
    first, left = Samples(list), Samples(list)
    for life in range(1 if workspace.quick else LIVES):
        with ExitStack() as stack:
            callers = {piece: stack.enter_context(workspace.open(_subject(piece))) for piece in PIECES}
            for size, samples in calls.items():
                _measure_calls(workspace, callers, size, samples, shift=life)
    for number in workspace.rounds(12, 3, seconds=90):
        for piece in _rotated(number):
            _measure_first_call(workspace, piece, first)
    for number in workspace.rounds(3, 1, seconds=60):
        for piece in _rotated(number):
            _measure_rest(workspace, piece, left)
    for size, samples in calls.items():
        _add(workspace, f"One call, {size}", samples)
    _add(workspace, f"From the start of a process to the answer of its first call, {SQUARE}", first)
    _add(workspace, f"A second after {IN_A_ROW} calls in a row, {LARGE}", left)


def _measure_calls(
    workspace: Workspace, callers: Mapping[str, Caller], size: str, samples: Samples, *, shift: int
) -> None:
    """Ask each server once a round, beginning with another one each time."""
    for caller in callers.values():
        for _ in range(WARM):
            caller.ask(size)
    for number in workspace.rounds(*ROUNDS[size], seconds=60):
        before: dict[str, float] = {}
        for piece in _rotated(number + shift):
            caller = callers[piece]
            time.sleep(PAUSE_S)
            reset_peak(caller.pid)
            before[piece] = cpu_time(caller.pid)
            samples[piece, "time"].append(caller.ask(size))
            samples[piece, "peak memory"].append(peak(caller.pid))
        time.sleep(SETTLE_S)
        for piece, caller in callers.items():
            samples[piece, "processor time"].append(cpu_time(caller.pid) - before[piece])


def _measure_first_call(workspace: Workspace, piece: str, samples: Samples) -> None:
    with workspace.open(_subject(piece)) as caller:
        caller.ask(SQUARE)
        samples[piece, "time"].append((time.perf_counter() - caller.wire.began) * 1000)
        samples[piece, "processor time"].append(cpu_time(caller.pid))


def _measure_rest(workspace: Workspace, piece: str, samples: Samples) -> None:
    with workspace.open(_subject(piece)) as caller:
        for _ in range(IN_A_ROW):
            caller.ask(LARGE)
        time.sleep(1)
        samples[piece, "memory at rest"].append(rss(caller.pid))


def _subject(piece: str) -> Subject:
    return replace(OURS, name=f"without {piece}", command=(*PYTHON, str(HERE / "server_without.py"), piece))


def _rotated(number: int) -> Sequence[str]:
    pieces = list(PIECES)
    shift = number % len(pieces)
    return pieces[shift:] + pieces[:shift]


def _add(workspace: Workspace, section: str, samples: Samples) -> None:
    for what, unit in UNITS.items():
        workspace.figures.section = f"{section}, {what}"
        for piece in PIECES:
            if found := samples.get((piece, what)):
                name, against = f"without {piece}", samples[BASE, what]
                if piece == BASE:
                    name, against = "with all pieces", None
                workspace.figures.add(name, unit, found, against=against)
