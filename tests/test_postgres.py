"""PostgreSQL holds what the file holds, and says the same; the ledger's tests run on it in `money/test_ledger.py`."""

import logging
import pickle
import re
import secrets
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import psycopg
import pytest
import sqlalchemy as sa
from fault_proxy import until
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot
from patience import PATIENCE_S
from postgres_server import PASSWORD, QUOTED, Server, broken_off
from promises import promise
from sqlalchemy import exc
from stdio_bench import fetched, handed, job_of, listed
from workbench import SMALL, Bench, Benches, folded, said

from gpt_image_2_mcp.catalogue.picture_record import Picture, PictureRecord
from gpt_image_2_mcp.catalogue.picture_table import PictureTable
from gpt_image_2_mcp.catalogue.queries import search
from gpt_image_2_mcp.catalogue.search_query import SearchQuery
from gpt_image_2_mcp.database.store import Store, open_store
from gpt_image_2_mcp.database.url import Address, PostgresUrl
from gpt_image_2_mcp.errors import DatabaseUnusable
from gpt_image_2_mcp.persistence.unit_of_work import Repositories
from gpt_image_2_mcp.settings import Settings

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
URL = "GPT_IMAGE_2_DATABASE_URL"
FOX: dict[str, Any] = {"prompt": "a fox", "size": SMALL}

Open = Callable[[Address], Store]


