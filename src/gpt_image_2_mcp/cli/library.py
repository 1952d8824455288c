"""`gpt-image-2-mcp library`: the pictures that were made, for a person at a terminal and for scripts.

What was asked for goes to stdout, what is said of it to stderr. Words of records and names of files may come from
anybody, so nothing that could steer a terminal is printed. What weighs is imported inside the commands.
"""

import json
import shutil
import sys
from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from ..catalogue.models import Picture
    from ..catalogue.search import Found, Search
    from ..library.check import Finding
    from ..library.library import KnownPicture, Library, ProgressCallback

ResultT = TypeVar("ResultT")

MAX_LINES = 20
"""Findings of one kind that a check prints; `--json` gives all."""
WIDTH = 100
"""Columns where the output is no terminal."""
JOINER = "\u200d"
"""Joins emoji; every other invisible character is left out."""


@click.group(invoke_without_command=True)
@click.pass_context
def library(ctx: click.Context) -> None:
    """Find what was made, copy it, and keep the catalogue true.

    The catalogue is an index. Each picture's own record lies beside it, in a folder .gpt-image-2, and the catalogue can
    be made again from these. No key is needed.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def _filters(command: Callable[..., None]) -> Callable[..., None]:
    """What narrows a selection; `--sandbox` picks the sandbox's catalogue."""
    options = (
        click.option("--since", metavar="TIME", help="2026-11-22, 2026-11-22T14:30, today, yesterday, 2h, 3d or 1w."),
        click.option("--until", metavar="TIME", help="The same; a day is meant to its end."),
        click.option("--project", metavar="NAME", help="The git repository or folder that it was made in."),
        click.option("--session", "session_id", metavar="ID", help="An edit session."),
        click.option("--model", metavar="NAME"),
    )
    return _with(options, command)


def _pages(command: Callable[..., None]) -> Callable[..., None]:
    options = (
        click.option(
            "--limit",
            "page_size",
            type=click.IntRange(1, 1000),
            default=20,
            show_default=True,
            help="Pictures on a page.",
        ),
        click.option("--page", type=click.IntRange(1, 1_000_000), default=1, show_default=True),
        click.option("--json", "as_json", is_flag=True, help="Print whole records as JSON."),
    )
    return _with(options, command)


def _sandboxed(command: Callable[..., None]) -> Callable[..., None]:
    option = click.option("--sandbox", is_flag=True, help="The built-in sandbox's catalogue instead of yours.")
    return _with((option, click.pass_context), command)


