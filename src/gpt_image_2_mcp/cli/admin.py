"""The commands of `gpt-image-2-mcp admin`, for the operator of a server for a team, on the server's database.

They read the same environment as the server. Tables go to stdout as text, or with `--json` as JSON.
"""

import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from ..errors import NotConfigured
from ..redaction.printable import printable, printable_line
from .output import count_of, print_json, print_json_list

if TYPE_CHECKING:
    from ..billing.audit_table import AuditLine
    from ..database.store import Store
    from ..database.url import PostgresUrl
    from ..picture_store.store import PictureStore

SINCE = "such as 2026-11-01, '7 days ago' or 'last month'"
AUDIT_PAGE = 5000
"""Lines of the audit that are read and printed at once."""
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(invoke_without_command=True)
@click.pass_context
def admin(ctx: click.Context) -> None:
    """See who uses a server for a team, what is spent, and forget people.

    It works on the database of the server: run it with the server's environment, of which it needs
    GPT_IMAGE_2_DATABASE_URL, and for `forget` and `drain` where the pictures are kept.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@admin.command()
@as_json
def people(as_json: bool) -> None:
    """List the people who had pictures made, and what each has spent."""
    from ..admin.spending import people as find
    from ..database.people import EVERYONE

    with _store() as store, store.of(EVERYONE).database.reading() as connection:
        found = find(connection)
    if as_json:
        print_json([_plain(asdict(one)) for one in found])
        return
    rows = [
        (one.person or "(this computer)", one.first_day, one.last_day, one.pictures, _usd(one.usd), one.under_way)
        for one in found
    ]
    _print_table(("person", "first", "last", "pictures", "dollars", "under way"), rows)


@admin.command()
@click.option("--by", type=click.Choice(["person", "day", "model"]), default="person", show_default=True)
@click.option("--since", metavar="WHEN", default="30 days ago", show_default=True, help=f"The first day, {SINCE}.")
@as_json
def spend(by: Any, since: str, as_json: bool) -> None:
    """Sum up what was spent.

    What is under way, or may have been billed without an answer (`unknown`), counts at its estimate.
    """
    from ..admin.spending import spent
    from ..database.people import EVERYONE

    first = _moment(since).date()
    with _store() as store, store.of(EVERYONE).database.reading() as connection:
        found = spent(connection, by, first)
    if as_json:
        print_json([_plain(asdict(one)) for one in found])
        return
    rows = [(one.what or "(this computer)", one.requests, one.pictures, _usd(one.usd), one.unknown) for one in found]
    total = sum((one.usd for one in found), Decimal(0))
    _print_table((by, "requests", "pictures", "dollars", "unknown"), rows)
    click.echo(f"{_usd(total)} since {first}.", err=True)


@admin.command()
@click.option("--since", metavar="WHEN", default="7 days ago", show_default=True, help=f"From when on, {SINCE}.")
@as_json
def audit(since: str, as_json: bool) -> None:
    """Print the audit: one line for each request that has ended.

    A person who was forgotten has a number in place of the name. Prompts are in it only if the server was run with
    GPT_IMAGE_2_AUDIT_PROMPTS=1.
    """
    with _store() as store:
        pages = _audit_pages(store, _moment(since))
        if as_json:
            print_json_list([_plain(asdict(line)) for line in page] for page in pages)
            return
        # Each page is a table of its own: the columns of all could be aligned only when all were read.
        for page in pages:
            _print_audit(page)


def _audit_pages(store: "Store", since: datetime) -> "Generator[list[AuditLine]]":
    """The audit in pages, each read in a transaction of its own: printing a year of it takes longer than one may."""
    from ..billing.audit_table import AuditTable
    from ..database.people import EVERYONE

    start = since, 0
    while start is not None:
        with store.of(EVERYONE).database.reading() as connection:
            page, start = AuditTable(connection).page(start, AUDIT_PAGE)
        yield page


def _print_audit(page: "Sequence[AuditLine]") -> None:
    rows = [
        (
            f"{line.at.astimezone():%Y-%m-%d %H:%M:%S}",
            line.person or f"(forgotten, {line.number})",
            line.tool,
            line.model,
            _usd(line.estimate if line.usd is None else line.usd),
            line.outcome,
            line.job or "",
            line.request_id or "",
            line.client or "",
            line.prompt or "",
        )
        for line in page
    ]
    names = ("when", "person", "tool", "model", "dollars", "outcome", "job", "request id", "client", "prompt")
    _print_table(names, rows)


@admin.command()
@click.argument("person")
@click.option("-y", "--yes", is_flag=True, help="Ask nothing.")
def forget(person: str, yes: bool) -> None:
    """Delete what belongs to PERSON: pictures, sessions, jobs, files.

    PERSON is written as `admin people` prints it. What was spent stays, under the name "forgotten", and the lines of
    the audit stay without a name. Backups of the database and of the store keep what they have.
    """
    from ..admin.forget import forget_files, forget_rows, rows_of
    from ..paths.data_folder import data_folder
    from ..shared_parts import PEOPLE

    pictures = _picture_store()
    with _store() as store:
        left = rows_of(store, person)
        if not left.total:
            raise click.ClickException(f"There is nothing of {printable_line(person)}. `admin people` lists people.")
        click.echo(
            f"{printable_line(person)} has {count_of(left.rows['pictures'], 'picture')} and"
            f" {count_of(left.rows['sessions'], 'edit session')}. They cannot be brought back.",
            err=True,
        )
        if not yes and not _typed(person):
            raise click.ClickException("Nothing was deleted.")
        files = forget_files(store, person, pictures, data_folder() / PEOPLE)
        forget_rows(store, person)
    click.echo(
        f"{printable_line(person)} is forgotten. Deleted from the picture store: {count_of(files, 'object')}.", err=True
    )


@admin.command()
def drain() -> None:
    """Put what waits for the picture store into it now.

    That is what waits in the database, and what this computer's disk alone has. Replicas do the same by themselves,
    every few seconds.
    """
    from ..database.lazy_store import LazyStore
    from ..paths.data_folder import data_folder
    from ..picture_store.upkeep import Upkeep

    pictures, database = _picture_store(), LazyStore(_address())
    upkeep = Upkeep(pictures, database, data_folder())
    done = 0
    try:
        while upkeep.put_waiting():
            done += 1
        upkeep.put_from_disk()
    finally:
        database.close()
        click.echo(f"Put into the picture store: {count_of(done, 'file')} of the outbox.", err=True)


def _typed(person: str) -> bool:
    """Whether the operator types the person's name; without a terminal the answer is no."""
    try:
        return click.prompt("Type the person's name to delete all of it", default="", err=True) == person
    except click.Abort:
        return False


