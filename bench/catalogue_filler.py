"""Fills a catalogue as years of work would: prompts, projects, sessions, jobs and charges; the same on every run."""

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import accumulate
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gpt_image_2_mcp.catalogue.job_table import RETENTION
from gpt_image_2_mcp.catalogue.picture_table import to_microseconds
from gpt_image_2_mcp.catalogue.text_index import words_of_picture
from gpt_image_2_mcp.database.schema import charges, jobs, pictures, sessions
from gpt_image_2_mcp.database.sqlite import open_database

RARE, COMMON, SECOND, CJK = "quokka", "light", "window", "金色狐狸"
"""Words of one prompt in 5,000, of every second, of every third, and of one in 1,000."""
PROJECTS = 50
VOCABULARY = 4000
LENGTHS = (8, 25, 60, 120)
"""Words of a prompt: a quick one, two usual ones, and one in labelled parts."""
TURNS = 4
"""The most that a session has; every second picture is a turn."""
ACTIVE = 20
"""Sessions that have not ended: as many as the settings allow."""
SPAN = timedelta(days=3 * 365)
CHUNK = 2000
MODEL, SIZE, QUALITY = "gpt-image-2", "1024x1024", "low"
OPTIONS = {"size": SIZE, "quality": QUALITY, "background": "auto", "output_format": "png", "moderation": "auto", "n": 1}
SYLLABLES = ("ba", "cor", "del", "fin", "gra", "hol", "is", "jun", "ka", "lor", "men", "nu", "os", "pel", "ri", "sto")

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture whose file is there."""

    path: Path
    data: bytes


@dataclass(frozen=True, slots=True)
class Filled:
    """A catalogue that was made."""

    seconds: float
    session_id: str
    """One of its sessions, which ended long ago."""


def fill(database: Path, count: int, shown: Sequence[Shown]) -> Filled:
    """Put `count` pictures into a new database file, the newest of them `shown`."""
    began = time.monotonic()
    rows = list(_pictures(count, shown))
    opened = open_database(database)
    try:
        with opened.transaction() as connection:
            for start in range(0, count, CHUNK):
                chunk = rows[start : start + CHUNK]
                connection.execute(sa.insert(pictures), chunk)
                connection.execute(sa.insert(charges), [_charge(row) for row in chunk])
                connection.exec_driver_sql(
                    "INSERT INTO picture_words (rowid, words) VALUES (?, ?)",
                    [(row["number"], " ".join(words_of_picture(row["prompt"], row["id"]))) for row in chunk],
                )
            connection.execute(sa.insert(sessions), _sessions(rows))
            connection.execute(sa.insert(jobs), _jobs(rows))
    finally:
        opened.close()
    return Filled(time.monotonic() - began, rows[count // 2 | 1]["session_id"])


def _pictures(count: int, shown: Sequence[Shown]) -> Iterator[Row]:
    """The oldest first."""
    dice = random.Random(count)  # noqa: S311 - the same catalogue every time
    now = datetime.now(UTC) - timedelta(minutes=1)
    session, turn = "", TURNS
    words = _words(dice)
    # A few words make most of any text.
    weights = list(accumulate(1 / (rank + 10) for rank in range(len(words))))
    for index in range(count):
        left = count - 1 - index
        made = now - SPAN * left / count
        picture_id = f"image-{made:%Y%m%d-%H%M%S}-{index % 0x1000000:06x}"
        in_session = index % 2 == 1
        if in_session:
            turn = turn + 1 if turn < dice.randint(1, TURNS) else 1
            session = session if turn > 1 else f"session-{index:024x}"
        seen = shown[left] if left < len(shown) else None
        path = seen.path if seen else Path(f"/home/somebody/Pictures/gpt-image-2/{picture_id}.png")
        yield {
            "number": to_microseconds(made),
            "id": picture_id,
            "path": str(path),
            "sha256": sha256(seen.data if seen else picture_id.encode()).hexdigest(),
            "size_bytes": len(seen.data) if seen else 1_500_000,
            "format": "png",
            "width": 1024,
            "height": 1024,
            "kind": "session" if in_session else "image",
            "model": MODEL,
            "prompt": _prompt(dice, index, words, weights),
            "parameters": OPTIONS,
            "applied": {"size": SIZE, "quality": QUALITY, "format": "png", "background": "opaque"},
            "input_tokens": 80,
            "image_tokens": 0,
            "output_tokens": 196,
            "nano_usd": 6_280_000,
            "parents": [],
            "made_us": to_microseconds(made),
            "client": "claude-code 2.1",
            "project": f"project-{dice.randrange(PROJECTS)}",
            "session_id": session if in_session else None,
            "turn": turn if in_session else None,
            "parent_turn": turn - 1 if in_session else None,
            "late": False,
            "asked": False,
            "job_id": f"job-{index:012x}",
            "request_id": f"req_{index:032x}",
            "sandbox": False,
        }


def _words(dice: random.Random) -> list[str]:
    made = {"".join(dice.choices(SYLLABLES, k=dice.randint(2, 4))) for _ in range(VOCABULARY * 2)}
    return sorted(made)[:VOCABULARY]


def _prompt(dice: random.Random, index: int, words: Sequence[str], weights: Sequence[float]) -> str:
    text = dice.choices(words, cum_weights=weights, k=dice.choice(LENGTHS))
    for every, word in ((2, COMMON), (3, SECOND), (1000, f"一只{CJK}在雪地里"), (5000, RARE)):
        if index % every == 0:
            text.insert(dice.randrange(len(text)), word)
    return " ".join(text).capitalize()


def _charge(row: Row) -> Row:
    made = datetime.fromtimestamp(row["made_us"] / 1e6).astimezone()
    return {
        "day": made.date().isoformat(),
        "reserved_at": int(made.timestamp()),
        "owner": "0" * 32,
        "state": "settled",
        "job": row["job_id"],
        "request_id": row["request_id"],
        "model": MODEL,
        "size": SIZE,
        "quality": QUALITY,
        "pictures": 1,
        "estimate_nano_usd": row["nano_usd"],
        "nano_usd": row["nano_usd"],
        "input_text_tokens": row["input_tokens"],
        "input_image_tokens": 0,
        "output_tokens": row["output_tokens"],
    }


def _sessions(rows: Sequence[Row]) -> list[Row]:
    found: dict[str, Row] = {}
    for row in rows:
        if session_id := row["session_id"]:
            first = {"id": session_id, "created_us": row["made_us"], "folder": str(Path(row["path"]).parent)}
            found[session_id] = found.get(session_id, first) | {"updated_us": row["made_us"], "head": row["turn"]}
    ended = len(found) - ACTIVE
    return [session | {"active": index >= ended} for index, session in enumerate(found.values())]


def _jobs(rows: Sequence[Row]) -> list[Row]:
    """Those that are remembered still."""
    since = rows[-1]["made_us"] - RETENTION // timedelta(microseconds=1)
    return [
        {
            "id": row["job_id"],
            "key": row["sha256"],
            "tool": "generate_image",
            "request": {"prompt": row["prompt"], "size": SIZE, "quality": QUALITY},
            "folder": str(Path(row["path"]).parent),
            "stem": row["id"],
            "owner": "0" * 32,
            "state": "failed",
            "created_us": row["made_us"] - 20_000_000,
            "ended_us": row["made_us"],
            "given_up": False,
            "fetched": True,
            "outcome": {"error": f"What came to an end in so many words: {row['prompt']}"},
        }
        for row in rows
        if row["made_us"] > since
    ]
