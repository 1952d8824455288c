"""Edit sessions: each turn is made from the picture of the one before, and nothing but the person's word ends one."""

import re
import secrets
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot
from patience import PATIENCE_S, look_again
from workbench import EDITS, SMALL, Answer, Bench, Benches, canned, encoded, folded, said, sent_sha256

from gpt_image_2_mcp.catalogue.picture_record import Picture, PictureRecord, SessionPosition
from gpt_image_2_mcp.catalogue.picture_table import PictureTable
from gpt_image_2_mcp.catalogue.session import ExtendSession, Session, new_session_id
from gpt_image_2_mcp.catalogue.session_table import SessionLimits, SessionTable
from gpt_image_2_mcp.database import schema
from gpt_image_2_mcp.database.database import Database
from gpt_image_2_mcp.database.store import open_store
from gpt_image_2_mcp.errors import SessionError
from gpt_image_2_mcp.sandbox import Fault

pytestmark = pytest.mark.anyio


async def start(bench: Bench, prompt: str = "bluer", **arguments: Any) -> Answer:
    bench.photo()
    return await bench.made(
        "start_edit_session", **({"prompt": prompt, "images": ["photo.png"], "size": SMALL} | arguments)
    )


async def go_on(bench: Bench, session: Answer, prompt: str = "greener", **arguments: Any) -> Answer:
    return await bench.made(
        "continue_edit_session", session_id=session.session_id, prompt=prompt, **({"size": SMALL} | arguments)
    )


async def rows(bench: Bench) -> list[dict[str, Any]]:
    """The active sessions, for a program."""
    result = await bench.call("list_edit_sessions")
    assert not result.is_error
    return (result.meta or {}).get("gpt-image-2/sessions", [])


# A session from its start to its end.


async def test_a_session_from_its_start_to_its_end(each_era: Bench) -> None:
    bench = each_era
    first = await start(bench)
    second = await go_on(bench, first)
    listed = await bench.call("list_edit_sessions")
    ended = await bench.call("end_edit_session", session_id=first.session_id)
    after = await bench.call("list_edit_sessions")
    assert folded(bench.plain(first.text)) == snapshot("""\
Edited: 1 picture by the built-in sandbox in place of gpt-image-2, 1024x640, quality medium, PNG, N
bytes.
FOLDER/sandbox/session-TIME-HEX.png
The picture is shown at 1024x640. To point at a part in `mask`: `box LEFT,TOP WIDTHxHEIGHT of
1024x640`.
From: WORK/photo.png
Tokens: 642 in, 956 out; free, gpt-image-2 would have cost about $0.0338.
session_id: session-ID, turn 1, made from the originals.
0 originals: photo.png
1 "bluer"  <- the next turn is made from here
continue_edit_session makes the next change; end_edit_session closes the session.\
""")
    assert folded(bench.plain(second.text)) == snapshot("""\
Edited: 1 picture by the built-in sandbox in place of gpt-image-2, 1024x640, quality medium, PNG, N
bytes.
FOLDER/sandbox/session-TIME-HEX.png
The picture is shown at 1024x640. To point at a part in `mask`: `box LEFT,TOP WIDTHxHEIGHT of
1024x640`.
From: session-TIME-HEX
Tokens: 642 in, 956 out; free, gpt-image-2 would have cost about $0.0338.
session_id: session-ID, turn 2, made from turn 1.
0 originals: photo.png
1 "bluer"
2 "greener"  <- the next turn is made from here
continue_edit_session makes the next change; end_edit_session closes the session.\
""")
    assert folded(bench.plain(said(listed))) == snapshot("""\
1 active edit session, newest first:
- session-ID: 2 turns, created DATE UTC, updated DATE UTC, at turn 2 "greener",
FOLDER/sandbox/session-TIME-HEX.png\
""")
    assert folded(bench.plain(said(ended))) == snapshot(
        """\
Ended session session-ID after 2 turns. Its pictures stay. It was at turn 2 "greener",
FOLDER/sandbox/session-TIME-HEX.png.\
"""
    )
    assert folded(said(after)) == snapshot("There is no active edit session. start_edit_session begins one.")