def _with(options: Sequence[Callable[..., Any]], command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(options):
        command = option(command)
    return command


@library.command("list")
@_filters
@_pages
@_sandboxed
def list_(ctx: click.Context, sandbox: bool, as_json: bool, **wanted: Any) -> None:
    """List pictures, the newest first."""
    found = _run(ctx, sandbox, lambda library, _: library.find(_search(**wanted)))
    _print_page(found, as_json=as_json, sandbox=sandbox or bool(ctx.obj))


@library.command()
@click.argument("words", nargs=-1, required=True)
@_filters
@_pages
@_sandboxed
def search(ctx: click.Context, sandbox: bool, as_json: bool, words: Sequence[str], **wanted: Any) -> None:
    """Find pictures by words of their prompts.

    The newest come first. All words have to be there; the beginning of each is enough.
    """
    found = _run(ctx, sandbox, lambda library, _: library.find(_search(query=" ".join(words), **wanted)))
    _print_page(found, as_json=as_json, sandbox=sandbox or bool(ctx.obj))


@library.command()
@click.argument("image")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON.")
@_sandboxed
def show(ctx: click.Context, sandbox: bool, as_json: bool, image: str) -> None:
    """Print all that is known of a picture.

    A turn of an edit session comes with the session's tree. IMAGE is an id, the path of a file, or `last` for the
    newest.
    """

    async def look_up(library: "Library", _: object) -> "KnownPicture":
        # `last` elsewhere means what the same process made.
        newest = (await library.find(_search(page_size=1))).pictures if image.lower() == "last" else ()
        return await library.show(newest[0].id if newest else image)

    known = _run(ctx, sandbox, look_up)
    if as_json:
        _print_json(_as_dict(known.picture))
        return
    from ..library.text import everything

    for line in everything(known.picture, known.session).splitlines():
        name, colon, rest = plain(line).partition(": ")
        is_field = (bool(colon) and name.isalnum()) or name in {"made from", "asked for"}
        click.echo(f"{click.style(name + colon, dim=True)}{rest}" if is_field else f"{name}{colon}{rest}")


@library.command()
@click.argument("folder")
@click.option("--query", metavar="WORDS", help="Only those with these words in their prompts.")
@_filters
@_sandboxed
def export(ctx: click.Context, sandbox: bool, folder: str, **wanted: Any) -> None:
    """Copy pictures with their records.

    FOLDER's path is printed. No file is replaced, and `library rebuild FOLDER` takes them in elsewhere.
    """
    done = _run(
        ctx, sandbox, lambda library, tell: library.export(folder, _search(**wanted), tell=tell), doing="Copying"
    )
    click.echo(plain(str(done.folder)))
    already = f", {done.there:,} were there already" if done.there else ""
    click.echo(f"{_count(done.copied, 'picture')} copied{already}.", err=True)
    _say(done.notes)
    if len(done.notes):
        ctx.exit(1)


@library.command()
@click.argument("folders", nargs=-1, required=True, metavar="FOLDER...")
@_sandboxed
def rebuild(ctx: click.Context, sandbox: bool, folders: Sequence[str]) -> None:
    """Make the catalogue again from files.

    It takes in folders that were moved or copied here, too. Folders in them are looked through too. Only pictures that
    are exactly what their record says are taken, and what is in the catalogue already is not changed, except for its
    place.
    """
    done = _run(ctx, sandbox, lambda library, tell: library.rebuild(folders, tell=tell), doing="Reading")
    parts = [f"{_count(done.added, 'picture')} added"]
    parts += [f"{done.moved:,} found at a new place"] if done.moved else []
    parts += [f"{done.known:,} already in the catalogue"] if done.known else []
    parts += [f"{_count(done.copies, 'copy', 'copies')} of known pictures left out"] if done.copies else []
    parts += [f"{_count(done.sessions, 'edit session')} restored"] if done.sessions else []
    click.echo(", ".join(parts) + ".")
    if done.others:
        where = "without --sandbox" if sandbox or ctx.obj else "with --sandbox"
        whose = "not the sandbox's" if sandbox or ctx.obj else "the sandbox's, which has a catalogue of its own"
        click.echo(f"{_count(done.others, 'picture')} left out: {whose}. Rebuild {where} to take them.", err=True)
    if not (done.added or done.moved or done.known or done.copies or done.others or len(done.notes)):
        click.echo("No records were found there: they lie in folders .gpt-image-2, beside the pictures.", err=True)
    _say(done.notes)


@library.command()
@click.argument("folders", nargs=-1, metavar="[FOLDER]...")
@click.option("--json", "as_json", is_flag=True, help="Print all findings as JSON.")
@_sandboxed
def check(ctx: click.Context, sandbox: bool, as_json: bool, folders: Sequence[str]) -> None:
    """Find files that are missing or changed.

    Also those that are unknown, or lie without their record. Every picture is read, or those in the folders that you
    name. Nothing is changed. The exit code is 1 where something was found.
    """
    done = _run(ctx, sandbox, lambda library, tell: library.check(folders, tell=tell), doing="Checking")
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
        ("unknown", "Not in the catalogue", done.unknown, f"{rebuild_it} takes in those that have a record."),
    )
    if as_json:
        found = {name: [_finding(one) for one in findings] for name, _, findings, _ in kinds}
        _print_json({"pictures": done.pictures, **found})
    else:
        for _, title, findings, advice in kinds:
            _print_findings(title, findings, advice)
        if done.sound:
            click.echo(f"{_count(done.pictures, 'picture')} checked: all are as they were made.")
    _say(done.notes)
    if not done.sound:
        ctx.exit(1)


@library.command()
@click.option("-o", "--output", default="gallery.html", show_default=True, metavar="FILE")
@click.option("--query", metavar="WORDS", help="Only those with these words in their prompts.")
@_filters
@_sandboxed
def gallery(ctx: click.Context, sandbox: bool, output: str, **wanted: Any) -> None:
    """Write one HTML page with all pictures.

    It shows them small, with their prompts, costs and session trees. Its path is printed. The page needs no other file
    and no network. An older gallery is replaced, another file is not.
    """
    path, number = _run(
        ctx, sandbox, lambda library, tell: library.gallery(output, _search(**wanted), tell=tell), doing="Drawing"
    )
    click.echo(plain(str(path)))
    click.echo(f"{_count(number, 'picture')}, {path.stat().st_size / 1000:,.0f} kB.", err=True)


