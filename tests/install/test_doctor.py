"""`gpt-image-2-mcp doctor`: each thing that can be in the way has a line, with the way out where it is not green."""

import json
import os
import re
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4
from zipfile import ZipFile

import pytest
from click.testing import CliRunner
from fault_proxy import until
from workbench import KEY, SMALL

from gpt_image_2_mcp import __version__
from gpt_image_2_mcp.cli.commands import commands
from gpt_image_2_mcp.database import schema
from gpt_image_2_mcp.database.liveness import create_liveness_file, liveness_folder
from gpt_image_2_mcp.database.store import open_store
from gpt_image_2_mcp.doctor import start
from gpt_image_2_mcp.doctor.troubles import TROUBLES, trouble_of
from gpt_image_2_mcp.paths.data_folder import data_folder

SERVER = [sys.executable, "-m", "gpt_image_2_mcp", "--sandbox"]

Lines = dict[str, dict[str, Any]]


@pytest.fixture
def home() -> Path:
    return Path(os.environ["HOME"])


@contextmanager
def answering(status: int, body: object, **headers: str) -> Generator[str]:
    """A server that answers every GET so; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = json.dumps(body).encode()
            self.send_response_only(status)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(len(content)),
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


ROOT = Path(__file__).parents[2]
UV = Path(shutil.which("uv") or ROOT / ".tools" / "bin" / "uv")


@pytest.fixture(autouse=True)
def nothing_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """No index and no API are asked, unless a test names them; this program is on the `PATH`."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def uv(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real uv is on the `PATH`, with no index but folders."""
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("PATH", f"{UV.parent}{os.pathsep}{os.environ['PATH']}")


def publish(folder: Path, *versions: str) -> str:
    """A folder of empty packages, in place of an index."""
    folder.mkdir(exist_ok=True)
    for version in versions:
        info = f"gpt_image_2_mcp-{version}.dist-info"
        with ZipFile(folder / f"gpt_image_2_mcp-{version}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: gpt-image-2-mcp\nVersion: {version}\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")
    return str(folder)


def examined(*arguments: str) -> tuple[Lines, int]:
    result = CliRunner().invoke(commands, ["doctor", "--json", *arguments])
    assert result.exit_code in (0, 1), (result.output, result.exception)
    # Of several lines with one name, the first: it tells what is wrong.
    lines = {line["check"]: line for line in reversed(json.loads(result.stdout))}
    lines = {name: lines[name] for name in dict.fromkeys(line["check"] for line in json.loads(result.stdout))}
    assert all(line["way_out"] for line in lines.values() if line["level"] != "green")
    assert KEY not in result.output
    return lines, result.exit_code


def entry(home: Path, command: list[str], **env: str) -> None:
    path = home / ".cursor" / "mcp.json"
    path.parent.mkdir(exist_ok=True)
    server = {"command": command[0], "args": command[1:], "env": env}
    path.write_text(json.dumps({"mcpServers": {"gpt-image-2": server}}), encoding="utf-8")


