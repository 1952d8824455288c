"""How a call's time and memory grow with the number of pictures, their size, and calls side by side."""

from collections.abc import Callable, Sequence

from .processes import peak, reset_peak
from .workspace import GROWING, OURS, SDK, SQUARE, Caller, Workspace

NUMBERS = (1, 2, 4, 8)
AT_ONCE = (1, 2, 4, 8, 16)


def measure_growth(workspace: Workspace) -> None:
    """Walk along three axes; each step's peak memory is that step's own."""
    numbers = (1, 4) if workspace.quick else NUMBERS
    at_once = (1, 4, 16) if workspace.quick else AT_ONCE
    sizes = [size for size in GROWING if size in workspace.pictures]
    workspace.figures.section = f"Growth with n, {SQUARE} each"
    _walk(workspace, [(f"n={n}", lambda caller, n=n: caller.ask(SQUARE, n)) for n in numbers])
    workspace.figures.section = "Growth with size"
    _walk(workspace, [(size, lambda caller, size=size: caller.ask(size)) for size in sizes])
    workspace.figures.section = f"Growth with calls at once, {SQUARE} each"
    _walk(workspace, [(f"{c} at once", lambda caller, c=c: caller.ask_at_once(c, SQUARE)) for c in at_once])


def _walk(workspace: Workspace, steps: Sequence[tuple[str, Callable[[Caller], float]]]) -> None:
    """Take each step a few times, from the smallest, in processes that did nothing before."""
    wide = {"GPT_IMAGE_2_MAX_CONCURRENCY": str(max(AT_ONCE))}
    with workspace.open(SDK, wide) as sdk, workspace.open(OURS, wide) as ours:
        for caller in (sdk, ours):
            caller.ask(SQUARE)
        for name, step in steps:
            alone: list[float] = []
            times: list[float] = []
            peaks: list[float] = []
            for _ in workspace.rounds(7, 2, seconds=8):
                alone.append(step(sdk))
                reset_peak(ours.pid)
                times.append(step(ours))
                peaks.append(peak(ours.pid))
            workspace.figures.add(f"{SDK.name}, {name}", "ms", alone)
            workspace.figures.add(f"{OURS.name}, {name}", "ms", times, against=alone)
            workspace.figures.add(f"{OURS.name}, {name}: peak RSS", "MiB", peaks)
