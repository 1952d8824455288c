"""The commands of `gpt-image-2-mcp library`, which find, copy and check the pictures that were made.

Each command opens the service, calls its `library` or its `maintenance`, and prints the result with `output`. Heavy
modules are imported inside the functions, so that `--help` answers at once.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from ..redaction.printable import printable_path
from .library_options import confirmed, filters, pages, run, sandboxed, search_for
from .output import count_of, print_check, print_known, print_notes, print_page, print_rebuild, print_rescue

if TYPE_CHECKING:
    from pathlib import Path

    from ..catalogue.picture_record import Picture, PictureRow
    from ..catalogue.session import Session
    from ..library.library import KnownPicture
    from ..library.progress import Notes
    from ..service.images import ImageService


@click.group(invoke_without_command=True)
@click.pass_context
def library(ctx: click.Context) -> None:
    """Find, copy and check the pictures that were made.

    The catalogue is an index of them. Each picture also has a record of its own beside it, in a folder named
    .gpt-image-2; `library rebuild` makes the catalogue again from these records. No API key is needed.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@library.command("list")
@filters
@pages
@sandboxed
def list_(ctx: click.Context, sandbox: bool, as_json: bool, **wanted: Any) -> None:
    """List pictures, newest first."""
    found = run(ctx, sandbox, lambda service, _: service.library.find(search_for(**wanted)))
    print_page(found, as_json=as_json, sandbox=sandbox or bool(ctx.obj))


@library.command()
@click.argument("words", nargs=-1, required=True)
@filters
@pages
@sandboxed
def search(ctx: click.Context, sandbox: bool, as_json: bool, words: Sequence[str], **wanted: Any) -> None:
    """Find pictures by words of their prompts, newest first.

    All words must be in the prompt; the beginning of each is enough.
    """
    found = run(ctx, sandbox, lambda service, _: service.library.find(search_for(query=" ".join(words), **wanted)))
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

    async def look_up(service: "ImageService", _: object) -> "KnownPicture":
        library = service.library
        # Elsewhere `last` means the picture that the same process made last; this process has made none.
        newest = (await library.find(search_for(page_size=1))).pictures if image.lower() == "last" else ()
        return await library.show(newest[0].id if newest else image)

    print_known(run(ctx, sandbox, look_up), as_json=as_json)


@library.command()
@click.argument("folder")
@click.option("--query", metavar="WORDS", help="Only pictures with these words in their prompts.")
@filters
@sandboxed
def export(ctx: click.Context, sandbox: bool, folder: str, **wanted: Any) -> None:
    """Copy pictures with their records into FOLDER.

    The path of FOLDER is printed. Files that exist are not replaced. On another computer, `library rebuild FOLDER` adds
    the copies to the catalogue there.
    """
    done = run(
        ctx,
        sandbox,
        lambda service, tell: service.library.export(folder, search_for(**wanted), on_progress=tell),
        title="Copying",
    )
    click.echo(printable_path(done.folder))
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
    done = run(
        ctx, sandbox, lambda service, tell: service.maintenance.rebuild(folders, on_progress=tell), title="Reading"
    )
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
    print_rescue(run(ctx, sandbox, lambda service, _: service.maintenance.rescue(paths), needs_catalogue=False))


@library.command()
@click.argument("folders", nargs=-1, metavar="[FOLDER]...")
@click.option("--json", "as_json", is_flag=True, help="Print all findings as JSON.")
@sandboxed
def check(ctx: click.Context, sandbox: bool, as_json: bool, folders: Sequence[str]) -> None:
    """Find files that are missing or changed.

    It also finds files that are not in the catalogue, and pictures without a record beside them. Every picture is read;
    if you name folders, those in these folders. Nothing is changed. The exit code is 1 if anything was found.
    """
    done = run(
        ctx, sandbox, lambda service, tell: service.maintenance.check(folders, on_progress=tell), title="Checking"
    )
    print_check(done, as_json=as_json)
    if not done.is_sound:
        ctx.exit(1)