async def test_the_id_cannot_be_guessed(bench: Bench) -> None:
    ids = {(await start(bench)).session_id for _ in range(2)}
    assert len(ids) == 2
    assert all(re.fullmatch(r"session-[0-9a-f]{24}", each) for each in ids)


async def test_the_report_names_the_session_and_the_turn(bench: Bench) -> None:
    first = await start(bench)
    second = await go_on(bench, first)
    third = await go_on(bench, first)
    assert [answer.report["turn"] for answer in (first, second, third)] == [1, 2, 3]
    assert {answer.session_id for answer in (first, second, third)} == {first.session_id}
    assert [path.name.partition("-")[0] for path in (*first.paths, *second.paths)] == ["session", "session"]


async def test_each_turn_is_made_from_the_picture_of_the_one_before(bench: Bench) -> None:
    first = await start(bench)
    second = await go_on(bench, first)
    await go_on(bench, first)
    sent = [[file.sha256 for file in seen.files] for seen in bench.seen(EDITS)]
    assert sent == [
        [sent_sha256(bench.working_dir / "photo.png")],
        [sent_sha256(first.path)],
        [sent_sha256(second.path)],
    ]


async def test_later_turns_send_neither_the_mask_nor_the_references_again(bench: Bench) -> None:
    bench.mask()
    bench.photo("style.png")
    first = await start(bench, images=["photo.png", "style.png"], mask="mask.png")
    await go_on(bench, first)
    assert [[file.field for file in seen.files] for seen in bench.seen()] == [
        ["image[]", "image[]", "mask"],
        ["image[]"],
    ]


async def test_a_turns_parameters_are_its_own(bench: Bench) -> None:
    first = await start(bench, quality="high", output_format="webp")
    second = await go_on(bench, first)
    assert bench.last().params == {"model": "gpt-image-2", "prompt": "greener", "size": SMALL}
    assert (first.path.suffix, second.path.suffix) == (".webp", ".png")


async def test_later_turns_save_where_the_session_saves(bench: Bench) -> None:
    first = await start(bench, output_dir="art")
    second = await go_on(bench, first, filename_prefix="fox")
    assert first.path.parent == second.path.parent == bench.working_dir / "art"
    assert second.path.stem.endswith("-fox")


