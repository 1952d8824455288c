"""`gpt-image-2-mcp studio`: the studio in the browser, for clients that show no pages, and for working on it."""

import signal
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import click

from .output import print_notes

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Generator

    from ..settings import Settings


@click.command()
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="Default: any free port.")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
@click.option("--sandbox", is_flag=True, help="The built-in sandbox instead of OpenAI: no key, no cost.")
@click.pass_context
def studio(ctx: click.Context, port: int, no_browser: bool, sandbox: bool) -> None:
    """Open the studio in the browser: look at pictures, compare, paint what is to change, edit, and choose.

    It is for you alone: the address holds a secret, and works until you press Ctrl-C or close the terminal. Every click
    that costs money shows its price first.
    """
    import anyio

    from ..app import read_settings
    from ..shared_parts import log_to_stderr
    from ..studio.host.serve import listen

    settings = read_settings(sandbox=sandbox or ctx.obj)
    settings.require_valid()
    log_to_stderr(settings)
    try:
        sock = listen(port)
    except OSError as error:
        raise click.ClickException(f"Port {port} cannot be listened on ({error.strerror}); try another.") from None
    with sock:
        anyio.run(_serve, settings, sock, no_browser)


async def _serve(settings: "Settings", sock: "socket.socket", no_browser: bool) -> None:
    import webbrowser

    import anyio

    from ..app import open_user_service
    from ..studio.host.keys import Keys
    from ..studio.host.serve import serve_studio

    keys = Keys()
    address = f"http://127.0.0.1:{sock.getsockname()[1]}/"
    with _signals() as is_over:
        async with open_user_service(settings) as service, anyio.create_task_group() as tasks:
            print_notes([f"The studio: {address}#{keys.token}", "Ctrl-C ends it."])
            if not no_browser:
                # A browser for the terminal runs until the person leaves it.
                show = partial(webbrowser.open, f"{address}#once={keys.new_code()}")
                tasks.start_soon(partial(anyio.to_thread.run_sync, abandon_on_cancel=True), show)
            await serve_studio(service, sock, keys, is_over)
            tasks.cancel_scope.cancel()


@contextmanager
def _signals() -> "Generator[Callable[[], bool]]":
    """Whether a signal has come that ends the command; a second one does what it does without this block."""
    from ..server.stdio.signals import ending_signals, is_insistent

    came: list[int] = []

    def end(number: int, _: object) -> None:
        came.append(number)
        if is_insistent(number):
            signal.signal(number, before[number])

    before = {int(number): signal.signal(number, end) for number in ending_signals()}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
