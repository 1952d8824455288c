"""`PictureTable`: the SQL statements on the `pictures` table, which turn a `Picture` into a row and back.

The number of a row is the microsecond in which its picture was made, so that the order of the rows is that of time.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from ..database.database import person_of
from ..database.schema import pictures, sessions
from .picture_record import Picture, PictureRecord, PictureRow, SessionPosition, TokenCounts
from .text_index import mark_of, words_of_picture

logger = logging.getLogger(__name__)

NANOS_PER_USD: Final = Decimal(10) ** 9
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def to_microseconds(when: datetime) -> int:
    """A time as rows hold it: microseconds since 1970, in UTC."""
    return (when - EPOCH) // timedelta(microseconds=1)


def from_microseconds(us: int) -> datetime:
    """The time, in UTC, that a row holds as microseconds since 1970."""
    return EPOCH + timedelta(microseconds=us)


_BAD_ROW: Final = (ValueError, TypeError, ArithmeticError)
"""What is raised where a row holds what no picture has: another program, or another version, has written it."""


MAX_RANGES: Final = 100
"""Ranges of time that one statement asks for."""

TRIED: Final = 10_000
"""How far the number of a row may be from the microsecond in which its picture was made."""

_by_id: Final = sa.select(pictures).where(pictures.c.id == sa.bindparam("of"))
_row_by_id: Final = sa.select(pictures.c.number, pictures.c.id, pictures.c.path).where(
    pictures.c.id == sa.bindparam("of")
)
_numbers: Final = sa.select(pictures.c.number).where(
    pictures.c.number.between(sa.bindparam("least"), sa.bindparam("most"))
)
_insert: Final = sa.insert(pictures)
_insert_words: Final = sa.text("INSERT OR REPLACE INTO picture_words (rowid, words) VALUES (:number, :words)")
"""All built once, at import, since every paid call runs them."""


@dataclass(frozen=True, slots=True)
class PictureTable:
    """The `pictures` table within one transaction."""

    connection: sa.Connection

    def add(self, picture: Picture) -> bool:
        """Insert a picture; returns False if its id is in the table already, and then changes nothing."""
        if self.row(picture.id) is not None:
            return False
        row = _to_row(picture)
        row["number"] = self._insert(row)
        words = words_of_picture(row["prompt"], row["id"])
        if self.connection.dialect.name == "sqlite":
            self.connection.execute(_insert_words, {"number": row["number"], "words": " ".join(words)})
        else:
            self.connection.execute(
                sa.text("INSERT INTO picture_words (number, words) VALUES (:number, array_to_tsvector(:words))"),
                {"number": row["number"], "words": [f"{mark_of(person_of(self.connection))}{word}" for word in words]},
            )
        return True

    def _insert(self, row: dict[str, Any]) -> int:
        """Insert a row with the next free number; returns that."""
        wanted: int = row["made_us"]
        used = set(self.connection.scalars(_numbers, {"least": wanted, "most": wanted + TRIED}))
        free = (number for number in range(wanted, wanted + TRIED + 1) if number not in used)
        if self.connection.dialect.name == "sqlite":
            number = next(free)
            self.connection.execute(_insert, row | {"number": number})
            return number
        from sqlalchemy.dialects.postgresql import insert

        # A number may be that of another person's picture, which is not seen.
        query = insert(pictures).on_conflict_do_nothing(index_elements=["number"]).returning(pictures.c.number)
        found = (self.connection.scalar(query, row | {"number": number}) for number in free)
        return next(number for number in found if number is not None)

    def row(self, picture_id: str) -> PictureRow | None:
        """What a row says of itself, even if it cannot be read as a picture."""
        found = self.connection.execute(_row_by_id, {"of": picture_id}).one_or_none()
        return None if found is None else PictureRow(found.number, found.id, Path(found.path))

    def unreadable(self, after: int, limit: int) -> tuple[list[PictureRow], int | None]:
        """Those of the `limit` rows after the number `after` that cannot be read, and the number to go on after.

        That is None at the end of the table.
        """
        query = sa.select(pictures).where(pictures.c.number > after).order_by(pictures.c.number).limit(limit)
        rows = self.connection.execute(query).mappings().all()
        readable = {picture.id for picture in _readable(rows)}
        bad = [PictureRow(row["number"], row["id"], Path(row["path"])) for row in rows if row["id"] not in readable]
        return bad, rows[-1]["number"] if len(rows) == limit else None

    def remove(self, row: PictureRow) -> None:
        """Delete a row and its words; its file stays. A session without any turn left is deleted with it."""
        here = pictures.c.number == row.number
        key = "rowid" if self.connection.dialect.name == "sqlite" else "number"
        self.connection.execute(sa.text(f"DELETE FROM picture_words WHERE {key} = :number"), {"number": row.number})  # noqa: S608
        self.connection.execute(sa.delete(pictures).where(here))
        turns = sa.select(pictures.c.session_id).where(pictures.c.session_id.is_not(None))
        self.connection.execute(sa.delete(sessions).where(sessions.c.id.not_in(turns)))

    def get(self, picture_id: str) -> Picture | None:
        """The picture of this id, if there is one."""
        return next(_readable(self.connection.execute(_by_id, {"of": picture_id}).mappings()), None)

    def by_ids(self, ids: Sequence[str]) -> dict[str, Picture]:
        """The pictures of these ids, as far as there are any, by id."""
        found = self._iterate(sa.select(pictures).where(pictures.c.id.in_(ids)))
        return {picture.id: picture for picture in found}

    def by_content(self, sha256: str) -> Picture | None:
        """The newest picture whose file has this hash, if there is one."""
        query = sa.select(pictures).where(pictures.c.sha256 == sha256).order_by(pictures.c.number.desc()).limit(1)
        return next(self._iterate(query), None)

    def of_call(self, picture: Picture) -> list[Picture]:
        """The pictures that were made by the same call as a picture, which is among them."""
        made = to_microseconds(picture.made)
        # Their numbers follow on one another: see `add`.
        near = pictures.c.number.between(made, made + TRIED)
        query = sa.select(pictures).where(near, pictures.c.job_id == picture.record.job_id)
        return list(self._iterate(query.order_by(pictures.c.number)))

    def of_calls(self, some: Sequence[Picture]) -> list[Picture]:
        """The pictures that were made by the same calls as some pictures, which are among them."""
        jobs = {picture.record.job_id for picture in some}
        found: dict[str, Picture] = {picture.id: picture for picture in some}
        for start in range(0, len(some), MAX_RANGES):
            times = {to_microseconds(picture.made) for picture in some[start : start + MAX_RANGES]}
            # As values: see `delivered`.
            near = sa.or_(*[pictures.c.number.between(us, us + TRIED) for us in sorted(times)])
            for picture in self._iterate(sa.select(pictures).where(near)):
                if picture.record.job_id in jobs:
                    found.setdefault(picture.id, picture)
        return list(found.values())

    def delivered(self, made: Sequence[Picture]) -> dict[str, Picture]:
        """What was delivered in place of pictures that were made, in other sizes, by the ids of those pictures."""
        found: dict[str, Picture] = {}
        for start in range(0, len(made), MAX_RANGES):
            jobs = {picture.id: picture.record.job_id for picture in made[start : start + MAX_RANGES]}
            times = {to_microseconds(picture.made) for picture in made[start : start + MAX_RANGES]}
            # As values: PostgreSQL uses no index for what it would compute from a row that the fence may hide.
            near = sa.or_(*[pictures.c.number.between(us, us + TRIED) for us in sorted(times)])
            for picture in self._iterate(sa.select(pictures).where(near)):
                names = [name for name in picture.record.derived_from if name in jobs]
                found |= {name: picture for name in names if jobs[name] == picture.record.job_id}
        return found

    def newest(self, limit: int) -> list[Picture]:
        """The pictures that were made last, at most `limit`."""
        return list(self._iterate(sa.select(pictures).order_by(pictures.c.number.desc()).limit(limit)))

    def times(self, limit: int) -> list[datetime]:
        """When the pictures were made that were made last, at most `limit`, the newest first."""
        made = sa.select(pictures.c.made_us).order_by(pictures.c.number.desc()).limit(limit)
        return [from_microseconds(us) for us in self.connection.scalars(made)]

    def projects(self, limit: int) -> list[str]:
        """The names of the projects, those with the most pictures first, at most `limit`."""
        named = sa.select(pictures.c.project).where(pictures.c.project.is_not(None)).group_by(pictures.c.project)
        most_first = named.order_by(sa.func.count().desc(), pictures.c.project).limit(limit)
        return [str(name) for name in self.connection.scalars(most_first)]

    def folders(self, limit: int) -> list[Path]:
        """The folders of the newest `limit` pictures, each once, the newest first."""
        paths = self.connection.scalars(sa.select(pictures.c.path).order_by(pictures.c.number.desc()).limit(limit))
        return list(dict.fromkeys(Path(path).parent for path in paths))

    def set_path(self, picture_id: str, path: Path) -> None:
        """Record the new path of a picture's file."""
        self.connection.execute(sa.update(pictures).where(pictures.c.id == picture_id).values(path=str(path)))

    def of_sessions(self, ids: sa.Select[str]) -> list[Picture]:
        """The pictures of the sessions whose ids a select finds, in the order of their turns."""
        query = sa.select(pictures).where(pictures.c.session_id.in_(ids))
        query = query.order_by(pictures.c.session_id, pictures.c.turn)
        return list(self._iterate(query))

    def id_at(self, position: SessionPosition) -> str | None:
        """The id of the picture at a position in a session, if there is one."""
        here = (pictures.c.session_id == position.session_id, pictures.c.turn == position.turn)
        return self.connection.scalar(sa.select(pictures.c.id).where(*here))

    def count_ids_near(self, when: datetime) -> int:
        """Count the row numbers that are taken in the 10 ms after `when`; `add` needs a free one in that range."""
        near = pictures.c.number.between(to_microseconds(when), to_microseconds(when) + TRIED)
        return self.connection.scalar(sa.select(sa.func.count()).where(near)) or 0

    def ids_like(self, start: str, limit: int) -> list[str]:
        """The newest ids that begin with `start`, ignoring case, since an id may contain a prefix that a user chose."""
        begins = pictures.c.id.istartswith(start, autoescape=True)
        query = sa.select(pictures.c.id).where(begins).order_by(pictures.c.number.desc()).limit(limit)
        return list(self.connection.scalars(query))

    def ids_with(self, part: str, limit: int) -> list[str]:
        """The newest ids that contain `part`, ignoring case."""
        has = pictures.c.id.icontains(part, autoescape=True)
        query = sa.select(pictures.c.id).where(has).order_by(pictures.c.number.desc()).limit(limit)
        return list(self.connection.scalars(query))

    def page(self, query: sa.Select[Any], size: int) -> tuple[list[Picture], bool]:
        """The pictures of the first `size` rows that a select of whole rows finds, and whether there are more rows."""
        rows = self.connection.execute(query).mappings().all()
        return list(_readable(rows[:size])), len(rows) > size

    def _iterate(self, query: sa.Select[Any]) -> Iterator[Picture]:
        return _readable(self.connection.execute(query).mappings())


