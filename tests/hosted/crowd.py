"""Fills a team's database with the work of many people over a year, as fast as PostgreSQL writes it.

The rows are those that the program writes, through the fence, and in the order of time: those of one person lie among
those of all others, as they do where people work at once.
"""

import random
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate
from typing import Final

import psycopg
from psycopg import sql

from gpt_image_2_mcp.catalogue.text_index import words_of
from gpt_image_2_mcp.database.store import open_store
from gpt_image_2_mcp.database.url import PostgresUrl

COMMON, SECOND, RARE, SYMBOL = "light", "window", "quokka", "🦡"
"""What prompts have: every second one, every third, and two of one in 200."""

SPAN: Final = timedelta(days=365)
PROMPTS: Final = 1000
"""Different prompts; each picture has one of them, with a word of its own."""
VOCABULARY: Final = 4000
LENGTHS: Final = (8, 25, 60)
_SYLLABLES: Final = ("ba", "cor", "del", "fin", "gra", "hol", "is", "jun", "ka", "lor", "men", "nu", "os", "pel", "ri")


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many people there are, and their pictures; each has as many."""

    people: int
    pictures: int

    @property
    def each(self) -> int:
        """Pictures of one person."""
        return self.pictures // self.people


def name_of(number: int) -> str:
    """The key of a person, from 0 on."""
    return f"token|person-{number}"


def fill(url: PostgresUrl, crowd: Crowd) -> None:
    """Make the tables, and fill them."""
    open_store(url).close()
    with closing(psycopg.connect(url.text)) as connection:
        connection.execute("SET maintenance_work_mem = '512MB'")
        connection.execute("SET synchronous_commit = off")
        connection.execute("CREATE TEMP TABLE prompts (number int PRIMARY KEY, prompt text, words text[])")
        with connection.cursor().copy("COPY prompts FROM STDIN") as copy:
            for number, prompt in enumerate(_prompts()):
                copy.write_row((number, prompt, words_of(prompt)))
        connection.execute(_MADE, {"people": crowd.people, "pictures": crowd.pictures, "span": SPAN.total_seconds()})
        # Row by row it takes many times as long.
        ((index,),) = connection.execute("SELECT pg_get_indexdef('picture_words_words'::regclass)").fetchall()
        connection.execute("DROP INDEX picture_words_words")
        for statement in _ROWS:
            connection.execute(sql.SQL(statement), {"prompts": PROMPTS} if "%(" in statement else None)
        connection.execute(sql.SQL(index))
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE")


def _prompts() -> Sequence[str]:
    dice = random.Random(PROMPTS)  # noqa: S311 - the same prompts every time
    words = sorted({"".join(dice.choices(_SYLLABLES, k=dice.randint(2, 4))) for _ in range(VOCABULARY)})
    # A few words make most of any text.
    weights = list(accumulate(1 / (rank + 10) for rank in range(len(words))))
    prompts: list[str] = []
    for number in range(PROMPTS):
        text = dice.choices(words, cum_weights=weights, k=dice.choice(LENGTHS))
        for every, word in ((2, COMMON), (3, SECOND), (200, RARE), (200, SYMBOL)):
            if number % every == 0:
                text.insert(dice.randrange(len(text)), word)
        prompts.append(" ".join(text).capitalize())
    return prompts


_MADE: Final = """
CREATE TEMP TABLE made AS
SELECT n, who, own, us, person, name, part, left(part, 8) || ':' AS mark,
    '/srv/images/people/' || left(part, 32) || '/pictures/' || name || '.png' AS path,
    'job-' || lpad(to_hex(n), 12, '0') AS job,
    CASE WHEN mod(own, 2) = 1
        THEN 'session-' || lpad(to_hex(who), 12, '0') || lpad(to_hex(own / 8), 12, '0') END AS session,
    mod(own, 8) / 2 + 1 AS turn, to_char(to_timestamp(us / 1e6), 'YYYY-MM-DD') AS day
