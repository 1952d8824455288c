"""The pictures of an answer: previews, whole files or none, as the settings say."""

from collections.abc import Mapping
from typing import Literal

import anyio.to_thread

from ..errors import UnreadableSource
from ..images import SHOWN
from ..images.preview import Preview, make_preview, share_of, unscaled_preview
from ..inputs.reader import InputReader
from ..jobs.report import Report
from ..storage.local_folder import SavedImage


async def previews_of(
    report: Report, reader: InputReader, inline: Literal["preview", "full", "none"]
) -> Mapping[str, Preview]:
    """A report's pictures by id, in the form that `inline` chooses: previews, whole files, or none.

    A picture whose file is gone or has changed is left out.
    """

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