def _readable(rows: Iterable[sa.RowMapping]) -> Iterator[Picture]:
    """The pictures of the rows; one that cannot be read is left out and logged, and takes no other with it."""
    for row in rows:
        try:
            yield _from_row(dict(row))
        except _BAD_ROW as error:
            logger.warning(
                "the row of the picture %s cannot be read (%s); gpt-image-2-mcp library forget removes it",
                row["id"],
                type(error).__name__,
            )


def _to_row(picture: Picture) -> dict[str, Any]:
    record = picture.record
    usage, position = record.usage, record.position
    return {
        "id": record.id,
        "path": str(picture.path),
        "sha256": record.sha256,
        "size_bytes": record.size_bytes,
        "format": record.format,
        "width": record.width,
        "height": record.height,
        "kind": record.kind,
        "model": record.model,
        "prompt": record.prompt,
        "parameters": dict(record.parameters),
        "applied": dict(record.applied),
        "input_tokens": usage and usage.input_tokens,
        "image_tokens": usage and usage.image_tokens,
        "output_tokens": usage and usage.output_tokens,
        "nano_usd": None if record.cost_usd is None else int(record.cost_usd * NANOS_PER_USD),
        "parents": [parent.model_dump(mode="json", exclude_defaults=True) for parent in record.parents],
        "made_us": to_microseconds(record.made),
        "client": record.client,
        "project": record.project,
        "session_id": position and position.session_id,
        "turn": position and position.turn,
        "parent_turn": position and position.parent,
        "late": bool(position and position.is_branch),
        "asked": bool(position and position.parent_given),
        "job_id": record.job_id,
        "request_id": record.request_id,
        "sandbox": record.sandbox,
    }


def _from_row(row: dict[str, Any]) -> Picture:
    usage = position = None
    if row["output_tokens"] is not None:
        usage = TokenCounts(
            input_tokens=row["input_tokens"], output_tokens=row["output_tokens"], image_tokens=row["image_tokens"]
        )
    if row["session_id"] is not None:
        position = SessionPosition(
            session_id=row["session_id"],
            turn=row["turn"],
            parent=row["parent_turn"],
            is_branch=row["late"],
            parent_given=row["asked"],
        )
    names = PictureRecord.model_fields.keys() & row.keys()
    fields = {name: row[name] for name in names} | {
        "usage": usage,
        "position": position,
        "cost_usd": None if row["nano_usd"] is None else Decimal(row["nano_usd"]) / NANOS_PER_USD,
        "made": from_microseconds(row["made_us"]),
    }
    return Picture(path=Path(row["path"]), record=PictureRecord.model_validate(fields))
