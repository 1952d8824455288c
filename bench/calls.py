"""One call after another: the servers against the SDK alone, in turn, at a small and a large size."""

import time
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from .figures import Goal, NotMeasured
from .painting import pixels
from .place import LARGE, OURS, SDK, SQUARE, Caller, Place, Subject
from .processes import worked

GOALS = {SQUARE: Goal(1.3, "ratio"), LARGE: Goal(1.2, "ratio")}
WARM = 2
"""Calls before the clock starts: imports, the connection, the allocator."""
PAUSE_S = 0.03
"""Before each call: what one server still does after its answer is not in the next one's time, nor in its own. It shows
in the processor time."""
LIVES = 5
"""How often everyone is started anew: a process settles into an allocator's good or bad habits."""
ROUNDS = {SQUARE: (10, 8), LARGE: (4, 4)}
"""Of each life, in full and in a quick run."""
SECONDS = 15.0

MODES: tuple[Subject, ...] = tuple(
    replace(OURS, name=f"{OURS.name}, inline={mode}", env={"GPT_IMAGE_2_INLINE": mode}) for mode in ("none", "full")
)


@dataclass(slots=True)
class _Found:
    """Everyone's samples at one size."""

    times: defaultdict[Subject, list[float]] = field(default_factory=lambda: defaultdict[Subject, list[float]](list))
    alone: defaultdict[Subject, list[float]] = field(default_factory=lambda: defaultdict[Subject, list[float]](list))
    """The SDK's, taken beside them."""
    worked: defaultdict[Subject, list[float]] = field(default_factory=lambda: defaultdict[Subject, list[float]](list))
    """Processor time of a call, a sample a life."""


def measure_calls(place: Place) -> None:
    """Ask everyone for the same picture in turn."""
    found = {size: _Found() for size in ROUNDS}
    well = [*place.all, *MODES]
    for _ in range(1 if place.quick else LIVES):
        with ExitStack() as stack:
            callers: list[Caller] = []
            for subject in list(well):
                try:
                    callers.append(stack.enter_context(place.open(subject)))
                except NotMeasured as error:
                    place.figures.section = "Calls"
                    place.figures.missing(subject.name, str(error))
                    well.remove(subject)
            for size, samples in found.items():
                place.figures.section = f"One call, {size}"
                _in_turn(place, callers, size, samples)
                well = [caller.subject for caller in callers]
    for size, samples in found.items():
        _say(place, size, samples)


def _in_turn(place: Place, callers: list[Caller], size: str, found: _Found) -> None:
    """Ask each caller once a round, beginning with another one each time; who fails is named and left out."""
    before: dict[Caller, float] = {}
    times: dict[Caller, list[float]] = {caller: [] for caller in callers}

    def ask(caller: Caller) -> float | None:
        time.sleep(PAUSE_S)
        try:
            return caller.ask(size)
        except NotMeasured as error:
            place.figures.missing(caller.subject.name, str(error))
            callers.remove(caller)
            return None

    for caller in list(callers):
        if all(ask(caller) for _ in range(WARM)):
            before[caller] = worked(caller.pid)
    for number in place.rounds(*ROUNDS[size], seconds=SECONDS):
        shift = number % max(len(callers), 1)
        for caller in callers[shift:] + callers[:shift]:
            if took := ask(caller):
                times[caller].append(took)
    alone = next((times[caller] for caller in callers if caller.subject is SDK), [0.0])
    for caller in callers:
        found.times[caller.subject] += times[caller]
        found.alone[caller.subject] += alone
        found.worked[caller.subject].append((worked(caller.pid) - before[caller]) / len(times[caller]))


def _say(place: Place, size: str, found: _Found) -> None:
    length = len(place.pictures[size])
    place.figures.section = f"One call, {size}"
    place.figures.note(f"the picture: a PNG of {length:,} bytes, {length / pixels(size):.2f} a pixel")
    for subject, samples in found.times.items():
        goal = GOALS[size] if subject is OURS else None
        place.figures.add(subject.name, "ms", samples, against=found.alone[subject], goal=goal)
    place.figures.section = f"One call, {size}, processor time of all threads"
    for subject, samples in found.worked.items():
        place.figures.add(subject.name, "ms", samples, against=found.worked[SDK])
