"""Builds the answers of `list_images` and `show_image`."""

import base64
from collections.abc import Mapping
from typing import Any

from mcp_types import CallToolResult, ContentBlock, ImageContent, TextContent

from ..catalogue.picture_record import Picture
from ..errors import shorten, shorten_line
from ..jobs.report import MAX_TEXT
from ..library.text import details, summary_line
from ..library.viewer import Listing, View
from ..storage.link import Link, place_of

LIST_KEY = "gpt-image-2/pictures"
PAGE_KEY = "gpt-image-2/page"
"""The key of the HTML page of what was found in `_meta`."""
MAX_PROJECT = 60
"""Characters of a project's name in a text."""
RECORD_KEY = "gpt-image-2/picture"


def list_result(listing: Listing) -> CallToolResult:
    """A page of pictures: a line for each, and the contact sheet if there is one, with its numbers in the lines."""
    found = listing.found
    if not found.pictures:
        return CallToolResult(content=[TextContent(text=_no_pictures_text(listing))], _meta={LIST_KEY: []})
    numbers = {picture.id: number for number, picture in listing.numbers.items()}
    content: list[ContentBlock] = [TextContent(text=_page_text(listing, numbers))]
    if listing.sheet is not None:
        content.append(ImageContent(data=base64.b64encode(listing.sheet).decode(), mime_type="image/jpeg"))
    rows = [_picture_row(picture, numbers.get(picture.id), listing.links) for picture in found.pictures]
    page = {PAGE_KEY: {"file_path": str(listing.page[0]), "pictures": listing.page[1]}} if listing.page else {}
    return CallToolResult(content=content, _meta={LIST_KEY: rows, **page})


def show_result(view: View) -> CallToolResult:
    """A picture or a part of it, and everything that is known about it."""
    text = f"{view.name}: {view.description}"
    meta: dict[str, Any] = {}
    if view.known is None:
        text += "\nThe catalogue does not know this file: it was not made here, or was changed since."
    else:
        text += "\n" + details(view.known.picture, view.known.session)
        meta[RECORD_KEY] = _record_as_dict(view.known.picture, view.links)
        text = _with_link(text, view)
    content: list[ContentBlock] = [
        TextContent(text=shorten(text, MAX_TEXT)),
        ImageContent(data=view.preview.base64, mime_type=view.preview.mime_type),
    ]
    return CallToolResult(content=content, _meta=meta)


def _with_link(text: str, view: View) -> str:
    """The text with how the original is fetched from a server, in front of the long record."""
    if view.links is None or view.known is None:
        return text
    picture = view.known.picture
    link = view.links.get(picture.id)
    how = f"{link.fetch_text(picture.path.name)} (until {link.until})" if link else "it has no link yet"
    head, _, rest = text.partition("\n")
    return f"{head}\nThe original: {how}\n{rest}"


def _page_text(listing: Listing, numbers: dict[str, int]) -> str:
    """The page as text, with the paths of the files if they all fit."""
    found = listing.found
    count = len(found.pictures)
    order = "in the order of the turns" if listing.by_turn else "newest first"
    head = f"{count} picture{'s' if count > 1 else ''}, {order}, page {found.page}"
    head += f"; page {found.page + 1} has older ones." if found.has_more else "; there are no older ones."
    if numbers:
        head += " A number on the sheet, or an id, names a picture in every tool."
    if listing.sheet_path:
        head += f" The sheet as a file: {listing.sheet_path}"
    if listing.page:
        path, number = listing.page
        head += f" {f'All {number}' if number > 1 else 'What was'} found, on one page for a browser: {path}"
    if listing.links is not None:
        head += " show_image with an id gives a link to its file."
    texts = [
        "\n".join(
            [
                head,
                *(
                    f"{_number_mark(p, numbers)}{summary_line(p, with_path=with_path)}{_missing_note(p, listing)}"
                    for p in found.pictures
                ),
            ]
        )
        for with_path in ((True, False) if listing.links is None else (False,))
    ]
    return next((text for text in texts if len(text) <= MAX_TEXT), shorten(texts[-1], MAX_TEXT))


def _number_mark(picture: Picture, numbers: dict[str, int]) -> str:
    return f"{numbers[picture.id]}. " if picture.id in numbers else "- "


def _missing_note(picture: Picture, listing: Listing) -> str:
    return ", file missing" if picture.id in listing.missing else ""


def _no_pictures_text(listing: Listing) -> str:
    if listing.found.has_more:
        page = listing.found.page
        return f"Page {page} has no picture that you asked for; page {page + 1} has older ones."
    if listing.found.page > 1:
        return f"There is no page {listing.found.page}. Leave out `page` to see the newest."
    if not listing.filtered:
        return (
            "Nothing was made yet, or the catalogue is new: `gpt-image-2-mcp library rebuild FOLDER` takes in earlier"
            " pictures."
        )
    if listing.by_turn:
        return (
            "No picture is a turn of such a session: `session_id` is the one that start_edit_session gave, not a"
            " picture's id. list_edit_sessions shows the active ones."
        )
    text = (
        "No picture matches. Use fewer filters. Each word of `query` must be the beginning of a word in the prompt, in"
        " the prompt's language, or in the file's name."
    )
    overview = listing.overview
    if overview and overview.projects:
        text += f" Projects: {', '.join(shorten_line(project, MAX_PROJECT) for project in overview.projects)}."
    if overview and overview.days:
        text += f" Pictures were made on {', '.join(day.isoformat() for day in overview.days)}."
    return text


def _record_as_dict(picture: Picture, links: Mapping[str, Link] | None) -> dict[str, Any]:
    record = picture.record
    size = {"width": record.width or None, "height": record.height or None}
    return record.model_dump(mode="json") | size | place_of(picture.id, picture.path, links)


def _picture_row(picture: Picture, number: int | None, links: Mapping[str, Link] | None) -> dict[str, Any]:
    record = picture.record
    row = {
        "id": record.id,
        **place_of(picture.id, picture.path, links),
        "made": record.made.isoformat(),
        "width": record.width or None,
        "height": record.height or None,
        "prompt": shorten_line(record.prompt),
        "model": record.model,
        "cost_usd_estimated": None if record.cost_usd is None else float(record.cost_usd),
        "session_id": record.position and record.position.session_id,
        "turn": record.position and record.position.turn,
    } | ({"exact": True} if record.is_exact else {})
    return row if number is None else {"number": number} | row
