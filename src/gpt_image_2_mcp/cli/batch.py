"""`gpt-image-2-mcp batch`: many pictures from a file, as the tool `make_batch` makes them."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..redaction.printable import printable_line, printable_path
from .output import print_json, print_notes

if TYPE_CHECKING:
    from ..batches.batch import BatchStatus
    from ..service.images import ImageService

FILE_HELP = """\b
FILE has one picture a line, by the parameters of generate and edit, and a name:
  items.jsonl   {"name": "hero", "prompt": "a fox", "size": "16:9", "quality": "low"}
  items.csv     name,prompt,size,images      several images: "a.png | b.png\""""


@click.command(epilog=FILE_HELP)
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--cheap", is_flag=True, help="Half price, through OpenAI's Batch API: within 24 hours.")
@click.option("--retry", metavar="ID", help="Send the failed lines of an earlier batch again.")
@click.option("--follow", metavar="ID", help="Wait for an earlier batch, and save what is there.")
@click.option("--size", metavar="SIZE", help="For all lines that say none.")
@click.option("--quality", metavar="auto|low|medium|high|xhigh|max", help="For all lines that say none.")
@click.option("-i", "--image", "images", multiple=True, metavar="FILE", help="A reference for all lines.")
@click.option("-o", "--output-dir", metavar="FOLDER", help="Where to save. Default: your Pictures folder.")
@click.option("--no-wait", is_flag=True, help="Return when a cheap batch is submitted.")
@click.option("--json", "as_json", is_flag=True, help="Print how it stands as JSON instead of the paths.")
@click.option("--sandbox", is_flag=True, help="The built-in sandbox instead of OpenAI: no key, no cost.")
@click.pass_context
def batch(
    ctx: click.Context,
    file: Path | None,
    cheap: bool,
    retry: str | None,
    follow: str | None,
    output_dir: str | None,
    no_wait: bool,
    as_json: bool,
    sandbox: bool,
    **common: Any,
) -> None:
    """Make many pictures from FILE, and print the paths of the newest.

    Ctrl-C sends no further picture. Of a cheap batch it ends the waiting alone: --follow goes on with it, and so does
    the server.
    """
    import anyio

    from ..app import open_user_service, read_settings
    from ..parameters.models import MakeBatchRequest, parse
    from ..shared_parts import log_to_stderr
    from .progress import wait_for_batch

    if sum(given is not None for given in (file, retry, follow)) != 1:
        raise click.UsageError("Give one of FILE, --retry ID and --follow ID.")
    shared = {name: list(value) if name == "images" else value for name, value in common.items() if value}
    settings = read_settings(sandbox=sandbox or ctx.obj).model_copy(update={"inline": "none"})
    log_to_stderr(settings)

    async def work() -> "BatchStatus":
        async with open_user_service(settings) as service:
            settings.require_valid()
            if follow is not None:
                return await wait_for_batch(service, follow.strip())
            arguments = {
                "file": file and str(file),
                "retry": retry,
                "common": json.dumps(shared) if shared else "",
                "output_dir": output_dir,
            }
            request = parse(MakeBatchRequest, arguments | ({"when": "cheap"} if cheap else {}))
            # The person has named the file, and not a model.
            plan = await service.batches.plan(request, content=None if file is None else _content(file))
            _confirm(service, plan.usd)
            status = await service.batches.start(plan, client="command line")
            print_notes([f"{status.row.id}: {status.headline}"])
            if no_wait and status.row.is_cheap:
                return await service.batches.wait(status.row.id)
            return await wait_for_batch(service, status.row.id)

    status = anyio.run(work)
    if as_json:
        print_json(status.as_dict())
    for picture in () if as_json else status.numbered.values():
        path = str(picture.path)
        click.echo(printable_path(path) if sys.stdout.isatty() else path)
    paths = status.paths
    told = [line for line in status.lines_about_it() if line not in paths]
    if status.retryable:
        told.append(f"Send {len(status.retryable)} again: gpt-image-2-mcp batch --retry {status.row.id}")
    elif not status.is_over:
        told.append(f"Go on with it: gpt-image-2-mcp batch --follow {status.row.id}")
    print_notes(printable_line(line) for line in told)
    if status.is_over and status.done < status.row.total:
        ctx.exit(1)


def _content(file: Path) -> bytes:
    from ..batches.file import MAX_FILE_BYTES, check_suffix

    check_suffix(file.name)
    try:
        with file.open("rb") as opened:
            # One byte more shows that it is too long.
            return opened.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise click.ClickException(f"{file} cannot be read ({error.strerror}).") from None


def _confirm(service: "ImageService", usd: Any) -> None:
    """Ask the user once before a batch that may cost more than `Settings.confirm_limit`; raises click.Abort."""
    settings = service.settings
    if settings.confirm_limit is None or not (settings.must_confirm or sys.stdin.isatty()):
        return
    if not settings.is_asked_about(usd):
        return
    price = f"about ${usd:.2f}" if usd is not None else "an amount that is not known beforehand"
    click.confirm(f"This will cost {price}. Go ahead?", abort=True, err=True)
