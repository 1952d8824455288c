"""A large catalogue: finding in it, contact sheets of it, and what it adds to a start and to a save."""

import shutil
import time
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gpt_image_2_mcp.app import THUMBNAILS
from gpt_image_2_mcp.shared_parts import DATABASE

from .catalogue_filler import CJK, COMMON, RARE, SECOND, SPAN, Shown, fill
from .figures import Goal
from .pictures import painted
from .workspace import OURS, SQUARE, Caller, Workspace

LARGE, QUICK = 100_000, 10_000
SHEET = 20
"""Pictures on a contact sheet, whose files are there."""
FIND, DRAW, START_MORE, SAVE_MORE = Goal(50), Goal(500), Goal(10), Goal(5)
NEWEST: Mapping[str, Any] = {}

Samples = defaultdict[str, list[float]]


def measure_catalogue(workspace: Workspace) -> None:
    """Fill a catalogue, and measure a server that uses it beside one whose catalogue is empty."""
    count = QUICK if workspace.quick else LARGE
    homes = {name: workspace.folder / name for name in ("large", "empty")}
    database = _data(homes["large"]) / DATABASE
    filled = fill(database, count, _shown(workspace))
    size = database.stat().st_size / 2**20
    with workspace.open(OURS, _env(homes["large"])) as caller:
        workspace.figures.section = f"list_images, {count:,} pictures"
        workspace.figures.note(f"the catalogue: {size:.0f} MiB, made in {filled.seconds:.0f} s")
        _find(workspace, caller, count, filled.session_id)
        workspace.figures.section = f"A contact sheet of {SHEET}, {SQUARE} each, {count:,} pictures"
        _draw(workspace, caller, _data(homes["large"]) / THUMBNAILS)
    workspace.figures.section = f"What {count:,} pictures add, against an empty catalogue"
    _start(workspace, homes)
    _save(workspace, homes)


def _find(workspace: Workspace, caller: Caller, count: int, session_id: str) -> None:
    then = datetime.now(UTC) - SPAN / 2
    month = {"since": then.isoformat(), "until": (then + timedelta(days=30)).isoformat()}
    wanted: Mapping[str, Mapping[str, Any]] = {
        "newest": NEWEST,
        "a rare word": {"query": RARE},
        "a common word": {"query": COMMON},
        "two common words": {"query": f"{COMMON} {SECOND}"},
        "a word that is nowhere": {"query": "zeppelin"},
        "one letter": {"query": COMMON[0]},
        "Chinese, of one in 1,000": {"query": CJK},
        "Chinese that is nowhere": {"query": CJK[::-1]},
        "a month": month,
        "a common word in that month": {"query": COMMON, **month},
        "a project": {"project": "project-7"},
        "a common word in a project": {"query": COMMON, "project": "project-7"},
        "a session": {"session_id": session_id},
        "a common word in a session": {"query": COMMON, "session_id": session_id},
        "a model that made none": {"model": "gpt-image-9"},
        "the last page": {"page": count // SHEET},
    }
    samples = Samples(list)
    for _ in workspace.rounds(25, 5, seconds=30):
        for name, arguments in wanted.items():
            samples[name].append(_call(caller, arguments))
    for name, times in samples.items():
        workspace.figures.add(name, "ms", times, goal=FIND)


def _draw(workspace: Workspace, caller: Caller, thumbnails: Path) -> None:
    samples = Samples(list)
    for _ in workspace.rounds(9, 3, seconds=30):
        shutil.rmtree(thumbnails, ignore_errors=True)
        for name in ("cold: no thumbnail is kept", "warm: all thumbnails are kept"):
            samples[name].append(_call(caller, {"contact_sheet": True}))
    for name, times in samples.items():
        workspace.figures.add(name, "ms", times, goal=DRAW)


def _start(workspace: Workspace, homes: Mapping[str, Path]) -> None:
    samples = Samples(list)
    whats = ("initialize", "tools/list", "first list_images")
    for number in workspace.rounds(25, 3, seconds=60):
        for name in _in_turn(homes, number):
            with workspace.open(OURS, _env(homes[name]), handshake=False) as caller:
                opening = caller.wire.shake_hands()
                _call(caller, NEWEST)
                listed = (time.perf_counter() - caller.wire.began) * 1000
            for what, ms in zip(whats, (*opening, listed), strict=True):
                samples[f"start to {what}, {name}"].append(ms)
    for what in whats:
        _add_pair(workspace, samples, f"start to {what}", START_MORE)


def _save(workspace: Workspace, homes: Mapping[str, Path]) -> None:
    samples = Samples(list)
    with workspace.open(OURS, _env(homes["large"])) as large, workspace.open(OURS, _env(homes["empty"])) as empty:
        callers = {"large": large, "empty": empty}
        for caller in callers.values():
            caller.ask(SQUARE)
        for number in workspace.rounds(40, 8, seconds=40):
            for name in _in_turn(homes, number):
                took = callers[name].ask(SQUARE)
                samples[f"a call, {name}"].append(took)
                # The thread that writes records answers queries too: this waits until the record is written.
                samples[f"a call and a look at it, {name}"].append(took + _call(callers[name], NEWEST))
    for what in ("a call", "a call and a look at it"):
        _add_pair(workspace, samples, what, SAVE_MORE)


def _add_pair(workspace: Workspace, samples: Samples, what: str, goal: Goal) -> None:
    large, empty = samples[f"{what}, large"], samples[f"{what}, empty"]
    workspace.figures.add(f"{what}, empty", "ms", empty)
    workspace.figures.add(f"{what}, large", "ms", large, against=empty)
    more = [one - other for one, other in zip(large, empty, strict=True)]
    workspace.figures.add(f"{what}: what is added", "ms", more, goal=goal)


def _in_turn(homes: Mapping[str, Path], number: int) -> list[str]:
    """The names, beginning with another one each time."""
    return list(homes) if number % 2 else list(homes)[::-1]


def _call(caller: Caller, arguments: Mapping[str, Any]) -> float:
    began = time.perf_counter()
    answer = caller.wire.ask("tools/call", {"name": "list_images", "arguments": dict(arguments)})
    return (answer.at - began) * 1000


def _shown(workspace: Workspace) -> list[Shown]:
    folder = workspace.folder / "shown"
    folder.mkdir()
    with ThreadPoolExecutor(2) as pool:
        pictures = list(pool.map(painted, [SQUARE] * SHEET))
    shown = [Shown(folder / f"{number}.png", data) for number, data in enumerate(pictures)]
    for picture in shown:
        picture.path.write_bytes(picture.data)
    return shown


def _env(home: Path) -> Mapping[str, str]:
    return {"XDG_DATA_HOME": str(home)}


def _data(home: Path) -> Path:
    """Where the program keeps its files in it."""
    return home / "gpt-image-2-mcp"
