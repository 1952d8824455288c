"""The command `gpt-image-2-mcp doctor`, which says what is in the way of a picture."""

import click

from ..redaction.printable import printable_line
from .output import print_json

SIGNS = {"green": ("✓", "green"), "yellow": ("!", "yellow"), "red": ("✗", "red")}


@click.command()
@click.option("--client", metavar="ID", help="Look at this client's entry alone; `install --help` has the ids.")
@click.option("--sandbox", is_flag=True, help="As with the built-in sandbox: without a key and a network.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_context
def doctor(ctx: click.Context, client: str | None, sandbox: bool, as_json: bool) -> None:
    """Check everything that can be in the way of a picture, and say the way out.

    The key is tried with a request that is free, and each client's command is started once. The exit code is 1 if
    anything is red.
    """
    from ..doctor.examination import examine
    from ..doctor.finding import Finding, Level
    from ..install.clients import CLIENTS
    from ..install.systems import System
    from ..paths.data_folder import data_folder

    if client is not None and client not in CLIENTS:
        raise click.UsageError(f"There is no client {client!r}. There are: {', '.join(CLIENTS)}.")
    findings: list[Finding] = []
    for finding in examine(System.here(), data_folder(), sandbox=sandbox or bool(ctx.obj), client=client):
        findings.append(finding)
        if not as_json:
            sign, colour = SIGNS[finding.level.value]
            click.echo(f"{click.style(sign, fg=colour)} {finding.check}: {printable_line(finding.what)}")
            if finding.way_out:
                click.echo(f"    {printable_line(finding.way_out)}")
    if as_json:
        print_json([finding.as_dict() for finding in findings])
    ctx.exit(1 if any(finding.level is Level.RED for finding in findings) else 0)
