"""The full-text index holds words without case and diacritics in every script, and those of the files' names."""

import re
import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

STROKES = str.maketrans(
    {"ı": "i", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "ħ": "h", "æ": "ae", "œ": "oe", "þ": "th"}  # noqa: RUF001
)


def words_of(text: str) -> list[str]:
    """The words of a text as this version indexes them."""
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    plain = "".join(letter for letter in apart if not unicodedata.combining(letter) or letter in "\u3099\u309a")
    whole = unicodedata.normalize("NFKC", plain).translate(STROKES)
    return list(dict.fromkeys(word[:500] for word in re.findall(r"[^\W_]+", whole)))


def upgrade() -> None:
    """Fill the index anew."""
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    if is_sqlite:
        op.execute("DROP TABLE picture_words")
        op.execute(
            "CREATE VIRTUAL TABLE picture_words USING fts5"
            "(words, tokenize='unicode61 remove_diacritics 0', columnsize=0)"
        )
        insert = sa.text("INSERT INTO picture_words (rowid, words) VALUES (:number, :words)")
    else:
        op.execute("DELETE FROM picture_words")
        insert = sa.text("INSERT INTO picture_words (number, words) VALUES (:number, array_to_tsvector(:words))")
    last = -1
    query = sa.text("SELECT number, id, prompt FROM pictures WHERE number > :last ORDER BY number LIMIT 1000")
    while rows := connection.execute(query, {"last": last}).all():
        found = [(row.number, words_of(f"{row.prompt} {row.id.partition('-')[2]}")) for row in rows]
        connection.execute(
            insert, [{"number": number, "words": " ".join(words) if is_sqlite else words} for number, words in found]
        )
        last = rows[-1].number
