"""`kill -9` at any moment: what the disk, the ledger and the backend's bill say afterwards.

Starting the program takes a second, so most rounds start no program: `drive` runs in a process that has loaded
everything, and forks a child for each round that opens a studio, makes pictures and is killed.
"""

import errno
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

import anyio
import anyio.to_thread
import pytest
from fault_proxy import DATABASE, FaultProxy, control, paying, until
from forked_children import fork_for_each_line
from patience import PATIENCE_S, rounds
from PIL import Image
from promises import promise
from stdio_bench import Box, calls, reached, running
from workbench import KEY, SMALL, canned, encoded, said

from gpt_image_2_mcp.app import open_service
from gpt_image_2_mcp.catalogue.job_table import JobRow
from gpt_image_2_mcp.catalogue.sidecar import read_sidecar
from gpt_image_2_mcp.database.liveness import try_lock
from gpt_image_2_mcp.generation.record_builder import find_lost_pictures
from gpt_image_2_mcp.parameters.models import GenerateRequest
from gpt_image_2_mcp.paths.policy import WritePolicy
from gpt_image_2_mcp.settings import Settings
from gpt_image_2_mcp.storage.local_folder import Name, save_image
from gpt_image_2_mcp.storage.recovery import recover_parts

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither fork nor SIGKILL"),
]

ROUNDS = rounds(8, 52)
CALLS = 2
"""Calls of one round, side by side; the first of them makes one picture more."""

NEW = "kill-test"


# In the processes that are killed.


def drive() -> None:
    """Load what a child needs, and fork one for each line on stdin."""
    # Loaded once, so that a child is at work a few milliseconds after it was forked.
    import sqlalchemy
    from genai_prices import Usage, calc_price
    from PIL import JpegImagePlugin, PngImagePlugin

    from gpt_image_2_mcp.billing import charge_table as charges
    from gpt_image_2_mcp.billing import ledger
    from gpt_image_2_mcp.database import sqlite as database
    from gpt_image_2_mcp.openai_api import backend

    del sqlalchemy, JpegImagePlugin, PngImagePlugin, charges, ledger, backend, database
    calc_price(Usage(input_tokens=1, output_tokens=1), "gpt-image-2", provider_id="openai")
    fork_for_each_line(_child)


