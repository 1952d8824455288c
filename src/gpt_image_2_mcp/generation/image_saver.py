"""Saves the pictures of API results before anything else touches them, then collects what the report needs.

Results are saved in the thread of the request that received them. That thread cannot be cancelled, so nothing that
happens to a call or a job comes between a picture and the disk.
"""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

from ..errors import BadAnswer, BadRequest, GptImageError, shown
from ..images import EXTENSION, Facts, facts, sniff
from ..images.preview import Preview, make_preview, share_of
from ..openai_api.api_result import ApiResult, ImageLink
from ..openai_api.body_reader import ImageBytes
from ..openai_api.threads import InFlightWrites
from ..paths.policy import WritePolicy
from ..storage.local_folder import Name, SavedImage, ensure_side_folder, save_image
from .link_fetcher import LinkFetcher

MAX_EDGE = 100_000
"""The longest edge in pixels that is believed of a file's header; no model comes near, and a record allows no more."""


@dataclass(frozen=True, slots=True)
class SaveTarget:
    """Where the pictures of one job are saved: in the first of `folders` (real paths) that can be written.

    `sandbox_folders` maps a folder to the one that is used instead if a sandbox answered, which shows in the answer
    only. `policy` checks a folder again at the moment of writing, when it may have become a link.
    """

    name: Name
    folders: tuple[Path, ...]
    sandbox_folders: Mapping[Path, Path]
    policy: WritePolicy


@dataclass(frozen=True, slots=True)
class _PictureFile:
    """A picture that was just written."""

    number: int
    path: Path
    facts: Facts
    data: bytes


class ImageSaver:
    """Saves the pictures of one job: the `ImageSink` of its API requests. The requests call it from several threads."""

    def __init__(
        self,
        target: SaveTarget,
        *,
        n: int,
        links: LinkFetcher,
        partials: list[Path],
        previews: bool,
        in_flight: InFlightWrites,
    ) -> None:
        """Save up to `n` pictures in `target`.

        `links` fetches pictures that the API sends as URLs. The paths of unfinished pictures are appended to
        `partials`. `previews` asks for a preview of each picture. While a file is written, `in_flight` is entered: the
        process waits for it at its end.
        """
        self._target = target
        self._n = n
        self._links = links
        self._partials = partials
        self._previews_wanted = previews
        self._in_flight = in_flight
        self._numbering = Lock()
        self._count = 0
        self._saved: dict[int, SavedImage] = {}
        self._without_preview: list[tuple[SavedImage, bytes]] = []
        """The saved pictures that `make_previews` has to decode, with their bytes."""
        self.previews: dict[str, Preview] = {}
        """The previews by picture id."""
        self.results: list[ApiResult] = []
        """The results of the requests so far, without the pictures' bytes."""
        self.warnings: list[str] = []

    @property
    def stem(self) -> str:
        """The beginning of all file names of the job."""
        return self._target.name.stem(None)

    @property
    def images(self) -> list[SavedImage]:
        """The saved pictures, in the order in which they were saved."""
        return [self._saved[number] for number in sorted(self._saved)]

    def save_result(self, result: ApiResult) -> None:
        """Save every picture of a result. Blocks: called in the request's thread.

        Raises:
            GptImageError: not one of them could be fetched or saved. If only some could not, `warnings` says why.

        """
        failures: list[GptImageError] = []
        on_disk: list[_PictureFile] = []
        # Pictures whose bytes are here come before those that must be fetched, which takes time and may fail. All are
        # on the disk before the first hash or preview is made.
        for picture in sorted(result.pictures, key=lambda picture: isinstance(picture, ImageLink)):
            try:
                on_disk.append(self._save(picture, result))
            except GptImageError as error:
                if isinstance(error, BadAnswer):
                    error.from_sandbox = result.sandbox
                failures.append(error)
        for file in on_disk:
            self._add(file)
        if len(failures) == len(result.pictures):
            raise failures[0]
        # Without the bytes, which need not stay in memory now.
        self.results.append(replace(result, pictures=()))
        self.warnings += [*result.warnings, *map(str, failures)]

    def make_previews(self) -> None:
        """Make the previews of the saved pictures, if they are wanted. Blocks: call it in a thread. Raises nothing."""
        for image, data in self._without_preview:
            small = make_preview(data, image.facts, share=share_of(self._n))
            if small is not None:
                self.previews[image.id] = small
        # The bytes need not stay in memory now.
        self._without_preview.clear()

    def save_partial(self, data: bytes) -> None:
        """Save an unfinished picture in the side folder; a failure is ignored, as the finished one is still to come."""
        found = sniff(data[:64])
        if found is None:
            return
        name = f"{self.stem}-partial-{len(self._partials) + 1}.{EXTENSION[found]}"
        with suppress(OSError, BadRequest):
            path = ensure_side_folder(self._target.folders[0], self._target.policy) / name
            with path.open("xb") as file:
                file.write(data)
            self._partials.append(path)

    def _save(self, picture: ImageBytes | ImageLink, result: ApiResult) -> "_PictureFile":
        """Write a picture to the disk, and do nothing else with it."""
        data = self._links.fetch(picture.url) if isinstance(picture, ImageLink) else picture.data
        what = _facts(data)
        with self._numbering:
            self._count += 1
            number = self._count
        target = self._target
        folders = target.folders
        if result.sandbox:
            folders = tuple(target.sandbox_folders.get(folder, folder) for folder in folders)
        with self._in_flight:
            path, elsewhere = save_image(
                data,
                extension=EXTENSION[what.format],
                name=target.name,
                number=number if self._n > 1 else None,
                folders=folders,
                policy=target.policy,
            )
        if elsewhere:
            self.warnings.append(elsewhere)
        if not what.width:
            self.warnings.append(f"{path.name} was saved as it came, but it cannot be read whole.")
        return _PictureFile(number, path, what, data)

    def _add(self, file: "_PictureFile") -> None:
        """Add a picture that is on the disk to the results, with its hash."""
        image = SavedImage(file.path, file.facts, len(file.data), hashlib.sha256(file.data).hexdigest())
        self._saved[file.number] = image
        if self._previews_wanted:
            self._without_preview.append((image, file.data))


def _facts(data: bytes) -> Facts:
    found = sniff(data[:64])
    if found is None:
        raise BadAnswer(
            f"The API answered with {len(data):,} bytes that are no PNG, JPEG or WebP (they begin {shown(data[:8])})."
            " If OPENAI_BASE_URL is set, check what that backend makes."
        )
    try:
        what = facts(data)
    except ValueError:
        # A broken file is saved as well: it is paid for, and another program may be able to read it.
        return Facts(found, 0, 0, alpha=False)
    return what if max(what.width, what.height) <= MAX_EDGE else replace(what, width=0, height=0)
