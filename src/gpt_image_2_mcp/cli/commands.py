"""The command line: the operations of the tools as commands, for a person at a terminal and for scripts.

The paths of pictures go to stdout and everything else to stderr, so that `$(gpt-image-2-mcp generate …)` is a path.
Heavy modules are imported inside the functions, so that `--help` answers at once.
"""

import base64
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from .. import __version__
from ..errors import GptImageError
from ..parameters.size_names import names_text
from ..redaction.printable import printable_line, printable_path
from .admin import admin
from .batch import batch
from .doctor import doctor
from .export import export
from .install import install
from .library import library
from .library_options import run
from .output import print_json, print_notes, write_nowhere
from .serve import serve as serve_command
from .studio import studio

if TYPE_CHECKING:
    from ..jobs.report import Report
    from ..library.viewer import AnswerSheet
    from ..parameters.models import PaidRequest
    from ..service.images import ImageService

COMMAND_LINE = "command line"
"""The client that the record of a picture names."""


class Commands(click.Group):
    """The group of all commands; reports an error as one line on stderr and a failing exit code, not a traceback."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program."""
        try:
            code = super().main(*args, **{**kwargs, "standalone_mode": False})
        except click.ClickException as error:
            _fail(error.format_message(), error.exit_code)
        except GptImageError as error:
            _fail(str(error), 1)
        except click.Abort:
            _fail("Nothing was sent.", 130)
        # `Context.exit(code)` arrives here as a return value; commands return None.
        sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, code: int) -> NoReturn:
    print_notes([f"Error: {printable_line(message)}"])
    sys.exit(code)


