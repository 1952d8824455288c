"""What the library commands print: lines for a person at a terminal, or JSON for scripts.

Results go to stdout, remarks about them to stderr. Prompts and file names can come from anyone and can contain
characters that steer a terminal, so each text passes through `printable` before it is printed; in JSON, `print_json`
escapes them.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..redaction.printable import printable, printable_path

if TYPE_CHECKING:
    from ..catalogue.picture_record import Picture
    from ..catalogue.search_query import SearchResult
    from ..library.check import CheckResult, Finding
    from ..library.library import KnownPicture
    from ..library.rebuild import RebuildResult
    from ..library.rescue import RescueResult

MAX_FINDINGS = 20
"""Findings of one kind that `library check` prints; `--json` prints all."""
WIDTH = 100
"""Columns of a line where the output is not a terminal."""


def count_of(number: int, noun: str, plural: str | None = None) -> str:
    """A number and its noun: "1 picture", "1,234 pictures"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def print_json(value: object) -> None:
    """Print JSON; on a terminal in ASCII, so that no control character of a record reaches it."""
    click.echo(json.dumps(value, ensure_ascii=sys.stdout.isatty(), indent=2))


def print_json_list(pages: Iterable[Sequence[object]]) -> None:
    """Print what pages hold as one JSON list, as `print_json` does, page after page."""
    between = "["
    for page in pages:
        if page:
            text = json.dumps(page, ensure_ascii=sys.stdout.isatty(), indent=2)
            click.echo(f"{between}{text[1:-2]}", nl=False)
            between = ","
    click.echo("[]" if between == "[" else "\n]")


def print_notes(notes: Iterable[str]) -> None:
    """Print sentences about the work on stderr, one on a line; that it cannot be written is no failure of the work."""
    with suppress(OSError):
        for note in notes:
            click.echo(printable_path(note), err=True)


def write_nowhere(descriptor: int) -> None:
    """Write nowhere what stdout (1) or stderr (2) did not take: Python would try again at its end, and fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def forget_full_stderr() -> None:
    """Give up what stderr cannot take; to be called at the end."""
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
    except (OSError, ValueError):
        write_nowhere(2)


def print_page(found: "SearchResult", *, as_json: bool, sandbox: bool) -> None:
    """Print a page of pictures; `sandbox` says whose catalogue was searched."""
    if as_json:
        pictures = [_picture_as_dict(picture) for picture in found.pictures]
        print_json({"pictures": pictures, "page": found.page, "more": found.has_more})
        return
    for picture in found.pictures:
        _print_picture(picture)
    if not found.pictures:
        none = "No pictures." if sandbox else "No pictures. The sandbox's have a catalogue of their own: --sandbox."
        click.echo(none if found.page == 1 else "No more pictures.", err=True)
    if found.has_more:
        click.echo(f"There are more: --page {found.page + 1}", err=True)


def print_known(known: "KnownPicture", *, as_json: bool) -> None:
    """Print everything that is known about one picture; a field's name is dimmed on a terminal."""
    if as_json:
        print_json(_picture_as_dict(known.picture))
        return
    from ..library.text import details

    for line in details(known.picture, known.session).splitlines():
        name, colon, rest = printable(line).partition(": ")
        is_field = (bool(colon) and name.isalnum()) or name in {"made from", "asked for"}
        click.echo(f"{click.style(name + colon, dim=True)}{rest}" if is_field else f"{name}{colon}{rest}")


def print_rebuild(done: "RebuildResult", *, sandbox: bool) -> None:
    """Print how many records became what; `sandbox` says into whose catalogue they went."""
    parts = [f"{count_of(done.added, 'picture')} added"]
    parts += [f"{done.moved:,} found at a new place"] if done.moved else []
    parts += [f"{done.known:,} already in the catalogue"] if done.known else []
    parts += [f"{count_of(done.copies, 'copy', 'copies')} of known pictures left out"] if done.copies else []
    parts += [f"{count_of(done.sessions, 'edit session')} restored"] if done.sessions else []
    click.echo(", ".join(parts) + ".")
    if done.other_kind:
        where = "without --sandbox" if sandbox else "with --sandbox"
        whose = "not the sandbox's" if sandbox else "the sandbox's, which has a catalogue of its own"
        click.echo(f"{count_of(done.other_kind, 'picture')} left out: {whose}. Rebuild {where} to take them.", err=True)
    if not (done.added or done.moved or done.known or done.copies or done.other_kind or len(done.notes)):
        click.echo("No records were found there: they lie in folders .gpt-image-2, beside the pictures.", err=True)
    print_notes(done.notes)


