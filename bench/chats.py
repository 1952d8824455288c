"""Ten chats that each made a picture: what they hold together, while their engines are there and when they are gone."""

import time
from contextlib import ExitStack

from .figures import Goal, NotMeasured
from .processes import engines, pss, rss
from .workspace import OURS, SQUARE, Workspace

CHATS = 10
IDLE_S = 3.0
"""`GPT_IMAGE_2_ENGINE_IDLE_S` of the measured chats, in place of ten minutes."""
PATIENCE_S = 60.0
STANDING = Goal(300)


def measure_chats(workspace: Workspace) -> None:
    """Open the chats, let each make a picture, and wait until the engines have ended."""
    held: dict[str, list[float]] = {}

    def weigh(pids: list[int], when: str) -> None:
        for name, memory in (("RSS", rss), ("PSS", pss)):
            held.setdefault(f"{name} {when}", []).append(sum(map(memory, pids)))

    for _ in workspace.rounds(3, 1, seconds=60):
        with ExitStack() as stack:
            chats = [
                stack.enter_context(workspace.open(OURS, {"GPT_IMAGE_2_ENGINE_IDLE_S": str(IDLE_S)}))
                for _ in range(CHATS)
            ]
            pids = [chat.pid for chat in chats]
            for chat in chats:
                chat.ask(SQUARE)
            weigh(pids, "after their pictures")
            until = time.monotonic() + PATIENCE_S
            while any(engines(pid) for pid in pids):
                if time.monotonic() > until:
                    raise NotMeasured(f"the engines did not end within {PATIENCE_S:.0f} s")
                time.sleep(0.2)
            weigh(pids, "when their engines have ended")
    workspace.figures.section = f"{CHATS} chats that each made a picture, together"
    for name, samples in held.items():
        goal = STANDING if name == "RSS when their engines have ended" else None
        workspace.figures.add(name, "MiB", samples, goal=goal)
    workspace.figures.note(f"an engine ends after {IDLE_S:.0f} s without work here, and after ten minutes by default")