async def _child(order: Mapping[str, Any]) -> None:
    """Open a studio as a server does at its start, and make pictures."""
    log = os.open(order["log"], os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(log, 2)
    root = Path(order["root"])
    settings = Settings.read(order["environ"])
    async with open_service(settings, working_dir=root, home=root, data_dir=root / "data") as service:
        # Begun already; this is to know when it is over.
        await service.recover()

        async def one(number: int) -> None:
            request = GenerateRequest(
                prompt=f"{NEW} {order['name']} {number}", size=SMALL, quality="low", n=2 if number == 0 else 1
            )
            await service.wait(service.start(request))

        async with anyio.create_task_group() as calls:
            for number in range(order["calls"]):
                calls.start_soon(one, number)
    if order["stays"]:
        # Whoever is to be killed is there to be killed, and no other process has got its number.
        await anyio.sleep_forever()


# In the test.


@dataclass
class Driver:
    """That process, from the outside."""

    process: "subprocess.Popen[str]"
    root: Path
    environ: dict[str, str]

    @classmethod
    def start(cls, root: Path, base_url: str, **environ: str) -> Self:
        line = [sys.executable, "-c", "import test_kill; test_kill.drive()"]
        pipe = subprocess.PIPE
        here = Path(__file__).parent
        process = subprocess.Popen(line, stdin=pipe, stdout=pipe, text=True, cwd=here)
        variables = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": base_url, "GPT_IMAGE_2_OUTPUT_DIR": str(root / "p")}
        return cls(process, root, variables | environ)

    def begin(self, name: str, *, calls: int, stays: bool = False) -> int:
        """Have a child begin, which `stays` until it is killed; its process id."""
        order = {
            "name": name,
            "calls": calls,
            "stays": stays,
            "root": str(self.root),
            "log": str(self.root / f"{name}.log"),
            "environ": self.environ,
        }
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return int(self._line())

    def ended(self) -> int:
        """How the child ended."""
        return int(self._line())

    def log(self, name: str) -> str:
        return (self.root / f"{name}.log").read_text(encoding="utf-8")

    def end(self) -> None:
        """Have it end, in the middle of a round too."""
        self.process.kill()
        self.process.communicate(timeout=PATIENCE_S)

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the driver has ended"
        return line


@pytest.fixture
def proxy(sandbox_url: str) -> Generator[FaultProxy]:
    """A backend that costs money."""
    with FaultProxy(sandbox_url) as proxy:
        yield proxy.listen()


@pytest.fixture
def driver(proxy: FaultProxy, tmp_path: Path) -> Generator[Driver]:
    # With a budget money is set aside before a request is sent, which is one more moment to be killed in.
    driver = Driver.start(tmp_path, proxy.url, GPT_IMAGE_2_BUDGET_PER_DAY_USD="50")
    try:
        yield driver
    finally:
        driver.end()


def rows_of(root: Path, table: str) -> list[dict[str, Any]]:
    """A table of the database, once that was seen to be whole."""
    path = root / "data" / DATABASE
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        assert [tuple(row) for row in connection.execute("PRAGMA integrity_check")] == [("ok",)]
        names = {row["name"] for row in connection.execute("SELECT name FROM sqlite_master")}
        if table not in names:
            return []  # Killed before the first transaction, which makes the tables.
        return [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]  # noqa: S608 - a name of the test's


def charges(root: Path) -> list[dict[str, Any]]:
    """The ledger."""
    return rows_of(root, "charges")


def spent(rows: list[dict[str, Any]]) -> tuple[int, Decimal]:
    """Pictures and dollars that count as spent."""
    over = [row for row in rows if row["state"] in ("settled", "unknown")]
    nano = sum(row["estimate_nano_usd"] if row["nano_usd"] is None else row["nano_usd"] for row in over)
    return sum(row["pictures"] for row in over), Decimal(nano) / 10**9


def parts(root: Path) -> list[Path]:
    return [path for path in root.rglob(".gpt-image-2-*") if path.is_file()]


def whole(path: Path) -> bool:
    """Whether a picture can be decoded."""
    with Image.open(path) as image:
        image.load()
    return True


def wait_some(seconds: float) -> None:
    """Let a random time pass: the moment of the kill is what the test is about."""
    threading.Event().wait(seconds)


@dataclass
class Left:
    """What a killed process has left behind."""

    charges: list[dict[str, Any]]
    halves: list[Path]
    jobs: list[str]
    """The ids of those that were sent and have no end."""

    @classmethod
    def of(cls, root: Path) -> Self:
        open_charges = [row for row in charges(root) if row["state"] in ("reserved", "sent")]
        # One that has its name already, and this other one still, is no half: nothing is to be said of it.
        # Nor of one that is empty: nothing was written.
        halves = [part for part in parts(root) if part.stat().st_nlink == 1 and part.stat().st_size]
        return cls(open_charges, halves, [row["id"] for row in rows_of(root, "jobs") if row["state"] == "sent"])


@dataclass
class Seen:
    """Which moments were hit, over all rounds: a loop that always kills too late shows nothing."""

    unfinished: int = 0
    unsent: int = 0
    under_way: int = 0
    halves: int = 0
    saved: int = 0

    def note(self, left: Left) -> None:
        states = {row["state"] for row in left.charges}
        self.unfinished += bool(states)
        self.unsent += "reserved" in states
        self.under_way += "sent" in states
        self.halves += bool(left.halves)


def mended(root: Path, left: Left, *, log: str) -> None:
    """After the next start: nothing is neither spent nor free, no half of a picture lies about, and it was said."""
    assert {row["state"] for row in charges(root)} <= {"settled", "unknown", "released"}
    assert parts(root) == []
    assert ("Left by a process that ended" in log) == bool(left.charges), log
    assert all(half.name in log or "Rescued" in log for half in left.halves), log
    jobs = rows_of(root, "jobs")
    assert {row["state"] for row in jobs} <= {"done", "lost"}
    assert all(f"{job} was under way when" in log for job in left.jobs), log
    made = [
        image["path"]
        for row in jobs
        if row["state"] == "done"
        for image in json.loads(row["outcome"])["report"]["images"]
    ]
    # Those of lost jobs too, and only those that had no name yet have no prompt.
    listed = {row["path"] for row in rows_of(root, "pictures")}
    assert listed >= set(made)
    assert {str(path) for path in root.rglob("*.png") if "-rescued" not in path.name} <= listed
    assert all((Path(path).parent / ".gpt-image-2" / f"{Path(path).stem}.json").is_file() for path in listed)
    assert all(Path(path).is_file() for path in made)
    for path in root.rglob(".gpt-image-2/*.json"):
        record, name = read_sidecar(path)
        assert (path.parent.parent / name).is_file()
        assert record.prompt.startswith(NEW)
    assert "Traceback" not in log


def whole_pictures(folder: Path, decoded: set[Path]) -> None:
    """Whatever has the name of a picture is a whole one."""
    for path in set(folder.rglob("*.png")) - decoded:
        with Image.open(path) as image:
            image.load()
        decoded.add(path)


@pytest.mark.thorough
@promise(
    "Crashes",
    "`kill -9` leaves no half-written picture under a final name, no damaged ledger, and no money that is neither "
    "spent nor free.",
)
@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_nothing_half_done(
    driver: Driver, proxy: FaultProxy, sandbox_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """After each of the kills: every picture decodes, the ledger is whole and has at least what the backend billed."""
    seed = int(os.environ.get("KILL_TEST_SEED", random.SystemRandom().randrange(10**6)))
    chance = random.Random(seed)  # noqa: S311 - the moments of a test keep no secret
    with capsys.disabled():
        sys.stderr.write(f"\nkill test: KILL_TEST_SEED={seed}\n")
    root = driver.root
    billed_before = control(sandbox_url, "state")["paid"]
    # One round to its end, for what a picture costs and how long a round takes.
    driver.begin("whole", calls=CALLS)
    assert driver.ended() == 0, driver.log("whole")
    count, usd = spent(charges(root))
    assert count == CALLS + 1
    # To compare in whole nano-dollars, without a division.
    whole, price = count, usd
    seen, decoded = Seen(), set[Path]()
    for number in range(ROUNDS):
        while proxy.answered.acquire(blocking=False):
            pass
        child = driver.begin(f"killed-{number}", calls=CALLS, stays=True)
        if number % 2:
            # Around the saving, where the files are.
            assert proxy.answered.acquire(timeout=PATIENCE_S)
            wait_some(chance.uniform(0, 0.06))
        else:
            wait_some(chance.uniform(0, 0.25))
        os.kill(child, signal.SIGKILL)
        assert driver.ended() == -signal.SIGKILL
        until(lambda: proxy.idle)
        before = Left.of(root)
        seen.note(before)
        # The next start.
        driver.begin(f"next-{number}", calls=0)
        assert driver.ended() == 0, driver.log(f"next-{number}")
        mended(root, before, log=driver.log(f"next-{number}"))
        count, usd = spent(charges(root))
        billed = control(sandbox_url, "state")["paid"] - billed_before
        assert count >= billed
        assert usd * whole >= price * billed
        whole_pictures(root / "p", decoded)
    seen.saved = len(decoded)
    with capsys.disabled():
        sys.stderr.write(f"kill test: {seen}\n")
    # The moments that matter were hit.
    assert seen.unfinished >= ROUNDS // 8
    assert seen.under_way
    assert seen.saved >= whole + ROUNDS // 26


@pytest.mark.thorough
def test_what_a_living_process_has_under_way_is_not_touched(
    driver: Driver, proxy: FaultProxy, sandbox_url: str
) -> None:
    """Somebody else's start must not take a picture that is being made for one that was lost."""
    root = driver.root
    other = Driver.start(root, proxy.url)
    try:
        control(sandbox_url, "knobs", hold=True)
        started = control(sandbox_url, "state")["started"]
        living = driver.begin("living", calls=1)
        until(lambda: control(sandbox_url, "state")["started"] == started + 1)
        for name in ("killed", "next"):
            child = other.begin(name, calls=name == "killed", stays=name == "killed")
            if name == "killed":
                until(lambda: control(sandbox_url, "state")["started"] == started + 2)
                os.kill(child, signal.SIGKILL)
            assert other.ended() == (-signal.SIGKILL if name == "killed" else 0)
        states = sorted(row["state"] for row in charges(root))
        assert states == ["sent", "unknown"]
        assert "Left by a process that ended: 1 request (" in other.log("next")
        assert os.kill(living, 0) is None
    finally:
        control(sandbox_url, "release")
        other.end()
    assert driver.ended() == 0
    assert sorted(row["state"] for row in charges(root)) == ["settled", "unknown"]
    assert len(list((root / "p").glob("*.png"))) == 2


def test_a_picture_that_a_living_process_is_writing_is_not_touched(tmp_path: Path) -> None:
    with (tmp_path / ".gpt-image-2-0011223344556677.part").open("xb", buffering=0) as part:
        assert try_lock(part)
        part.write(encoded()[:500])
        assert recover_parts(tmp_path) == []
        assert parts(tmp_path)
    (said,) = recover_parts(tmp_path)
    assert said.startswith("Removed .gpt-image-2-0011223344556677.part")
    assert parts(tmp_path) == []


def test_a_picture_that_was_written_and_not_named_is_given_a_name(tmp_path: Path) -> None:
    """It was paid for."""
    (tmp_path / ".gpt-image-2-0011223344556677.part").write_bytes(encoded())
    (said,) = recover_parts(tmp_path)
    (path,) = tmp_path.iterdir()
    assert path.read_bytes() == encoded()
    assert said == f"Rescued {path}, a picture that a killed process had written and not named."


def test_a_picture_that_was_named_just_before_the_kill_is_not_named_twice(tmp_path: Path) -> None:
    """Between the name's link and the end of the other one lies a sync of the folder."""
    part, path = tmp_path / ".gpt-image-2-0011223344556677.part", tmp_path / "image-20261122-101010-abcdef.png"
    part.write_bytes(encoded())
    path.hardlink_to(part)
    recover_parts(tmp_path)
    assert list(tmp_path.iterdir()) == [path]


def test_records_and_copies_without_a_name_are_removed_and_files_of_others_stay(tmp_path: Path) -> None:
    side = tmp_path / ".gpt-image-2"
    side.mkdir()
    left = [tmp_path / ".0011223344556677.part", side / ".0011223344556677.part", side / ".8899aabbccddeeff.part"]
    others = [tmp_path / "film.part", tmp_path / ".hidden.part", side / "image-1.json"]
    for path in [*left, *others]:
        path.write_bytes(b"{")
    with left[-1].open("rb") as file:
        assert try_lock(file), "this one is being written"
        assert recover_parts(tmp_path) == []
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == {left[-1], *others}


async def test_what_killed_processes_left_among_the_data_is_removed_at_the_next_start(tmp_path: Path) -> None:
    data = tmp_path / "data"
    folders = (data, data / "thumbnails", data / "contact-sheets", data / "exports")
    for folder in folders:
        folder.mkdir()
    left = [folder / ".0011223344556677.part" for folder in folders]
    for path in [*left, data / "film.part"]:
        path.write_bytes(b"{")
    async with paying(tmp_path):
        await anyio.to_thread.run_sync(until, lambda: not any(path.exists() for path in left))
    assert (data / "film.part").exists()


def test_without_locks_only_what_is_old_was_left_by_a_killed_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some network drives have none: a picture that another computer is writing there must stay, and no other."""

    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", flock)
    part = tmp_path / ".gpt-image-2-0011223344556677.part"
    part.write_bytes(encoded())
    assert recover_parts(tmp_path) == []
    assert list(tmp_path.iterdir()) == [part]
    an_hour_ago = part.stat().st_mtime - 3600
    os.utime(part, (an_hour_ago, an_hour_ago))
    (told,) = recover_parts(tmp_path)
    assert told.startswith("Rescued ")
    assert not part.exists()


async def test_a_folder_is_looked_through_once_and_not_at_every_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading the names of 100,000 pictures takes longer than everything else that a call does."""
    listed: list[str] = []
    scandir = os.scandir

    def noted(path: Any) -> Any:
        listed.append(str(path))
        return scandir(path)

    settings = Settings.read({"OPENAI_API_KEY": KEY, "GPT_IMAGE_2_OUTPUT_DIR": str(tmp_path / "p")})
    backend = canned(encoded())
    async with open_service(settings, transport=backend, working_dir=tmp_path, home=tmp_path) as service:
        monkeypatch.setattr(os, "scandir", noted)
        for _ in range(3):
            await service.wait(service.start(GenerateRequest(prompt="a fox", output_dir="art")))
            await service.wait(service.start(GenerateRequest(prompt="a fox")))
    assert listed.count(str(tmp_path / "p")) == 1
    # A folder that a call names is not looked through at all.
    assert listed.count(str(tmp_path / "art")) == 0


async def test_a_half_written_picture_is_found_in_the_sandboxs_folder_too(tmp_path: Path) -> None:
    """Whether a backend is a sandbox shows in its answer only."""
    folder = tmp_path / "p" / "sandbox"
    folder.mkdir(parents=True)
    settings = Settings.read({"OPENAI_API_KEY": KEY, "GPT_IMAGE_2_OUTPUT_DIR": str(tmp_path / "p")})
    backend = canned(encoded())
    (folder / ".gpt-image-2-0011223344556677.part").write_bytes(encoded())
    async with open_service(settings, transport=backend, working_dir=tmp_path, home=tmp_path) as service:
        await service.recover()
    assert parts(tmp_path) == []


@pytest.mark.parametrize("what", ["a pipe", "a link to a picture elsewhere"])
def test_what_only_looks_like_a_leftover_is_left_alone(what: str, tmp_path: Path) -> None:
    """A repository can bring a link of that name, to /dev/zero for example, in the folder where its pictures go."""
    folder = tmp_path / "p"
    folder.mkdir()
    part = folder / ".gpt-image-2-0011223344556677.part"
    if what == "a pipe":
        os.mkfifo(part)
    else:
        (tmp_path / "private.png").write_bytes(encoded())
        part.symlink_to(tmp_path / "private.png")
    done = threading.Event()
    thread = threading.Thread(target=lambda: (recover_parts(folder), done.set()), daemon=True)
    thread.start()
    # Opened for both, the pipe never ends: such a thread stays until the process does.
    assert done.wait(PATIENCE_S)
    assert os.path.lexists(part)
    assert list(folder.iterdir()) == [part]


def test_a_start_in_the_moment_before_the_lock_does_not_send_the_picture_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The picture is saved all the same, but in the temp folder, where nobody looks for it."""
    from gpt_image_2_mcp.storage import atomic_write

    real_lock = atomic_write.try_lock
    times = [3]

    def late(held: Any) -> bool:
        if times[0]:
            times[0] -= 1
            assert recover_parts(tmp_path / "p") == [], "nothing of a killed process"
        return real_lock(held)

    monkeypatch.setattr(atomic_write, "try_lock", late)
    name = Name("image", datetime.now().astimezone(), "", "abcdef")
    policy = WritePolicy(tmp_path, tmp_path, allow_unsafe=True)
    path, elsewhere = save_image(
        encoded(), extension="png", name=name, number=None, folders=(tmp_path / "p",), policy=policy
    )
    if path.parent != tmp_path / "p":
        path.unlink()
    assert (path.parent, elsewhere) == (tmp_path / "p", None)


async def test_pictures_of_a_process_that_was_killed_before_it_recorded_them_are_listed(tmp_path: Path) -> None:
    """They were paid for, and the job's row says what was asked for."""
    async with paying(tmp_path) as bench:
        bench.knobs.hold()
        async with calls(bench) as ongoing:
            ongoing.start(
                "generate_image", prompt="a red fox", size=SMALL, n=2, filename_prefix="fox", output_dir="art"
            )
            await reached(bench, 1)
            with closing(sqlite3.connect(tmp_path / "data" / DATABASE)) as connection, connection:
                connection.execute("UPDATE jobs SET owner = 'killed'")
                stem, job_id = connection.execute("SELECT stem, id FROM jobs").fetchone()
            (tmp_path / "data" / f"{DATABASE}-alive" / "killed.alive").touch()
            folder = bench.working_dir / "art"
            for number in (1, 2):
                (folder / f"{stem}-{number}.png").write_bytes(encoded())
            (folder / f"{stem}-notes.png").write_bytes(encoded())
            async with paying(tmp_path) as other:
                # The first call begins the recovery, which goes on beside it.
                sidecar = folder / ".gpt-image-2" / f"{stem}-2.json"
                with anyio.fail_after(PATIENCE_S):
                    while not sidecar.exists():
                        await other.call("list_images")
                found = said(await other.call("list_images", query="fox"))
                record, _ = read_sidecar(sidecar)
            bench.knobs.release()
    assert f"{stem}-1" in found
    assert f"{stem}-2" in found
    assert f"{stem}-notes" not in found
    assert (record.prompt, record.job_id, record.cost_usd) == ("a red fox", job_id, None)
    assert record.parameters["size"] == SMALL
    assert record.parameters["n"] == 2


# The real program.


def without_engine(box: Box, proxy: FaultProxy, tmp_path: Path) -> dict[str, str]:
    """The environment of a server in one process, whose pictures and data are below `tmp_path`."""
    return {
        **box.environ,
        "OPENAI_BASE_URL": proxy.url,
        "XDG_DATA_HOME": str(tmp_path),
        "GPT_IMAGE_2_OUTPUT_DIR": str(tmp_path / "p"),
        "GPT_IMAGE_2_ENGINE": "off",
    }


@promise("Crashes", "The next start says what it found.")
async def test_the_program_itself_is_killed_and_its_next_start_says_what_it_found(
    box: Box, proxy: FaultProxy, tmp_path: Path
) -> None:
    environ = without_engine(box, proxy, tmp_path)
    await box.turn(hold=True)
    async with running(environ) as program:
        await program.greet()
        folder = tmp_path / "elsewhere"
        await program.call("generate_image", prompt="a red fox", size=SMALL, quality="low", output_dir=str(folder))
        await box.reached(1)
        program.signal(signal.SIGKILL)
        assert await program.ended() == -signal.SIGKILL
    await box.release()
    (folder / ".gpt-image-2-0011223344556677.part").write_bytes(encoded())
    (folder / ".gpt-image-2-0011223344556688.part").write_bytes(encoded()[:999])
    async with running(environ) as program:
        await program.greet()
        await program.said_on_stderr("Left by a process that ended: 1 request ($0.0033")
        await program.said_on_stderr("Rescued ")
        await program.said_on_stderr("Removed .gpt-image-2-0011223344556688.part")
        await program.said_on_stderr(
            f"Nothing of it is in {folder}. Rescued there, and perhaps of this job: {folder}/image-"
        )
        answer = await program.answer(await program.call("image_costs"))
        assert "1 of unknown outcome, counted in full" in answer["content"][0]["text"]
        # Who asks for the same is told first, and gets a picture when asking once more.
        await box.turn(hold=False)
        fox = {"prompt": "a red fox", "size": SMALL, "quality": "low", "output_dir": str(folder)}
        answers = [await program.answer(await program.call("generate_image", **fox)) for _ in range(2)]
        assert "was under way when the server's process was ended" in answers[0]["content"][0]["text"]
        assert [answer["isError"] for answer in answers] == [True, False]
        await program.close_stdin()
        assert await program.ended() == 0
    assert len(await anyio.to_thread.run_sync(lambda: list(folder.glob("*.png")))) == 2


async def test_a_kill_between_the_two_passes_keeps_the_first_picture_and_sends_nothing_again(
    box: Box, proxy: FaultProxy, tmp_path: Path
) -> None:
    environ = without_engine(box, proxy, tmp_path)
    fox = {"prompt": "a red fox", "size": SMALL, "quality": "low", "background": "transparent-fine"}
    await box.turn(faults=[{"route": "edits", "kind": "hang"}])
    async with running(environ) as program:
        await program.greet()
        await program.call("generate_image", **fox)
        await box.reached(2)
        program.signal(signal.SIGKILL)
        assert await program.ended() == -signal.SIGKILL
    (kept,) = await anyio.to_thread.run_sync(lambda: list((tmp_path / "p").glob("*.png")))
    assert await anyio.to_thread.run_sync(whole, kept)
    async with running(environ) as program:
        await program.greet()
        await program.said_on_stderr("Left by a process that ended: 1 request ($0.0")
        told = (await program.answer(await program.call("generate_image", **fox)))["content"][0]["text"]
        assert f"Saved before that: {kept}." in told
        assert "was not sent again" in told
        assert await box.count("started") == 2
        answer = await program.answer(await program.call("image_costs"))
        assert "1 of unknown outcome, counted in full" in answer["content"][0]["text"]
        await program.close_stdin()
        assert await program.ended() == 0


@pytest.mark.thorough
async def test_a_job_of_a_killed_process_is_told_once_and_sent_again_only_when_asked_for_again(
    box: Box, proxy: FaultProxy, tmp_path: Path
) -> None:
    """Whoever looks at it in a process that lives takes nothing from what the next start says."""
    environ = {
        **box.environ,
        "OPENAI_BASE_URL": proxy.url,
        "XDG_DATA_HOME": str(tmp_path),
        "GPT_IMAGE_2_OUTPUT_DIR": str(tmp_path / "p"),
        "GPT_IMAGE_2_MAX_WAIT_S": "0.5",
        "GPT_IMAGE_2_ENGINE": "off",
    }
    fox: dict[str, Any] = {"prompt": "a red fox", "size": SMALL, "quality": "low"}
    await box.turn(hold=True)
    async with running(environ) as one, running(environ) as other:
        await one.greet()
        await other.greet()
        handed = await one.answer(await one.call("generate_image", **fox))
        job = handed["_meta"]["gpt-image-2/job"]["job_id"]
        await box.reached(1)
        answer = await other.answer(await other.call("generate_image", **fox))
        with anyio.fail_after(PATIENCE_S):
            # Until the second one is loaded it has an id of its own.
            while (joined := answer["_meta"]["gpt-image-2/job"]["job_id"]) != job:
                answer = await other.answer(await other.call("get_image_job", job_id=joined))
        one.signal(signal.SIGKILL)
        assert await one.ended() == -signal.SIGKILL
        told = {}
        with anyio.fail_after(PATIENCE_S):
            while not told.get("isError"):
                told = await other.answer(await other.call("get_image_job", job_id=job))
        text = told["content"][0]["text"]
        assert f"{job} was under way when the server's process was ended" in text
        assert "It may have been billed, about $0.0033, and was not sent again. Nothing of it is in" in text
        assert await box.count("started") == 1
        await box.release()
        again = await other.answer(await other.call("generate_image", **fox))
        while "gpt-image-2/job" in again["_meta"]:
            again = await other.answer(
                await other.call("get_image_job", job_id=again["_meta"]["gpt-image-2/job"]["job_id"])
            )
        assert again["_meta"]["gpt-image-2/result"]["warnings"] == []
        assert await box.count("started") == 2
        await other.close_stdin()
        assert await other.ended() == 0
    async with running(environ) as next_one:
        await next_one.greet()
        await next_one.said_on_stderr("Left by a process that ended: 1 request ($0.0033")
        await next_one.said_on_stderr(f"{job} was under way when")
        listed = await next_one.answer(await next_one.call("get_image_job"))
        assert f"{job}: lost" in listed["content"][0]["text"]
        await next_one.close_stdin()
        assert await next_one.ended() == 0


def test_what_was_made_of_a_picture_before_a_kill_is_found_with_its_parent(tmp_path: Path) -> None:
    stem = "edit-20261122-140300-0000aa"
    # The last one only has a size in the words that were chosen for its name.
    for name in (stem, f"{stem}-exact", f"{stem}-1080x1920", f"{stem}-2", f"{stem}-2-300x400", f"{stem}-flag-3x2"):
        (tmp_path / f"{name}.png").write_bytes(encoded(size=(16, 16)))
    request = {"prompt": "a fox", "images": ["fox.png"], "size": "1080x1920"}
    moment = datetime.fromisoformat("2026-11-22T14:03:00+00:00")
    row = JobRow("job-1", "k", "edit_image", request, tmp_path, stem, "killed", "lost", moment)
    found = find_lost_pictures(row, WritePolicy(tmp_path, tmp_path, allow_unsafe=True), sandbox=True)
    parents = {
        picture.id.removeprefix(stem): [(origin.role, (origin.id or "").removeprefix(stem)) for origin in parents]
        for picture in found
        if (parents := picture.record.parents)
    }
    assert parents == {
        "-exact": [("model", "")],
        "-1080x1920": [("derived_from", "-exact")],
        "-2-300x400": [("derived_from", "-2")],
    }
