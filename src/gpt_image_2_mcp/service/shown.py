"""What an answer shows of the pictures of a report: previews, whole files, or none, and the sheet of several."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import anyio.to_thread

from ..errors import UnreadableSource
from ..images import SHOWN
from ..images.preview import Preview, make_preview, share_of, unscaled_preview
from ..inputs.reader import InputReader
from ..jobs.report import Report
from ..library.viewer import AnswerSheet, Viewer
from ..storage.local_folder import SavedImage

Inline: TypeAlias = Literal["preview", "full", "none"]


@dataclass(frozen=True, slots=True)
class Shown:
    """The previews of a report's pictures by their ids, and the numbered sheet of several pictures."""

    previews: Mapping[str, Preview]
    """A picture whose file is gone or has changed is left out."""
    sheet: AnswerSheet | None


async def shown_of(report: Report, *, reader: InputReader, viewer: Viewer, inline: Inline) -> Shown:
    """What an answer with a report shows, in the form that the setting `inline` chooses."""
    previews = await _previews(report, reader, inline)
    return Shown(previews, await viewer.answer_sheet(report, previews if inline == "preview" else {}))


async def _previews(report: Report, reader: InputReader, inline: Inline) -> Mapping[str, Preview]:
    def make(image: SavedImage) -> Preview | None:
        try:
            data = reader.read_unchanged(image.path, image.sha256)
        except UnreadableSource:
            return None
        try:
            if inline == "full":
                return unscaled_preview(data, image.facts)
            return make_preview(data, image.facts, share=share_of(max(report.requested["n"], len(report.wanted))))
        except (ValueError, MemoryError):
            # It cannot be decoded, and the report says so, or not now.
            return None

    if inline == "none":
        return {}
    made: Mapping[str, Preview] = report.previews if len(report.wanted) <= report.requested["n"] else {}
    shown = [image for image in report.wanted if image.facts.format in SHOWN and not image.broken]
    found = {i.id: made.get(i.id) or await anyio.to_thread.run_sync(make, i) for i in shown}
    return {name: picture for name, picture in found.items() if picture is not None}