def print_rescue(done: "RescueResult") -> None:
    """Print the paths of the pictures that were found, and what is to be said of the other files."""
    for picture in done.pictures:
        click.echo(printable_path(picture.path))
    click.echo(f"{count_of(len(done.pictures), 'picture')} rescued.", err=True)
    for path in done.without:
        click.echo(f"No complete picture is in {printable_path(path)}; the file stays as it is.", err=True)
    print_notes(done.notes)


def print_check(done: "CheckResult", *, as_json: bool) -> None:
    """Print the findings of a check by their kind, each kind with what can be done about it."""
    rebuild_it = "gpt-image-2-mcp library rebuild FOLDER"
    kinds: tuple[tuple[str, str, Sequence[Finding], str], ...] = (
        ("missing", "Missing", done.missing, f"If they were moved, {rebuild_it} finds them at their new place."),
        (
            "changed",
            "Changed or unreadable",
            done.changed,
            "The catalogue keeps what they were: put the originals back.",
        ),
        (
            "unrecorded",
            "Without their record beside them",
            done.unrecorded,
            "gpt-image-2-mcp library export FOLDER copies pictures and writes their records anew.",
        ),
        (
            "damaged",
            "Rows of the catalogue that cannot be read, so that no list has them",
            done.damaged,
            "gpt-image-2-mcp library forget ID removes one; the file stays.",
        ),
        ("unknown", "Not in the catalogue", done.unknown, f"{rebuild_it} takes in those that have a record."),
    )
    if as_json:
        found = {name: [_finding_as_dict(one) for one in findings] for name, _, findings, _ in kinds}
        print_json({"pictures": done.pictures, **found})
    else:
        for _, title, findings, advice in kinds:
            _print_findings(title, findings, advice)
        if done.is_sound:
            click.echo(f"{count_of(done.pictures, 'picture')} checked: all are as they were made.")
    print_notes(done.notes)


def _print_picture(picture: "Picture") -> None:
    from ..library.text import cost_text

    record = picture.record
    width = shutil.get_terminal_size((WIDTH, 0)).columns if sys.stdout.isatty() else WIDTH
    words = " ".join(printable(record.prompt[: 4 * width]).split())
    turn = f"  turn {record.position.turn}" if record.position else ""
    facts = f"{record.made.astimezone():%Y-%m-%d %H:%M}  {record.size_text}  {cost_text(picture)}{turn}"
    click.echo(f"{click.style(record.id, bold=True)}  {facts}")
    click.echo(f"  {words if len(words) <= width - 2 else words[: width - 3] + '…'}")
    click.echo(click.style(f"  {printable_path(picture.path)}", dim=True))


def _print_findings(title: str, findings: "Sequence[Finding]", advice: str) -> None:
    if not findings:
        return
    click.echo(f"{click.style(title, bold=True)}: {len(findings):,}")
    for finding in findings[:MAX_FINDINGS]:
        path = str(finding.path)
        click.echo(f"  {printable_path(finding.why if path in finding.why else f'{path} {finding.why}'.rstrip())}")
    if len(findings) > MAX_FINDINGS:
        click.echo(f"  … and {len(findings) - MAX_FINDINGS:,} more; --json prints all.")
    click.echo(f"  {advice}")


def _finding_as_dict(finding: "Finding") -> dict[str, str]:
    why = {"why": finding.why} if finding.why else {}
    return {"id": finding.id, "file_path": _path_text(finding.path), **why}


def _picture_as_dict(picture: "Picture") -> dict[str, Any]:
    record = picture.record
    cost = {} if record.cost_usd is None else {"cost_usd": float(record.cost_usd)}
    unknown = set[str]() if record.width else {"width", "height"}
    known = record.model_dump(mode="json", exclude_none=True, exclude=unknown)
    return {"file_path": _path_text(picture.path), **known, **cost}


def _path_text(path: Path) -> str:
    """A path that JSON can hold: bytes of a name that are no UTF-8 become question marks."""
    return str(path).encode(errors="replace").decode()
