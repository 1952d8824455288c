"""`Exporter`: makes files for use elsewhere of pictures: other sizes and formats, icons, paper; free and local."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import anyio.to_thread

from ..errors import BadRequest, CannotSave, ChildFailed, GptImageError, UnreadableSource, shown
from ..generation.output_dirs import OutputDirs
from ..images import formats
from ..images.decode import upright_facts
from ..images.deriving import derive_in_child
from ..images.export_sizes import TooSmall, edges_of, size_after
from ..images.formats import sniff
from ..images.icon_lists import icons_of, lists_of
from ..images.written_formats import WrittenFormat, check_format
from ..inputs import InputImage
from ..inputs.reader import InputReader
from ..parameters.models import ExportRequest
from ..parameters.sizes import MIN_DELIVERED_EDGE, normalize_size
from ..paths.denylist import fold_parts
from ..paths.policy import WritePolicy
from ..paths.prefix import safe_prefix
from ..storage.link import Link
from ..storage.time_limit import run_in_time
from .contact_sheet import MAX_CELLS, Cell, draw_sheet
from .export_record import ExportRecords
from .export_source import ExportSource, as_it_is, first_of
from .export_write import ExportWriter
from .library import Library
from .sheet_files import keep_sheet
from .targets import Target, read_targets, same_name_text, says_edges
from .text import not_shown_text

MIME: Final[Mapping[str, str]] = {
    **formats.MIME,
    "icns": "image/icns",
    "pdf": "application/pdf",
    "json": "application/json",
}
MUCH: Final = 0.35
"""The share of a picture from which on a crop may lose what matters."""
_ENDINGS: Final[Mapping[str, str]] = {**formats.EXTENSION, "tiff": "tif"}


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """A file that was written, or was there already with the same bytes."""

    target: str
    path: Path
    width: int | None
    height: int | None
    size_bytes: int
    mime_type: str
    how: str
    """What was cut off, scaled, lowered or replaced, in words."""
    shape: str = ""
    """Where much is cut off: the `size` with which a new picture has all of it."""
    link: Link | None = None
    """On a server, where it is fetched."""

    def as_dict(self, *, is_linked: bool = False) -> dict[str, Any]:
        """The file as JSON for programs; on a server, with its link in place of its path."""
        link = self.link.as_dict() if self.link else {}
        return {
            "target": self.target,
            **({"filename": self.path.name, **link} if is_linked else {"file_path": str(self.path)}),
            "width": self.width,
            "height": self.height,
            "size_bytes": self.size_bytes,
            "mime_type": self.mime_type,
            "how": self.how,
        }


@dataclass(frozen=True, slots=True)
class ExportOutcome:
    """What came of an export."""

    files: tuple[ExportedFile, ...]
    failures: tuple[str, ...]
    """A sentence for each target of which nothing was made."""
    sheet: bytes | None
    sheet_path: Path | None
    was_made_here: bool
    """Whether a picture of a model is among them, so that the files have no Content Credentials."""
    is_linked: bool = False
    """Whether the person fetches the files from a server."""
    archive: Link | None = None
    """Where all of them are fetched, if they are many."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """One picture, one target, and where its files go, by their paths in a set ("" for the only file)."""

    source: ExportSource
    target: Target
    kind: str
    paths: dict[str, Path]


class Exporter:
    """Exports the pictures of one user; an `ImageService` has one."""

    def __init__(
        self,
        library: Library,
        reader: InputReader,
        output_dirs: OutputDirs,
        exports: ExportRecords,
        *,
        cache: Path | None,
    ) -> None:
        """Read pictures with `reader`; `cache` is the folder for thumbnails, beside which sheets are kept."""
        self._library = library
        self._reader = reader
        self._output_dirs = output_dirs
        self._exports = exports
        self._cache = cache

    async def export(self, request: ExportRequest) -> ExportOutcome:
        """Make the files of all targets of all pictures; a target that fails takes no other with it.

        Raises:
            BadRequest: a target is none, two have one name, or nothing could be made.
            GptImageError: a picture cannot be read, or the folder may not be written.

        """
        targets = read_targets(request.to)
        for folder in (request.output_dir, *(target.folder for target in targets)):
            self._output_dirs.check_named(folder)
        plans = await self._plans(request, targets)
        writer = ExportWriter(self._output_dirs.policy, self._exports, replaces=request.replace)
        files: list[ExportedFile] = []
        failed: dict[str, list[str]] = {}
        cells: list[Cell] = []
        for plan in plans:
            try:
                made, drawn = await anyio.to_thread.run_sync(partial(self._make, plan, request.fit, writer))
            except GptImageError as error:
                failed.setdefault(str(error), []).append(plan.target.text)
                continue
            files += made
            cells += [Cell(len(cells) + number, *cell) for number, cell in enumerate(drawn, start=1)]
        # What is the picture's fault is the same for all targets.
        failures = [f"{', '.join(texts)}: {why}" for why, texts in failed.items()]
        if not files:
            raise BadRequest("Nothing was exported. " + "\n".join(failures))
        sheet, kept = await anyio.to_thread.run_sync(self._sheet, cells[:MAX_CELLS])
        was_made_here = any(plan.source.picture for plan in plans)
        return ExportOutcome(tuple(files), (*failures, *writer.notes), sheet, kept, was_made_here)

    async def _plans(self, request: ExportRequest, targets: Sequence[Target]) -> list[_Plan]:
        sources = [await self._read(reference) for reference in request.image]
        plans: list[_Plan] = []
        sources = list({(source.stem, source.sha256): source for source in sources}.values())
        taken: dict[tuple[str, ...], str] = {}
        policy = self._output_dirs.policy
        for target in targets:
            name = "/".join(part for part in (request.output_dir, target.folder) if part) or None
            if target.folder.startswith(("/", "~")):
                name = target.folder
            folder = await self._output_dirs.in_time(name, partial(self._output_dirs.prepare, name))
            for source in sources:
                plan = await self._output_dirs.in_time(name, partial(_planned, source, target, folder, policy))
                for path in plan.paths.values():
                    # Some systems take names for one that differ in upper and lower case only.
                    key = fold_parts(path)
                    if key in taken:
                        raise BadRequest(same_name_text(taken[key], target, path.name))
                    taken[key] = target.text
                plans.append(plan)
        return plans

    async def _read(self, reference: str) -> ExportSource:
        if reference.strip().lower().startswith(("http:", "https:", "data:")):
            raise BadRequest(
                "`image` is a picture that was made here or a file on this computer; got the address"
                f" {shown(reference)}."
            )
        found = await self._reader.find(reference, prepare=as_it_is)
        if isinstance(found, InputImage):
            # By its path, a picture that was made here is a file like any other.
            known = await self._library.known_picture(None, found.file_sha256)
            stem = safe_prefix(found.path.stem if found.path else "") or "picture"
            picture = known.picture if known else None
            return ExportSource(stem, found.data, found.sha256, picture, first_of(found), found.held)
        if not found.record.can_be_shown:
            raise UnreadableSource(not_shown_text(found))
        image = await self._reader.read_saved(found, prepare=as_it_is)
        return ExportSource(found.id, image.data, found.record.sha256, found, first_of(image), image.held)

    def _make(
        self, plan: _Plan, fit: str, writer: ExportWriter
    ) -> tuple[list[ExportedFile], list[tuple[str, bytes | None]]]:
        """Make and write the files of one target; gives them, and the captions and thumbnails of the sheet. Blocks.

        Raises:
            BadRequest: it cannot be made so, or a file is there that is not replaced.
            CannotSave: a file cannot be written.

        """
        source, target = plan.source, plan.target
        writer.check(plan.paths.values())
        try:
            _check_size(plan, fit)
            found = derive_in_child(
                "export_task:export",
                source.data,
                target=target.as_dict(),
                kind=plan.kind,
                fit=fit,
                xmp=source.xmp,
            )
        except TooSmall as error:
            raise BadRequest(f"{source.stem} {error}. {_way_to_larger(target, error.most)}") from None
        except ValueError as error:
            raise BadRequest(f"{source.stem} {error}.") from None
        except ChildFailed as error:
            raise BadRequest(f"{source.stem} cannot be made so. {error}") from None
        files: list[ExportedFile] = []
        drawn: list[tuple[str, bytes | None]] = []
        for made, data, thumbnail in _parts(found.values["files"], found.data):
            path = plan.paths[made["path"]]
            told = {
                "file": str(path),
                "sha256": hashlib.sha256(data).hexdigest(),
                "size_bytes": len(data),
                "target": target.text,
                "parent": {"id": source.picture.id if source.picture else None, "sha256": source.sha256},
            }
            try:
                was_there = run_in_time(path.parent, partial(writer.write, path, data, told))
            except GptImageError as error:
                if not files:
                    raise
                there = f"{len(files)} of its {len(plan.paths)} files are there: the first is {files[0].path}."
                raise CannotSave(f"{error} {there}") from None
            how = "; ".join(filter(None, [_how(made, fit), source.first, was_there]))
            mime = MIME[made["kind"]]
            shape = target.shape if made["cut"] >= MUCH else ""
            files.append(ExportedFile(target.text, path, made["width"], made["height"], len(data), mime, how, shape))
            if thumbnail:
                name = path.name if target.name or target.icon_set else target.text
                edges = f"{made['width']}x{made['height']}"
                drawn.append((name if says_edges(name, edges) else f"{name} {edges}", thumbnail))
        return files, drawn

    def _sheet(self, cells: list[Cell]) -> tuple[bytes | None, Path | None]:
        if not cells:
            return None, None
        sheet = draw_sheet(cells)
        return sheet, keep_sheet(sheet, self._cache) if self._cache else None


def _check_size(plan: _Plan, fit: str) -> None:
    """Check by the header that the target can be made; raises ValueError with the rule and the way out."""
    found = upright_facts(plan.source.data)
    target = plan.target.as_dict()
    size = edges_of(size_after(target["steps"], (found.width, found.height)), target, fit=fit)
    check_format(cast("WrittenFormat", plan.kind), size, dpi=target["dpi"])


def _planned(source: ExportSource, target: Target, folder: Path, policy: WritePolicy) -> _Plan:
    if target.icon_set:
        names = [icon.path for icon in icons_of(target.icon_set)] + list(lists_of(target.icon_set))
        # A folder of a set may be there, and be a link.
        folders = {inner: policy.resolve_writable(folder / inner) for inner in {Path(name).parent for name in names}}
        return _Plan(source, target, "png", {name: folders[Path(name).parent] / Path(name).name for name in names})
    kind = target.kind or sniff(source.data[:64]) or "png"
    words = safe_prefix(target.text) or kind
    name = target.name or f"{source.stem}-{words}.{_ENDINGS.get(kind, kind)}"
    return _Plan(source, target, kind, {"": folder / name})


def _parts(files: list[dict[str, Any]], data: bytes) -> Iterator[tuple[dict[str, Any], bytes, bytes]]:
    """The files that a child process has made, each with its bytes and its thumbnail's."""
    start = 0
    for made in files:
        middle = start + made["bytes"]
        end = middle + made["thumbnail"]
        yield made, data[start:middle], data[middle:end]
        start = end


