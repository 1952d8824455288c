"""Wires the program: `open_service` makes all parts and passes each the ones it needs.

The stdio server, the commands and the tests enter here. Below this module nothing reads the environment.
"""

import os
import warnings
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import httpx2

from .batches.desk import Desk
from .batches.runner import BatchRunner
from .database.people import LOCAL
from .database.url import Address
from .generation.charges import Spending
from .generation.locator import PaidLocator
from .generation.output_dirs import OutputDirs
from .generation.pipeline import Pipeline
from .generation.recorder import Recorder
from .inputs import Sources
from .inputs.reader import InputReader
from .inputs.references import References
from .jobs.durations import DurationHistory
from .jobs.news import NewsFeed
from .jobs.runner import JobRunner
from .jobs.store import JobStore
from .library.export_record import ExportRecords
from .library.exporter import Exporter
from .library.library import Library
from .library.maintenance import Maintenance
from .library.sheet_files import FOLDER as SHEETS
from .library.viewer import Viewer
from .paths.data_folder import data_folder
from .paths.project import project_of
from .persistence.spool import Spool
from .persistence.unit_of_work import Repositories
from .persistence.writer_thread import WriterThread
from .service.batches import BatchService
from .service.images import ImageService
from .settings import Settings
from .shared_parts import PICTURES, SharedParts, open_shared

if TYPE_CHECKING:
    from .picture_store.keeper import PictureKeeper
    from .service.leftovers import Leftovers
    from .service.links import AnswerLinks

EXPORTS = "exports"
"""The folder in the data folder for the records of exported files."""

THUMBNAILS = "thumbnails"
"""The folder in the data folder where thumbnails for contact sheets are cached."""


@asynccontextmanager
async def open_service(
    settings: Settings,
    *,
    transport: httpx2.AsyncBaseTransport | None = None,
    working_dir: Path,
    home: Path,
    data_dir: Path | None = None,
    first_call_at: float | None = None,
    shared: SharedParts | None = None,
    person: str = LOCAL,
) -> AsyncGenerator[ImageService]:
    """Open a person's service. Leaving the context waits until the pictures of requests that were sent are saved.

    Relative paths start at `working_dir`. `transport` replaces the network between the HTTP client and the API: the
    tests and `--sandbox` pass the sandbox. `data_dir` is the folder of the database file; None keeps the database in
    memory. `first_call_at` is when the first call arrived, by `time.monotonic`, if that was before this program was
    loaded.

    `shared` has the parts that several people share, in place of `transport` and `data_dir`; without it, this service
    has its own. `person` is whose service it is: another one than `LOCAL` reaches no files but those in the own folder,
    which takes the place of `working_dir` and `home`.
    """
    # Pillow warns of odd metadata, which is no reason to write lines of its code to stderr.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    async with AsyncExitStack() as stack:
        if shared is None:
            shared = await stack.enter_async_context(open_shared(settings, transport=transport, data_dir=data_dir))
        folder = shared.folder_of(person)
        if person != LOCAL:
            assert folder is not None, "a server for several people has a data folder"
            await anyio.to_thread.run_sync(_make_folder, folder, person)
            working_dir = home = folder
        service = _opened(shared, person, working_dir=working_dir, home=home, first_call_at=first_call_at)
        yield await stack.enter_async_context(service)


