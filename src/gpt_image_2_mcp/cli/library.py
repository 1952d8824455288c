"""The commands of `gpt-image-2-mcp library`, which find, copy and check the pictures that were made.

Each command opens the service, calls one method of its `Library`, and prints the result with `printing`. Heavy modules
are imported inside the functions, so that `--help` answers at once.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..redaction.printable import printable
from .output import count_of, print_check, print_known, print_notes, print_page, print_rebuild, print_rescue

if TYPE_CHECKING:
    from ..catalogue.search_query import SearchQuery
    from ..library.library import KnownPicture, Library
    from ..library.progress import CountCallback
    from ..service.images import ImageService

ResultT = TypeVar("ResultT")


@click.group(invoke_without_command=True)
@click.pass_context
def library(ctx: click.Context) -> None:
    """Find, copy and check the pictures that were made.

    The catalogue is an index of them. Each picture also has a record of its own beside it, in a folder named
    .gpt-image-2; `library rebuild` makes the catalogue again from these records. No API key is needed.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def _filters(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that narrow a selection of pictures; `SearchQuery.parse` takes their values."""
    options = (
        click.option(
            "--since", metavar="TIME", help="2026-11-22, 2026-11-22T14:30, yesterday 9:00, last week, 2h or 3d."
        ),
        click.option("--until", metavar="TIME", help="The same forms; a day is included up to its end."),
        click.option("--project", metavar="NAME", help="The git repository or folder where the picture was made."),
        click.option("--session", "session_id", metavar="ID", help="The pictures of an edit session."),
        click.option("--model", metavar="NAME", help="The image model."),
    )
    return _with(options, command)


def _pages(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a page of results."""
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


def sandboxed(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--sandbox`, which the command may also have been given before its name (`ctx.obj`)."""
    option = click.option("--sandbox", is_flag=True, help="The built-in sandbox's catalogue instead of yours.")
    return _with((option, click.pass_context), command)


def _with(options: Sequence[Callable[..., Any]], command: Callable[..., None]) -> Callable[..., None]:
    """Add options to a command; `--help` shows them in the order in which they are given."""
    for option in reversed(options):
        command = option(command)
    return command


@library.command("list")
@_filters
@_pages
@sandboxed
def list_(ctx: click.Context, sandbox: bool, as_json: bool, **wanted: Any) -> None:
    """List pictures, newest first."""
    found = run(ctx, sandbox, lambda library, _: library.find(_search(**wanted)))
    print_page(found, as_json=as_json, sandbox=sandbox or bool(ctx.obj))


@library.command()
@click.argument("words", nargs=-1, required=True)
@_filters
@_pages
@sandboxed
def search(ctx: click.Context, sandbox: bool, as_json: bool, words: Sequence[str], **wanted: Any) -> None:
    """Find pictures by words of their prompts, newest first.

    All words must be in the prompt; the beginning of each is enough.
    """
    found = run(ctx, sandbox, lambda library, _: library.find(_search(query=" ".join(words), **wanted)))
    print_page(found, as_json=as_json, sandbox=sandbox or bool(ctx.obj))


@library.command()
@click.argument("image")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON.")
@sandboxed
def show(ctx: click.Context, sandbox: bool, as_json: bool, image: str) -> None:
    """Print everything that is known about a picture.

    For a turn of an edit session, this includes the session's tree. IMAGE is an id, the path of a file, or `last` for
    the newest picture.
    """

    async def look_up(library: "Library", _: object) -> "KnownPicture":
        # Elsewhere `last` means the picture that the same process made last; this process has made none.
        newest = (await library.find(_search(page_size=1))).pictures if image.lower() == "last" else ()
        return await library.show(newest[0].id if newest else image)

    print_known(run(ctx, sandbox, look_up), as_json=as_json)


@library.command()
@click.argument("folder")
@click.option("--query", metavar="WORDS", help="Only pictures with these words in their prompts.")
@_filters
@sandboxed
def export(ctx: click.Context, sandbox: bool, folder: str, **wanted: Any) -> None:
    """Copy pictures with their records into FOLDER.

    The path of FOLDER is printed. Files that exist are not replaced. On another computer, `library rebuild FOLDER` adds
    the copies to the catalogue there.
    """
    done = run(
        ctx, sandbox, lambda library, tell: library.export(folder, _search(**wanted), on_progress=tell), title="Copying"
    )
    click.echo(printable(str(done.folder)))
    already = f", {done.already_there:,} were there already" if done.already_there else ""
    click.echo(f"{count_of(done.copied, 'picture')} copied{already}.", err=True)
    print_notes(done.notes)
    if len(done.notes):
        ctx.exit(1)


@library.command()
@click.argument("folders", nargs=-1, required=True, metavar="FOLDER...")
@sandboxed
def rebuild(ctx: click.Context, sandbox: bool, folders: Sequence[str]) -> None:
    """Make the catalogue again from the records beside the pictures.

    It also adds the pictures of folders that were moved or copied here, and of the folders inside them. A picture is
    added only if its bytes are exactly those that its record names. Pictures that are in the catalogue already are not
    changed, except for the path of one that was moved.
    """
    done = run(ctx, sandbox, lambda library, tell: library.rebuild(folders, on_progress=tell), title="Reading")
    print_rebuild(done, sandbox=sandbox or bool(ctx.obj))


@library.command()
@click.argument("paths", nargs=-1, metavar="[FILE|FOLDER]...")
@sandboxed
def rescue(ctx: click.Context, sandbox: bool, paths: Sequence[str]) -> None:
    """Look for pictures in answers that could not be read.

    Such an answer is kept as it came, in a folder .gpt-image-2 beside the pictures, under a name that begins with
    unread-. Pictures that are found in it are saved, and their paths are printed; the file's name begins with rescued-
    afterwards. Without FILE and FOLDER, all folders in which pictures were to be saved are looked through.
    """
    print_rescue(run(ctx, sandbox, lambda library, _: library.rescue(paths), needs_catalogue=False))


@library.command()
@click.argument("folders", nargs=-1, metavar="[FOLDER]...")
@click.option("--json", "as_json", is_flag=True, help="Print all findings as JSON.")
@sandboxed
def check(ctx: click.Context, sandbox: bool, as_json: bool, folders: Sequence[str]) -> None:
    """Find files that are missing or changed.

    It also finds files that are not in the catalogue, and pictures without a record beside them. Every picture is read;
    if you name folders, those in these folders. Nothing is changed. The exit code is 1 if anything was found.
    """
    done = run(ctx, sandbox, lambda library, tell: library.check(folders, on_progress=tell), title="Checking")
    print_check(done, as_json=as_json)
    if not done.is_sound:
        ctx.exit(1)


@library.command()
@click.option("-o", "--output", default="gallery.html", show_default=True, metavar="FILE")
@click.option("--query", metavar="WORDS", help="Only pictures with these words in their prompts.")
@_filters
@sandboxed
def gallery(ctx: click.Context, sandbox: bool, output: str, **wanted: Any) -> None:
    """Write one HTML page with all pictures.

    It shows them small, with their prompts, costs and session trees, and needs no other file and no network. Its path
    is printed. An older gallery is replaced; any other file is not.
    """
    path, number = run(
        ctx,
        sandbox,
        lambda library, tell: library.gallery(output, _search(**wanted), on_progress=tell),
        title="Drawing",
    )
    click.echo(printable(str(path)))
    click.echo(f"{count_of(number, 'picture')}, {path.stat().st_size / 1000:,.0f} kB.", err=True)


def run(
    ctx: click.Context,
    sandbox: bool,
    work: "Callable[[Library, CountCallback], Awaitable[ResultT]]",
    *,
    title: str = "",
    needs_catalogue: bool = True,
) -> ResultT:
    """Run `work` on the library; as `run_service`."""

    async def on_library(service: "ImageService", tell: "CountCallback") -> ResultT:
        return await work(service.library, tell)

    return run_service(ctx, sandbox, on_library, title=title, needs_catalogue=needs_catalogue)


def run_service(
    ctx: click.Context,
    sandbox: bool,
    work: "Callable[[ImageService, CountCallback], Awaitable[ResultT]]",
    *,
    title: str = "",
    needs_catalogue: bool = True,
) -> ResultT:
    """Open the service, run `work` on it, and show a progress bar with this title if there is one.

    Raises:
        GptImageError: a setting is wrong, or the settings keep no history, and `work` needs it.

    """
    import anyio

    from ..app import log_to_stderr, open_user_service, read_settings
    from .progress import progress_bar

    settings = read_settings(sandbox=sandbox or bool(ctx.obj))
    settings.require_valid()
    log_to_stderr(settings)

    async def opened() -> ResultT:
        async with open_user_service(settings) as service:
            if needs_catalogue:
                service.library.require_catalogue()
            with progress_bar(title) as tell:
                return await work(service, tell)

    return anyio.run(opened)


def _search(**filters: Any) -> "SearchQuery":
    """The search that the values of `_filters` and `_pages` describe."""
    from ..catalogue.search_query import SearchQuery

    return SearchQuery.parse(**filters)
