"""Takes answers as they come: a picture is saved before anything else is done with it, then told of.

An answer is kept in the thread that read it, which nobody can cancel.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from ..billing.pricing import cost, host_cost
from ..errors import BadAnswer, BadRequest, GptImageError, shown
from ..images import EXTENSION, Facts, facts, sniff
from ..images.preview import Preview
from ..images.preview_worker import Looks
from ..jobs.report import Report
from ..openai_api.threads import InFlightWrites
from ..parameters.models import Options
from ..storage.local_folder import Name, SavedImage, ready_side_folder, save

if TYPE_CHECKING:
    # At run time that package imports `openai`, which nobody waits for before there is a request to make.
    from ..openai_api.body_reader import ImageBytes
    from ..openai_api.results import ApiResult, ImageLink

MAX_URL_TOLD = 1000
"""Characters of an address that an error repeats whole: it is the way to a picture that was paid for."""

MAX_EDGE = 100_000
"""Pixels that a header may speak of; no model comes near, and a record holds no more."""

Fetch = Callable[[str], bytes]


class ImageSaver:
    """Saves what one operation brings."""

    def __init__(
        self,
        *,
        name: Name,
        folders: Sequence[Path],
        judge: Callable[[Path], Path],
        sandboxed: Mapping[Path, Path],
        n: int,
        fetch: Fetch,
        partials: list[Path],
        previews: bool,
        hide: Callable[[str], str],
        in_flight: InFlightWrites,
    ) -> None:
        """Save `n` pictures into the first of `folders` that takes them.

        `judge` is asked again at the moment of writing whether a folder may be written. `sandboxed` names the folders
        that take another's place where the answer turns out to be a sandbox's. `fetch` gets the bytes of a picture
        that comes as a link. `partials` is told where unfinished ones lie. `previews` asks for small pictures beside
        the saved ones. `in_flight` is what the end of the process waits for: the writing.
        """
        self._name = name
        self._folders = tuple(folders)
        self._judge = judge
        self._sandboxed = sandboxed
        self._n = n
        self._fetch = fetch
        self._partials = partials
        self._hide = hide
        self.looks = Looks(n, previews=previews)
        """Where a picture that arrives is looked at meanwhile."""
        self._in_flight = in_flight
        self._numbering = Lock()
        self._previews: dict[str, Preview] = {}
        self._answers: list[ApiResult] = []
        self._count = 0
        self._saved: dict[int, SavedImage] = {}
        self.warnings: list[str] = []

    @property
    def stem(self) -> str:
        """How the names of the pictures begin."""
        return self._name.stem(None)

    @property
    def images(self) -> list[SavedImage]:
        """What was saved, by number."""
        return [self._saved[number] for number in sorted(self._saved)]

    def save_result(self, answer: "ApiResult") -> None:
        """Save every picture of an answer. Blocks: call it in a thread.

        Raises:
            GptImageError: none of them could be had or saved; the others' reasons end up in `warnings`.

        """
        from ..openai_api.results import ImageLink

        failures: list[GptImageError] = []
        saved: list[Callable[[], None]] = []
        # What is here before what is still to be had, and all of it before anything is waited for.
        for picture in sorted(answer.pictures, key=lambda picture: isinstance(picture, ImageLink)):
            try:
                saved.append(self._save(picture, answer))
            except GptImageError as error:
                if isinstance(error, BadAnswer):
                    error.from_sandbox = answer.sandbox
                failures.append(error)
        for tell in saved:
            tell()
        if len(failures) == len(answer.pictures):
            raise failures[0]
        # What was saved is not held any longer.
        self._answers.append(answer.redacted(self._hide))
        self.warnings += [*answer.warnings, *map(str, failures)]

    def save_partial(self, data: bytes) -> None:
        """Save an unfinished picture beside the finished one's place; it is worth no error where that fails."""
        found = sniff(data[:64])
        if found is None:
            return
        name = f"{self._name.stem(None)}-partial-{len(self._partials) + 1}.{EXTENSION[found]}"
        with suppress(OSError, BadRequest):
            path = ready_side_folder(self._folders[0], self._judge) / name
            with path.open("xb") as file:
                file.write(data)
            self._partials.append(path)

    def report(
        self, *, model: str, prompt: str, options: Options, failures: Sequence[GptImageError], notes: Sequence[str]
    ) -> Report:
        """Tell of everything that was kept."""
        first, image = self._answers[0], self.images[0]
        size = f"{image.facts.width}x{image.facts.height}" if image.facts.width else first.size
        requested = _requested(options, self._n)
        applied = {
            "size": size,
            "quality": first.quality,
            "n": len(self.images),
            "format": image.facts.format,
            "background": first.background,
        }
        usages = [answer.usage for answer in self._answers if answer.usage]
        # A sum that leaves a call out would pass for the whole.
        usage = sum(usages[1:], usages[0]) if len(usages) == len(self._answers) else None
        warnings = [*notes, *self.warnings, *_changed(requested, applied)]
        warnings += [f"One of the {self._n} pictures failed: {failure}" for failure in failures]
        return Report(
            kind=self._name.kind,
            model=model,
            prompt=prompt,
            requested=requested,
            applied=applied,
            images=tuple(self.images),
            usage=usage,
            cost=self._cost(model),
            request_id=first.request_id,
            warnings=tuple(Counter(warnings)),
            sandbox=first.sandbox,
            previews=self._previews,
        )

    def _save(self, picture: "ImageBytes | ImageLink", answer: "ApiResult") -> Callable[[], None]:
        """Save a picture; give what tells of it."""
        from ..openai_api.results import ImageLink

        if isinstance(picture, ImageLink):
            data, look = self._fetched(picture.url), self.looks.look()
        else:
            data, look = picture.data, picture.look or self.looks.look()
        what = _facts(data)
        with self._numbering:
            self._count += 1
            place = self._count
        folders = self._folders
        if answer.sandbox:
            folders = tuple(self._sandboxed.get(folder, folder) for folder in folders)
        look.begin(data, what)
        with self._in_flight:
            path, elsewhere = save(
                data,
                extension=EXTENSION[what.format],
                name=self._name,
                number=place if self._n > 1 else None,
                folders=folders,
                judge=self._judge,
            )
        if elsewhere:
            self.warnings.append(elsewhere)
        if not what.width:
            self.warnings.append(f"{path.name} was saved as it came, but it cannot be read whole.")

        def tell() -> None:
            seen = look.end(data)
            image = SavedImage(path, what, len(data), seen.sha256)
            self._saved[place] = image
            if seen.preview is not None:
                self._previews[image.id] = seen.preview

        return tell

    def _fetched(self, url: str) -> bytes:
        try:
            return self._fetch(url)
        except GptImageError as error:
            raise BadAnswer(
                f"The API gave the picture by address, and it could not be fetched: {error}"
                f" The address: {url if len(url) <= MAX_URL_TOLD else shown(url)}"
            ) from None

    def _cost(self, model: str) -> Decimal | None:
        total = Decimal(0)
        for answer in self._answers:
            hosts = answer.host_usage
            parts = [cost(model, answer.usage) if answer.usage else None]
            parts += [host_cost(h.model, h.input_tokens, h.cached_tokens, h.output_tokens) for h in hosts]
            for part in parts:
                if part is None:
                    return None
                total += part
        return total


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
        return Facts(found, 0, 0, alpha=False)
    return what if max(what.width, what.height) <= MAX_EDGE else replace(what, width=0, height=0)


def _requested(options: Options, n: int) -> dict[str, Any]:
    return {
        "size": options.size,
        "quality": options.quality,
        "n": n,
        "format": options.output_format,
        "background": options.background,
    }


def _changed(requested: Mapping[str, Any], applied: Mapping[str, Any]) -> list[str]:
    """A sentence for each thing that came otherwise than it was asked for."""
    words = {"size": "size", "quality": "quality", "format": "format", "background": "background"}
    changed = [
        f"The API changed the {word}: asked for {requested[key]}, got {applied[key]}."
        for key, word in words.items()
        if requested[key] != "auto" and applied[key] and requested[key] != applied[key]
    ]
    if applied["n"] < requested["n"]:
        changed.append(f"The API made {applied['n']} of the {requested['n']} pictures that were asked for.")
    return changed