@pytest.fixture(params=["file", "memory", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Address:
    """Each kind of database."""
    match request.param:
        case "file":
            return tmp_path / "data" / "gpt-image-2.db"
        case "memory":
            return None
        case _:
            return request.getfixturevalue("postgres")


@pytest.fixture
def opened() -> Iterator[Open]:
    """Opens stores that are closed in the end."""
    with ExitStack() as stack:

        def open_one(at: Address) -> Store:
            store = open_store(at)
            stack.callback(store.close)
            return store

        yield open_one


def made(prompt: str, number: int = 0, **fields: Any) -> Picture:
    """A picture that was never made."""
    record = PictureRecord(
        id=f"image-20261122-000000-{number:06x}",
        kind="image",
        sha256=secrets.token_hex(32),
        size_bytes=1,
        format="png",
        width=1,
        height=1,
        model="gpt-image-2",
        prompt=prompt,
        made=NOW + timedelta(seconds=number),
        **fields,
    )
    return Picture(path=Path(f"/pictures/{number}.png"), record=record)


# The address.


@promise("Database", "No object of the program shows that password.")
@pytest.mark.parametrize(
    "url",
    [
        "postgresql://kim:hunter2-hunter2@db.test/images",
        "postgresql+psycopg://kim:hunter2-hunter2@db.test/images",
        "postgres://kim:hunter2-hunter2@db.test:5433/images?sslmode=verify-full",
        "postgresql://db.test/images",
        "postgresql://kim:hunter2-hunter2@/images?host=/var/run/postgresql",
        "postgresql://kim:hunter2-hunter2@[::1]:5432/images",
    ],
)
def test_an_address_of_a_server_is_taken_and_no_object_shows_its_password(url: str) -> None:
    read = Settings.read({URL: url})
    assert read.problems == ()
    address = read.database_address()
    assert isinstance(address, PostgresUrl)
    for text in (repr(read), str(read), repr(address), str(address), f"{read.model_dump()}"):
        assert "hunter2" not in text
    assert str(address).startswith("postgresql://")
    assert str(address).endswith("/images")
    assert read.redact("who said hunter2-hunter2?") == (
        "who said [the password]?" if "hunter2" in url else "who said hunter2-hunter2?"
    )
    assert pickle.loads(pickle.dumps(address)) == address  # noqa: S301 - it was dumped here


@promise("Database", "An address that might be split in the middle of the password is refused without being used.")
@pytest.mark.parametrize(
    "url",
    [
        "postgresql://kim:hunter2@db.test",
        "postgresql://kim:hunter2@db.test/",
        "postgresql://kim:hunter2@/images",
        "postgresql://kim:hun@ter2@db.test/images",
        "postgresql://kim:hun/ter2@db.test/images",
        "postgresql://kim:12/hunter2@db.test/images",
        "postgresql://kim:hun?ter2@db.test/images",
        "postgresql://kim:hun#ter2@db.test/images",
        "postgresql://kim:hun ter2@db.test/images",
        "postgresql://db.test/images?password=hunter2",
        "postgresql://kim:hunter2@db.test:99999/images",
        "postgresql://kim:hunter2@[::1/images",
        "postgresql:kim:hunter2",
        "mysql://kim:hunter2@db.test/images",
        "db.test dbname=images password=hunter2",
    ],
)
def test_an_address_that_may_be_cut_at_the_wrong_place_is_refused_and_not_repeated(url: str) -> None:
    (problem,) = Settings.read({URL: url}).problems
    assert not re.search("hun|ter2", problem)
    assert problem == snapshot(
        "GPT_IMAGE_2_DATABASE_URL must be sqlite:// (memory only), sqlite:/// and the path of a file, such as sqlite:////srv/images.db, or postgresql://user:password@host/database (write @ / : ? # % of a password as %40 %2F %3A %3F %23 %25); it is a value that is not shown here. Correct it in the client's configuration, or in the shell."  # noqa: E501
    )


def test_without_the_driver_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(DatabaseUnusable) as caught:
        open_store(PostgresUrl("postgresql://kim:hunter2@db.test/images"))
    assert str(caught.value) == snapshot(
        "The database 'postgresql://db.test/images' needs a driver that is not installed. Install gpt-image-2-mcp[postgres]: uvx --from 'gpt-image-2-mcp[postgres]' gpt-image-2-mcp."  # noqa: E501
    )


# What can be wrong with a server.


@promise(
    "Database",
    "The password of `GPT_IMAGE_2_DATABASE_URL` is in no error: a server is named by its host and database alone.",
)
def test_what_keeps_a_database_from_being_opened_is_said_and_no_password(
    postgres_server: Server, postgres: PostgresUrl
) -> None:
    name = postgres.parts.path[1:]
    postgres_server.run(f"CREATE ROLE guest{name} LOGIN PASSWORD 'hunter2hunter2'")
    postgres_server.run("REVOKE CREATE ON SCHEMA public FROM PUBLIC", name)
    guest = postgres_server.url(name, user=f"guest{name}", password="hunter2hunter2")
    wrong = {
        "no server": PostgresUrl(f"postgresql://owner:{QUOTED}@127.0.0.1:1/{name}"),
        "a wrong password": postgres_server.url(name, password="hunter2hunter2"),
        "no such database": postgres_server.url("nowhere"),
        "no such option": PostgresUrl(f"{postgres.text}?colour=blue"),
        "no encryption": PostgresUrl(f"{postgres.text}?sslmode=require"),
        "no rights": guest,
        "read only": PostgresUrl(f"{postgres.text}?options=-cdefault_transaction_read_only=on"),
    }
    said_of = dict[str, str]()
    for what, url in wrong.items():
        with pytest.raises(DatabaseUnusable) as caught:
            open_store(url)
        text = str(caught.value).replace(str(postgres_server.port), "PORT").replace(name, "NAME")
        said_of[what] = folded(text)
    postgres_server.run(f"DROP OWNED BY guest{name}", name)
    postgres_server.run(f"DROP ROLE guest{name}")
    assert not re.search("hunter2|s3cret", str(said_of))
    assert said_of == snapshot(
        {
            "no server": """\
The database 'postgresql://127.0.0.1:1/NAME' cannot be used: connection to server at "127.0.0.1",
port 1 failed: Connection refused. Check GPT_IMAGE_2_DATABASE_URL and whether the server is up.\
""",
            "a wrong password": """\
The database 'postgresql://127.0.0.1:PORT/NAME' cannot be used: connection to server at "127.0.0.1",
port PORT failed: FATAL:  password authentication failed for user "owner". Check
GPT_IMAGE_2_DATABASE_URL and whether the server is up.\
""",
            "no such database": """\
The database 'postgresql://127.0.0.1:PORT/nowhere' cannot be used: connection to server at
"127.0.0.1", port PORT failed: FATAL:  database "nowhere" does not exist. Check
GPT_IMAGE_2_DATABASE_URL and whether the server is up.\
""",
            "no such option": """\
The database 'postgresql://127.0.0.1:PORT/NAME' cannot be used: invalid connection option "colour".
Check GPT_IMAGE_2_DATABASE_URL and whether the server is up.\
""",
            "no encryption": """\
The database 'postgresql://127.0.0.1:PORT/NAME' cannot be used: connection to server at "127.0.0.1",
port PORT failed: server does not support SSL, but SSL was required. Check GPT_IMAGE_2_DATABASE_URL
and whether the server is up.\
""",
            "no rights": """\
The database 'postgresql://127.0.0.1:PORT/NAME' does not give this user enough rights. Let it create
and change tables: make it the database's owner.\
""",
            "read only": """\
The database 'postgresql://127.0.0.1:PORT/NAME' can only be read there. Name the server that is
written to.\
""",
        }
    )


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("CREATE TABLE recipes (id int)", "belongs to another program. Name an empty one in GPT_IMAGE_2_DATABASE_URL"),
        ("UPDATE schema_version SET version = 99", "is of version 99"),
        ("DROP TABLE pictures CASCADE", "belongs to another program"),
    ],
)
def test_a_database_that_is_not_this_programs_is_named_and_left_alone(
    postgres_server: Server, postgres: PostgresUrl, statement: str, words: str
) -> None:
    if not statement.startswith("CREATE"):
        open_store(postgres).close()
    postgres_server.run(statement, postgres.parts.path[1:])
    with pytest.raises(DatabaseUnusable, match=words):
        open_store(postgres)


