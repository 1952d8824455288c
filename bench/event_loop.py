"""How long the server's event loop is blocked while it works: measured by pings, and by a stopwatch inside it."""

import json
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from .figures import Goal
from .workspace import HERE, LARGE, OURS, PYTHON, SQUARE, Caller, Workspace

PAUSE_S = 0.003
"""Between two pings."""
STEP = Goal(20)
HERE_ALONE = {"GPT_IMAGE_2_ENGINE": "off"}
"""The profiler runs in the process that it was started in."""
SHOWN = 12
"""Lines of the profile."""
SAMPLED = "Where the time"
"""How the titles of the profile's sections begin; they are an overview, not a measurement."""


def measure_event_loop(workspace: Workspace) -> None:
    """Ping while nothing happens and while a large picture is made, then time the loop's own steps."""
    figures = workspace.figures
    figures.section = f"The event loop during a {LARGE} call"
    idle: list[float] = []
    busy: list[float] = []
    with workspace.open(OURS) as caller:
        for _ in range(2):
            caller.ask(LARGE)
        for _ in workspace.rounds(9, 2, seconds=20):
            idle.append(max(_pings(caller, until=time.perf_counter() + 0.5)))
            busy.append(max(_pings(caller, during=caller.send(LARGE))))
    figures.add("worst ping, idle", "ms", idle)
    figures.add("worst ping, during the call", "ms", busy, against=idle, goal=STEP)
    walls: list[float] = []
    worked: list[float] = []
    worst: Mapping[str, Any] = {"wall": 0.0, "what": ""}
    for calls in _profile(workspace, "steps"):
        walls.append(max((step["wall"] for step in calls), default=0.0))
        worked.append(max((step["cpu"] for step in calls), default=0.0))
        worst = max((worst, *calls), key=lambda step: step["wall"])
    figures.add("longest step by the clock", "ms", walls)
    figures.add("longest step by the processor", "ms", worked, goal=STEP)
    figures.note(f"the longest step was of {worst['what'] or 'no task'}")


def measure_steps(workspace: Workspace) -> None:
    """Sample where a call's time goes, thread by thread: an overview, not a measurement."""
    for size in (SQUARE, LARGE):
        workspace.figures.section = f"{SAMPLED} of a {size} call goes, by thread, sampled"
        sums: defaultdict[str, list[float]] = defaultdict(list)
        calls = _profile(workspace, "samples", size=size)
        for number, samples in enumerate(calls):
            for sample in samples:
                for where in sample["where"]:
                    sums[where] += [0.0] * (number + 1 - len(sums[where]))
                    sums[where][number] += sample["ms"]
        for where in sorted(sums, key=lambda where: -sum(sums[where]))[:SHOWN]:
            workspace.figures.add(where, "ms", sums[where] + [0.0] * (len(calls) - len(sums[where])))


def _pings(caller: Caller, *, until: float = 0.0, during: int | None = None) -> Sequence[float]:
    """The times of pings one after another, while the clock or a request runs."""
    took: list[float] = []
    while not took or (time.perf_counter() < until if during is None else not caller.wire.is_answered(during)):
        began = time.perf_counter()
        took.append((caller.wire.ask("ping").at - began) * 1000)
        time.sleep(PAUSE_S)
    if during is not None:
        caller.wire.wait(during).check()
    return took


def _profile(workspace: Workspace, what: str, *, size: str = LARGE) -> Sequence[Sequence[Mapping[str, Any]]]:
    """What `server_profiler.py` notes during each of a few calls."""
    file: Path = workspace.folder / f"{what}-{size}"
    subject = replace(OURS, command=(*PYTHON, str(HERE / "server_profiler.py"), what, str(file)), env=HERE_ALONE)
    spans: list[tuple[float, float]] = []
    with workspace.open(subject) as caller:
        for _ in range(2):
            caller.ask(size)
        for _ in workspace.rounds(9, 2, seconds=15):
            began = time.perf_counter()
            caller.ask(size)
            spans.append((began, time.perf_counter()))
    noted = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return [[note for note in noted if began <= note["at"] <= ended] for began, ended in spans]
