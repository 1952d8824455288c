"""What the commands of `gpt-image-2-mcp library` share: their options, and opening the service for them.

Heavy modules are imported inside the functions, so that `--help` answers at once.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from ..catalogue.search_query import SearchQuery
    from ..library.progress import CountCallback
    from ..service.images import ImageService

ResultT = TypeVar("ResultT")


def filters(command: Callable[..., None]) -> Callable[..., None]:
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


def pages(command: Callable[..., None]) -> Callable[..., None]:
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


def confirmed(question: str) -> bool:
    """Ask at the terminal; without one the answer is no."""
    try:
        return click.confirm(question, err=True)
    except click.Abort:
        return False


def run(
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

    from ..app import open_user_service, read_settings
    from ..shared_parts import log_to_stderr
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


def search_for(**filters: Any) -> "SearchQuery":
    """The search that the values of `filters` and `pages` describe."""
    from ..catalogue.search_query import SearchQuery

    return SearchQuery.parse(**filters)
