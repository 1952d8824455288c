"""`gpt-image-2-mcp serve`: runs the server until a signal comes, and then finishes what is paid for.

The first SIGTERM or SIGINT has the server say at once that it is not ready, so that a balancer sends nothing more. Then
it passes what it has not sent on to other replicas, answers what it was asked, finishes and saves what was sent, and
ends. A second one ends it at once.
"""

import logging
import os
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread
import httpx2

from .. import __version__
from ..errors import GptImageError, NotConfigured
from ..hosted_settings import HostedSettings, is_loopback
from ..malloc import use_one_arena
from ..paths.data_folder import data_folder
from ..picture_store.open_store import open_store
from ..picture_store.store import PictureStore
from ..server.answer_room import MAX_MAKING
from ..server.stdio.signals import ending_signals, is_insistent
from ..service.fleet import Fleet
from ..settings import Settings
from ..shared_parts import PEOPLE, PICTURES, STORE, SharedParts, log_to_stderr, open_shared
from ..telemetry.export import exported
from .app import PATH, build_app
from .authentication import open_authentication
from .endpoint import Endpoint
from .measuring import observe_server
from .people import open_people
from .person import THE_ONE, Person
from .readiness import Readiness
from .refusals import check_start, ignored
from .store_routes import store_routes
from .web_server import listen, web_server

if TYPE_CHECKING:
    from ..server.hosting import Hosting
    from ..service.images import ImageService

logger = logging.getLogger(__name__)

UNREADY_S: Final = 4.0
"""How long the server goes on taking requests after it has said that it ends: balancers ask each second, and twice."""
ASKING: Final = 2
"""Threads that ask whether the database answers."""
BEYOND_WAIT_S: Final = 10.0
"""How long an answer may take beyond `GPT_IMAGE_2_MAX_WAIT_S`, when the server ends."""


def serve(*, host: str, port: int, sandbox: bool) -> None:
    """Serve until a signal comes; raises NotConfigured if the server would be unsafe or could not work."""
    settings = Settings.read(os.environ, sandbox=sandbox)
    hosted = HostedSettings.read(os.environ)
    log_to_stderr(settings)
    check_start(settings, hosted, host)
    for sentence in ignored(settings):
        sys.stderr.write(f"gpt-image-2-mcp: {sentence}\n")
    use_one_arena()
    with exported(version=__version__, metrics_port=hosted.metrics_port):
        anyio.run(run, hosted_settings_of(settings, data_folder()), hosted, host, port)


def hosted_settings_of(settings: Settings, data_dir: Path) -> Settings:
    """The settings of the service for people at other computers: no folder of this one is theirs to name."""
    # In a folder as others have, by which answers know what is not to be told.
    folder = data_dir / PEOPLE / sha256(THE_ONE.key.encode()).hexdigest()[:32] / PICTURES
    own = {"output_dir": str(folder), "allowed_dirs": (), "allow_unsafe_output_dir": False}
    return settings.model_copy(update={**own, "hosted": True})


async def run(settings: Settings, hosted: HostedSettings, host: str, port: int) -> None:
    """Serve until a signal comes."""
    data_dir = data_folder()
    making = anyio.CapacityLimiter(MAX_MAKING)

    def hosting_of(person: Person) -> "Hosting":
        from ..server.hosting import Hosting, hosted_prompts, hosted_tools
        from ..server.sealed_answers import sealing

        # Without replicas, what was answered is known to this process alone, and so is its seal.
        secret = hosted.secret.get_secret_value() if hosted.secret and shared.is_replica else None
        return Hosting(sealing(secret, lambda _: person.key), making, hosted_tools(), hosted_prompts())

    def service_of(person: Person) -> "AbstractAsyncContextManager[ImageService]":
        from ..app import open_service

        return open_service(settings, working_dir=data_dir, home=data_dir, shared=shared, person=person.key)

    with listen(host, port) as sock:
        address = _address(host, sock.getsockname()[1])
        store = _store(settings, hosted, data_dir, address)
        async with (
            open_authentication(hosted) as authentication,
            _shared(settings, hosted, data_dir, store) as shared,
            open_people(service_of, hosting_of) as people,
        ):
            endpoint = Endpoint(authentication, people, admins=hosted.admins)
            readiness = Readiness(partial(_is_reachable, shared, anyio.CapacityLimiter(ASKING)))
            app = build_app(hosted, endpoint, readiness, store_routes(store), is_local=is_loopback(host))
            server = web_server(app, grace_s=_answer_s(settings))
            fleet = Fleet(
                shared.everyone,
                shared.limiter,
                people.working_for,
                places=settings.max_concurrency,
                model_for=settings.model_for,
                disk=shared.disk,
            )

            async def end() -> None:
                await anyio.sleep(UNREADY_S)
                with anyio.move_on_after(settings.shutdown_grace_s):
                    await fleet.hand_over(people.services)
                endpoint.end_streams()
                server.should_exit = True

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_watch_signals, end, readiness)
                if shared.is_replica:
                    tasks.start_soon(fleet.run)
                _announce(hosted, address)
                await server.serve(sockets=[sock])
                tasks.cancel_scope.cancel()