@click.group(cls=Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gpt-image-2-mcp")
@click.option("--sandbox", is_flag=True, help="Serve with the built-in sandbox instead of OpenAI: no key, no cost.")
@click.pass_context
def commands(ctx: click.Context, sandbox: bool) -> None:
    """Make and edit pictures with OpenAI's gpt-image-2.

    Without a command it is an MCP server on stdio, to be started by an MCP client such as Claude Desktop, Claude Code,
    Cursor, VS Code or Codex. The settings are environment variables; only OPENAI_API_KEY is required.
    """
    if ctx.invoked_subcommand is None:
        from ..server.stdio.serve import serve

        serve(sandbox=sandbox)
    ctx.obj = sandbox


commands.add_command(install)
commands.add_command(doctor)
commands.add_command(library)
commands.add_command(export)
commands.add_command(studio)
commands.add_command(serve_command)
commands.add_command(batch)
commands.add_command(admin)


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that `generate` and `edit` share; the request models check their values."""
    options = (
        click.option("--like", metavar="ID", help="Take what you leave out, PROMPT included, from an earlier picture."),
        click.option(
            "--size", metavar="SIZE", help="auto, 1920x1080, 4:5, 16:9 4k, 50x70 cm, or a name: " + names_text() + "."
        ),
        click.option("--quality", metavar="auto|low|medium|high|xhigh|max", help="low: drafts."),
        click.option("--model", metavar="NAME", help="Another image model than GPT_IMAGE_2_MODEL."),
        click.option("-n", "--n", type=int, metavar="1..10", help="How many pictures."),
        click.option("--background", metavar="auto|opaque|transparent|transparent-fine"),
        click.option("--output-format", "--format", metavar="png|jpeg|webp"),
        click.option("--output-compression", type=int, metavar="0..100", help="jpeg and webp only."),
        click.option("--moderation", metavar="auto|low"),
        click.option("-o", "--output-dir", metavar="FOLDER", help="Where to save. Default: your Pictures folder."),
        click.option("--filename-prefix", "--prefix", metavar="WORDS", help="A word or two for the file's name."),
        click.option("--user", metavar="ID", help="End-user id for OpenAI's abuse monitoring."),
        click.option("--json", "as_json", is_flag=True, help="Print the report as JSON instead of the paths."),
        click.option("--sandbox", is_flag=True, help="The built-in sandbox instead of OpenAI: no key, no cost."),
        click.pass_context,
    )
    for option in reversed(options):
        command = option(command)
    return command


@commands.command()
@click.argument("prompt", required=False)
@_options
def generate(ctx: click.Context, as_json: bool, sandbox: bool, **arguments: Any) -> None:
    """Make pictures from words, and print their paths."""
    from ..parameters.models import GenerateRequest, parse

    request = parse(GenerateRequest, arguments)
    _run(request, as_json=as_json, sandbox=sandbox or ctx.obj)


@commands.command()
@click.argument("prompt", required=False)
@click.option("-i", "--image", "images", multiple=True, required=True, metavar="FILE", help="Repeat for up to 16.")
@click.option("-m", "--mask", metavar="MASK", help="Where the first image is to change.")
@_options
def edit(ctx: click.Context, as_json: bool, sandbox: bool, **arguments: Any) -> None:
    """Edit pictures, or compose several into one, and print the results' paths.

    FILE is a path, an http(s) URL, a data URL, or the id of a picture that was made here. MASK is one too, transparent
    or white where the first image is to change; or a shape, such as "box 120,40 300x200" or "ellipse 10%,10% 30%x40%".
    """
    from ..parameters.models import EditRequest, parse

    request = parse(EditRequest, {**arguments, "images": list(arguments["images"])})
    _run(request, as_json=as_json, sandbox=sandbox or ctx.obj)


@commands.command("cut-out")
@click.argument("image")
@click.option("--output-format", "--format", metavar="png|webp")
@click.option("-o", "--output-dir", metavar="FOLDER", help="Where to save. Default: your Pictures folder.")
@click.option("--filename-prefix", "--prefix", metavar="WORDS", help="A word or two for the file's name.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON instead of the path.")
@click.option("--sandbox", is_flag=True, help="The built-in sandbox's catalogue instead of yours.")
@click.pass_context
def cut_out(ctx: click.Context, as_json: bool, sandbox: bool, image: str, **arguments: Any) -> None:
    """Cut a picture out of its plain ground, and print the path of the transparent one; free, and without a key.

    IMAGE is a path, a URL, or the id of a picture that was made here.
    """
    from ..parameters.models import EditRequest, parse

    request = parse(EditRequest, {**arguments, "images": [image], "background": "transparent"})
    _run(request, as_json=as_json, sandbox=sandbox or ctx.obj)


@commands.command()
@click.argument("image")
@click.option("-m", "--mask", metavar="MASK", help="Draw the mask of an edit over it.")
@click.option("--region", metavar="BOX", help="Only left,top,width,height, pixel for pixel.")
@click.option("--text", metavar="TEXTS", help="Say which stand in it: 'OPEN|SUMMER SALE'. Needs the extra ocr.")
@click.option("--against", metavar="IMAGE", multiple=True, help="Beside it, and what differs; repeat for up to 3.")
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
@click.option("--sandbox", is_flag=True, help="The built-in sandbox's catalogue instead of yours.")
@click.pass_context
def show(ctx: click.Context, output: Path, sandbox: bool, **arguments: Any) -> None:
    """Write a picture as an assistant sees it into FILE, and print its path; free.

    IMAGE is an id, or the path of a file. FILE gets the extension of its format, and replaces no other file.
    """
    from ..parameters.models import ShowImageRequest, parse

    request = parse(ShowImageRequest, {**arguments, "against": list(arguments["against"])})
    view = run(ctx, sandbox, lambda service, _: service.viewer.show(request), needs_catalogue=False)
    kind = view.preview.mime_type.removeprefix("image/")
    path = output.with_suffix(f".{'jpg' if kind == 'jpeg' else kind}")
    try:
        with path.open("xb") as file:
            file.write(base64.b64decode(view.preview.base64))
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written ({error.strerror}).") from None
    click.echo(printable_path(path))
    click.echo(printable_line(view.description), err=True)


@commands.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="A loopback address.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="0: any free port.")
def sandbox(host: str, port: int) -> None:
    """Serve the sandbox: OpenAI's image API on this machine, for any OpenAI client, free and without a key."""
    from ..sandbox import serve_sandbox

    try:
        serve_sandbox(host=host, port=port)
    except OSError as error:
        raise click.ClickException(f"{host}:{port} cannot be listened on ({error.strerror}); try --port 0.") from None
    except ValueError as error:
        raise click.ClickException(str(error)) from None


@commands.command()
@click.option(
    "-o", "--output", default="demo-output", show_default=True, type=click.Path(file_okay=False, path_type=Path)
)
def demo(output: Path) -> None:
    """Show what the tools do, on the sandbox: a real MCP client starts the real server and makes pictures with it."""
    from .demo import run_demo

    run_demo(output.absolute())


def _run(request: "PaidRequest", *, as_json: bool, sandbox: bool) -> None:
    """Make the pictures of a request and print their paths, or the report as JSON."""
    import anyio

    from ..app import open_user_service, read_settings
    from ..shared_parts import log_to_stderr
    from .progress import wait_for_report

    settings = read_settings(sandbox=sandbox).model_copy(update={"inline": "none"})
    log_to_stderr(settings)

    async def work() -> "tuple[Report, AnswerSheet | None]":
        async with open_user_service(settings) as service:
            whole = await service.complete(request)
            await _confirm(service, whole)
            report = await wait_for_report(service, service.start(whole, client=COMMAND_LINE))
            return report, (await service.shown(report)).sheet

    print_notes(f"Note: {note}" for note in request.notes)
    report, sheet = anyio.run(work)
    paths = [str(image.path) for image in report.wanted]
    try:
        if as_json:
            print_json(report.as_dict() | (sheet.as_dict() if sheet else {}))
        else:
            # Scripts read the path as it is.
            for path in paths:
                click.echo(printable_path(path) if sys.stdout and sys.stdout.isatty() else path)
    except OSError as error:
        write_nowhere(1)
        raise click.ClickException(
            f"Made, paid for and saved, but stdout cannot be written ({error.strerror}): {', '.join(paths)}"
        ) from None
    if not as_json:
        text = report.text(shown=sheet.text if sheet else "")
        print_notes(line for line in text.split("\n") if line not in paths)


async def _confirm(service: "ImageService", request: "PaidRequest") -> None:
    """Ask the user before a call that may cost more than `Settings.confirm_limit`, as the tools do.

    A script, which cannot answer, is asked only if the user has set the limit, and then stops at the question.

    Raises:
        click.Abort: the user said no.
        GptImageError: the call would be refused in any case.

    """
    settings = service.settings
    service.check(request)
    if settings.confirm_limit is None or not (settings.must_confirm or sys.stdin.isatty()):
        return
    expected = await service.estimate(request)
    if not settings.is_asked_about(expected.usd if expected else None):
        return
    # The price depends on the inputs' real sizes.
    expected = await service.preflight(request)
    if not settings.is_asked_about(expected.usd if expected else None):
        return
    price = f"about ${expected.usd:.2f}" if expected else "an amount that is not known beforehand"
    click.confirm(f"This will cost {price}. Go ahead?", abort=True, err=True)