def test_a_bug_in_a_statement_is_not_told_as_the_servers_fault(postgres: PostgresUrl, opened: Open) -> None:
    store = opened(postgres)
    with pytest.raises(exc.ProgrammingError), store.database.transaction() as connection:
        connection.exec_driver_sql("SELECT nothing FROM nowhere")
    with pytest.raises(exc.ProgrammingError), store.database.transaction() as connection:
        connection.exec_driver_sql("SELECT %s, %s", ("too few",))


@pytest.mark.parametrize("waits", [30.0, 0.0])
def test_a_server_out_of_reach_is_not_waited_for_by_each_question(
    monkeypatch: pytest.MonkeyPatch, waits: float
) -> None:
    """One picture asks several times, and each would wait for the whole timeout; later, it is tried again."""
    monkeypatch.setattr("gpt_image_2_mcp.database.retry.RETRY_SECONDS", waits)
    repositories = Repositories(PostgresUrl("postgresql://owner:hunter2@127.0.0.1:1/images"), keeps_history=True)
    told: list[DatabaseUnusable] = []
    for _ in range(2):
        with pytest.raises(DatabaseUnusable) as caught:
            _ = repositories.ledger_store
        told.append(caught.value)
    assert (told[0] is told[1]) == bool(waits)


# Connections that break.


def test_a_transaction_that_breaks_off_is_undone_and_said(postgres: PostgresUrl, opened: Open) -> None:
    store = opened(postgres)

    def break_off(connection: sa.Connection) -> None:
        PictureTable(connection).add(made("half"))
        broken_off(postgres)
        PictureTable(connection).add(made("whole", 1))

    with pytest.raises(DatabaseUnusable, match="cannot be used"), store.database.transaction() as connection:
        break_off(connection)
    with store.database.transaction() as connection:
        assert search(connection, SearchQuery()).pictures == ()


# The catalogue says the same.


