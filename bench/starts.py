"""How long a start takes, and what a server holds before and after its first call."""

import subprocess
import time
from collections import defaultdict
from collections.abc import Mapping

from .figures import Goal, NotMeasured
from .processes import pss, rss
from .wire import Era
from .workspace import BARE, OURS, PROMPT, PYTHON, SDK, SQUARE, Subject, Workspace

ERAS: tuple[Era, ...] = ("2025-11-25", "2026-07-28")
FIRST_ANSWER: Mapping[Era, str] = {"2025-11-25": "initialize", "2026-07-28": "server/discover"}
SETTLE_S = 0.5
"""Time after the handshake until an idle server's memory is read."""
WEIGHED = 5
"""Starts whose memory is read."""

START = Goal(4, "ratio")
IDLE = Goal(20)
AFTER_CALL = Goal(140)
FIRST_REQUEST = Goal(1.5, "ratio")
FIRST_LIST = Goal(2, "ratio")

SCRIPT = f"""
from openai import OpenAI
OpenAI().images.generate(model="gpt-image-2", prompt={PROMPT!r}, size={SQUARE!r})
"""
"""The least that asks for a picture with the SDK."""

Samples = defaultdict[tuple[Subject, str], list[float]]
"""By the subject and what was measured."""


def measure_starts(workspace: Workspace) -> None:
    """Start all subjects again and again, one after another."""
    figures = workspace.figures
    figures.section = "Start: from spawn, against the bare interpreter"
    times, beside, idle = Samples(list), Samples(list), Samples(list)
    bare: list[float] = []
    # The first start of each may compile bytecode, and shows whether it starts at all.
    ways: list[tuple[Subject, Era]] = [
        (subject, era) for subject in workspace.servers for era in ERAS if _starts(workspace, subject, era)
    ]
    for number in workspace.rounds(25, 3, seconds=60):
        bare.append(_bare_start())
        for subject, era in ways:
            with workspace.open(subject, handshake=False) as caller:
                took = caller.wire.shake_hands(era)
                if number < WEIGHED and era == ERAS[0]:
                    time.sleep(SETTLE_S)
                    idle[subject, "RSS"].append(rss(caller.pid))
                    idle[subject, "PSS"].append(pss(caller.pid))
            for what, ms in zip((FIRST_ANSWER[era], "tools/list"), took, strict=True):
                times[subject, f"{what} ({era})"].append(ms)
                beside[subject, f"{what} ({era})"].append(bare[-1])
    figures.add("python -c pass, to its end", "ms", bare)
    for (subject, what), samples in times.items():
        goal = START if subject is OURS else None
        figures.add(f"{subject.name}: {what}", "ms", samples, against=beside[subject, what], goal=goal)
    figures.section = "Memory of an idle server half a second after its handshake"
    for (subject, what), samples in idle.items():
        figures.add(f"{subject.name}: {what}", "MiB", samples, goal=_goal(IDLE, subject, what))


def measure_first_call(workspace: Workspace) -> None:
    """The first picture of a fresh process, which pays for what was not loaded before."""
    figures = workspace.figures
    figures.section = f"The first call, {SQUARE}, of a fresh process"
    times, held = Samples(list), Samples(list)
    well = list(workspace.all)
    for _ in workspace.rounds(7, 2, seconds=30):
        for subject in list(well):
            try:
                with workspace.open(subject) as caller:
                    caller.ask(SQUARE)
                    times[subject, "from spawn to its answer"].append((time.perf_counter() - caller.wire.began) * 1000)
                    held[subject, "RSS"].append(rss(caller.pid))
                    held[subject, "PSS"].append(pss(caller.pid))
            except NotMeasured as error:
                figures.missing(subject.name, str(error))
                well.remove(subject)
    sdk = times[SDK, "from spawn to its answer"]
    for (subject, what), samples in times.items():
        figures.add(f"{subject.name}: {what}", "ms", samples, against=sdk)
    for (subject, what), samples in held.items():
        figures.add(f"{subject.name}: {what} after it", "MiB", samples, goal=_goal(AFTER_CALL, subject, what))


def measure_first_request(workspace: Workspace) -> None:
    """From the start of a process to its first request at the API, and to the answer of its first `list_images`."""
    figures = workspace.figures
    times: dict[str, list[float]] = {name: [] for name in ("script", "request", "import", "list")}
    for _ in workspace.rounds(12, 3, seconds=60):
        began = _run(workspace, SCRIPT)
        times["script"].append((workspace.last_arrival() - began) * 1000)
        with workspace.open(OURS) as caller:
            caller.ask(SQUARE)
            times["request"].append((workspace.last_arrival() - caller.wire.began) * 1000)
        began = _run(workspace, "import mcp")
        times["import"].append((time.perf_counter() - began) * 1000)
        with workspace.open(OURS) as caller:
            listed = caller.wire.ask("tools/call", {"name": "list_images", "arguments": {}})
            times["list"].append((listed.at - caller.wire.began) * 1000)
    figures.section = "From spawn to the first request at the API, against a script with the SDK"
    figures.add("a script that imports openai and asks for a picture", "ms", times["script"])
    figures.add(f"{OURS.name}: generate_image", "ms", times["request"], against=times["script"], goal=FIRST_REQUEST)
    figures.section = "From spawn to the answer of a first list, against the import of the MCP SDK"
    figures.add('python -c "import mcp", to its end', "ms", times["import"])
    figures.add(f"{OURS.name}: list_images", "ms", times["list"], against=times["import"], goal=FIRST_LIST)


def _run(workspace: Workspace, code: str) -> float:
    """Run Python code in a process of its own to its end; give the time of its start."""
    began = time.perf_counter()
    subprocess.run((*PYTHON, "-c", code), check=True, stdin=subprocess.DEVNULL, env=workspace.environ(SDK))  # noqa: S603 - ours
    return began


def _starts(workspace: Workspace, subject: Subject, era: Era) -> bool:
    try:
        with workspace.open(subject, handshake=False) as caller:
            caller.wire.shake_hands(era)
    except NotMeasured as error:
        workspace.figures.missing(f"{subject.name}: {era}", str(error))
        return False
    return True


def _goal(goal: Goal, subject: Subject, what: str) -> Goal | None:
    return goal if subject is OURS and what == "RSS" else None


def _bare_start() -> float:
    began = time.perf_counter()
    subprocess.run(BARE, check=True, stdin=subprocess.DEVNULL)  # noqa: S603 - this interpreter
    return (time.perf_counter() - began) * 1000
