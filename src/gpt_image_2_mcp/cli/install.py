"""The command `gpt-image-2-mcp install`, which writes the server into the configuration of MCP clients.

What it would do is shown before it is done. A file that it cannot read is left alone, and the other clients are set up.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from .. import __version__
from ..errors import SetupError
from ..redaction.printable import printable, printable_path
from .output import print_json

if TYPE_CHECKING:
    from ..install.changes import Change, Wanted
    from ..install.clients import Client
    from ..install.launch import Launch
    from ..install.systems import System

DEFAULT_NAME = "gpt-image-2"


@click.command()
@click.argument("clients", metavar="[CLIENT]...", nargs=-1)
@click.option("--uninstall", is_flag=True, help="Take the entry out again.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--print", "only_print", is_flag=True, help="Print the entry, for pasting it by hand.")
@click.option("--project", is_flag=True, help="The files of the project in this folder, instead of your own.")
@click.option("--name", default=DEFAULT_NAME, show_default=True, help="The name of the entry.")
@click.option("--sandbox", is_flag=True, help="An entry that uses the built-in sandbox: no key, no cost.")
@click.option("--url", metavar="URL", help="An entry for a server that runs there, such as a team's.")
@click.option(
    "--key-file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The entry names this file, which holds the key, instead of holding the key itself.",
)
@click.option("--key-from-env", is_flag=True, help="Copy the key that is set here in OPENAI_API_KEY into the entry.")
@click.option("-y", "--yes", is_flag=True, help="Ask nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON; needs --yes or --dry-run.")
@click.pass_context
def install(ctx: click.Context, clients: tuple[str, ...], **options: Any) -> None:
    """Write the server into the configuration of your MCP clients.

    Without a CLIENT, into those that are found on this computer. Only the entry of this server is written, and a copy
    of the old file is kept beside the new one. CLIENT is one of claude-desktop, claude-code, cursor, vscode,
    vscode-insiders, windsurf, codex, gemini, goose, zed, lm-studio, opencode, copilot, cline, kiro.
    """
    from ..install.changes import plan_install, plan_uninstall
    from ..install.systems import System

    _check(options)
    system = System.here()
    chosen = _chosen(clients, system, project=options["project"])
    if options["only_print"]:
        _print_entries(chosen, _wanted(options, system), system)
        return
    plan = plan_uninstall if options["uninstall"] else plan_install
    wanted = _wanted(options, system)
    if options["key_file"] or options["key_from_env"]:
        wanted.keys.check()
    done = [_set_up(client, lambda client: plan(client, system, wanted), options) for client in chosen]
    if options["as_json"]:
        print_json(done)
    ctx.exit(1 if any(one["status"] == "refused" for one in done) else 0)


def _check(options: dict[str, Any]) -> None:
    """Check the options against one another; raises UsageError."""
    if options["as_json"] and not (options["yes"] or options["dry_run"]):
        raise click.UsageError("--json prints no questions: add --yes or --dry-run.")
    if options["key_file"] and options["key_from_env"]:
        raise click.UsageError("--key-file and --key-from-env exclude each other.")
    if options["url"] is not None:
        parts = urlsplit(str(options["url"]))
        if parts.scheme not in ("http", "https") or not parts.hostname or not options["url"].isprintable():
            raise click.UsageError("--url is the address of a server, such as https://images.example.com/mcp.")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}", options["name"]):
        raise click.UsageError("--name is a word of at most 60 letters, digits, dots, hyphens and underscores.")


def _chosen(names: tuple[str, ...], system: "System", *, project: bool) -> list["Client"]:
    """The clients that were named, or those that are there."""
    from ..install.clients import CLIENTS

    if unknown := [name for name in names if name not in CLIENTS]:
        raise click.UsageError(f"There is no client {unknown[0]!r}. There are: {', '.join(CLIENTS)}.")
    if names:
        return [CLIENTS[name] for name in dict.fromkeys(names)]
    found = [client for client in CLIENTS.values() if client.is_here(system)]
    if project:
        found = [client for client in found if client.project_file is not None]
    if not found:
        raise click.ClickException(f"No MCP client was found here. Name one: {', '.join(CLIENTS)}.")
    return found


def _wanted(options: dict[str, Any], system: "System") -> "Wanted":
    from ..install.changes import Wanted
    from ..install.key_choice import KeySources

    key_file = options["key_file"]
    keys = KeySources(
        system.environ,
        _no_question if options["yes"] or options["dry_run"] or not _is_a_terminal() else _ask_for_key,
        copy_from_environ=options["key_from_env"],
        file=key_file and key_file.absolute(),
    )
    needs_key = not (options["sandbox"] or options["url"] or options["uninstall"])
    project = Path.cwd() if options["project"] else None
    return Wanted(options["name"], _launch(options, system), keys, project, needs_key)


def _is_a_terminal() -> bool:
    """Whether a person can be asked without showing what they type."""
    return sys.stdin.isatty()


def _no_question(question: str) -> str:
    del question
    return ""


def _ask_for_key(question: str) -> str:
    try:
        return click.prompt(question, default="", hide_input=True, show_default=False, err=True)
    except click.Abort:
        raise click.ClickException("Nothing was written.") from None


def _launch(options: dict[str, Any], system: "System") -> "Launch":
    """How the entry starts the server; what it cannot use is said on stderr."""
    from ..install.launch import Launch, find_uvx, running_program, uvx_arguments, why_uvx_fails

    if options["url"]:
        return Launch(url=options["url"])
    more = ("--sandbox",) if options["sandbox"] else ()
    if options["project"] or options["only_print"]:
        # For other computers too, which have their programs elsewhere.
        return Launch("uvx", (*uvx_arguments(__version__), *more))
    uvx = find_uvx()
    if options["uninstall"]:
        return Launch()
    if uvx is None:
        reason = "uvx was not found: install uv from https://docs.astral.sh/uv, and run this again"
    elif options["dry_run"]:
        return Launch(uvx, (*uvx_arguments(__version__), *more))
    else:
        click.echo(f"Having uvx fetch gpt-image-2-mcp {__version__}, so that the first start is fast …", err=True)
        failure = why_uvx_fails(uvx, __version__, system.environ)
        if failure is None:
            return Launch(uvx, (*uvx_arguments(__version__), *more))
        reason = f"uvx cannot start gpt-image-2-mcp {__version__} ({printable(failure)})"
    command, arguments = running_program()
    click.echo(f"Warning: {reason}. The entry names the program that is running now: {command}.", err=True)
    if "archive-v0" in command:
        click.echo("It lies in uv's cache: run `install` again after `uv cache clean` or `uv cache prune`.", err=True)
    return Launch(command, (*arguments, *more))


def _print_entries(clients: list["Client"], wanted: "Wanted", system: "System") -> None:
    from ..install.changes import snippet

    for client in clients:
        try:
            text, file = snippet(client, wanted), wanted.file_of(client, system)
        except SetupError as error:
            raise click.ClickException(f"{client.name}: {error}") from None
        click.echo(f"{client.name}, {file}:", err=True)
        click.echo(text)


def _set_up(client: "Client", plan: Callable[["Client"], "Change"], options: dict[str, Any]) -> dict[str, Any]:
    """Change the file of one client, and say so; what was done, for `--json`."""
    done: dict[str, Any] = {"client": client.id}
    try:
        change = plan(client)
        done |= {"file": str(change.file.path), "diff": change.diff(), "notes": list(change.notes)}
        _show(change, options)
        done["status"] = _status(change, options)
        if done["status"] in ("written", "removed"):
            backup = change.write()
            done["backup"] = str(backup) if backup and backup.exists() else None
    except SetupError as error:
        done |= {"status": "refused", "error": str(error)}
    _say(client, done)
    return done


def _show(change: "Change", options: dict[str, Any]) -> None:
    if change.changes_nothing:
        return
    click.echo(f"\n{change.client.name}, {printable_path(change.file.path)}:", err=True)
    if not options["as_json"]:
        click.echo(printable(change.diff()), err=True)
    if change.key is not None and change.key.where:
        click.echo(f"The key: {printable(change.key.where)}.", err=True)


def _status(change: "Change", options: dict[str, Any]) -> str:
    """What becomes of the change; asks the person if they are to be asked."""
    if change.changes_nothing:
        return "not there" if options["uninstall"] else "unchanged"
    if options["dry_run"]:
        return "would change"
    if not options["yes"]:
        try:
            if not click.confirm("Write this?", err=True):
                return "declined"
        except click.Abort:
            return "declined"
    return "removed" if options["uninstall"] else "written"


def _say(client: "Client", done: dict[str, Any]) -> None:
    sentences = {
        "written": f"Done. {client.then}",
        "removed": f"Removed. {client.name} uses the server until it is restarted.",
        "unchanged": "The entry is there already; nothing was changed.",
        "not there": "There is no such entry; nothing was changed.",
        "would change": "Nothing was changed (--dry-run).",
        "declined": "Nothing was written.",
        "refused": done.get("error", ""),
    }
    click.echo(printable(f"{client.name}: {sentences[done['status']]}"), err=True)
    if done.get("backup"):
        click.echo(printable(f"The old file is kept as {done['backup']}."), err=True)
    for note in done.get("notes", ()) if done["status"] != "declined" else ():
        click.echo(printable(f"Note: {note}"), err=True)
