"""Saves the pictures of API results before anything else touches them, then collects what the report needs.

Results are saved in the thread of the request that received them. That thread cannot be cancelled, so nothing that
happens to a call or a job comes between a picture and the disk.
"""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from ..errors import BadAnswer, BadRequest, GptImageError, shown
from ..images import EXTENSION, SHOWN, WITH_ARTICLE, Facts, sniff
from ..images.blank import blank_text
from ..images.formats import name_format
from ..images.headers import facts
from ..images.preview import Preview, check_pixels, make_preview, share_of
from ..openai_api.api_result import ApiResult, ImageLink
from ..openai_api.body_reader import ImageBytes
from ..openai_api.threads import InFlightWrites
from ..paths.policy import WritePolicy
from ..storage.local_folder import (
    RAW_PREFIX,
    RAW_SUFFIX,
    SavedImage,
    has_bytes,
    last_resort,
    save_beside,
)
from .content import Content, is_text
from .link_fetcher import LinkFetcher
from .save_target import SaveTarget

if TYPE_CHECKING:
    from .delivery import Delivered
    from .exact_edits import Composite


@dataclass(frozen=True, slots=True)
class _PictureFile:
    """A picture that was just written."""

    number: int
    path: Path
    content: Content


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
        redact: Callable[[bytes], bytes],
    ) -> None:
        """Save up to `n` pictures in `target`.

        `links` fetches pictures that the API sends as URLs. The paths of unfinished pictures are appended to
        `partials`. `previews` asks for a preview of each picture. While a file is written, `in_flight` is entered: the
        process waits for it at its end. `redact` takes the API key out of an answer that is kept raw.
        """
        self._target = target
        self._n = n
        self._links = links
        self._partials = partials
        self._previews_wanted = previews
        self._in_flight = in_flight
        self._redact = redact
        self._numbering = Lock()
        self._count = self._kept = 0
        self._saved: dict[int, SavedImage] = {}
        self._to_decode: list[tuple[int, bytes]] = []
        """The numbers of the saved pictures that `decode` has to decode, with their bytes."""
        self._exact: dict[int, tuple[SavedImage, bytes]] = {}
        """The composites by the numbers of the pictures that they were made from, with their bytes."""
        self._delivered: dict[int, tuple[SavedImage, bytes]] = {}
        """The same for pictures in another size than the API made."""
        self._second: set[int] = set()
        """The numbers of the pictures that are the second that a composite was made from."""
        self.ground_prompt: str | None = None
        """What the requests that come now say about the ground behind the subject; see `SavedImage`."""
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
    def policy(self) -> WritePolicy:
        """Which folders may be written."""
        return self._target.policy

    @property
    def images(self) -> list[SavedImage]:
        """The saved pictures of the API, in the order in which they were saved."""
        return [self._saved[number] for number in sorted(self._saved)]

    @property
    def wanted_first(self) -> list[SavedImage]:
        """All saved pictures: of each of the API what was made of it last, and then those behind these."""
        stages = [
            [held[number][0] for held in (self._delivered, self._exact) if number in held] + [self._saved[number]]
            for number in sorted(self._saved.keys() - self._second)
        ]
        behind = [image for stage in stages for image in stage[1:]]
        return [*(stage[0] for stage in stages), *behind, *(self._saved[number] for number in sorted(self._second))]

    @property
    def readable(self) -> list[tuple[SavedImage, bytes]]:
        """What the person gets of each picture of a known format, until `decode` has come.

        Its bytes are those that it has before it is brought to another size.
        """
        kept = [(number, self._exact.get(number) or (self._saved[number], data)) for number, data in self._to_decode]
        return [((self._delivered.get(number) or held)[0], held[1]) for number, held in kept]

    @property
    def has_both(self) -> bool:
        """Whether two of the saved pictures can be looked at."""
        return len(self._to_decode) > 1

    def save_result(self, result: ApiResult) -> None:
        """Save every picture of a result. Blocks: called in the request's thread.

        Raises:
            GptImageError: not one of them could be fetched or saved. If only some could not, `warnings` says why, and
                where what came in their place is kept.

        """
        self._target.steps.enter("save")
        failures: list[tuple[ImageBytes | ImageLink, GptImageError]] = []
        on_disk: list[_PictureFile] = []
        # Pictures whose bytes are here come before those that must be fetched, which takes time and may fail. All are
        # on the disk before the first is decoded.
        for picture in sorted(result.pictures, key=lambda picture: isinstance(picture, ImageLink)):
            try:
                on_disk.append(self._save(picture, result))
            except GptImageError as error:
                if isinstance(error, BadAnswer):
                    error.from_sandbox = result.sandbox
                failures.append((picture, error))
        for file in on_disk:
            self._add(file)
        if len(failures) == len(result.pictures):
            raise failures[0][1]
        # Without the bytes, which need not stay in memory now.
        self.results.append(replace(result, pictures=()))
        self.warnings += [*result.warnings, *(self._keep_failed(picture, error) for picture, error in failures)]

    def make_exact(self, make: "Callable[[bytes], Composite]") -> None:
        """Make a composite of each saved picture, and save it beside it. Blocks. Raises nothing."""
        for number, data in self._to_decode:
            made = make(data)
            self.warnings += made.warnings
            if not made.data:
                continue
            try:
                self._add_exact(number, made)
            except GptImageError as error:
                self.warnings.append(
                    f"What was made of it could not be saved, and this is the model's own picture: {error}"
                )

    def make_of_both(self, make: "Callable[[bytes, bytes], Composite]") -> None:
        """Make a composite of the first saved picture and the last, if it `has_both`. Blocks. Raises nothing."""
        (number, first), (other, second) = self._to_decode[0], self._to_decode[-1]
        made = make(first, second)
        self.warnings += made.warnings
        if not made.data:
            return
        try:
            self._add_exact(number, made, also_from=self._saved[other].id)
        except GptImageError as error:
            self.warnings.append(f"The transparent picture could not be saved, and these are the model's own: {error}")
            return
        # It was decoded for the composite.
        self._to_decode.pop()
        self._second.add(other)

    def note_proofs(self, look: "Callable[[bytes], Composite]") -> None:
        """Have the saved pictures looked at as they came. Blocks. Raises nothing."""
        for number, data in self._to_decode:
            found = look(data)
            self.warnings += found.warnings
            self._saved[number] = replace(self._saved[number], proof=found.proof)

    def add_own(self, made: "Composite") -> None:
        """Save a picture that was made here, without the API; raises CannotSave."""
        self.warnings += made.warnings
        image = self._save_derived(1, made.data, made.suffix, EXTENSION[facts(made.data).format], None)
        self._saved[1] = replace(image, proof=made.proof)
        self._to_decode.append((1, made.data))

    def _add_exact(self, number: int, made: "Composite", *, also_from: str | None = None) -> None:
        """Save a composite; raises CannotSave."""
        shape = facts(made.data)
        image = self._save_derived(number, made.data, made.suffix, EXTENSION[shape.format], self._saved[number])
        self._exact[number] = (replace(image, proof=made.proof, also_from=also_from), made.data)

    def deliver(self, make: "Callable[[SavedImage, bytes], Delivered]", suffix: str, extension: str) -> None:
        """Make what was asked for of each saved picture, or of its composite. Blocks. Raises nothing."""
        for number, data in self._to_decode:
            source, content = self._exact.get(number, (self._saved[number], data))
            made = make(source, content)
            self.warnings += made.warnings
            if not made.data:
                continue
            try:
                image = self._save_derived(number, made.data, suffix, extension, source)
            except GptImageError as error:
                self.warnings.append(f"The size that was asked for could not be saved: {error}")
                continue
            self._delivered[number] = (replace(image, change=made.change), made.data)

    def _save_derived(
        self, number: int, data: bytes, suffix: str, extension: str, source: SavedImage | None
    ) -> SavedImage:
        """Save what was made of a picture beside it; raises CannotSave."""
        folders = (source.path.parent, *self._target.folders) if source else self._target.folders
        with self._in_flight:
            path, elsewhere = self._target.save(
                data,
                extension=extension,
                name=replace(self._target.name, suffix=suffix),
                number=number if self._n > 1 or number > 1 else None,
                folders=folders,
            )
        self.warnings += [elsewhere] if elsewhere else []
        made_from = source.id if source else None
        return SavedImage(path, facts(data), len(data), hashlib.sha256(data).hexdigest(), made_from=made_from)

    def decode(self) -> None:
        """Decode the saved pictures, and make the previews of those to show if they are wanted. Blocks. Raises nothing.

        A picture that cannot be decoded is `broken` afterwards.
        """
        for number, own in self._to_decode:
            image, data = self._saved[number], own
            self.warnings += filter(None, [blank_text(own, image.facts, name=image.path.name)])
            derived = self._delivered.get(number) or self._exact.get(number)
            if derived:
                # Its picture was decoded for this one, which is shown in its place.
                image, data = derived
            try:
                small = self._decode(data, image.facts)
                if derived and small is None and self._previews_wanted:
                    # A WebP of a size that takes too much memory to decode: it looks as what it was made of.
                    small = make_preview(own, self._saved[number].facts, share=share_of(self._n))
            except ValueError:
                if not derived:
                    self._saved[number] = replace(image, broken=True)
                continue
            except (MemoryError, ImportError):
                # Whether it is damaged is not known. A decoder is missing if the program was replaced on the disk.
                continue
            if small is not None:
                self.previews[image.id] = small
        # The bytes need not stay in memory now.
        self._to_decode.clear()
        for held in (self._exact, self._delivered):
            held.update({number: (image, b"") for number, (image, _) in held.items()})

    def _decode(self, data: bytes, facts: Facts) -> Preview | None:
        """Give a picture's preview if previews are wanted; raises ValueError if it cannot be decoded."""
        if self._previews_wanted:
            return make_preview(data, facts, share=share_of(self._n))
        check_pixels(data, facts)
        return None

    def keep_raw(self, content: bytes) -> Path | None:
        """Keep an answer that may have more pictures in it, in the side folder of the first folder that takes it."""
        content = self._redact(content)
        with self._numbering:
            self._kept += 1
            name = f"{RAW_PREFIX}{self.stem}-{self._kept}{RAW_SUFFIX}"
        for folder in (*self._target.folders, None):
            with suppress(OSError, BadRequest), self._in_flight:
                return save_beside(content, name, folder=folder or last_resort(), policy=self._target.policy)
        return None

    def _keep_failed(self, picture: ImageBytes | ImageLink, error: GptImageError) -> str:
        """Keep what came with others and could not be fetched or saved; gives the warning about it."""
        path = self.keep_raw(picture.url.encode() if isinstance(picture, ImageLink) else picture.data)
        return f"{error} What came is kept in {path}." if path else str(error)

    def save_partial(self, data: bytes) -> None:
        """Save an unfinished picture in the side folder; a failure is ignored, as the finished one is still to come."""
        found = sniff(data[:64])
        if found is None:
            return
        name = f"{self.stem}-partial-{len(self._partials) + 1}.{EXTENSION[found]}"
        with suppress(OSError, BadRequest):
            folder, policy = self._target.folders[0], self._target.policy
            # Nothing depends on it, so that nothing waits for the disk.
            self._partials.append(save_beside(data, name, folder=folder, policy=policy, durable=False))

    def _save(self, picture: ImageBytes | ImageLink, result: ApiResult) -> "_PictureFile":
        """Write a picture to the disk; meanwhile, nothing but its hash and its header are looked at."""
        data = self._links.fetch(picture.url, result.reached_at) if isinstance(picture, ImageLink) else picture.data
        if is_text(data):
            beginning = shown(data[:60].decode("utf-8", "replace"))
            # The text of a link is not in the answer, which is kept.
            path = self.keep_raw(data) if isinstance(picture, ImageLink) else None
            raise BadAnswer(
                f"The API answered with a text in place of a picture, beginning {beginning}. If OPENAI_BASE_URL is set,"
                f" check what that backend makes.{f' The text is kept in {path}.' if path else ''}"
            )
        kind = name_format(data) or "bin"
        with self._numbering:
            self._count += 1
            number = self._count
        target, content = self._target, Content(data)
        folders = target.folders
        if result.sandbox:
            folders = tuple(target.sandbox_folders.get(folder, folder) for folder in folders)
        if found := next((path for path in target.known if has_bytes(path, data)), None):
            content.prepare()
            return _PictureFile(number, found, content)
        with self._in_flight:
            path, elsewhere = target.save(
                data,
                extension=EXTENSION[kind],
                name=target.name,
                # The second picture of an answer that was to have one needs a name of its own, whatever its format.
                number=number if self._n > 1 or number > 1 else None,
                folders=folders,
                meanwhile=content.prepare,
            )
        if elsewhere:
            self.warnings.append(elsewhere)
        if kind not in SHOWN:
            self.warnings.append(
                f"{path.name} was saved as it came; it is {WITH_ARTICLE[kind]}, which this server does not show."
            )
        return _PictureFile(number, path, content)

    def _add(self, file: "_PictureFile") -> None:
        """Add a picture that is on the disk to the results, with its hash and what it is."""
        content = file.content
        facts, broken = content.identified
        self._saved[file.number] = SavedImage(
            file.path, facts, len(content.data), content.sha256, broken, ground_prompt=self.ground_prompt
        )
        if not broken and facts.format in SHOWN:
            self._to_decode.append((file.number, content.data))