@asynccontextmanager
async def _opened(
    shared: SharedParts, person: str, *, working_dir: Path, home: Path, first_call_at: float | None
) -> AsyncGenerator[ImageService]:
    settings, data_dir = shared.settings_of(person), shared.folder_of(person)
    writer = WriterThread(
        Repositories(
            shared.database,
            person=person,
            keeps_history=settings.history,
            session_max=settings.session_max,
            session_ttl_ms=settings.session_ttl_ms,
            spool=Spool.of(shared.database.at, data_dir),
        )
    )
    output_dirs = OutputDirs(
        settings,
        working_dir=working_dir,
        home=home,
        spare=data_dir / PICTURES if data_dir else None,
        data_folders=[data_dir, *(data_dir / name for name in (THUMBNAILS, SHEETS, EXPORTS))] if data_dir else [],
    )
    sources = Sources(
        working_dir=working_dir,
        home=home,
        allowed_dirs=settings.allowed_folders(working_dir, home),
        output_dirs=output_dirs.own,
        allowed_url_hosts=frozenset(settings.allowed_url_hosts),
        hosted=settings.hosted,
    )
    references = References(writer)
    keeper = _keeper_of(shared, person, writer)
    sources.store = keeper
    reader = InputReader(sources, references)
    spending = Spending(shared.budgets, writer, free=settings.sandbox)
    durations, news = DurationHistory(), NewsFeed()
    cache = data_dir / THUMBNAILS if data_dir and writer.repositories.keeps_history else None
    exports = ExportRecords(data_dir / EXPORTS if data_dir and writer.repositories.keeps_history else None)
    library = Library(writer, reader, references, sources, output_dirs, cache=cache)
    maintenance = Maintenance(
        library, writer, reader, sources, output_dirs, exports, sandbox=settings.sandbox, cache=cache
    )
    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:
        store = JobStore(writer, settings.redact, is_replica=shared.is_replica)
        project = project_of(working_dir, home) if person == LOCAL else None
        audit = "off" if person == LOCAL else shared.audit
        recorder = Recorder(writer, store, project, lambda: output_dirs.policy, audit, keeper)
        writer.repositories.replay_line = recorder.replay
        pipeline = Pipeline(
            settings,
            backend=shared.backend,
            spending=spending,
            writer=writer,
            recorder=recorder,
            output_dirs=output_dirs,
            sources=sources,
            reader=reader,
            durations=durations,
            news=news,
        )
        reader.locator = PaidLocator(settings, shared.backend, writer, spending.budgets)
        jobs = JobRunner(tasks, store, pipeline, person=person)
        desk = Desk(settings, pipeline, jobs, store, writer, spending, shared.backend, shared.limiter, durations)
        batches = BatchRunner(desk, tasks, batch_marker(shared.database.at))
        service = ImageService(
            settings,
            pipeline=pipeline,
            spending=spending,
            jobs=jobs,
            writer=writer,
            reader=reader,
            references=references,
            output_dirs=output_dirs,
            durations=durations,
            news=news,
            library=library,
            maintenance=maintenance,
            viewer=Viewer(library, references, reader, exports, cache=cache, hosted=settings.hosted),
            exporter=Exporter(library, reader, output_dirs, exports, cache=cache),
            batches=BatchService(desk, batches, sources),
            links=_links_of(keeper, data_dir),
            leftovers=_leftovers_of(keeper, settings, writer, output_dirs),
        )
        service.first_call_at = first_call_at
        tasks.start_soon(service.recover)
        try:
            yield service
        except Exception as error:  # noqa: BLE001 - the task group would wrap it in an ExceptionGroup: raised below
            failure = error
        finally:
            # In this order: the jobs end, then the threads that still save their pictures, then the database. Shielded,
            # since the server is often cancelled at its end.
            service.closing.set()
            with anyio.CancelScope(shield=True):
                batches.stop()
                await jobs.close(settings.shutdown_grace_s)
                await batches.close(settings.shutdown_grace_s)
                await pipeline.close()
                await writer.close()
    if failure is not None:
        raise failure


def _keeper_of(shared: SharedParts, person: str, writer: WriterThread) -> "PictureKeeper | None":
    """What has the person's pictures in the picture store; None where there is none, as over stdio."""
    folder = shared.folder_of(person)
    if shared.store is None or folder is None:
        return None
    from .picture_store.keeper import PictureKeeper
    from .picture_store.upkeep import FETCHED

    cache = folder / FETCHED
    return PictureKeeper(shared.store, writer, person=person, cache=cache, link_seconds=shared.link_seconds)


def _links_of(keeper: "PictureKeeper | None", folder: Path | None) -> "AnswerLinks | None":
    if keeper is None or folder is None:
        return None
    from .service.links import AnswerLinks

    return AnswerLinks(keeper, folder)


def _leftovers_of(
    keeper: "PictureKeeper | None", settings: Settings, writer: WriterThread, output_dirs: OutputDirs
) -> "Leftovers | None":
    if keeper is None:
        return None
    from .service.leftovers import Leftovers

    return Leftovers(settings, writer, output_dirs, keeper)


def _make_folder(folder: Path, person: str) -> None:
    from .service.own_disk import note_person

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    note_person(folder, person)


@asynccontextmanager
async def open_user_service(settings: Settings, *, first_call_at: float | None = None) -> AsyncGenerator[ImageService]:
    """Open the service for the user who started this program, in the folder where it was started."""
    async with open_service(
        settings,
        transport=sandbox_transport() if settings.sandbox else None,
        working_dir=Path.cwd(),
        home=Path.home(),
        data_dir=data_folder(),
        first_call_at=first_call_at,
    ) as service:
        yield service


def read_settings(*, sandbox: bool) -> Settings:
    """Read the environment of this process."""
    return Settings.read(os.environ, sandbox=sandbox)


def batch_marker(database: Address) -> Path | None:
    """The file beside the database that is there while a cheap batch is open, so that other starts need not open it."""
    return database.with_name(f"{database.name}-open-batches") if isinstance(database, Path) else None


def sandbox_transport() -> httpx2.AsyncBaseTransport:
    """The built-in sandbox in place of the network."""
    from .sandbox import SandboxTransport, build_sandbox

    return SandboxTransport(build_sandbox())