@library.command()
@click.argument("pictures", nargs=-1, required=True, metavar="PICTURE...")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@sandboxed
def forget(ctx: click.Context, sandbox: bool, yes: bool, pictures: Sequence[str]) -> None:
    """Remove pictures from the catalogue; their files stay.

    Each PICTURE is an id, or the path of a file, which need not be there. Its record beside the file and its thumbnail
    are removed too, so `library rebuild` does not bring it back. What it cost still counts as spent.
    """

    async def remove(service: "ImageService", _: object) -> int:
        rows = {row.id: row for row in [await service.maintenance.forgettable(picture) for picture in pictures]}
        if not _agreed(rows.values(), f"Forget {count_of(len(rows), 'picture')}?", yes=yes):
            return 0
        for row in rows.values():
            await service.maintenance.forget(row)
        return len(rows)

    removed = run(ctx, sandbox, remove)
    if not removed:
        click.echo("Nothing was forgotten.", err=True)
        ctx.exit(1)
    click.echo(f"{count_of(removed, 'picture')} forgotten; the files stay.", err=True)


@library.command("set-back")
@click.argument("session_id")
@click.argument("turn", type=click.IntRange(0, 100_000))
@sandboxed
def set_back(ctx: click.Context, sandbox: bool, session_id: str, turn: int) -> None:
    """Have an edit session go on from an earlier turn.

    Nothing is paid, and no turn is lost: the next one is made from TURN (0: the originals), and has the next number.
    """

    async def work(service: "ImageService", _: object) -> "Session":
        return await service.sessions.set_back(session_id, turn)

    from ..catalogue.session import tree

    click.echo(tree(run(ctx, sandbox, work)))


@library.command()
@click.argument("pictures", nargs=-1, required=True, metavar="PICTURE...")
@click.argument("folder")
@sandboxed
def move(ctx: click.Context, sandbox: bool, pictures: Sequence[str], folder: str) -> None:
    """Move pictures with their records into FOLDER.

    Each PICTURE is an id, or the path of a file. The new paths are printed. The catalogue and edit sessions follow; no
    file is replaced, and one that was changed since it was made stays where it is.
    """

    async def moved(service: "ImageService", _: object) -> "list[tuple[Path, Notes]]":
        found = {
            picture.id: picture for picture in [await service.maintenance.movable(picture) for picture in pictures]
        }
        notes = [(picture.id, await service.maintenance.move(picture, folder)) for picture in found.values()]
        return [((await service.maintenance.movable(picture_id)).path, problems) for picture_id, problems in notes]

    done = run(ctx, sandbox, moved)
    for path, notes in done:
        if not len(notes):
            click.echo(printable_path(path))
        print_notes(notes)
    if any(len(notes) for _, notes in done):
        ctx.exit(1)


@library.command()
@click.argument("pictures", nargs=-1, required=True, metavar="PICTURE...")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@sandboxed
def delete(ctx: click.Context, sandbox: bool, yes: bool, pictures: Sequence[str]) -> None:
    """Move pictures to the system's trash.

    They leave the catalogue. Each PICTURE is an id, or the path of a file. Put back from the trash, with the record
    beside it, a picture is taken in again by `library rebuild`. What it cost still counts as spent. `library forget`
    keeps the file.
    """

    async def remove(service: "ImageService", _: object) -> int:
        found = {
            picture.id: picture for picture in [await service.maintenance.movable(picture) for picture in pictures]
        }
        if not _agreed(found.values(), f"Move {count_of(len(found), 'picture')} to the trash?", yes=yes):
            return 0
        for picture in found.values():
            await service.maintenance.delete(picture)
        return len(found)

    removed = run(ctx, sandbox, remove)
    if not removed:
        click.echo("Nothing was deleted.", err=True)
        ctx.exit(1)
    click.echo(f"{count_of(removed, 'picture')} moved to the trash.", err=True)


@library.command()
@click.option("-o", "--output", default="gallery.html", show_default=True, metavar="FILE")
@click.option("--query", metavar="WORDS", help="Only pictures with these words in their prompts.")
@filters
@sandboxed
def gallery(ctx: click.Context, sandbox: bool, output: str, **wanted: Any) -> None:
    """Write one HTML page with all pictures.

    It shows them small, with their prompts, costs and session trees, and needs no other file and no network. Its path
    is printed. An older gallery is replaced; any other file is not.
    """
    path, number = run(
        ctx,
        sandbox,
        lambda service, tell: service.library.gallery(output, search_for(**wanted), on_progress=tell),
        title="Drawing",
    )
    click.echo(printable_path(path))
    click.echo(f"{count_of(number, 'picture')}, {path.stat().st_size / 1000:,.0f} kB.", err=True)


def _agreed(pictures: "Iterable[Picture | PictureRow]", question: str, *, yes: bool) -> bool:
    """List pictures, and ask whether to go on with them, unless the person has said `yes` beforehand."""
    for picture in pictures:
        click.echo(printable_path(f"{picture.id}  {picture.path}"), err=True)
    return yes or confirmed(question)
