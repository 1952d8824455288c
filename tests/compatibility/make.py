"""Makes the files beside it with earlier releases; test_compatibility.py and test_migrations.py open them.

Each release is run from a checkout of its commit, after `make install` there; `PYTHONPATH=tests` finds the helpers:

    make.py CHECKOUT previous                  the database, the pictures and their records, answers and settings
    make.py CHECKOUT NAME.sql                  the database as SQL
    make.py CHECKOUT NAME.sql postgresql://…   the same on a server, which has to be empty; needs pg_dump

`version-1.sql` comes from bc7411c, `version-2.sql` from 3131f96, `version-2-postgresql.sql` from e8ec158, `previous/`
from bee28ed. They are made under the home of a person who does not exist, so that no path of a real one is in them.
"""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import anyio
from fault_proxy import FaultProxy
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from workbench import picture

HERE = Path(__file__).parent
HOME = Path("/home/person")
PROJECT = HOME / "foxes"
DATA = HOME / ".local/share/gpt-image-2-mcp/gpt-image-2.db"
SMALL = {"size": "1024x640", "quality": "low", "output_format": "webp", "output_compression": 1}

SETTINGS = """\
import json
from gpt_image_2_mcp.settings import Settings
settings = Settings.read({})
print(json.dumps({alias: getattr(settings, name) for alias, name in Settings.variables().items()}, default=str))
"""


@contextmanager
def sandbox() -> Generator[str]:
    """The sandbox as a server."""
    command = [sys.executable, "-m", "gpt_image_2_mcp", "sandbox", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            found = re.search(r"OPENAI_BASE_URL=(\S+)", process.stderr.readline())
            assert found
            yield found[1]
        finally:
            process.terminate()


@asynccontextmanager
async def program(checkout: Path, **environ: str) -> AsyncGenerator[Client]:
    """The program of the checkout, with a client."""
    server = StdioServerParameters(
        command=str(checkout / ".venv/bin/python"),
        args=["-m", "gpt_image_2_mcp"],
        env={"HOME": str(HOME), "PATH": os.environ["PATH"], "PYTHONPATH": str(checkout / "src"), **environ},
        cwd=PROJECT,
    )
    async with Client(stdio_client(server)) as client:
        yield client


async def work(client: Client, proxy: FaultProxy) -> dict[str, Any]:
    """A morning of a person who likes foxes; given is what the program said of it in the end."""

    async def call(tool: str, **arguments: Any) -> dict[str, Any]:
        meta = (await client.call_tool(tool, arguments)).meta or {}
        return {key: value for key, value in meta.items() if key.startswith("gpt-image-2/")}

    async def make(tool: str, prompt: str, **arguments: Any) -> str:
        meta = await call(tool, prompt=prompt, **SMALL, **arguments)
        return meta.get("gpt-image-2/result", {}).get("session_id", "")

    await make("generate_image", "A red fox in the snow, Zürich", n=2)
    await make("edit_image", "The fox at night", images=["photo.png"])
    first = await make("start_edit_session", "Make it a watercolour", images=["photo.png"])
    await make("continue_edit_session", "Add a lantern", session_id=first)
    await make("continue_edit_session", "Add an owl instead", session_id=first, from_turn=1)
    ended = await make("start_edit_session", "Make it a woodcut", images=["photo.png"])
    await call("end_edit_session", session_id=ended)
    await make("generate_image", "moderation-blocked")
    proxy.flaws.append("cut before the headers")
    await make("generate_image", "A fox whose answer is lost")
    tools = {tool.name for tool in (await client.list_tools()).tools}
    answers = {tool: await call(tool) for tool in ("list_images", "list_edit_sessions", "image_costs") if tool in tools}
    ids = [row["id"] for row in answers.get("list_images", {}).get("gpt-image-2/pictures", ())]
    return {**answers, "show_image": [await call("show_image", image=picture) for picture in ids], "session": first}


async def fill(checkout: Path, **environ: str) -> dict[str, Any]:
    """Do that work with the program of the checkout."""
    await anyio.Path(PROJECT).mkdir(parents=True)
    picture().save(PROJECT / "photo.png")
    with sandbox() as url, FaultProxy(url) as proxy:
        proxy.listen()
        paid = {"OPENAI_API_KEY": "sk-none", "OPENAI_BASE_URL": proxy.url}
        async with program(checkout, **paid, **environ) as client:
            return await work(client, proxy)


def dump() -> str:
    """The database as SQL."""
    with closing(sqlite3.connect(DATA)) as connection:
        tables = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid"
        ).fetchall()
        statements = [f"{sql};" for name, sql in tables if not name.startswith("picture_words_")]
        for name, sql in tables:
            if sql.startswith("CREATE TABLE") and not name.startswith("picture_words"):
                columns = [f"quote({column})" for _, column, *_ in connection.execute(f"PRAGMA table_info({name})")]
                found = connection.execute(f"SELECT {', '.join(columns)} FROM {name}")  # noqa: S608 - our own names
                statements.extend(f"INSERT INTO {name} VALUES ({', '.join(row)});" for row in found)  # noqa: S608
        if any(name == "picture_words" and "content=" not in sql for name, sql in tables):
            found = connection.execute("SELECT rowid, quote(words) FROM picture_words")
            insert = "INSERT INTO picture_words (rowid, words) VALUES"
            statements.extend(f"{insert} ({row}, {words});" for row, words in found)
        elif any(name == "picture_words" for name, _ in tables):
            statements.append("INSERT INTO picture_words (picture_words) VALUES ('rebuild');")
    return "\n".join(statements) + "\n"


def dump_server(url: str) -> str:
    """The database on the server as SQL."""
    command = ["pg_dump", "--inserts", "--no-owner", "--no-privileges", "--schema=public", url]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    # Without what only psql understands, and what is there in every database.
    lines = [
        line for line in text.splitlines() if line and not line.startswith(("--", "\\", "CREATE SCHEMA", "COMMENT"))
    ]
    return "\n".join(lines) + "\n"


def keep_all(checkout: Path, answers: dict[str, Any]) -> None:
    """Copy what was made, and write down what was answered and what can be set."""
    folder = HERE / "previous"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copy(DATA, folder)
    shutil.copytree(HOME / "Pictures", folder / "Pictures")
    python = checkout / ".venv/bin/python"
    settings = subprocess.run([python, "-c", SETTINGS], check=True, capture_output=True, text=True, cwd=checkout).stdout
    for name, content in (("answers", answers), ("settings", json.loads(settings))):
        (folder / f"{name}.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main(checkout: str, name: str, server: str = "") -> None:
    environ = {"GPT_IMAGE_2_DATABASE_URL": server} if server else {}
    try:
        answers = anyio.run(lambda: fill(Path(checkout), **environ))
        if name == "previous":
            keep_all(Path(checkout), answers)
        else:
            (HERE / name).write_text(dump_server(server) if server else dump(), encoding="utf-8")
    finally:
        shutil.rmtree(HOME)


main(*sys.argv[1:])