FROM (
    SELECT *, 'image-' || to_char(to_timestamp(us / 1e6), 'YYYYMMDD-HH24MISS') || '-'
        || lpad(to_hex(mod(n, 16777216)), 6, '0') AS name, encode(sha256(person::bytea), 'hex') AS part
    FROM (
        SELECT n, mod(n, %(people)s) AS who, n / %(people)s AS own, 'token|person-' || mod(n, %(people)s) AS person,
            ((extract(epoch FROM now()) - 60 - %(span)s * (1 - n::float8 / %(pictures)s)) * 1e6)::bigint AS us
        FROM generate_series(0, %(pictures)s - 1) AS n
    ) AS numbered
) AS named
"""
"""A row a picture: `own` is its number among those of its person. Every second one is a turn of a session of four."""

_AS_THEIRS: Final = "set_config('gpt_image_2.person', person, true)"
"""A person, whose row it is from now on: the fence looks at each row after its values are known."""

_JOBS_SINCE: Final = "us > (extract(epoch FROM now() - interval '30 days') * 1e6)::bigint"

_ROWS: Final = (
    f"""
    INSERT INTO pictures (number, id, path, sha256, size_bytes, format, width, height, kind, model, prompt, parameters,
        applied, input_tokens, image_tokens, output_tokens, nano_usd, parents, made_us, client, project, session_id,
        turn, parent_turn, late, asked, job_id, request_id, sandbox, person)
    SELECT us, name, path, encode(sha256(name::bytea), 'hex'), 1500000, 'png', 1024, 1024,
        CASE WHEN session IS NULL THEN 'image' ELSE 'session' END, 'gpt-image-2', prompt || ' of ' || made.n,
        '{{"size": "1024x1024", "quality": "low", "background": "auto", "output_format": "png", "n": 1}}',
        '{{"size": "1024x1024", "quality": "low", "format": "png", "background": "opaque"}}', 80, 0, 196, 6280000, '[]',
        us, 'claude-code 2.1', NULL, session, CASE WHEN session IS NOT NULL THEN turn END,
        CASE WHEN session IS NOT NULL THEN turn - 1 END, false, false, job, 'req_' || lpad(to_hex(n), 32, '0'), false,
        {_AS_THEIRS}
    FROM made JOIN prompts ON number = mod(who + own * 31, %(prompts)s) ORDER BY n
    """,  # noqa: S608 - texts of this module, here and below
    """
    INSERT INTO picture_words (number, words)
    SELECT us, (SELECT array_to_tsvector(array_agg(mark || word)) FROM unnest(words || array['of', n::text]) AS word)
    FROM made JOIN prompts ON number = mod(who + own * 31, %(prompts)s) ORDER BY n
    """,
    f"""
    INSERT INTO sessions (id, created_us, updated_us, folder, head, active, person)
    SELECT id, made, used, '/srv/images/' || person, head, kept, {_AS_THEIRS} FROM (
        SELECT session AS id, min(us) AS made, max(us) AS used, max(turn) AS head, person,
            max(own) >= max(max(own)) OVER (PARTITION BY person) - 160 AS kept
        FROM made WHERE session IS NOT NULL GROUP BY session, person
    ) AS theirs ORDER BY used
    """,  # noqa: S608
    f"""
    INSERT INTO jobs (id, key, tool, request, folder, stem, owner, state, created_us, ended_us, given_up, fetched,
        outcome, person)
    SELECT job, encode(sha256(job::bytea), 'hex'), 'generate_image',
        json_build_object('prompt', prompt, 'size', '1024x1024', 'quality', 'low'), '/srv/images/' || left(part, 32),
        name, md5((n / 5000)::text), CASE mod(n, 50) WHEN 0 THEN 'failed' WHEN 1 THEN 'lost' ELSE 'done' END,
        us - 20000000, us, false, true, json_build_object('images', json_build_array(json_build_object('id', name,
        'path', path)), 'said', repeat(md5(name), 20)), {_AS_THEIRS}
    FROM made JOIN prompts ON number = mod(who + own * 31, %(prompts)s) WHERE {_JOBS_SINCE} ORDER BY n
    """,  # noqa: S608
    f"""
    INSERT INTO charges (day, reserved_at, owner, state, job, request_id, model, size, quality, pictures,
        estimate_nano_usd, nano_usd, input_text_tokens, input_image_tokens, output_tokens, person)
    SELECT day, us / 1000000, md5((n / 5000)::text), state, job, 'req_' || lpad(to_hex(n), 32, '0'), 'gpt-image-2',
        '1024x1024', 'low', 1, 6280000, CASE state WHEN 'settled' THEN 6280000 END,
        CASE state WHEN 'settled' THEN 80 END, CASE state WHEN 'settled' THEN 0 END,
        CASE state WHEN 'settled' THEN 196 END, {_AS_THEIRS}
    FROM (SELECT *, CASE mod(n, 50) WHEN 0 THEN 'released' WHEN 1 THEN 'unknown' ELSE 'settled' END AS state FROM made)
        AS ended
    ORDER BY n
    """,  # noqa: S608
    f"""
    INSERT INTO stored_files (key, path, sha256, on_disk_only, person)
    SELECT 'pictures/' || left(part, 32) || '/' || name || '-' || md5(name) || '.png', path,
        encode(sha256(name::bytea), 'hex'), false, {_AS_THEIRS}
    FROM made ORDER BY n
    """,  # noqa: S608
    f"""
    INSERT INTO audit_people (person) SELECT {_AS_THEIRS} FROM made WHERE own = 0 ORDER BY n
    """,  # noqa: S608
    "SELECT set_config('gpt_image_2.person', '*', true)",
    """
    INSERT INTO audit (at, person, client, tool, job, model, estimate_nano_usd, nano_usd, outcome, request_id)
    SELECT to_timestamp(us / 1e6), number, 'claude-code 2.1', 'generate_image', job, 'gpt-image-2', 6280000, 6280000,
        'settled', 'req_' || lpad(to_hex(n), 32, '0')
    FROM made JOIN audit_people USING (person) ORDER BY n
    """,
    f"""
    INSERT INTO batches (id, key, owner, state, cheap, cancelled, created_us, ended_us, total, details, parts, person)
    SELECT 'batch-' || lpad(to_hex(n), 12, '0'), md5(job), md5((n / 5000)::text), 'ended', mod(own, 2) = 0, false, us,
        us, 10, json_build_object('said', repeat(md5(name), 20)), '[]', {_AS_THEIRS}
    FROM made WHERE {_JOBS_SINCE} AND mod(own, 20) = 0 ORDER BY n
    """,  # noqa: S608
    f"""
    INSERT INTO batch_lines (batch_id, number, name, tool, request, person)
    SELECT 'batch-' || lpad(to_hex(n), 12, '0'), line, line::text, 'generate_image',
        json_build_object('prompt', repeat(md5(name), 5)), {_AS_THEIRS}
    FROM made, generate_series(1, 10) AS line WHERE {_JOBS_SINCE} AND mod(own, 20) = 0 ORDER BY n, 2
    """,  # noqa: S608
    f"""
    INSERT INTO desks (person, last, answer, sheet, changed)
    SELECT {_AS_THEIRS}, name, '[]', '{{}}', now()
    FROM (SELECT DISTINCT ON (person) * FROM made ORDER BY person, n DESC) AS newest
    """,  # noqa: S608
    "INSERT INTO leases SELECT DISTINCT owner, now() - interval '2 hours' FROM jobs",
)
