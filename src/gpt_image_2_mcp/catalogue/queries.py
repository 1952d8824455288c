"""Finding pictures: words of the prompt and filters, the newest first, a page at a time.

Only indexes are looked at until it is known which pictures are on the page. Nothing is sorted: words, times, projects
and models are read in the order of the numbers, from the newest. What is no word is looked for letter by letter.
"""

import re
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from ..database.schema import NOT_ASCII, pictures
from .models import Picture
from .picture_table import PictureTable, to_microseconds
from .search_query import SearchQuery, SearchResult
from .text_index import words_of

_word_index = sa.table("picture_words", sa.column("rowid"), sa.column("number"))
_picture_number = sa.literal_column("+picture_words.rowid", sa.Integer())
"""With a plus, so that SQLite walks along the words and looks into the list: the other way it asks for each picture."""


def search(connection: sa.Connection, wanted: SearchQuery) -> SearchResult:
    """Find a page of pictures."""
    asked = wanted.text or ""
    words = re.findall(r"\w+", asked) if words_of(asked) else []
    is_sqlite = connection.dialect.name == "sqlite"
    if not words:
        # Signs alone, such as an emoji, are in no index; a query of spaces is none.
        rows = _fetch_page(connection, wanted, _containing(asked.split(), wanted, is_sqlite=is_sqlite))
    elif is_sqlite:
        rows = _fetch_page(connection, wanted, _matching_words(words, wanted))
    else:
        match = sa.text("picture_words.words @@ CAST(:words AS tsquery)").bindparams(
            words=" & ".join(f"'{word}':*" for word in words_of(" ".join(words)))
        )
        joined = pictures.join(_word_index, _word_index.c.number == pictures.c.number)
        rows = _fetch_page(connection, wanted, _filtered(wanted).select_from(joined).where(match))
    if not rows and words and not asked.isascii():
        # Scripts without spaces are one long word to the index: look for the letters themselves.
        rows = _fetch_page(connection, wanted, _containing(words, wanted, is_sqlite=is_sqlite))
    return SearchResult(tuple(rows[: wanted.page_size]), wanted.page, wanted.page_size, len(rows) > wanted.page_size)


def _filtered(wanted: SearchQuery) -> sa.Select[Any]:
    """The numbers of pictures that go through the filters."""
    return _within_times(_with_values(sa.select(pictures.c.number.label("number")), wanted, model=True), wanted)


def _containing(parts: Sequence[str], wanted: SearchQuery, *, is_sqlite: bool) -> sa.Select[Any]:
    """The same, of those whose prompts hold all parts, wherever in a word."""
    query = _filtered(wanted).where(*[pictures.c.prompt.icontains(part, autoescape=True) for part in parts])
    return query.where(sa.text(NOT_ASCII)) if is_sqlite and not "".join(parts).isascii() else query


def _matching_words(words: list[str], wanted: SearchQuery) -> sa.Select[Any]:
    """The same, of those with all words, in SQLite's index of words."""
    match = sa.literal_column("picture_words").op("MATCH")(" ".join(f'"{word}"*' for word in words))
    query = sa.select(_word_index.c.rowid.label("number"))
    if wanted.model is not None:
        # Most pictures are of one model: a list of them is longer than what the words leave to look at.
        joined = _word_index.join(pictures, pictures.c.number == _word_index.c.rowid)
        query = query.select_from(joined).where(pictures.c.model == wanted.model)
    if wanted.project is not None or wanted.session_id is not None:
        query = query.where(_picture_number.in_(_with_values(sa.select(pictures.c.number), wanted, model=False)))
    return _within_times(query.where(match), wanted)


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


def _fetch_page(connection: sa.Connection, wanted: SearchQuery, numbers: sa.Select[Any]) -> list[Picture]:
    """One more than a page holds, where there are as many."""
    offset = (wanted.page - 1) * wanted.page_size
    newest = numbers.order_by(sa.desc("number")).limit(wanted.page_size + 1).offset(offset)
    query = sa.select(pictures).where(pictures.c.number.in_(newest)).order_by(pictures.c.number.desc())
    return PictureTable(connection).select(query)
