"""`gpt-image-2-mcp library`: the pictures that were made, for a person at a terminal and for scripts.

What was asked for goes to stdout, what is said of it to stderr. Words of records and names of files may come from
anybody, so nothing that could steer a terminal is printed. What weighs is imported inside the commands.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .printing import count_of, print_check, print_known, print_notes, print_page, print_rebuild, printable

if TYPE_CHECKING:
    from ..catalogue.search import Search
    from ..library.library import KnownPicture, Library, ProgressCallback

ResultT = TypeVar("ResultT")


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
    print_page(found, as_json=as_json, sandbox=sandbox or bool(ctx.obj))


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
    print_page(found, as_json=as_json, sandbox=sandbox or bool(ctx.obj))


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

    print_known(_run(ctx, sandbox, look_up), as_json=as_json)


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
    click.echo(printable(str(done.folder)))
    already = f", {done.there:,} were there already" if done.there else ""
    click.echo(f"{count_of(done.copied, 'picture')} copied{already}.", err=True)
    print_notes(done.notes)
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
    print_rebuild(done, sandbox=sandbox or bool(ctx.obj))


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
    print_check(done, as_json=as_json)
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
    click.echo(printable(str(path)))
    click.echo(f"{count_of(number, 'picture')}, {path.stat().st_size / 1000:,.0f} kB.", err=True)


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
    from .progress import progress_bar

    settings = read_settings(sandbox=sandbox or bool(ctx.obj))
    settings.require_right()
    log_to_stderr(settings)

    async def opened() -> ResultT:
        async with open_user_service(settings) as service:
            service.library.require_kept()
            with progress_bar(doing) as tell:
                return await work(service.library, tell)

    return anyio.run(opened)


def _search(**filters: Any) -> "Search":
    """A search of the filters that the options name."""
    from ..catalogue.search import Search

    return Search.parse(**filters)