def plain(text: str) -> str:
    """A text without what could steer a terminal or disguise a word."""
    return "".join(letter if letter.isprintable() or letter in {JOINER, "\n"} else "\ufffd" for letter in text)


def _run(
    ctx: click.Context,
    sandbox: bool,
    work: "Callable[[Library, ProgressCallback], Awaitable[ResultT]]",
    *,
    doing: str = "",
) -> ResultT:
    """Open the studio and let `work` have its archive, behind a progress bar where it is said what is `doing`."""
    import anyio

    from ..app import log_to_stderr, open_user_service, read_settings

    settings = read_settings(sandbox=sandbox or bool(ctx.obj))
    settings.require_right()
    log_to_stderr(settings)

    async def opened() -> ResultT:
        async with open_user_service(settings) as service:
            service.library.require_kept()
            with _progress(doing) as tell:
                return await work(service.library, tell)

    return anyio.run(opened)


@contextmanager
def _progress(doing: str) -> "Generator[ProgressCallback]":
    """A bar on a terminal, and nothing elsewhere."""
    if not doing or not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    done = TextColumn("{task.completed:,.0f}")
    columns = (TextColumn("{task.description}"), BarColumn(), done, TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(doing, total=None)
        yield lambda count, total: bar.update(task, completed=count, total=total)


def _search(**filters: Any) -> "Search":
    """A search of the filters that the options name."""
    from ..catalogue.search import Search

    return Search.parse(**filters)


def _print_page(found: "Found", *, as_json: bool, sandbox: bool) -> None:
    if as_json:
        _print_json({"pictures": [_as_dict(p) for p in found.pictures], "page": found.page, "more": found.more})
        return
    for picture in found.pictures:
        _print_picture(picture)
    if not found.pictures:
        none = "No pictures." if sandbox else "No pictures. The sandbox's have a catalogue of their own: --sandbox."
        click.echo(none if found.page == 1 else "No more pictures.", err=True)
    if found.more:
        click.echo(f"There are more: --page {found.page + 1}", err=True)


def _print_picture(picture: "Picture") -> None:
    from ..library.text import price

    record = picture.record
    width = shutil.get_terminal_size((WIDTH, 0)).columns if sys.stdout.isatty() else WIDTH
    words = " ".join(plain(record.prompt[: 4 * width]).split())
    turn = f"  turn {record.position.turn}" if record.position else ""
    facts = f"{record.made.astimezone():%Y-%m-%d %H:%M}  {record.width}x{record.height}  {price(picture)}{turn}"
    click.echo(f"{click.style(record.id, bold=True)}  {facts}")
    click.echo(f"  {words if len(words) <= width - 2 else words[: width - 3] + '…'}")
    click.echo(click.style(f"  {plain(str(picture.path))}", dim=True))


def _print_findings(title: str, findings: "Sequence[Finding]", advice: str) -> None:
    if not findings:
        return
    click.echo(f"{click.style(title, bold=True)}: {len(findings):,}")
    for finding in findings[:MAX_LINES]:
        path = str(finding.path)
        click.echo(f"  {plain(finding.why if path in finding.why else f'{path} {finding.why}'.rstrip())}")
    if len(findings) > MAX_LINES:
        click.echo(f"  … and {len(findings) - MAX_LINES:,} more; --json prints all.")
    click.echo(f"  {advice}")


def _finding(finding: "Finding") -> dict[str, str]:
    return {"id": finding.id, "file_path": _json_text(finding.path), **({"why": finding.why} if finding.why else {})}


def _as_dict(picture: "Picture") -> dict[str, Any]:
    record = picture.record
    cost = {} if record.cost_usd is None else {"cost_usd": float(record.cost_usd)}
    return {"file_path": _json_text(picture.path), **record.model_dump(mode="json", exclude_none=True), **cost}


def _json_text(path: Path) -> str:
    return str(path).encode(errors="replace").decode()


def _print_json(value: object) -> None:
    # Escaped as JSON does it, so that no word of a record steers a terminal.
    click.echo(
        json.dumps(value, ensure_ascii=False, indent=2) if not sys.stdout.isatty() else json.dumps(value, indent=2)
    )


def _say(notes: Iterable[str]) -> None:
    for note in notes:
        click.echo(plain(note), err=True)


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
