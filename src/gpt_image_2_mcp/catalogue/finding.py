"""Finding pictures: words of the prompt and filters, the newest first, a page at a time."""

import re
from typing import Any

import sqlalchemy as sa

from ..storage.schema import pictures
from .pictures import Pictures, microseconds
from .records import Picture
from .search import Found, Search
from .words import words_of

_words = sa.table("picture_words", sa.column("rowid"), sa.column("number"), sa.column("prompt"))


def search(connection: sa.Connection, wanted: Search) -> Found:
    """Find a page of pictures."""
    words = re.findall(r"\w+", wanted.query or "")
    if not words:
        rows = _page(connection, wanted, sa.select(pictures))
    elif connection.dialect.name == "sqlite":
        # In the order of the index, which is that of the pictures: nothing is sorted.
        match = sa.literal_column("picture_words").op("MATCH")(" ".join(f'"{word}"*' for word in words))
        joined = sa.select(pictures).select_from(_words.join(pictures, _words.c.rowid == pictures.c.number))
        rows = _page(connection, wanted, joined.where(match), number=_words.c.rowid)
    else:
        match = sa.text("picture_words.words @@ CAST(:words AS tsquery)").bindparams(
            words=" & ".join(f"'{word}':*" for word in words_of(" ".join(words)))
        )
        joined = sa.select(pictures).select_from(_words.join(pictures, _words.c.number == pictures.c.number))
        rows = _page(connection, wanted, joined.where(match))
    if not rows and words and not (wanted.query or "").isascii():
        # Scripts without spaces are one long word to the index: look for the letters themselves.
        contained = [pictures.c.prompt.icontains(word, autoescape=True) for word in words]
        rows = _page(connection, wanted, sa.select(pictures).where(*contained))
    return Found(tuple(rows[: wanted.page_size]), wanted.page, wanted.page_size, len(rows) > wanted.page_size)


def _page(
    connection: sa.Connection, wanted: Search, query: sa.Select[Any], number: sa.ColumnElement[Any] = pictures.c.number
) -> list[Picture]:
    """One more than a page holds, where there are as many."""
    if wanted.since is not None:
        query = query.where(number >= microseconds(wanted.since))
    if wanted.until is not None:
        query = query.where(number < microseconds(wanted.until))
    filters = (
        (pictures.c.project, wanted.project),
        (pictures.c.session_id, wanted.session_id),
        (pictures.c.model, wanted.model),
    )
    query = query.where(*[column == value for column, value in filters if value is not None])
    offset = (wanted.page - 1) * wanted.page_size
    return Pictures(connection).found(query.order_by(number.desc()).limit(wanted.page_size + 1).offset(offset))
