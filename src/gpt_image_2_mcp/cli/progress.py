"""Progress bars on a terminal, and what Ctrl-C means while a picture is made."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import anyio

from ..errors import GptImageError
from ..server.stdio.signals import ending_signals, is_insistent

if TYPE_CHECKING:
    from ..batches.batch import BatchStatus
    from ..jobs.job import Job
    from ..jobs.progress import ProgressCallback
    from ..jobs.report import Report
    from ..library.progress import CountCallback
    from ..service.images import ImageService


@contextmanager
def progress_bar(title: str) -> "Generator[CountCallback]":
    """Show a bar on stderr while the block runs, if stderr is a terminal and there is a title.

    The callback takes how much is done, and how much there is in all, which may be None.
    """
    if not title or not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    done = TextColumn("{task.completed:,.0f}")
    columns = (TextColumn("{task.description}"), BarColumn(), done, TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda count, total: bar.update(task, completed=count, total=total)


@contextmanager
def _bar() -> Generator[tuple["ProgressCallback", Callable[[str], None]]]:
    """A progress bar in per cent on stderr: what moves it, and what prints a line above it."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (SpinnerColumn(), BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("Preparing", total=100)

        async def show_progress(progress: float, message: str) -> None:
            bar.update(task, completed=progress, description=message)

        yield show_progress, bar.console.print


async def wait_for_report(service: "ImageService", job: "Job") -> "Report":
    """Wait for a job behind a progress bar.

    The first Ctrl-C stops a job of which nothing was sent, and otherwise still waits for what is paid; the second one
    ends the process. SIGTERM means the same, and a closed terminal as often as it is told means the first Ctrl-C.

    Raises:
        GptImageError: the job failed, or was stopped.

    """
    # An error that leaves the task group would arrive as an `ExceptionGroup`, so it is carried out as a value.
    outcome: list[Report | GptImageError] = []
    with _bar() as (show_progress, say):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_watch_interrupts, partial(_interrupted, service, job, say))
            try:
                report = await service.wait(job, on_progress=show_progress)
                assert report is not None, "without a bound it waits to the end"
                outcome.append(report)
            except GptImageError as error:
                outcome.append(error)
            tasks.cancel_scope.cancel()
    if isinstance(outcome[0], GptImageError):
        raise outcome[0]
    return outcome[0]


def _interrupted(service: "ImageService", job: "Job", say: Callable[[str], None]) -> None:
    if not service.stop_job(job):
        say("The picture is paid for already: waiting to save it. Ctrl-C again gives it up.")


async def wait_for_batch(service: "ImageService", batch_id: str) -> "BatchStatus":
    """Wait for a batch behind a progress bar.

    The first Ctrl-C sends no further line of a batch that is made now, and waits for those that were sent. Of a cheap
    one it ends the waiting alone: OpenAI goes on with it, and a later run saves what is there.

    Raises:
        BadRequest: there is no such batch.

    """
    outcome: list[BatchStatus | GptImageError] = []
    with _bar() as (show_progress, say):
        async with anyio.create_task_group() as tasks:

            def interrupted() -> None:
                if service.batches.stop_now(batch_id):
                    say("No further picture is asked for: waiting for those that are paid for.")
                else:
                    tasks.cancel_scope.cancel()

            tasks.start_soon(_watch_interrupts, interrupted)
            try:
                outcome.append(await service.batches.wait(batch_id, on_progress=show_progress, to_end=True))
            except GptImageError as error:
                outcome.append(error)
            tasks.cancel_scope.cancel()
    if not outcome:
        return await service.batches.status(batch_id)
    if isinstance(outcome[0], GptImageError):
        raise outcome[0]
    return outcome[0]


async def _watch_interrupts(interrupted_once: Callable[[], None]) -> None:
    interrupted = False

    def interrupt(number: int, *, insists: bool) -> None:
        nonlocal interrupted
        if interrupted:
            if insists:
                os._exit(128 + number)
            return
        interrupted = True
        interrupted_once()

    if sys.platform == "win32":
        from .console_window import watched

        loop = asyncio.get_running_loop()

        def on_event(is_closed: bool) -> None:
            loop.call_soon_threadsafe(partial(interrupt, signal.SIGINT, insists=not is_closed))

        with watched(on_event):
            await anyio.sleep_forever()
        return
    terminals = [number for number in (1, 2) if os.isatty(number)]
    with anyio.open_signal_receiver(*ending_signals()) as signals:
        async for received in signals:
            if received == signal.SIGHUP:
                _forget_terminal(terminals)
            interrupt(received, insists=is_insistent(received))


def _forget_terminal(terminals: list[int]) -> None:
    """Write nowhere what would go to a terminal that is closed: that fails, and would end the program."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in terminals:
        os.dup2(nowhere, number)
    os.close(nowhere)
