"""What an export has made, as a text."""

from itertools import groupby
from os.path import commonpath
from pathlib import Path

from ..errors import shorten
from ..images.provenance import NO_CREDENTIALS
from ..jobs.report import MAX_TEXT
from .exporter import ExportedFile, ExportOutcome
from .targets import says_edges


def export_text(outcome: ExportOutcome) -> str:
    """The files that were made, a line each, then what could not be made."""
    count = len(outcome.files)
    lines = [f"{count} file{'s' if count > 1 else ''} exported, free:"]
    for (target, how), group in groupby(outcome.files, key=lambda file: (file.target, file.how)):
        files = list(group)
        if len(files) == 1:
            lines.append(f"- {target}: {_place(files[0], outcome)}, {_facts(files[0], target)}, {how}")
            continue
        # The files of an icon set.
        folder = Path(commonpath(file.path for file in files))
        names = ", ".join(f"{file.path.relative_to(folder).as_posix()} ({_facts(file)})" for file in files)
        lines.append(f"- {target}, {how}{'' if outcome.is_linked else f', in {folder}'}: {names}")
    lines += _fetch_lines(outcome)
    lines += [f"Not made: {failure}" for failure in outcome.failures]
    if outcome.sheet_path:
        lines.append(f"{'All of them on' if count > 1 else 'On'} a sheet: {outcome.sheet_path}")
    shapes = list(dict.fromkeys(file.shape for file in outcome.files if file.shape))
    if shapes:
        lines.append(
            "Note: much is cut off. To have all of it in that shape: `fit` 'pad', free, or a new picture drawn for it"
            f" by edit_image with `size` {' or '.join(map(repr, shapes))}, which costs money."
        )
    if outcome.was_made_here:
        lines.append(f"Note: {NO_CREDENTIALS}")
    return shorten("\n".join(lines), MAX_TEXT)


def _place(file: ExportedFile, outcome: ExportOutcome) -> str:
    return file.path.name if outcome.is_linked else str(file.path)


def _fetch_lines(outcome: ExportOutcome) -> list[str]:
    """On a server, how the files are fetched."""
    if not outcome.is_linked:
        return []
    if outcome.archive:
        return [f"All of them: {outcome.archive.fetch_text('export.zip')} (until {outcome.archive.until})"]
    links = [(file.path.name, file.link) for file in outcome.files]
    fetched = [f"{link.fetch_text(name)} (until {link.until})" for name, link in links if link]
    return fetched or ["The picture store cannot be reached, so there is no link to them: export again later, free."]


def _facts(file: ExportedFile, target: str = "") -> str:
    edges = f"{file.width}x{file.height}" if file.width else ""
    size = f"{edges}, " if edges and not says_edges(target, edges) else ""
    return f"{size}{file.size_bytes:,} bytes"
