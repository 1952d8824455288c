"""The command: measures section by section, says how far it is, prints the table, writes JSON and a plot."""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from .calls import measure_calls
from .catalogue import measure_catalogue
from .chats import measure_chats
from .event_loop import measure_event_loop, measure_steps
from .exact_edits import measure_exact_edits
from .figures import Figures, NotMeasured
from .growth import measure_growth
from .load import measure_at_once, measure_in_a_row
from .machine import described, with_end
from .mattes import measure_mattes
from .parts import measure_parts
from .peers import read_peers
from .pieces import measure_pieces
from .plot import draw
from .starts import measure_first_call, measure_first_request, measure_starts
from .table import text
from .workspace import Subject, Workspace, open_workspace

SECTIONS: Mapping[str, Callable[[Workspace], None]] = {
    "start": measure_starts,
    "first-request": measure_first_request,
    "first": measure_first_call,
    "chats": measure_chats,
    "call": measure_calls,
    "at-once": measure_at_once,
    "in-a-row": measure_in_a_row,
    "parts": measure_parts,
    "growth": measure_growth,
    "loop": measure_event_loop,
    "steps": measure_steps,
    "catalogue": measure_catalogue,
    "mattes": measure_mattes,
    "exact": measure_exact_edits,
    "pieces": measure_pieces,
}
ON_REQUEST = frozenset({"pieces"})
"""Sections that are only measured if they are named: they compare the server with itself."""
DOCS = Path(__file__).parent.parent / "docs"
EXACT = "Exact edits"
"""How the sections of exact edits begin."""
_SAMPLES = ("samples", "ratios")
LIMIT_S = 900
"""Seconds after which a run ends by itself, in case it hangs."""


def main() -> None:
    """Measure the sections that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds and steps: under a minute")
    parser.add_argument("--only", action="append", choices=list(SECTIONS), help="this section (repeatable)")
    parser.add_argument(
        "--peer", action="append", default=[], metavar="NAME=COMMAND", help="another server (repeatable)"
    )
    parser.add_argument("--peer-tool", action="append", default=[], metavar="NAME=TOOL", help="if not generate_image")
    parser.add_argument(
        "--peer-arguments", action="append", default=[], metavar="NAME=JSON", help='with "$size" and "$n" in it'
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder of the results")
    parser.add_argument("--publish", action="store_true", help="also write docs/bench.json and docs/bench.png")
    given = parser.parse_args()
    try:
        peers = read_peers(given.peer, given.peer_tool, given.peer_arguments)
    except ValueError as error:
        parser.error(str(error))
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    if sys.platform != "win32":
        signal.signal(signal.SIGALRM, _stop)
        signal.alarm(LIMIT_S)
    began = time.monotonic()
    header = described(quick=given.quick)
    try:
        figures = _measure(
            given.only or [name for name in SECTIONS if name not in ON_REQUEST], peers, quick=given.quick
        )
    except KeyboardInterrupt:
        sys.exit("stopped; nothing is left running")
    header = with_end(header, time.monotonic() - began)
    sys.stdout.write(text(header, figures))
    for file in _write(given.out, header, figures, quick=given.quick):
        sys.stderr.write(f"written: {file}\n")
    if given.publish:
        for file in _publish(header, figures):
            sys.stderr.write(f"written: {file}; make docs brings it into the documents\n")


def _measure(names: Sequence[str], peers: Sequence[Subject], *, quick: bool) -> Figures:
    with tempfile.TemporaryDirectory(prefix="gpt-image-2-bench-", ignore_cleanup_errors=True) as folder:
        sys.stderr.write("making the pictures\n")
        with open_workspace(Path(folder), quick=quick, peers=peers) as workspace:
            for name in names:
                began = time.monotonic()
                sys.stderr.write(f"measuring: {name}")
                sys.stderr.flush()
                try:
                    SECTIONS[name](workspace)
                except NotMeasured as error:
                    workspace.figures.missing(name, str(error))
                sys.stderr.write(f", {time.monotonic() - began:.0f} s\n")
            return workspace.figures


def _write(folder: Path, header: Mapping[str, str], figures: Figures, *, quick: bool) -> Sequence[Path]:
    """Write both files; a second run on the same day replaces the first."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{datetime.now().astimezone():%Y-%m-%d}{'-quick' if quick else ''}"
    return _write_as(folder / name, header, figures, [row.as_dict() for row in figures.rows])


def _publish(header: Mapping[str, str], figures: Figures) -> Sequence[Path]:
    """Write the files without the samples, for docs/performance.md and docs/exact-edits.md."""
    written: list[Path] = []
    for name, is_exact in (("bench", False), ("exact-edits", True)):
        part = Figures([row for row in figures.rows if row.section.startswith(EXACT) == is_exact], notes=figures.notes)
        short = [{key: value for key, value in row.as_dict().items() if key not in _SAMPLES} for row in part.rows]
        if part.rows and is_exact:
            written.append(_write_numbers(DOCS / name, header, part, short))
        elif part.rows:
            written += _write_as(DOCS / name, header, part, short)
    return written


def _write_as(
    path: Path, header: Mapping[str, str], figures: Figures, rows: Sequence[Mapping[str, Any]]
) -> Sequence[Path]:
    picture = path.with_suffix(".png")
    draw(f"gpt-image-2-mcp, {header['date']}, {header['machine']}", figures).save(picture, optimize=True)
    return _write_numbers(path, header, figures, rows), picture


def _write_numbers(path: Path, header: Mapping[str, str], figures: Figures, rows: Sequence[Mapping[str, Any]]) -> Path:
    numbers = path.with_suffix(".json")
    whole = {"header": header, "notes": figures.notes, "rows": rows}
    numbers.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    return numbers


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