def _way_to_larger(target: Target, most: tuple[int, int]) -> str:
    """What to do about a picture that is too small for a target, of which `most` can be made in that shape."""
    dpi = target.size.dpi if target.size else None
    wanted = target.size.width if target.size else most[0]
    less = f" ({int(dpi * most[0] / wanted)} dpi)" if dpi else ""
    text = f"At most {most[0]}x{most[1]}{less} can be made of it." if min(most) >= MIN_DELIVERED_EDGE else ""
    shape = target.shape
    try:
        normalize_size(shape)
    except ValueError:
        return text
    return (
        f"{text} To have more, have it drawn anew: edit_image with the picture and `size` {shown(shape)}, which costs"
        " money, and may change faces and letters."
    ).strip()


def _how(made: dict[str, Any], fit: str) -> str:
    """What was done to a picture, in words."""
    if made["kind"] == "json":
        return "the list of the icons"
    width, height = made["source"]
    parts = [f"of {width}x{height}"]
    if made["cut"] >= 0.001:  # noqa: PLR2004 - a tenth of a per cent
        parts.append(f"{made['cut']:.1%} cut off")
    if fit in {"pad", "stretch"} and (made["width"] * height != made["height"] * width):
        parts.append("padded" if fit == "pad" else "stretched")
    if made["scale"] > 1:
        parts.append(f"scaled up {made['scale']:.2f} times, so it has no more detail")
    elif made["scale"] < 1:
        parts.append("scaled down")
    return ", ".join([*parts, *filter(None, [made["note"]])])
