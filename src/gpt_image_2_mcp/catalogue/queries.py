"""`search` finds a page of pictures by words of the prompt or the file's name and by filters, the newest first.

The queries read indexes only, until it is known which pictures are on the page, and sort nothing: all indexes hold the
pictures in the order of their row numbers, which is that of time. Words are found by the full-text index; a text that
the index does not know as words, such as an emoji or Chinese, is searched for as a substring of the prompts.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from ..database.database import person_of
from ..database.schema import NOT_ASCII, pictures
from .picture_record import Picture
from .picture_table import PictureTable, to_microseconds
from .search_query import Overview, SearchQuery, SearchResult
from .text_index import mark_of, words_of

_word_index = sa.table("picture_words", sa.column("rowid"), sa.column("number"))
_picture_number = sa.literal_column("+picture_words.rowid", sa.Integer())
"""The plus keeps SQLite from using the column for a lookup: so it goes through the matches of the words and checks each
against the filters, and does not query the word index once for every picture."""

OVERVIEW_PICTURES = 500
"""The newest pictures, from which an overview takes the days."""
OVERVIEW_ENTRIES = 7
"""Projects and days in an overview."""


MAX_PARTS = 50
"""Parts of a text without words that are looked for; SQLite takes no expression with a thousand."""


def search(connection: sa.Connection, wanted: SearchQuery) -> SearchResult:
    """Find the page of pictures that a query asks for."""
    text = wanted.text or ""
    words = words_of(text)
    parts = list(dict.fromkeys(text.split()))[:MAX_PARTS]
    is_sqlite = connection.dialect.name == "sqlite"
    if not words:
        # Symbols such as an emoji are in no index, so they are searched for as text; blank text filters nothing.
        found, more = _fetch_page(connection, wanted, _containing(parts, wanted, is_sqlite=is_sqlite))
    elif is_sqlite:
        found, more = _fetch_page(connection, wanted, _matching_words(words, wanted))
    else:
        found, more = _fetch_page(connection, wanted, _with_words(words, wanted, mark_of(person_of(connection))))
    if not found and words and not text.isascii():
        # In scripts without spaces a sentence is one long word to the index: search for the text itself.
        found, more = _fetch_page(connection, wanted, _containing(parts, wanted, is_sqlite=is_sqlite))
    return SearchResult(tuple(found), wanted.page, wanted.page_size, more)


def overview(connection: sa.Connection) -> Overview:
    """The projects with the most pictures, and the last days on which pictures were made."""
    table = PictureTable(connection)
    days = dict.fromkeys(made.astimezone().date() for made in table.times(OVERVIEW_PICTURES))
    return Overview(table.projects(OVERVIEW_ENTRIES), list(days)[:OVERVIEW_ENTRIES])


def _filtered(wanted: SearchQuery) -> sa.Select[Any]:
    """Select the row numbers of the pictures that pass the filters."""
    return _within_times(_with_values(sa.select(pictures.c.number.label("number")), wanted, model=True), wanted)


def _containing(parts: Sequence[str], wanted: SearchQuery, *, is_sqlite: bool) -> sa.Select[Any]:
    """Select the numbers of the pictures that pass the filters and whose prompts contain all `parts` as substrings."""
    query = _filtered(wanted).where(*[pictures.c.prompt.icontains(part, autoescape=True) for part in parts])
    return query.where(sa.text(NOT_ASCII)) if is_sqlite and not "".join(parts).isascii() else query


def _matching_words(words: list[str], wanted: SearchQuery) -> sa.Select[Any]:
    """Select the numbers of the pictures that pass the filters and have all `words`, in SQLite's full-text index."""
    match = sa.literal_column("picture_words").op("MATCH")(" ".join(f'"{word}"*' for word in words))
    query = sa.select(_word_index.c.rowid.label("number"))
    if wanted.model is not None:
        # Most pictures are of one model, so a list of its pictures would be longer than the matches: join instead.
        joined = _word_index.join(pictures, pictures.c.number == _word_index.c.rowid)
        query = query.select_from(joined).where(pictures.c.model == wanted.model)
    if wanted.project is not None or wanted.session_id is not None:
        query = query.where(_picture_number.in_(_with_values(sa.select(pictures.c.number), wanted, model=False)))
    return _within_times(query.where(match), wanted)


def _with_words(words: list[str], wanted: SearchQuery, mark: str) -> sa.Select[Any]:
    """Select the numbers of the pictures that pass the filters and have all `words`, in PostgreSQL's full-text index.

    Of one person of several, the server does not know how many pictures have a word: it supposes a share of those of
    all people, and would look at every picture of the person instead. So the words are looked for first.
    """
    match = sa.text("picture_words.words @@ CAST(:words AS tsquery)").bindparams(
        words=" & ".join(f"'{mark}{word}':*" for word in words)
    )
    if not mark:
        joined = pictures.join(_word_index, _word_index.c.number == pictures.c.number)
        return _filtered(wanted).select_from(joined).where(match)
    found = sa.select(_word_index.c.number).where(match).cte("found").prefix_with("MATERIALIZED", dialect="postgresql")
    return _filtered(wanted).select_from(pictures.join(found, found.c.number == pictures.c.number))


def _with_values(query: sa.Select[Any], wanted: SearchQuery, *, model: bool) -> sa.Select[Any]:
    filters = (
        (pictures.c.project, wanted.project),
        (pictures.c.session_id, wanted.session_id),
        (pictures.c.model, wanted.model if model else None),
    )
    return query.where(*[column == value for column, value in filters if value is not None])


def _within_times(query: sa.Select[Any], wanted: SearchQuery) -> sa.Select[Any]:
    number = query.selected_columns.number
    if wanted.since is not None:
        query = query.where(number >= to_microseconds(wanted.since))
    if wanted.until is not None:
        query = query.where(number < to_microseconds(wanted.until))
    return query


def _fetch_page(connection: sa.Connection, wanted: SearchQuery, numbers: sa.Select[Any]) -> tuple[list[Picture], bool]:
    """Fetch the page's pictures, and whether there is another page; a row that cannot be read counts for that."""
    offset = (wanted.page - 1) * wanted.page_size
    newest = numbers.order_by(sa.desc("number")).limit(wanted.page_size + 1).offset(offset)
    query = sa.select(pictures).where(pictures.c.number.in_(newest)).order_by(pictures.c.number.desc())
    return PictureTable(connection).page(query, wanted.page_size)
