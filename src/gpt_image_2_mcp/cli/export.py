"""`gpt-image-2-mcp export`: files of pictures for use elsewhere, as the tool `export_image` makes them."""

import sys
from collections.abc import Sequence

import click

from ..parameters.size_names import names_text
from ..redaction.printable import printable_line, printable_path
from .library_options import run
from .output import print_json

TARGETS = f"""\b
TARGET is, in any order:
  a size         1080x1080, 4:5, a4@300, 50x70 cm, or a name; left out: its own
  a format       png, jpeg, webp, avif, tiff, pdf, ico, icns
  a limit        200kB, 2MB; a kB has 1,000 bytes
  a file name    hero.webp
  and before it  crop LEFT,TOP,RIGHT,BOTTOM of 1024x683, rotate 90, flip
or an icon set:  favicon, app icon

The names of sizes: {names_text()}."""


@click.command(epilog=TARGETS)
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option("-t", "--to", multiple=True, required=True, metavar="TARGET", help="What to make; repeat for several.")
@click.option("--fit", metavar="smart|centre|pad|stretch", help="smart: crop round what matters. Default: smart.")
@click.option("-o", "--output-dir", metavar="FOLDER", help="Where to write. Default: your Pictures folder.")
@click.option("--replace", is_flag=True, help="Move unchanged files of an earlier export to the trash.")
@click.option("--json", "as_json", is_flag=True, help="Print the files as JSON instead of their paths.")
@click.option("--sandbox", is_flag=True, help="The built-in sandbox's catalogue instead of yours.")
@click.pass_context
def export(
    ctx: click.Context,
    sandbox: bool,
    images: Sequence[str],
    to: Sequence[str],
    fit: str | None,
    output_dir: str | None,
    replace: bool,
    as_json: bool,
) -> None:
    """Make files of pictures for use elsewhere, and print their paths; free.

    IMAGE is an id, or the path of a file. No file is replaced without --replace.
    """
    from ..parameters.models import ExportRequest, parse

    arguments = {"image": list(images), "to": list(to), "fit": fit, "output_dir": output_dir, "replace": replace}
    request = parse(ExportRequest, arguments)
    done = run(ctx, sandbox, lambda service, _: service.exporter.export(request), needs_catalogue=False)
    if as_json:
        print_json({"files": [file.as_dict() for file in done.files], "warnings": list(done.failures)})
    for file in done.files:
        path = str(file.path)
        if not as_json:
            click.echo(printable_path(path) if sys.stdout.isatty() else path)
            size = f"{file.width}x{file.height}, " if file.width else ""
            click.echo(printable_line(f"  {size}{file.size_bytes:,} bytes, {file.how}"), err=True)
    for failure in done.failures:
        click.echo(printable_line(f"Not made: {failure}"), err=True)
    if done.failures:
        ctx.exit(1)
