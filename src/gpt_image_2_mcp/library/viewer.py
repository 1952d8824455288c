"""`Viewer`: what `list_images` and `show_image` do: pages of pictures, contact sheets, single pictures and regions."""

import logging
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import anyio.to_thread

from ..catalogue.picture_record import Picture
from ..catalogue.search_query import Overview, SearchQuery, SearchResult
from ..errors import BadRequest, ChildFailed, UnreadableSource, shown
from ..images.formats import MIME
from ..images.preview import MAX_PICTURE_BYTES, POINTING_EDGE, Preview, make_preview, pointing_text
from ..inputs import InputImage
from ..inputs.reader import InputReader
from ..inputs.references import References
from ..jobs.report import Report
from ..parameters.models import ListImagesRequest, ShowImageRequest
from ..paths.other_computer import page_refusal
from ..paths.safe_open import exists
from ..storage.link import Link
from ..storage.time_limit import run_in_time
from .export_record import ExportRecords
from .library import KnownPicture, Library
from .text import not_shown_text

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of a search, and the contact sheet of its pictures if one was requested."""

    found: SearchResult
    """The page; pictures of one call are in the order in which the call made them."""
    missing: frozenset[str]
    """The ids of the pictures whose files do not exist."""
    filtered: bool
    """Whether the request had a filter, so that an empty page may have another reason than an empty catalogue."""
    numbers: Mapping[int, Picture]
    """The pictures by their numbers on the sheet; empty without a sheet."""
    sheet: bytes | None
    """The contact sheet, a JPEG."""
    sheet_path: Path | None = None
    """Where the sheet is kept; None if there is none, or it cannot be written."""
    by_turn: bool = False
    """Whether the pictures are those of one session, in the order of their turns."""
    overview: Overview | None = None
    """What there is, if the request had a filter and found nothing."""
    page: tuple[Path, int] | None = None
    """The HTML page of all that was found, and how many pictures are on it."""
    links: Mapping[str, Link] | None = None
    """On a server, the links to the pictures by their ids, in place of paths."""


@dataclass(frozen=True, slots=True)
class View:
    """A picture or a region of it, ready to be shown; `known` is None for a file that was not made here."""

    name: str
    preview: Preview
    description: str
    known: KnownPicture | None
    links: Mapping[str, Link] | None = None
    """On a server, the link to the picture by its id; None where its path says where it is."""


@dataclass(frozen=True, slots=True)
class AnswerSheet:
    """The numbered sheet of an answer with several pictures."""

    data: bytes
    """A JPEG."""
    path: Path | None
    """Where it is kept; None if it cannot be written."""
    link: Link | None = None
    """On a server, where it is fetched."""

    @property
    def text(self) -> str:
        """Where it is kept, for a person; empty where it is not."""
        where = self.link.fetch_text("sheet.jpg") if self.link else self.path
        return f"All of them, numbered, on a sheet: {where}" if where else ""

    def as_dict(self) -> dict[str, Any]:
        """The same for programs."""
        if self.link:
            return {"sheet_url": self.link.url}
        return {"sheet_path": str(self.path)} if self.path else {}


class Viewer:
    """Shows the pictures of one user; an `ImageService` has one."""

    def __init__(
        self,
        library: Library,
        references: References,
        reader: InputReader,
        exports: ExportRecords,
        *,
        cache: Path | None,
        hosted: bool = False,
    ) -> None:
        """Show pictures of `library`; `cache` is the folder for thumbnails, None to keep none.

        If it is `hosted`, the person is at another computer, and no page is written for them.
        """
        self._hosted = hosted
        self._exports = exports
        self._library = library
        self._references = references
        self._reader = reader
        self._cache = cache

    async def find(self, request: ListImagesRequest) -> Listing:
        """Find a page of pictures; draw their contact sheet, and write all that was found as a page, if asked for.

        The numbers of the sheet are references for later calls (see `References`).

        Raises:
            BadRequest: `since` or `until` is not a time, or the page may not be written.
            CannotSave: the page cannot be written.

        """
        if request.as_page and self._hosted:
            raise BadRequest(page_refusal())
        # In a thread: words for a time load a library.
        query = await anyio.to_thread.run_sync(
            lambda: SearchQuery.parse(**request.model_dump(exclude={"contact_sheet", "as_page"}))
        )
        if request.session_id is not None:
            found = await self._turns(await self._library.find(query))
        else:
            found = _calls_in_order(await self._library.find_given(query))
        missing = await anyio.to_thread.run_sync(_missing_ids, found)
        filtered = replace(query, page=1) != SearchQuery()
        by_turn = request.session_id is not None
        page = await self._library.gallery(None, query) if request.as_page and found.pictures else None
        if not request.contact_sheet or not found.pictures:
            is_searched = filtered and not found.pictures and found.page == 1
            overview = await self._library.overview() if is_searched else None
            return Listing(found, missing, filtered, {}, None, by_turn=by_turn, overview=overview, page=page)
        numbers = _numbered(found, by_turn=by_turn)
        sheet, path = await anyio.to_thread.run_sync(self._sheet, numbers)
        self._references.note_sheet({number: picture.id for number, picture in numbers.items()})
        return Listing(found, missing, filtered, numbers, sheet, path, by_turn, page=page)

    async def _turns(self, found: SearchResult) -> SearchResult:
        """A page of a session's pictures in the order of the turns, as the person was given them.

        The first page has the newest turns.
        """
        delivered = await self._reader.delivered(found.pictures)
        given = [p.delivered_as(delivered[p.id]) if p.id in delivered else p for p in found.pictures]
        return replace(found, pictures=tuple(sorted(given, key=_turn)))

    async def sheet(self, numbers: Mapping[int, Picture]) -> bytes:
        """The contact sheet of some pictures; their numbers are references for later calls."""
        sheet, _ = await anyio.to_thread.run_sync(self._sheet, numbers)
        self._references.note_sheet({number: picture.id for number, picture in numbers.items()})
        return sheet

    async def show(self, request: ShowImageRequest) -> View:
        """Show a picture, with a mask drawn over it, or a region of it pixel for pixel if that fits into an answer.

        With `text`, also say which texts stand in it.

        Raises:
            GptImageError: there is no such picture, it cannot be read, the region is not inside it, or there is no
                such mask.

        """
        given = [name for name in ("region", "mask", "against", "text") if getattr(request, name) is not None]
        if len(given) > 1:
            raise BadRequest(f"`{given[0]}` and `{given[1]}` are two views of a picture: leave one of them out.")
        if re.match(r"(https?|data):", request.image.strip(), re.IGNORECASE):
            raise BadRequest(
                "`image` is a picture that was made here or a file on this computer; got the address"
                f" {shown(request.image)}."
            )
        found = await self._reader.find(request.image)
        if isinstance(found, Picture):
            if not found.record.can_be_shown:
                raise UnreadableSource(not_shown_text(found))
            name, note = found.path.name, None
            known = await self._library.known_picture(found, "")
            delivered = (await self._reader.delivered([found])).get(found.id) if found.record.position else None
            if delivered is not None:
                note = (
                    f"It was delivered as {delivered.id}, {delivered.record.size_text}: a `mask` of the session's next"
                    " turn is of that one, so point there."
                )
        else:
            name, note = found.path.name if found.path else found.source, found.note
            known = await self._library.known_picture(None, found.file_sha256)
            if known is None and (known := await self._exported_from(found.file_sha256)):
                note = " ".join(
                    filter(None, [note, f"It was exported from {known.picture.id}, which is described here."])
                )
        # A comparison and a mask take the picture as an edit does: the mask's numbers are of what is sent.
        if request.against is not None:
            pictures = [await self._sent(found), *(await self._reader.read(request.against, None)).images]
            seen, said = await anyio.to_thread.run_sync(_compared, pictures)
        elif request.mask is not None:
            image = await self._sent(found)
            mask = await self._reader.mask(request.mask, image)
            seen, said = await anyio.to_thread.run_sync(_masked_preview, image, mask, name)
        else:
            data = await self._bytes(found)
            seen, said = await anyio.to_thread.run_sync(_preview_of, data, name, request.region)
            if request.text is not None:
                # In the pixels of what an edit sends, as its mask needs them.
                sent = await self._sent(found)
                said += "\n" + await anyio.to_thread.run_sync(_texts_in, sent.data, request.text)
        return View(name, seen, f"{said} {note}" if note else said, known)

    async def answer_sheet(self, report: Report, previews: Mapping[str, Preview]) -> AnswerSheet | None:
        """The numbered sheet of a report's pictures, of those in `previews` made of these; see `draw_answer_sheet`.

        None if there is only one, or it cannot be drawn.
        """
        images = report.wanted
        if len(images) == 1:
            return None
        try:
            from .answer_sheet import draw_answer_sheet
        except ImportError as error:
            # The program was replaced on the disk. The pictures are paid for, and are told without a sheet.
            logger.warning("no sheet is drawn: %s", error)
            return None
        draw = partial(draw_answer_sheet, images, previews, read=self._reader.read_unchanged)
        data = await anyio.to_thread.run_sync(draw)
        return None if data is None else AnswerSheet(data, await anyio.to_thread.run_sync(self._kept, data))

    async def _exported_from(self, digest: str) -> KnownPicture | None:
        """The picture from which a file with this SHA-256 was exported; None if it was not, or is not known."""
        picture_id = await anyio.to_thread.run_sync(self._exports.parent_of, digest)
        picture = await self._library.picture(picture_id) if picture_id else None
        return None if picture is None else await self._library.known_picture(picture, "")

    async def _sent(self, found: Picture | InputImage) -> InputImage:
        return found if isinstance(found, InputImage) else await self._reader.read_saved(found)

    async def _bytes(self, found: Picture | InputImage) -> bytes:
        if isinstance(found, InputImage):
            return found.data
        return await anyio.to_thread.run_sync(self._reader.read_saved_bytes, found)

    def _sheet(self, numbers: Mapping[int, Picture]) -> tuple[bytes, Path | None]:
        """Draw the sheet, and write it into a file, which a person sees whose client shows no pictures."""
        from .contact_sheet import draw_sheet, make_cells

        sheet = draw_sheet(make_cells(numbers.items(), read=self._reader.read_saved_bytes, cache=self._cache))
        return sheet, self._kept(sheet)

    def _kept(self, sheet: bytes) -> Path | None:
        from .sheet_files import keep_sheet

        return keep_sheet(sheet, self._cache) if self._cache else None


def _calls_in_order(found: SearchResult) -> SearchResult:
    """Put the pictures of each call into the order in which they were made; the newest call stays first."""
    calls = (list(call) for _, call in groupby(found.pictures, key=lambda picture: picture.record.job_id or picture.id))
    return replace(found, pictures=tuple(picture for call in calls for picture in call[::-1]))


def _turn(picture: Picture) -> int:
    return picture.record.position.turn if picture.record.position else 0


def _numbered(found: SearchResult, *, by_turn: bool) -> dict[int, Picture]:
    """The pictures by the numbers that a contact sheet shows: in a session those of the turns."""
    if by_turn:
        return {_turn(picture): picture for picture in found.pictures}
    return dict(enumerate(found.pictures, start=found.first_number))


def _missing_ids(found: SearchResult) -> frozenset[str]:
    """The ids of the pictures whose file is not there; those in a folder that does not answer are among them."""
    folders: dict[Path, list[Picture]] = {}
    for picture in found.pictures:
        folders.setdefault(picture.path.parent, []).append(picture)
    there: set[str] = set()
    for folder, pictures in folders.items():
        with suppress(TimeoutError):
            there |= run_in_time(folder, partial(_ids_there, pictures))
    return frozenset(picture.id for picture in found.pictures if picture.id not in there)


def _ids_there(pictures: Sequence[Picture]) -> set[str]:
    return {picture.id for picture in pictures if exists(picture.path)}


def _preview_of(data: bytes, name: str, region: str | None) -> tuple[Preview, str]:
    from ..images.decode import upright_facts
    from ..images.headers import read_header
    from ..images.memory import check_size
    from ..images.region import cut_region as region_of
    from ..images.region import parse_box

    try:
        facts = upright_facts(data)
    except ValueError as error:
        raise UnreadableSource(f"The picture {name} {error}.") from None
    if region is not None:
        seen = region_of(data, facts, parse_box(region, facts), share=MAX_PICTURE_BYTES)
        return seen.preview, seen.description
    try:
        check_size(read_header(data), shrinks=True)
    except ValueError as error:
        raise UnreadableSource(f"The picture {name} {error}.") from None
    try:
        shown = make_preview(data, facts, share=MAX_PICTURE_BYTES, max_edge=POINTING_EDGE)
    except ValueError:
        shown = None
    if shown is None:
        raise UnreadableSource(f"The picture {name} cannot be decoded.")
    whole = f"The whole picture, {facts.width}x{facts.height}"
    return shown, f"{whole}, {pointing_text(shown)}"


def _compared(pictures: Sequence[InputImage]) -> tuple[Preview, str]:
    import pybase64

    from .comparison import compare

    data, said = compare(pictures)
    return Preview(pybase64.b64encode_as_string(data), MIME["jpeg"]), said


def _texts_in(data: bytes, wanted: str) -> str:
    from .texts import check_texts

    return check_texts(data, wanted)


def _masked_preview(image: InputImage, mask: InputImage, name: str) -> tuple[Preview, str]:
    import pybase64

    from ..masks.show import draw_over

    try:
        data = draw_over(image.data, mask.data, share=MAX_PICTURE_BYTES)
    except (ValueError, ChildFailed) as error:
        raise UnreadableSource(f"The mask of the picture {name} cannot be shown: {error}.") from None
    preview = Preview(pybase64.b64encode_as_string(data), MIME["jpeg"])
    said = f"{mask.change} What stays is grey. The picture is {pointing_text(preview)}"
    return preview, said