def test_a_picture_comes_out_as_it_went_in(place: Address, opened: Open) -> None:
    picture = made("a fox", parameters={"size": "auto", "odd": "\0 é 🦊"}, cost_usd="0.1234", client="c", project="p")
    with opened(place).database.transaction() as connection:
        pictures = PictureTable(connection)
        assert pictures.add(picture)
        assert not pictures.add(picture)
        assert pictures.get(picture.id) == picture
        assert pictures.by_content(picture.record.sha256) == picture
        assert pictures.ids_like("image-2026", 5) == [picture.id]
        assert pictures.ids_like("IMAGE-2026", 5) == [picture.id]
        pictures.set_path(picture.id, Path("/elsewhere.png"))
        assert pictures.by_ids([picture.id, "image-\0"])[picture.id].path == Path("/elsewhere.png")


def test_what_no_database_takes_is_replaced(place: Address, opened: Open) -> None:
    """A picture that is paid for is written down whatever its prompt holds."""
    with opened(place).database.transaction() as connection:
        pictures = PictureTable(connection)
        picture = made("a \0 fox").model_copy(update={"path": Path("/\udcff.png")})
        assert pictures.add(picture)
        kept = pictures.get(picture.id)
        assert kept
        assert (kept.record.prompt, kept.path) == ("a \ufffd fox", Path("/\ufffd.png"))
        assert search(connection, SearchQuery(text="fo", project="\0\ud800")).pictures == ()
        assert search(connection, SearchQuery(text="fo \0 \ud800")).pictures == (kept,)


PROMPTS = (
    "A red fox, in the snow",
    "fox/wolf for kim@example.com: 1024x1024, 3.5 and -5, blue-green; http://example.org/den.png",
    "École à Zürich, Ảnh đẹp, cafe\u0301",
    "foo_bar baz ___",
    "straße, ﬁne ①, İstanbul",
    "ΑΘΗΝΑΣ άλφα й и",
    "日本語の狐 東京 한국어",
    "x" * 5000,
)

QUERIES: dict[str, list[int]] = {
    "fox": [1, 0],
    "FO": [3, 1, 0],
    "red snow": [0],
    "wolf": [1],
    "example": [1],
    "den": [1],
    "gree": [1],
    "5": [1],
    "ecole": [2],
    "ZUR": [2],
    "cafés": [],
    "café": [2],
    "anh dep": [2],
    "foo_bar": [3],
    "bar": [3],
    "istanbul": [4],
    "strasse": [4],
    "αθηνας": [5],
    "и": [5],
    "狐": [6],
    "한": [6],
    "x" * 3000: [7],
    "'; DROP TABLE pictures --": [],
    "fox:* & !wolf": [1],
    "'": [],
    "@": [1],
    "/ //": [1],
    "_": [3],
    "①": [4, 1],
    "\0": [],
    "\ud800": [],
    " ": [7, 6, 5, 4, 3, 2, 1, 0],
}


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query[:12])
def test_a_search_finds_the_same_in_every_database(place: Address, opened: Open, query: str) -> None:
    with opened(place).database.transaction() as connection:
        for number, prompt in enumerate(PROMPTS):
            PictureTable(connection).add(made(prompt, number))
        assert numbers(connection, query) == QUERIES[query]


def numbers(connection: sa.Connection, query: str) -> list[int]:
    return [int(found.id[-6:], 16) for found in search(connection, SearchQuery(text=query)).pictures]


LETTERS = "abAB12 éÜñßΣσςάЖйи日本_-/.:'\"%*\\@&|!()\u0301"


@pytest.mark.thorough
def test_a_search_for_anything_finds_the_same_in_both(postgres: PostgresUrl, opened: Open) -> None:
    file, server = opened(None), opened(postgres)

    @settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
    @example(["a_b"], "_")
    @example(["ς"], "\N{GREEK SMALL LETTER SIGMA}")
    @example(["й"], "и")
    @example(["1\u03012"], "2")
    @given(st.lists(st.text(LETTERS, min_size=1, max_size=12), max_size=4), st.text(LETTERS, max_size=6))
    def law(prompts: list[str], query: str) -> None:
        found: list[list[int]] = []
        for store in (file, server):
            with undone(store) as connection:
                for number, prompt in enumerate(prompts):
                    PictureTable(connection).add(made(prompt, number))
                found.append(numbers(connection, query))
        assert found[0] == found[1]

    law()