@pytest.mark.usefixtures("uv")
@pytest.mark.skipif(sys.platform == "win32", reason="this uvx is no program there")
def test_everything_is_green_where_all_is_well(
    home: Path, sandbox_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", sandbox_url)
    uvx = tmp_path / "uvx"
    uvx.write_text("", encoding="utf-8")
    uvx.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    entry(home, SERVER)
    CliRunner().invoke(commands, ["generate", "a fox", "--size", SMALL])
    monkeypatch.setenv("UV_FIND_LINKS", publish(tmp_path / "index", "0.0.1", __version__, "99.0rc1"))
    lines, code = examined()
    assert {name: line["what"] for name, line in lines.items() if line["level"] != "green"} == {}
    assert code == 0
    assert list(lines) == [
        "version", "python", "uv", "exact edits", "settings", "key", "waiting", "inputs", "budget", "answers",
        "studio",
        "attachments", "address", "network", "access", "model", "clock", "folder", "room", "data folder", "database",
        "calls", "clients: cursor",
    ]  # fmt: skip
    assert f"version {schema.VERSION}, in use by no server" in lines["database"]["what"]


def test_a_person_reads_one_line_each_with_the_way_out_below(home: Path) -> None:
    entry(home, ["/no/such/uvx", "gpt-image-2-mcp@0.0.1"])
    result = CliRunner().invoke(commands, ["doctor", "--sandbox"])
    assert result.exit_code == 1
    assert (
        "✗ clients: cursor: 'gpt-image-2' starts /no/such/uvx, which is not there\n"
        "    Run `gpt-image-2-mcp install cursor`.\n"
    ) in result.stdout


# The program.


@pytest.mark.usefixtures("uv")
def test_a_newer_release_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UV_FIND_LINKS", publish(tmp_path / "index", "99.1.0", "99.0.5", "100.0rc1"))
    line = examined()[0]["version"]
    assert (line["level"], line["way_out"]) == ("yellow", "Run `uvx gpt-image-2-mcp@99.1.0 install`.")


@pytest.mark.usefixtures("uv")
def test_without_an_index_or_without_uv_no_version_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    line = examined()[0]["version"]
    assert line["level"] == "yellow"
    assert "the newest could not be looked up (Because gpt-image-2-mcp was not found" in line["what"]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "since uv was not found" in examined()[0]["version"]["what"]


def test_the_commands_of_a_way_out_are_those_that_this_user_can_run(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (home / ".cursor").mkdir()
    assert examined("--sandbox")[0]["clients: cursor"]["way_out"] == "Run `gpt-image-2-mcp install cursor`."
    monkeypatch.setenv("PATH", str(tmp_path))
    by_uvx = f"Run `uvx gpt-image-2-mcp@{__version__} install cursor`."
    assert examined("--sandbox")[0]["clients: cursor"]["way_out"] == by_uvx


# The settings.


@pytest.mark.parametrize(
    ("variable", "value", "check", "level"),
    [
        ("GPT_IMAGE_2_MAX_WAIT_S", "abc", "settings", "red"),
        ("OPENAI_API_KEY", "", "key", "red"),
        ("OPENAI_API_KEY_FILE", "/no/such/file", "key", "red"),
        ("GPT_IMAGE_2_MAX_WAIT_S", "0", "waiting", "yellow"),
        ("GPT_IMAGE_2_MAX_WAIT_S", "90", "waiting", "yellow"),
        ("GPT_IMAGE_2_INLINE", "none", "answers", "yellow"),
        ("GPT_IMAGE_2_PARTIAL_IMAGES", "2", "answers", "yellow"),
        ("GPT_IMAGE_2_ALLOWED_DIRS", "/no/such/folder", "inputs", "yellow"),
        ("GPT_IMAGE_2_ALLOWED_DIRS", "/usr/share", "attachments", "yellow"),
        ("GPT_IMAGE_2_OUTPUT", "~/pictures", "settings", "yellow"),
        ("OPENAI_API_BASE", "https://images.example.com", "settings", "yellow"),
        ("GPT_IMAGE_2_BUDGET_PER_DAY_USD", "0", "budget", "red"),
        ("GPT_IMAGE_2_OUTPUT_DIR", "/etc/passwd/pictures", "folder", "red"),
        ("HTTPS_PROXY", "ftp://x", "network", "red"),
        ("SSL_CERT_FILE", "/no/such/file", "network", "red"),
        ("OPENAI_BASE_URL", "http://images.example.com/v1", "address", "yellow"),
        ("GPT_IMAGE_2_DATABASE_URL", "sqlite://", "database", "yellow"),
    ],
)
def test_a_setting_that_is_in_the_way_has_its_line(
    variable: str, value: str, check: str, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (Path(os.environ["HOME"]) / ".claude" / "image-cache").mkdir(parents=True)
    if variable == "OPENAI_API_BASE":
        monkeypatch.delenv("OPENAI_BASE_URL")
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv(variable, value)
    lines, code = examined()
    assert lines[check]["level"] == level, lines[check]
    assert code == 1


def test_a_key_that_stands_in_a_clients_entry_alone_is_the_one_that_is_tried(home: Path, sandbox_url: str) -> None:
    entry(home, SERVER, OPENAI_API_KEY=KEY, OPENAI_BASE_URL=sandbox_url, PATH="/nowhere")
    lines, _ = examined()
    assert lines["key"]["what"] == "there is one, in the entry of Cursor"
    assert lines["access"]["level"] == "green"


# The way to the API.


@pytest.mark.parametrize(
    ("status", "body", "check", "level"),
    [
        (401, {"error": {"message": "Incorrect API key", "code": "invalid_api_key"}}, "access", "red"),
        (403, {"error": {"message": "Missing scopes: model.read"}}, "access", "yellow"),
        (404, {"detail": "Not Found"}, "access", "yellow"),
        (500, {}, "access", "red"),
        (200, {"data": []}, "model", "yellow"),
        (200, {"data": 1}, "access", "yellow"),
        (200, "x", "access", "yellow"),
    ],
)
def test_what_the_api_answers_is_told(
    status: int, body: object, check: str, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with answering(status, body, Date="Sun, 22 Nov 2020 08:00:00 GMT") as address:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{address}/v1")
        lines, _ = examined()
    assert lines["network"]["level"] == "green"
    assert lines[check]["level"] == level, lines[check]
    if check != "access" or status != 200:
        assert lines["clock"]["level"] == "yellow"


def test_without_a_key_the_way_to_the_api_is_tried_all_the_same() -> None:
    lines, _ = examined()
    assert lines["network"]["level"] == "red"
    assert "access" not in lines


# The disk.


@pytest.fixture
def database() -> Path:
    """The database after a picture of the sandbox."""
    result = CliRunner().invoke(commands, ["generate", "a fox", "--size", SMALL, "--sandbox"])
    assert result.exit_code == 0, result.output
    return data_folder() / "gpt-image-2-sandbox.db"


def change(database: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(statement, values)


def zeroed(database: Path) -> None:
    content = bytearray(database.read_bytes())
    content[4096:12288] = bytes(8192)
    database.write_bytes(content)


SPOILT: tuple[tuple[Callable[[Path], object], str], ...] = (
    (lambda path: path.write_bytes(b"no database" * 1000), "damaged or is not a database"),
    (zeroed, "damaged"),
    (lambda path: change(path, "UPDATE schema_version SET version = 99"), "version 99"),
    (lambda path: change(path, "DROP TABLE schema_version"), "another program"),
)


@pytest.mark.parametrize(("spoil", "what"), SPOILT)
def test_a_database_that_cannot_be_used_is_red(spoil: Callable[[Path], object], what: str, database: Path) -> None:
    spoil(database)
    lines, code = examined("--sandbox")
    assert (lines["database"]["level"], code) == ("red", 1)
    assert what in lines["database"]["what"]


def test_what_waits_for_the_database_is_told(database: Path) -> None:
    assert examined("--sandbox")[0]["database"]["level"] == "green"
    from gpt_image_2_mcp.persistence.spool import Spool

    spool = Spool.of(database, database.parent)
    assert spool is not None
    spool.path.write_text("{}\n", encoding="utf-8")
    result = CliRunner().invoke(commands, ["doctor", "--sandbox"])
    assert f"! database: what it could not take waits in {spool.path}" in result.stdout


def test_the_processes_that_use_the_database_are_named(database: Path) -> None:
    store = open_store(database)
    try:
        assert f"in use by one server (process {os.getpid()})" in examined("--sandbox")[0]["database"]["what"]
    finally:
        store.close()
    held = create_liveness_file(liveness_folder(database))
    held.file.truncate(0)  # as earlier versions leave it
    assert examined("--sandbox")[0]["database"]["what"].endswith("in use by one server")
    held.remove()


def copy_job(database: Path, error: str, created_us: int) -> None:
    """Enter a failed call that is otherwise as the one that is there."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.row_factory = sqlite3.Row
        row = dict(connection.execute("SELECT * FROM jobs").fetchone())
        outcome = json.dumps({"error": error})
        row |= {"id": f"job-{uuid4().hex}", "state": "failed", "outcome": outcome, "created_us": created_us}
        marks = ", ".join("?" for _ in row)
        statement = f"INSERT INTO jobs ({', '.join(row)}) VALUES ({marks})"  # noqa: S608 - names of columns
        connection.execute(statement, list(row.values()))


def test_each_kind_of_failed_call_has_a_line_and_calls_of_the_future_tell_of_the_clock(database: Path) -> None:
    now = int(time.time() * 1_000_000)
    copy_job(database, "OpenAI's rate limit was reached.", now)
    copy_job(database, "OpenAI's rate limit was reached.", now)
    copy_job(database, "OpenAI's moderation refused this.", now + 3_600_000_000)
    result = CliRunner().invoke(commands, ["doctor", "--sandbox", "--json"])
    found = [(line["check"], line["what"]) for line in json.loads(result.stdout)]
    calls = [what for check, what in found if check == "calls"]
    assert [what.partition(":")[0] for what in calls] == ["2 times in the last 7 days", "once in the last 7 days"]
    assert "moderation refused" in calls[1]
    assert ("clock", "the newest call is 60 minutes in the future") in found


@pytest.mark.parametrize(
    ("state", "outcome", "what"),
    [
        ("failed", {"error": "OpenAI's moderation refused this: sexual."}, "moderation refused this"),
        ("failed", {"error": "Something new. Do this."}, "Something new"),
        ("lost", None, "was lost"),
        ("sent", None, "does not come"),
    ],
)
def test_calls_that_failed_lately_are_told_with_their_way_out(
    state: str, outcome: object, what: str, database: Path
) -> None:
    an_hour_ago = (time.time() - 3600) * 1_000_000
    statement = "UPDATE jobs SET state = ?, outcome = ?, created_us = ?"
    change(database, statement, state, json.dumps(outcome) if outcome else None, int(an_hour_ago))
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (1,)
    line = examined("--sandbox")[0]["calls"]
    assert line["level"] == "yellow"
    assert what in line["what"]


# The clients.


HAS_A_SHELL = pytest.mark.skipif(sys.platform == "win32", reason="there is no /bin/sh")


PYTHON = [sys.executable, "-c"]
ANSWERS = "import sys; sys.stdin.readline(); print({}, flush=True); sys.stdin.read() # gpt-image-2-mcp"


@HAS_A_SHELL
@pytest.mark.parametrize(
    ("command", "what"),
    [
        (["/no/such/uvx", "gpt-image-2-mcp"], "is not there"),
        (["/bin/sh", "-c", "exit 3 # gpt-image-2-mcp"], "ended with code 3 instead of answering"),
        (["/bin/sh", "-c", "echo Welcome to gpt-image-2-mcp"], "something else to stdout"),
        ([*PYTHON, ANSWERS.format("'x' * 3_000_000, end=''")], "something else to stdout"),
        ([*PYTHON, ANSWERS.format("'[' * 100_000")], "something else to stdout"),
        ([*PYTHON, "gpt-image-2-mcp\0"], "characters that no system takes"),
        ([*PYTHON, "gpt-image-2-mcp\ud800"], "characters that no system takes"),
    ],
)
def test_a_command_that_does_not_answer_is_red(
    command: list[str], what: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "END_TIMEOUT_S", 0.5)
    entry(home, command)
    lines, code = examined("--sandbox", "--client", "cursor")
    assert (lines["clients: cursor"]["level"], code) == ("red", 1)
    assert what in lines["clients: cursor"]["what"]


@HAS_A_SHELL
def test_what_a_command_says_when_it_fails_is_told_without_the_key(home: Path) -> None:
    script = 'echo "error: no index for $OPENAI_API_KEY" >&2; exit 2 # gpt-image-2-mcp'
    entry(home, ["/bin/sh", "-c", script], OPENAI_API_KEY=KEY)
    what = examined("--sandbox")[0]["clients: cursor"]["what"]
    assert what.endswith("which ended with code 2 instead of answering: no index for [the key]")


def test_a_variable_of_an_entry_that_nothing_reads_is_told(home: Path) -> None:
    entry(home, SERVER, GPT_IMAGE_2_OUTPUT_DIRS="~/pictures")
    line = examined("--sandbox")[0]["clients: cursor"]
    assert line["what"] == "'gpt-image-2' sets GPT_IMAGE_2_OUTPUT_DIRS, which nothing reads"
    assert line["way_out"] == "Name GPT_IMAGE_2_OUTPUT_DIR in it instead."


def test_a_variable_that_no_system_takes_is_red(home: Path) -> None:
    entry(home, SERVER, **{"A=B": "c"})
    assert (
        "characters that no system takes" in examined("--sandbox", "--client", "cursor")[0]["clients: cursor"]["what"]
    )


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked for in /proc")
def test_what_a_command_leaves_behind_does_not_keep_the_doctor_waiting_and_is_ended(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "END_TIMEOUT_S", 0.5)
    left = tmp_path / "left"
    entry(home, ["/bin/sh", "-c", f"sleep 600 & echo $! > {left}; exit 3 # gpt-image-2-mcp"])
    assert "ended with code 3" in examined("--sandbox", "--client", "cursor")[0]["clients: cursor"]["what"]
    status = Path("/proc") / left.read_text(encoding="utf-8").strip() / "status"

    def has_ended() -> bool:
        try:
            return "zombie" in status.read_text(encoding="utf-8")
        except OSError:
            return True

    until(has_ended)


@HAS_A_SHELL
def test_an_entry_of_another_version_is_yellow(home: Path) -> None:
    answer = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {}})
    entry(home, ["/bin/sh", "-c", f"read line; echo '{answer}' # gpt-image-2-mcp@0.0.1"])
    line = examined("--sandbox")[0]["clients: cursor"]
    assert (line["level"], line["way_out"]) == ("yellow", "Run `gpt-image-2-mcp install cursor`.")
    assert "version 0.0.1" in line["what"]


def test_pictures_that_were_pasted_and_clients_of_the_terminal_are_told(home: Path) -> None:
    assert "stays there" in examined("--sandbox")[0]["attachments"]["what"]
    pasted = home / ".claude" / "image-cache"
    pasted.mkdir(parents=True)
    lines, _ = examined("--sandbox")
    assert f"what you paste into Claude Code ({pasted}) can be read" in lines["attachments"]["what"]
    assert "in a terminal (Claude Code) only the model sees it" in lines["answers"]["what"]
    assert {lines["attachments"]["level"], lines["answers"]["level"]} == {"green"}


def test_files_that_cannot_be_read_and_clients_without_an_entry_are_told(home: Path) -> None:
    assert examined("--sandbox")[0]["clients"]["level"] == "yellow"
    (home / ".cursor").mkdir()
    (home / ".lmstudio").mkdir()
    (home / ".lmstudio" / "mcp.json").write_text("{", encoding="utf-8")
    lines, _ = examined("--sandbox")
    assert lines["clients: cursor"]["what"] == "has no entry of this server"
    assert lines["clients: lm-studio"]["level"] == "red"


def test_two_entries_are_told(home: Path) -> None:
    entry(home, SERVER)
    path = home / ".cursor" / "mcp.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["mcpServers"]["old-name"] = document["mcpServers"]["gpt-image-2"]
    path.write_text(json.dumps(document), encoding="utf-8")
    result = CliRunner().invoke(commands, ["doctor", "--sandbox"])
    assert "has 2 entries of this server: 'gpt-image-2', 'old-name'" in result.stdout


# The page.


def test_every_row_of_the_troubleshooting_page_is_looked_for(database: Path) -> None:
    lines, _ = examined("--sandbox")
    del database
    checks = {*lines, "network"}
    assert {row.check for row in TROUBLES} <= checks
    page = (Path(__file__).parents[2] / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+) \| (.+) \| (.+) \|$", page, re.MULTILINE)
    assert rows[1:] == [(row.seen, row.way_out, row.check) for row in TROUBLES]


def test_a_row_about_failed_calls_recognises_its_own_words() -> None:
    for row in TROUBLES:
        if row.check == "calls":
            assert row.phrase or not row.seen.startswith('"'), row.seen
        if row.phrase and row.seen.startswith('"'):
            words = row.seen.split('"')[1].replace("…", "3")
            assert trouble_of(f"It failed: {words} and so on.") is row
