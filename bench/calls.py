"""One call after another: each server beside the SDK alone, at a small and a large size."""

import time
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from .figures import Goal, NotMeasured
from .pictures import pixels
from .processes import cpu_time
from .workspace import LARGE, OURS, SDK, SDK_DURABLE, SDK_SERVED, SQUARE, Caller, Subject, Workspace

GOALS = {SQUARE: Goal(1.3, "ratio"), LARGE: Goal(1.2, "ratio")}
WARM = 2
"""Calls before the clock starts: imports, the connection, the allocator."""
PAUSE_S = 0.03
"""Before each call, so that what a server still does after its answer does not slow the next one down. That work is in
the processor time."""
LIVES = 5
"""How often all processes are started anew: memory is laid out a little differently in each, for as long as it runs."""
ROUNDS = {SQUARE: (10, 8), LARGE: (4, 4)}
"""Calls of each process, in a full and in a quick run."""
SECONDS = 15.0

WITHOUT, FULL = MODES = tuple(
    replace(OURS, name=f"{OURS.name}, inline={mode}", env={"GPT_IMAGE_2_INLINE": mode}) for mode in ("none", "full")
)
"""Without a preview in the answer, which is what the goals are for, and with the whole picture."""


@dataclass(slots=True)
class _Found:
    """The samples of all subjects at one size."""

    times: defaultdict[Subject, list[float]] = field(default_factory=lambda: defaultdict[Subject, list[float]](list))
    alone: defaultdict[Subject, list[float]] = field(default_factory=lambda: defaultdict[Subject, list[float]](list))
    """The samples of the SDK, taken beside them."""
    cpu: defaultdict[Subject, list[float]] = field(default_factory=lambda: defaultdict[Subject, list[float]](list))
    """Processor time of a call, one sample for each process."""


def measure_calls(workspace: Workspace) -> None:
    """Ask all subjects for the same picture, one after another."""
    found = {size: _Found() for size in ROUNDS}
    well = [*workspace.all, SDK_DURABLE, SDK_SERVED, *MODES]
    for _ in range(1 if workspace.quick else LIVES):
        with ExitStack() as stack:
            callers: list[Caller] = []
            for subject in list(well):
                try:
                    callers.append(stack.enter_context(workspace.open(subject)))
                except NotMeasured as error:
                    workspace.figures.section = "Calls"
                    workspace.figures.missing(subject.name, str(error))
                    well.remove(subject)
            for size, samples in found.items():
                workspace.figures.section = f"One call, {size}"
                _in_turn(workspace, callers, size, samples)
                well = [caller.subject for caller in callers]
    for size, samples in found.items():
        _say(workspace, size, samples)


def _in_turn(workspace: Workspace, callers: list[Caller], size: str, found: _Found) -> None:
    """Ask each caller once a round, beginning with another one each time; one that fails is named and left out."""
    before: dict[Caller, float] = {}
    times: dict[Caller, list[float]] = {caller: [] for caller in callers}

    def ask(caller: Caller) -> float | None:
        time.sleep(PAUSE_S)
        try:
            return caller.ask(size)
        except NotMeasured as error:
            workspace.figures.missing(caller.subject.name, str(error))
            callers.remove(caller)
            return None

    for caller in list(callers):
        if all(ask(caller) for _ in range(WARM)):
            before[caller] = cpu_time(caller.pid)
    for number in workspace.rounds(*ROUNDS[size], seconds=SECONDS):
        shift = number % max(len(callers), 1)
        for caller in callers[shift:] + callers[:shift]:
            if took := ask(caller):
                times[caller].append(took)
    alone = next((times[caller] for caller in callers if caller.subject is SDK), [0.0])
    for caller in callers:
        found.times[caller.subject] += times[caller]
        found.alone[caller.subject] += alone
        found.cpu[caller.subject].append((cpu_time(caller.pid) - before[caller]) / len(times[caller]))


def _say(workspace: Workspace, size: str, found: _Found) -> None:
    length = len(workspace.pictures[size])
    workspace.figures.section = f"One call, {size}"
    workspace.figures.note(f"the picture: a PNG of {length:,} bytes, {length / pixels(size):.2f} a pixel")
    for subject, samples in found.times.items():
        goal = GOALS[size] if subject is WITHOUT else None
        workspace.figures.add(subject.name, "ms", samples, against=found.alone[subject], goal=goal)
    for subject, what in ((SDK_DURABLE, "the least that keeps the promises"), (SDK_SERVED, "that as an MCP server")):
        if found.times[subject]:
            name = f"{WITHOUT.name}, beside {what}"
            workspace.figures.add(name, "ms", found.times[WITHOUT], against=found.times[subject])
    added = [more - less for more, less in zip(found.times[OURS], found.times[WITHOUT], strict=False)]
    if added:
        workspace.figures.add("what the preview adds to a call", "ms", added)
    workspace.figures.section = f"One call, {size}, processor time of all threads"
    for subject, samples in found.cpu.items():
        workspace.figures.add(subject.name, "ms", samples, against=found.cpu[SDK])