@asynccontextmanager
async def _shared(
    settings: Settings, hosted: HostedSettings, data_dir: Path, store: PictureStore
) -> AsyncGenerator[SharedParts]:
    """What all people share; raises NotConfigured if the database cannot be used, or does not keep people apart."""
    async with open_shared(
        settings,
        transport=_transport(settings),
        data_dir=data_dir,
        for_people=hosted.has_people,
        per_person_usd=hosted.budget_per_person_day_usd,
        audit="with prompts" if hosted.audit_prompts else "on",
        store=store,
        link_seconds=hosted.link_ttl_s,
        lease_s=hosted.lease_s,
    ) as shared:
        try:
            if hosted.has_people:
                await shared.require_fence()
            await anyio.to_thread.run_sync(shared.database.of)
        except GptImageError as error:
            raise NotConfigured(f"The server does not start:\n- {error}") from None
        observe_server(shared)
        yield shared


def _transport(settings: Settings) -> httpx2.AsyncBaseTransport | None:
    """The sandbox in place of the network, if it is asked for."""
    if not settings.sandbox:
        return None
    from ..app import sandbox_transport

    return sandbox_transport()


def _store(settings: Settings, hosted: HostedSettings, data_dir: Path, address: str) -> PictureStore:
    """Where the pictures are kept; raises NotConfigured if the address is wrong."""
    secret = hosted.secret.get_secret_value().encode() if hosted.secret else os.urandom(32)
    url = hosted.store_url.get_secret_value() if hosted.store_url else None
    base_url = hosted.base_url or address
    return open_store(url, unset=data_dir / STORE, secret=secret, base_url=base_url, sandbox=settings.sandbox)


def _answer_s(settings: Settings) -> float:
    return (settings.max_wait_s or settings.shutdown_grace_s) + BEYOND_WAIT_S


async def _is_reachable(shared: SharedParts, asking: anyio.CapacityLimiter) -> bool:
    def ask() -> None:
        with shared.database.of().database.reading() as connection:
            connection.exec_driver_sql("SELECT 1")

    try:
        # With threads of its own: those that a database keeps which does not answer are missing nowhere else.
        await anyio.to_thread.run_sync(ask, abandon_on_cancel=True, limiter=asking)
    except GptImageError:
        return False
    return True


async def _watch_signals(end: Callable[[], Coroutine[None, None, None]], readiness: Readiness) -> None:
    async with anyio.create_task_group() as tasks:
        with anyio.open_signal_receiver(*ending_signals()) as signals:
            async for number in signals:
                if not readiness.is_ending:
                    readiness.is_ending = True
                    tasks.start_soon(end)
                elif is_insistent(number):
                    os._exit(128 + number)


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _announce(hosted: HostedSettings, address: str) -> None:
    who = "for people with a token" if hosted.has_people else "for one person, without a token"
    public = f", as {hosted.public_url}" if hosted.public_url else ""
    sys.stderr.write(f"gpt-image-2-mcp: serving {address}{PATH}{public}, {who}. Ctrl-C ends it.\n")
    sys.stderr.flush()