def _address() -> "PostgresUrl":
    """The address of the server's database."""
    from ..app import read_settings
    from ..database.url import PostgresUrl
    from ..shared_parts import log_to_stderr

    settings = read_settings(sandbox=False)
    log_to_stderr(settings)
    at = settings.database_address() if settings.database_url else None
    if not isinstance(at, PostgresUrl):
        raise NotConfigured(
            "`admin` works on the PostgreSQL database of a server for a team: set GPT_IMAGE_2_DATABASE_URL as that"
            " server has it."
        )
    return at


@contextmanager
def _store() -> "Generator[Store]":
    """The database of the server."""
    from ..database.store import open_store

    store = open_store(_address())
    try:
        yield store
    finally:
        store.close()


def _picture_store() -> "PictureStore":
    """Where the server keeps its pictures; it makes no links here."""
    from ..hosted_settings import HostedSettings
    from ..paths.data_folder import data_folder
    from ..picture_store.open_store import open_store
    from ..shared_parts import STORE

    hosted = HostedSettings.read(os.environ)
    if hosted.problems:
        raise NotConfigured(" ".join(hosted.problems))
    url = hosted.store_url.get_secret_value() if hosted.store_url else None
    return open_store(url, unset=data_folder() / STORE, secret=b"", base_url="")


def _moment(since: str) -> datetime:
    from ..parameters.times import parse_time

    return parse_time(since, now=datetime.now().astimezone())


def _usd(usd: Decimal | None) -> str:
    from ..billing.prices import dollars

    return "" if usd is None else dollars(usd)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row as JSON: amounts as numbers, times as ISO texts."""

    def plain(value: Any) -> Any:
        if isinstance(value, Decimal):
            return float(value)
        return value.isoformat() if isinstance(value, datetime) else value

    return {name: plain(value) for name, value in row.items()}


def _print_table(names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows below the names of their columns; numbers stand at the right, and empty columns are left out."""
    if not rows:
        click.echo("There is nothing.", err=True)
        return
    texts = [[printable(" ".join(str(value).split())) for value in row] for row in rows]
    kept = [column for column in range(len(names)) if any(row[column] for row in texts)]
    is_number = {column: all(isinstance(row[column], int) for row in rows) for column in kept}
    is_number |= {column: True for column in kept if names[column] == "dollars"}
    widths = {column: max(len(text) for text in (names[column], *(row[column] for row in texts))) for column in kept}
    for number, line in enumerate(([*names], *texts)):
        cells = [
            line[column].rjust(widths[column]) if is_number[column] else line[column].ljust(widths[column])
            for column in kept
        ]
        text = "  ".join(cells).rstrip()
        click.echo(click.style(text, bold=True) if number == 0 else text)
