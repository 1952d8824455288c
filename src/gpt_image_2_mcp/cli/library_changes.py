"""The commands of `gpt-image-2-mcp library` that move, delete and forget pictures, and set sessions back."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from ..redaction.printable import printable
from .library import library, run, run_service, sandboxed
from .output import count_of, print_notes

if TYPE_CHECKING:
    from pathlib import Path

    from ..catalogue.session import Session
    from ..library.library import Library
    from ..library.progress import Notes
    from ..service.images import ImageService


@library.command()
@click.argument("pictures", nargs=-1, required=True, metavar="PICTURE...")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@sandboxed
def forget(ctx: click.Context, sandbox: bool, yes: bool, pictures: Sequence[str]) -> None:
    """Remove pictures from the catalogue; their files stay.

    Each PICTURE is an id, or the path of a file, which need not be there. Its record beside the file and its thumbnail
    are removed too, so `library rebuild` does not bring it back. What it cost still counts as spent.
    """

    async def remove(library: "Library", _: object) -> int:
        rows = {row.id: row for row in [await library.forgettable(picture) for picture in pictures]}
        for row in rows.values():
            click.echo(printable(f"{row.id}  {row.path}"), err=True)
        if not (yes or _confirmed(f"Forget {count_of(len(rows), 'picture')}?")):
            return 0
        for row in rows.values():
            await library.forget(row)
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
        return await service.set_back(session_id, turn)

    from ..catalogue.session import tree

    click.echo(tree(run_service(ctx, sandbox, work)))


@library.command()
@click.argument("pictures", nargs=-1, required=True, metavar="PICTURE...")
@click.argument("folder")
@sandboxed
def move(ctx: click.Context, sandbox: bool, pictures: Sequence[str], folder: str) -> None:
    """Move pictures with their records into FOLDER.

    Each PICTURE is an id, or the path of a file. The new paths are printed. The catalogue and edit sessions follow; no
    file is replaced, and one that was changed since it was made stays where it is.
    """

    async def moved(library: "Library", _: object) -> "list[tuple[Path, Notes]]":
        found = {picture.id: picture for picture in [await library.movable(picture) for picture in pictures]}
        notes = [(picture.id, await library.move(picture, folder)) for picture in found.values()]
        return [((await library.movable(picture_id)).path, problems) for picture_id, problems in notes]

    done = run(ctx, sandbox, moved)
    for path, notes in done:
        if not len(notes):
            click.echo(printable(str(path)))
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

    async def remove(library: "Library", _: object) -> int:
        found = {picture.id: picture for picture in [await library.movable(picture) for picture in pictures]}
        for picture in found.values():
            click.echo(printable(f"{picture.id}  {picture.path}"), err=True)
        if not (yes or _confirmed(f"Move {count_of(len(found), 'picture')} to the trash?")):
            return 0
        for picture in found.values():
            await library.delete(picture)
        return len(found)

    removed = run(ctx, sandbox, remove)
    if not removed:
        click.echo("Nothing was deleted.", err=True)
        ctx.exit(1)
    click.echo(f"{count_of(removed, 'picture')} moved to the trash.", err=True)


def _confirmed(question: str) -> bool:
    """Ask at the terminal; without one the answer is no."""
    try:
        return click.confirm(question, err=True)
    except click.Abort:
        return False
