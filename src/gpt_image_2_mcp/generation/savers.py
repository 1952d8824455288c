"""`Savers`: where the pictures of a job go, what they are called, and the `ImageSaver` that takes them."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..billing.tokens import AUTO_SIZE
from ..inputs import Sources
from ..jobs.job import Job
from ..jobs.order import Order
from ..openai_api.threads import InFlightWrites
from ..parameters.models import ContinueSessionRequest
from ..parameters.sizes import made_size, parse_edges
from ..paths.prefix import safe_prefix
from ..settings import Settings
from ..storage.local_folder import Kind, Name
from ..storage.room import ensure_room_in_one, picture_bytes
from ..telemetry import UNMEASURED, Steps
from .delivery import is_delivered_apart
from .image_saver import ImageSaver
from .link_fetcher import LinkFetcher, backend_host
from .output_dirs import OutputDirs
from .save_target import SaveTarget

if TYPE_CHECKING:
    from ..picture_store.keeper import PictureKeeper


class Savers:
    """Opens the savers of one process."""

    def __init__(
        self,
        settings: Settings,
        output_dirs: OutputDirs,
        sources: Sources,
        in_flight: InFlightWrites,
        keeper: "PictureKeeper | None",
    ) -> None:
        """Save in `output_dirs`, fetch with `sources`, and count what is being written in `in_flight`.

        On a server, `keeper` takes what no folder takes.
        """
        self._keeper = keeper
        self._settings = settings
        self._output_dirs = output_dirs
        self._sources = sources
        self._in_flight = in_flight

    def _target(self, job: Job, order: Order, known: Sequence[Path], steps: Steps) -> SaveTarget:
        """Where the pictures of a job are saved, once it is sure that there is room for them. Blocks.

        A folder that the call names is refused, since the call can name another one. The turns of a session go to the
        session's folder, and other calls to the default one: if that has no room, the ones in which a picture is saved
        next must have it. The first one is tried again when the picture is there, and the report tells if another one
        was taken.

        Raises:
            BadRequest: there is no room.

        """
        policy = self._output_dirs.policy
        default, *spare = map(policy.resolve_writable, self._output_dirs.own())
        folders = tuple(dict.fromkeys((order.folder, default, *spare)))
        options = job.request
        size = picture_bytes(parse_edges(made_size(options.size)) or AUTO_SIZE, options.output_format)
        if is_delivered_apart(options):
            size += picture_bytes(parse_edges(options.size) or AUTO_SIZE, options.output_format)
        # The unfinished pictures of a stream are saved as well.
        count = options.count + (self._settings.partial_images if options.count == 1 else 0)
        is_named = order.folder != default and not isinstance(options, ContinueSessionRequest)
        ensure_room_in_one(folders[:1] if is_named else folders, count, size, policy)
        return SaveTarget(
            name=name_of(job, order.kind),
            folders=folders,
            # Whether a backend reached by HTTP is a sandbox shows in its answer only.
            sandbox_folders={} if self._settings.sandbox else {default: default / "sandbox"},
            policy=policy,
            known=tuple(known),
            steps=steps,
        )

    async def open(
        self, job: Job, order: Order, *, known: Sequence[Path] = (), steps: Steps = UNMEASURED
    ) -> ImageSaver:
        """What saves the pictures of a job, whose files have their names now; raises BadRequest as `_target`."""
        target = await self._output_dirs.in_time(order.folder, partial(self._target, job, order, known, steps))
        if self._keeper is not None:
            target = replace(target, off_disk=partial(_from_thread, asyncio.get_running_loop(), self._keeper))
        links = LinkFetcher(
            self._sources,
            asyncio.get_running_loop(),
            backend_host(self._settings),
            self._settings.endpoint()[0],
        )
        saver = ImageSaver(
            target,
            n=job.request.count,
            links=links,
            partials=job.files.partials,
            previews=self._settings.inline == "preview" and not job.is_line,
            in_flight=self._in_flight,
            redact=self._settings.redact_bytes,
        )
        job.files.folder, job.files.stem = order.folder, saver.stem
        return saver


def _from_thread(loop: asyncio.AbstractEventLoop, keeper: "PictureKeeper", path: Path, data: bytes) -> str | None:
    """Have a picture kept from memory, from the thread of its request."""
    return asyncio.run_coroutine_threadsafe(keeper.keep_from_memory(path, data), loop).result()


def name_of(job: Job, kind: Kind) -> Name:
    """What the pictures of a job are called; a line's have the same name in each process that receives its answer."""
    prefix = safe_prefix(job.request.filename_prefix or "")
    if not job.is_line:
        return Name.new(kind, prefix)
    _, batch, number = job.id.split("-")
    return Name(kind, job.created.astimezone(), prefix, f"{batch[:6]}-{int(number):04}")
