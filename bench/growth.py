"""How a call's time and memory grow with the number of pictures, their size, and calls side by side."""

from collections.abc import Callable, Sequence

from .place import GROWING, OURS, SDK, SQUARE, Caller, Place
from .processes import peak, reset_peak

NUMBERS = (1, 2, 4, 8)
AT_ONCE = (1, 2, 4, 8, 16)


def measure_growth(place: Place) -> None:
    """Walk along three axes; each step's peak memory is that step's own."""
    numbers = (1, 4) if place.quick else NUMBERS
    at_once = (1, 4, 16) if place.quick else AT_ONCE
    sizes = [size for size in GROWING if size in place.pictures]
    place.figures.section = f"Growth with n, {SQUARE} each"
    _walk(place, [(f"n={n}", lambda caller, n=n: caller.ask(SQUARE, n)) for n in numbers])
    place.figures.section = "Growth with size"
    _walk(place, [(size, lambda caller, size=size: caller.ask(size)) for size in sizes])
    place.figures.section = f"Growth with calls at once, {SQUARE} each"
    _walk(place, [(f"{c} at once", lambda caller, c=c: caller.ask_at_once(c, SQUARE)) for c in at_once])


def _walk(place: Place, steps: Sequence[tuple[str, Callable[[Caller], float]]]) -> None:
    """Take each step a few times, from the smallest, in processes that did nothing before."""
    wide = {"GPT_IMAGE_2_MAX_CONCURRENCY": str(max(AT_ONCE))}
    with place.open(SDK, wide) as sdk, place.open(OURS, wide) as ours:
        for caller in (sdk, ours):
            caller.ask(SQUARE)
        for name, step in steps:
            alone: list[float] = []
            times: list[float] = []
            peaks: list[float] = []
            for _ in place.rounds(7, 2, seconds=8):
                alone.append(step(sdk))
                reset_peak(ours.pid)
                times.append(step(ours))
                peaks.append(peak(ours.pid))
            place.figures.add(f"{SDK.name}, {name}", "ms", alone)
            place.figures.add(f"{OURS.name}, {name}", "ms", times, against=alone)
            place.figures.add(f"{OURS.name}, {name}: peak RSS", "MiB", peaks)
