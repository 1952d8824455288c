"""Many calls at once, and many large ones in a row: how long, and how much memory."""

import time

from .figures import Goal
from .processes import peak, reset_peak, rss
from .workspace import LARGE, OURS, SDK, SQUARE, Subject, Workspace

AT_ONCE = 50
IN_A_ROW = 10
SETTLE_S = 1.0

PEAK = Goal(300)
AFTER_TEN = Goal(160)
LEFT = Goal(30)


def measure_at_once(workspace: Workspace) -> None:
    """Fifty calls at once: with as many requests to the API at once, and with the default number of them."""
    workspace.figures.section = f"{AT_ONCE} calls at once, {SQUARE}"
    wide = {"GPT_IMAGE_2_MAX_CONCURRENCY": str(AT_ONCE)}
    for subject in workspace.all:
        with workspace.figures.attempt(subject.name):
            _at_once(workspace, subject, wide, f", {AT_ONCE} to the API" if subject is OURS else "")
    with workspace.figures.attempt(OURS.name):
        _at_once(workspace, OURS, {}, ", 4 to the API")


def _at_once(workspace: Workspace, subject: Subject, env: dict[str, str], words: str) -> None:
    times: list[float] = []
    peaks: list[float] = []
    for _ in workspace.rounds(5, 1, seconds=30):
        with workspace.open(subject, env) as caller:
            caller.ask(SQUARE)
            reset_peak(caller.pid)
            times.append(caller.ask_at_once(AT_ONCE, SQUARE))
            peaks.append(peak(caller.pid))
    name = f"{subject.name}{words}"
    workspace.figures.add(f"{name}: until the last answer", "ms", times)
    workspace.figures.add(f"{name}: calls a second", "/s", [AT_ONCE * 1000 / took for took in times])
    workspace.figures.add(f"{name}: peak RSS", "MiB", peaks, goal=PEAK if subject is OURS else None)


def measure_in_a_row(workspace: Workspace) -> None:
    """Ten large pictures one after another: the memory they leave behind, against that after one small picture."""
    workspace.figures.section = f"{IN_A_ROW} calls in a row, {LARGE}"
    for subject in workspace.all:
        with workspace.figures.attempt(subject.name):
            _in_a_row(workspace, subject)


def _in_a_row(workspace: Workspace, subject: Subject) -> None:
    before: list[float] = []
    after: list[float] = []
    left: list[float] = []
    peaks: list[float] = []
    for number in workspace.rounds(4, 1, seconds=30):
        with workspace.open(subject) as caller:
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
            workspace.figures.note(f"{subject.name}: RSS after each, MiB: {' '.join(f'{held:.0f}' for held in course)}")
    ours = subject is OURS
    workspace.figures.add(f"{subject.name}: RSS before, after one small call", "MiB", before)
    workspace.figures.add(f"{subject.name}: peak RSS", "MiB", peaks)
    workspace.figures.add(f"{subject.name}: RSS a second after them", "MiB", after, goal=AFTER_TEN if ours else None)
    workspace.figures.add(f"{subject.name}: left behind", "MiB", left, goal=LEFT if ours else None)