async def test_a_folder_that_was_deleted_meanwhile_is_made_again(bench: Bench) -> None:
    bench.knobs.hold()
    first: list[Answer] = []

    async def begin() -> None:
        first.append(await start(bench, output_dir="art"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(begin)
        with anyio.fail_after(PATIENCE_S):
            await bench.knobs.wait_for(1)
        (bench.working_dir / "art").rmdir()
        bench.knobs.release()
    assert first[0].path.parent == bench.working_dir / "art"


# The list.


async def test_the_list_has_the_newest_first_and_says_when(bench: Bench) -> None:
    first = await start(bench, "one")
    second = await start(bench, "two")
    assert [row["session_id"] for row in await rows(bench)] == [second.session_id, first.session_id]
    await go_on(bench, first, "three")
    newest, other = await rows(bench)
    assert (newest["session_id"], newest["turns"], newest["last_prompt"]) == (first.session_id, 2, "three")
    assert (other["turns"], other["last_prompt"], other["last_file"]) == (1, "two", str(second.path))
    assert datetime.fromisoformat(newest["created"]) < datetime.fromisoformat(newest["updated"])


async def test_prompts_in_the_list_are_cut_at_120_characters_and_on_one_line(bench: Bench) -> None:
    await start(bench, "line one\nline two " + "x" * 31_000)
    (row,) = await rows(bench)
    assert len(row["last_prompt"]) == 120
    assert row["last_prompt"].startswith("line one line two xxx")
    assert row["last_prompt"] in said(await bench.call("list_edit_sessions"))


@pytest.mark.thorough
async def test_a_list_of_many_sessions_stays_short(benches: Benches) -> None:
    bench = await benches.open(GPT_IMAGE_2_SESSION_MAX="0", wrap=canned(encoded(size=(64, 64))).wrap)
    for _ in range(30):
        await start(bench, "x" * 200)
    text = said(await bench.call("list_edit_sessions"))
    assert len(text) < 8000
    assert text.startswith("30 active edit sessions")
    shown = len(re.findall("^- session-", text, re.MULTILINE))
    assert text.splitlines()[-1].startswith(f"… and {30 - shown} older")


# What a failure leaves.


FAILURES = [
    Fault(error="moderation_blocked"),
    Fault("drop"),
    Fault("not_an_image"),
    Fault("html", status=502),
]


@pytest.mark.parametrize("fault", FAILURES, ids=lambda fault: fault.error or fault.kind)
async def test_a_turn_that_failed_leaves_the_session_as_it_was(bench: Bench, fault: Fault) -> None:
    first = await start(bench)
    bench.knobs.faults = [fault]
    await bench.refused("continue_edit_session", session_id=first.session_id, prompt="greener")
    (row,) = await rows(bench)
    assert (row["turns"], row["last_prompt"], row["last_file"]) == (1, "bluer", str(first.path))
    second = await go_on(bench, first)
    assert second.report["turn"] == 2
    assert bench.last().files[0].sha256 == sent_sha256(first.path)


async def test_a_start_that_failed_leaves_no_session(bench: Bench) -> None:
    bench.photo()
    bench.knobs.faults = [Fault(error="moderation_blocked")]
    await bench.refused("start_edit_session", prompt="bluer", images=["photo.png"])
    assert await rows(bench) == []


async def test_a_turn_whose_file_is_gone_is_named(bench: Bench) -> None:
    first = await start(bench)
    moved = first.path.rename(bench.folder / "moved.png")
    text = await bench.refused("continue_edit_session", session_id=first.session_id, prompt="greener")
    assert folded(bench.plain(text)) == snapshot("""\
The picture FOLDER/sandbox/session-TIME-HEX.png is gone or cannot be read. If its folder was moved,
`gpt-image-2-mcp library rebuild FOLDER` finds it again. It was turn 1 of session session-ID, which
the next turn builds on. Put it back, or start anew with start_edit_session from another picture.\
""")
    assert bench.knobs.paid == 1
    moved.rename(first.path)
    assert (await go_on(bench, first)).report["turn"] == 2


async def test_a_turn_whose_file_was_changed_is_named(bench: Bench) -> None:
    first = await start(bench)
    first.path.write_bytes((bench.working_dir / "photo.png").read_bytes())
    text = await bench.refused("continue_edit_session", session_id=first.session_id, prompt="greener")
    assert folded(bench.plain(text)) == snapshot("""\
The picture FOLDER/sandbox/session-TIME-HEX.png was changed since it was made. It was turn 1 of
session session-ID, which the next turn builds on. Put it back, or start anew with
start_edit_session from another picture.\
""")
    assert bench.knobs.paid == 1


# Two at once.


async def test_of_two_turns_at_once_the_later_becomes_a_branch(bench: Bench) -> None:
    first = await start(bench)
    bench.knobs.hold()
    answers: list[Answer] = []

    async def turn(prompt: str) -> None:
        answers.append(await go_on(bench, first, prompt))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(turn, "greener")
        tasks.start_soon(turn, "redder")
        with anyio.fail_after(PATIENCE_S):
            await bench.knobs.wait_for(2, what="running")
        bench.knobs.release()
    second, third = sorted(answers, key=lambda answer: answer.report["turn"])
    assert (second.report["turn"], second.report["parent_turn"], second.report.get("branch")) == (2, 1, None)
    assert (third.report["turn"], third.report["parent_turn"], third.report.get("branch")) == (3, 1, True)
    assert "Another turn was made from turn 1 meanwhile" in third.text
    assert second.path.exists()
    assert third.path.exists()
    after = await go_on(bench, first, "duller")
    assert after.report["parent_turn"] == 2
    assert bench.last().files[0].sha256 == sent_sha256(second.path)


async def test_two_sessions_do_not_wait_for_each_other(bench: Bench) -> None:
    sessions = [await start(bench), await start(bench)]
    bench.knobs.hold()
    async with anyio.create_task_group() as tasks:
        for session in sessions:
            tasks.start_soon(go_on, bench, session)
        with anyio.fail_after(PATIENCE_S):
            await bench.knobs.wait_for(2, what="running")
        bench.knobs.release()


async def test_a_session_that_is_ended_during_a_turn_loses_no_picture(bench: Bench) -> None:
    first = await start(bench)
    bench.knobs.hold()
    answers: list[Answer] = []

    async def turn() -> None:
        answers.append(await go_on(bench, first))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(turn)
        with anyio.fail_after(PATIENCE_S):
            await bench.knobs.wait_for(2)
        await bench.call("end_edit_session", session_id=first.session_id)
        bench.knobs.release()
    (second,) = answers
    assert second.path.exists()
    assert folded(bench.plain(second.text)) == snapshot("""\
Edited: 1 picture by the built-in sandbox in place of gpt-image-2, 1024x640, quality medium, PNG, N
bytes.
FOLDER/sandbox/session-TIME-HEX.png
The picture is shown at 1024x640. To point at a part in `mask`: `box LEFT,TOP WIDTHxHEIGHT of
1024x640`.
From: session-TIME-HEX
Tokens: 642 in, 956 out; free, gpt-image-2 would have cost about $0.0338.
Note: The session was ended while this turn was made; its picture is saved all the same.\
""")
    assert await rows(bench) == []


# The end.


async def test_ending_a_session_twice_is_harmless_and_deletes_no_file(bench: Bench) -> None:
    first = await start(bench)
    for _ in range(2):
        assert not (await bench.call("end_edit_session", session_id=first.session_id)).is_error
    assert first.path.exists()
    assert await rows(bench) == []


async def test_a_session_that_is_gone_says_whether_to_start_anew_or_list(bench: Bench) -> None:
    unknown = await bench.refused("continue_edit_session", session_id="session-gone", prompt="greener")
    assert folded(unknown) == snapshot("""\
There is no active edit session 'session-gone': it was ended, has expired after 60 minutes without
use, was replaced by newer ones, or never existed. list_edit_sessions shows the active ones; to go
on from a picture, call start_edit_session with its id or path in `images`.\
""")
    first = await start(bench)
    await bench.call("end_edit_session", session_id=first.session_id)
    text = await bench.refused("continue_edit_session", session_id=first.session_id, prompt="greener")
    assert "start_edit_session" in text
    assert "list_edit_sessions" in text
    assert folded(said(await bench.call("end_edit_session", session_id="session-gone"))) == snapshot(
        "There is no active session 'session-gone': it was ended, expired or never was, so there is nothing\n"
        "to end. list_edit_sessions shows the active ones."
    )


async def test_the_least_recently_used_session_makes_room(benches: Benches) -> None:
    bench = await benches.open(GPT_IMAGE_2_SESSION_MAX="2")
    first, second = await start(bench), await start(bench)
    await go_on(bench, first)
    third = await start(bench)
    assert {row["session_id"] for row in await rows(bench)} == {first.session_id, third.session_id}
    await bench.refused("continue_edit_session", session_id=second.session_id, prompt="greener")
    assert second.path.exists()


async def test_a_session_that_is_not_used_expires_and_its_files_stay(benches: Benches) -> None:
    bench = await benches.open(GPT_IMAGE_2_SESSION_TTL_MS="1")
    first = await start(bench)
    with anyio.fail_after(PATIENCE_S):
        while await rows(bench):
            await look_again()
    text = await bench.refused("continue_edit_session", session_id=first.session_id, prompt="greener")
    assert "0.001 seconds" in text
    assert first.path.exists()


# The tables by themselves, on a clock of the test's own.


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


class Store:
    """Sessions by themselves; a turn is a picture that was never made."""

    def __init__(self, database: Database, *, limit: int, idle: timedelta | None) -> None:
        self.clock = Clock()
        self._limits = SessionLimits(limit, idle)
        self._database = database
        with database.transaction() as connection:
            for table in (schema.sessions, schema.pictures):
                connection.execute(sa.delete(table))

    @contextmanager
    def open(self) -> Generator[SessionTable]:
        with self._database.transaction() as connection:
            yield SessionTable(connection, self._limits, self.clock())

    def add(self, session_id: str) -> None:
        with self.open() as sessions:
            self._picture(sessions, sessions.begin(session_id, Path("/")))

    def extend(self, session_id: str) -> SessionPosition | None:
        with self.open() as sessions:
            try:
                parent = sessions.use(session_id).head.number
            except SessionError:
                return None
            place = sessions.extend(ExtendSession(session_id, parent, parent_given=False))
            assert place is not None
            self._picture(sessions, place)
            return place

    def use(self, session_id: str) -> Session:
        with self.open() as sessions:
            return sessions.use(session_id)

    def end(self, session_id: str) -> Session | None:
        with self.open() as sessions:
            return sessions.end(session_id)

    def active(self) -> list[str]:
        with self.open() as sessions:
            return [session.id for session in sessions.active()]

    def _picture(self, sessions: SessionTable, place: SessionPosition) -> None:
        record = PictureRecord(
            id=f"session-20261122-000000-{secrets.token_hex(3)}-{secrets.token_hex(8)}",
            kind="session",
            sha256="0" * 64,
            size_bytes=1,
            format="png",
            width=1,
            height=1,
            model="gpt-image-2",
            prompt="bluer",
            made=self.clock(),
            position=place,
        )
        PictureTable(sessions.connection).add(Picture(path=Path("/a.png"), record=record))


@pytest.fixture(params=["memory", "postgres"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    store = open_store(None if request.param == "memory" else request.getfixturevalue("postgres"))
    yield store.database
    store.close()


def test_use_keeps_a_session_alive_and_idleness_ends_it(database: Database) -> None:
    store = Store(database, limit=0, idle=timedelta(hours=1))
    name = new_session_id()
    store.add(name)
    for _ in range(3):
        store.clock.now += timedelta(minutes=59)
        store.use(name)
    store.clock.now += timedelta(minutes=59)
    assert store.active() == [name]
    store.clock.now += timedelta(minutes=2)
    assert store.active() == []
    with pytest.raises(SessionError, match="60 minutes"):
        store.use(name)


def test_with_no_limit_of_time_a_session_lives_on(database: Database) -> None:
    store = Store(database, limit=0, idle=None)
    name = new_session_id()
    store.add(name)
    store.clock.now += timedelta(days=3650)
    assert [turn.number for turn in store.use(name).turns] == [1]


@pytest.mark.thorough
def test_the_store_keeps_the_most_recently_used_sessions_and_no_others(database: Database) -> None:
    @settings(max_examples=100 if database.at is None else 20)
    @given(
        limit=st.integers(0, 4),
        steps=st.lists(
            st.tuples(st.sampled_from(["add", "use", "extend", "end"]), st.integers(0, 7)),
            max_size=30,
        ),
    )
    def law(limit: int, steps: list[tuple[str, int]]) -> None:
        store = Store(database, limit=limit, idle=None)
        names: dict[int, str] = {}
        used: list[str] = []  # the last used last

        for step, number in steps:
            if step == "add":
                names[number] = new_session_id()
                store.add(names[number])
            name = names.get(number, "session-never")
            if step != "add" and name not in used:
                assert store.end(name) is None
                assert store.extend(name) is None
                continue
            if step == "use":
                store.use(name)
            elif step == "extend":
                assert store.extend(name) is not None
            elif step == "end":
                assert store.end(name) is not None
            used = [other for other in used if other != name]
            if step != "end":
                used.append(name)
            used = used[-limit:] if limit else used
            assert store.active() == used[::-1]

    law()


async def test_an_answer_with_absurd_words_keeps_its_turn(benches: Benches) -> None:
    """What a backend says of its picture is bounded where it is kept, and costs no session."""
    bench = await benches.open(wrap=canned(encoded(), quality="x" * 5000, size="y" * 5000).wrap)
    begun = await start(bench)
    assert begun.report["turn"] == 1
    assert await rows(bench)


async def test_the_id_of_a_turn_s_picture_is_answered_with_its_session(bench: Bench) -> None:
    first = await start(bench)
    refused = await bench.refused("continue_edit_session", session_id=first.path.stem, prompt="greener")
    assert f"turn 1 of the edit session {first.session_id}. Give that as `session_id`" in refused
    assert len(bench.seen()) == 1


# Back to an earlier turn, without paying.


async def set_back(bench: Bench, session: Answer, turn: int, **arguments: Any) -> str:
    result = await bench.call(
        "continue_edit_session", session_id=session.session_id, from_turn=turn, prompt=None, **arguments
    )
    assert not result.is_error, said(result)
    return said(result)


async def test_a_session_is_set_back_for_nothing_and_the_next_turn_goes_on_from_there(bench: Bench) -> None:
    first = await start(bench)
    await go_on(bench, first, "greener")
    await go_on(bench, first, "redder")
    text = await set_back(bench, first, 1)
    assert "set back to turn 1" in text
    assert "The next turn is number 4." in text
    assert '1 "bluer"  <- the next turn is made from here' in text
    assert len(bench.seen()) == 3
    (row,) = await rows(bench)
    assert (row["head"], row["turns"], row["last_file"]) == (1, 3, str(first.path))
    assert f'at turn 1 "bluer", {first.path}; the next turn starts from turn 1' in said(
        await bench.call("list_edit_sessions")
    )
    fourth = await go_on(bench, first, "darker")
    assert fourth.report["turn"] == 4
    assert "turn 4, made from turn 1" in fourth.text
    assert bench.last().files[0].sha256 == sent_sha256(first.path)
    assert "turn 5, made from turn 4" in (await go_on(bench, first, "brighter")).text


async def test_a_session_is_set_back_to_the_originals(bench: Bench) -> None:
    first = await start(bench)
    assert "0 originals: photo.png  <- the next turn is made from here" in await set_back(bench, first, 0)
    assert "the next turn starts from the originals" in said(await bench.call("list_edit_sessions"))
    assert "turn 2, made from the originals" in (await go_on(bench, first)).text


async def test_an_ended_session_says_where_it_was(bench: Bench) -> None:
    first, other = await start(bench), await start(bench)
    for session, turn in ((first, 1), (other, 0)):
        await go_on(bench, session)
        await set_back(bench, session, turn)
    ended = [said(await bench.call("end_edit_session", session_id=each.session_id)) for each in (first, other)]
    assert ended[0].endswith(f'after 2 turns. Its pictures stay. It was at turn 1 "bluer", {first.path}.')
    assert ended[1].endswith("Its pictures stay. It was set back to the originals.")


async def test_what_a_client_fills_in_does_not_make_a_set_back_a_paid_call(bench: Bench) -> None:
    first = await start(bench)
    filled: dict[str, Any] = {"images": [], "mask": "", "size": "auto", "quality": "auto", "model": "null", "user": ""}
    await set_back(bench, first, 1, **filled)
    assert len(bench.seen()) == 1


@pytest.mark.parametrize(
    "arguments", [{}, {"from_turn": 1, "images": ["photo.png"]}, {"from_turn": 1, "mask": "photo.png"}], ids=str
)
async def test_a_turn_without_a_prompt_is_refused_with_the_way_to_go_back(
    bench: Bench, arguments: dict[str, Any]
) -> None:
    first = await start(bench)
    refused = await bench.refused("continue_edit_session", session_id=first.session_id, prompt=" ", **arguments)
    assert "`prompt` is missing" in refused
    assert "give `from_turn` alone" in refused


async def test_a_session_is_not_set_back_to_a_turn_that_it_has_not_and_not_once_it_is_ended(bench: Bench) -> None:
    first = await start(bench)
    goes_back = {"session_id": first.session_id, "from_turn": 2}
    assert "has turns 1 to 1" in await bench.refused("continue_edit_session", **goes_back)
    await bench.call("end_edit_session", session_id=first.session_id)
    assert "no active edit session" in await bench.refused("continue_edit_session", **goes_back | {"from_turn": 1})


async def test_a_turn_that_is_made_while_the_session_is_set_back_becomes_a_branch(bench: Bench) -> None:
    first = await start(bench)
    await go_on(bench, first)
    bench.knobs.hold()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(go_on, bench, first, "slow")
        with anyio.fail_after(PATIENCE_S):
            await bench.knobs.wait_for(3)
        await set_back(bench, first, 1)
        bench.knobs.release()
    (row,) = await rows(bench)
    assert (row["head"], row["turns"]) == (1, 3)
