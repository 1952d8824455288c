"""Many calls at once, and many large ones in a row: how long, and how much memory."""

import time

from .figures import Goal
from .place import LARGE, OURS, SDK, SQUARE, Place, Subject
from .processes import peak, reset_peak, rss

AT_ONCE = 50
IN_A_ROW = 10
SETTLE_S = 1.0

PEAK = Goal(300)
AFTER_TEN = Goal(160)
LEFT = Goal(30)


def measure_at_once(place: Place) -> None:
    """Fifty calls in one breath, with as many requests to the API allowed, and with the default."""
    place.figures.section = f"{AT_ONCE} calls at once, {SQUARE}"
    wide = {"GPT_IMAGE_2_MAX_CONCURRENCY": str(AT_ONCE)}
    for subject in place.all:
        with place.figures.attempt(subject.name):
            _at_once(place, subject, wide, f", {AT_ONCE} to the API" if subject is OURS else "")
    with place.figures.attempt(OURS.name):
        _at_once(place, OURS, {}, ", 4 to the API")


def _at_once(place: Place, subject: Subject, env: dict[str, str], words: str) -> None:
    times: list[float] = []
    peaks: list[float] = []
    for _ in place.rounds(5, 1, seconds=30):
        with place.open(subject, env) as caller:
            caller.ask(SQUARE)
            reset_peak(caller.pid)
            times.append(caller.ask_at_once(AT_ONCE, SQUARE))
            peaks.append(peak(caller.pid))
    name = f"{subject.name}{words}"
    place.figures.add(f"{name}: until the last answer", "ms", times)
    place.figures.add(f"{name}: calls a second", "/s", [AT_ONCE * 1000 / took for took in times])
    place.figures.add(f"{name}: peak RSS", "MiB", peaks, goal=PEAK if subject is OURS else None)


def measure_in_a_row(place: Place) -> None:
    """Ten large pictures one after another, held against what the server has after a small one."""
    place.figures.section = f"{IN_A_ROW} calls in a row, {LARGE}"
    for subject in place.all:
        with place.figures.attempt(subject.name):
            _in_a_row(place, subject)


def _in_a_row(place: Place, subject: Subject) -> None:
    before: list[float] = []
    after: list[float] = []
    left: list[float] = []
    peaks: list[float] = []
    for number in place.rounds(4, 1, seconds=30):
        with place.open(subject) as caller:
            caller.ask(SQUARE)
            time.sleep(SETTLE_S)
            before.append(rss(caller.pid))
            course: list[float] = []
            for _ in range(IN_A_ROW):
                caller.ask(LARGE)
                course.append(rss(caller.pid))
            peaks.append(peak(caller.pid))
            time.sleep(SETTLE_S)
            after.append(rss(caller.pid))
            left.append(after[-1] - before[-1])
        if number == 0 and subject is not SDK:
            place.figures.note(f"{subject.name}: RSS after each, MiB: {' '.join(f'{held:.0f}' for held in course)}")
    ours = subject is OURS
    place.figures.add(f"{subject.name}: RSS before, after one small call", "MiB", before)
    place.figures.add(f"{subject.name}: peak RSS", "MiB", peaks)
    place.figures.add(f"{subject.name}: RSS a second after them", "MiB", after, goal=AFTER_TEN if ours else None)
    place.figures.add(f"{subject.name}: left behind", "MiB", left, goal=LEFT if ours else None)