@contextmanager
def undone(store: Store) -> Generator[sa.Connection]:
    """A transaction that leaves nothing."""
    with store.database.transaction() as connection:
        inner = connection.begin_nested()
        yield connection
        inner.rollback()


# The whole, with two servers on one database.


@pytest.fixture
async def two(benches: Benches, postgres: PostgresUrl) -> tuple[Bench, Bench]:
    """Two servers of a team."""
    environ = {URL: postgres.text, "GPT_IMAGE_2_MAX_WAIT_S": "0.05"}
    return await benches.open(environ), await benches.open(environ)


async def test_a_job_of_one_server_is_joined_and_fetched_through_the_other_and_paid_once(
    two: tuple[Bench, Bench], postgres: PostgresUrl
) -> None:
    one, other = two
    one.knobs.hold()
    job_id = await handed(one, "generate_image", **FOX)
    await listed(other, job_id)
    # That its caller has got the id is written beside the answer.
    with closing(psycopg.connect(postgres.text, autocommit=True)) as connection:
        given_up = "SELECT given_up FROM jobs WHERE id = %s"
        await anyio.to_thread.run_sync(until, lambda: connection.execute(given_up, (job_id,)).fetchone() == (True,))
    again = await other.call("generate_image", **FOX)
    with anyio.fail_after(PATIENCE_S):
        # Until it has joined the other one, it has an id of its own.
        while job_of(again) != job_id:
            again = await other.call("get_image_job", job_id=job_of(again))
    one.knobs.release()
    answer = await fetched(other, job_id)
    assert not answer.is_error, said(answer)
    assert (one.knobs.paid, other.knobs.paid) == (1, 0)


async def test_a_prompt_that_no_database_takes_is_paid_and_written_down(benches: Benches, place: Address) -> None:
    url = place.text if isinstance(place, PostgresUrl) else f"sqlite://{'' if place is None else f'/{place}'}"
    bench = await benches.open({URL: url, "GPT_IMAGE_2_MAX_WAIT_S": "0.05"})
    bench.knobs.hold()
    job_id = await handed(bench, "generate_image", prompt="a \0 fox", size=SMALL)
    bench.knobs.release()
    answer = await fetched(bench, job_id)
    assert not answer.is_error, said(answer)
    assert job_id in await listed(bench, f"{job_id}: done")


async def test_a_session_goes_on_in_another_server_and_branches(benches: Benches, postgres: PostgresUrl) -> None:
    one, other = [await benches.open({URL: postgres.text}) for _ in range(2)]
    one.photo()
    first = await one.made("start_edit_session", prompt="bluer", images=["photo.png"], size=SMALL)
    turn = {"session_id": first.session_id, "size": SMALL}
    assert (await other.made("continue_edit_session", prompt="greener", **turn)).report["turn"] == 2
    branch = await one.made("continue_edit_session", prompt="redder", from_turn=1, **turn)
    assert branch.report["turn"] == 3
    assert "3 turns" in said(await other.call("list_edit_sessions"))


async def test_a_server_that_cannot_be_reached_is_said_without_its_password(
    benches: Benches, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = f"postgresql://owner:{QUOTED}@127.0.0.1:1/images"
    bench = await benches.open({URL: url, "GPT_IMAGE_2_BUDGET_PER_DAY_USD": "5"}, OPENAI_BASE_URL="http://a.test/v1")
    text = await bench.refused("generate_image", **FOX)
    assert text.startswith("The database 'postgresql://127.0.0.1:1/images' cannot be used: ")
    free = await benches.open({URL: url})
    await free.made("generate_image", **FOX)
    assert "history is not kept" in caplog.text
    for shown in (text, caplog.text):
        assert PASSWORD not in shown
        assert QUOTED not in shown


async def test_the_sandbox_leaves_a_teams_database_alone(benches: Benches, postgres: PostgresUrl) -> None:
    bench = await benches.open({URL: postgres.text}, sandbox=True)
    await bench.made("generate_image", **FOX)
    with closing(psycopg.connect(postgres.text)) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)
