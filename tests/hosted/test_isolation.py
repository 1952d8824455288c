"""Whatever can name a thing of another person, in every tool, resource, prompt and completion, names nothing.

What there is to ask is read from the server itself. A new tool or argument fails this test until it is said here whether
it can name anything, and with what it is called. Each question is asked with the ids of Alice and with ids of nothing:
Bob has to be told the same, and nothing of Alice may change. Once more without the fence of the database, and once more
with one memory for both: then the questions have to tell something, since one that cannot would prove nothing.
"""

import base64
import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from mcp import Client, MCPError
from mcp.server.request_state import RequestStateSecurity
from mcp_types import PromptReference, ResourceTemplateReference
from patience import PATIENCE_S
from postgres_server import Server
from promises import promise
from psycopg import sql
from workbench import SMALL, Bench, encoded, said

from gpt_image_2_mcp.database.people import FENCED
from gpt_image_2_mcp.database.url import PostgresUrl
from gpt_image_2_mcp.server.hosting import Hosting, hosted_tools
from gpt_image_2_mcp.server.upload_tool import UPLOAD_KEY
from gpt_image_2_mcp.studio.requests import OPERATIONS

from .people import ALICE, BOB, Replica, replica
from .test_people import take_the_fence_away

pytestmark = pytest.mark.anyio

LOW = {"size": SMALL, "quality": "low"}
SECRET = "aardvark"
"""A word of every prompt of Alice."""
STUDIO = "studio_app"
PICTURE = f"data:image/png;base64,{base64.b64encode(encoded(size=(1024, 1024))).decode()}"


def hosting_of(person: str) -> Hosting:
    """As `serve` has it."""
    state = RequestStateSecurity(keys=["0123456789abcdef" * 2], bind_principal=lambda _: person)
    return Hosting(state, anyio.CapacityLimiter(4), hosted_tools())


@asynccontextmanager
async def server_of_two(database: PostgresUrl, folder: Path, **environ: str) -> AsyncGenerator[Replica]:
    async with replica(database, folder, hosting_of=hosting_of, **environ) as process:
        yield process


@dataclass(frozen=True)
class Known:
    """What Bob has heard of Alice: ids, and nothing that they stand for."""

    picture: str = "image-20261122-120000-abcdef"
    session: str = "session-0123456789abcdef01234567"
    job: str = "job-0123456789ab"
    batch: str = "batch-0123456789ab"
    line: str = "batch-0123456789ab-1"
    upload: str = "0123456789abcdef" * 2
    key: str = f"pictures/{'0' * 32}/image-20261122-120000-abcdef-{'0' * 16}.png"
    folder: str = "0" * 32

    @property
    def words(self) -> Mapping[str, str]:
        """What may stand in an argument."""
        return {**asdict(self), "tail": self.picture.rpartition("-")[2]}


NOBODY = Known()
"""Ids of nothing."""


async def at_work(alice: Bench, store: Any) -> Known:
    """Alice makes one of everything."""
    made = await alice.made("generate_image", prompt=f"two {SECRET}s on a hill", n=2, **LOW)
    picture: str = made.report["images"][0]["id"]
    started = await alice.made("start_edit_session", images=[picture], prompt=f"the {SECRET} at night", **LOW)
    batch = await alice.call("make_batch", items=[{"prompt": f"an {SECRET} in the rain", **LOW}])
    assert not batch.is_error, said(batch)
    text = said(await alice.call("get_image_job"))
    job_id, batch_id = (next(word for word in text.split() if word.startswith(kind)) for kind in ("job-", "batch-"))
    given = await alice.call("upload_link", name="aardvark.png", size=1000, type="image/png")
    upload = (given.meta or {})[UPLOAD_KEY]["image"].removeprefix("upload:")
    folder = sha256(ALICE.encode()).hexdigest()[:32]
    store.put(f"uploads/{folder}/{upload}", encoded())
    link: str = made.report["images"][0]["url"]
    (key,) = re.findall(r"pictures/[^?]+", link)
    batch_id = batch_id.strip(":,.")
    await alice.call("list_images", contact_sheet=True)
    return Known(picture, started.session_id, job_id.strip(":,."), batch_id, f"{batch_id}-1", upload, key, folder)


# What names something, and what does not. The test below fails where an argument is in neither.

PICTURES = (
    "{picture}",
    "gpt-image-2://pictures/{picture}",
    "gpt-image-2://pictures/{tail}",
    "{picture}.png",
    "{tail}",
    "upload:{upload}",
    "{key}",
    "people/{folder}/pictures/{picture}.png",
    "gpt-image-2://sessions/{session}",
)
JOBS = ("{job}", "{batch}", "{line}")
NAMING: Mapping[str, tuple[Any, ...]] = {
    "images": tuple([name] for name in PICTURES),
    "image": PICTURES,
    "like": PICTURES,
    "mask": PICTURES,
    "against": tuple([name] for name in PICTURES),
    "session_id": ("{session}",),
    "job_id": JOBS,
    "retry": ("{batch}",),
    "items": tuple(
        [json.dumps({"prompt": "a mouse", **part}).replace("{", "{{", 1)[:-1] + "}}"]
        for part in ({"images": ["{picture}"]}, {"like": "{picture}"}, {"images": [PICTURE], "mask": "{picture}"})
    ),
    "common": tuple(
        json.dumps(part).replace("{", "{{", 1)[:-1] + "}}"
        for part in ({"images": ["{picture}"]}, {"like": "{picture}"})
    ),
    "query": (SECRET, "{picture}", "{tail}"),
    "project": ("{folder}",),
}
"""The arguments of tools that name something, with the spellings that they take."""
PLAIN = {
    *("prompt", "size", "quality", "model", "n", "background", "output_format", "output_compression", "moderation"),
    *("filename_prefix", "user", "keep", "extend", "from_turn", "since", "until", "page", "contact_sheet", "region"),
    *("text", "to", "fit", "replace", "when", "abandon", "inputs", "name", "type", "op"),
}
"""The arguments of tools that name nothing that a person has."""
OF_STUDIO: Mapping[str, tuple[Any, ...]] = {
    "pictures": (["{picture}"],),
    "picture": ("{picture}",),
    "against": ("{picture}",),
    "session": ("{session}",),
    "job": JOBS,
    "query": (SECRET, "{picture}"),
}
"""The same for the operations of the studio's page."""
PLAIN_OF_STUDIO = {
    *("op", "edge", "offset", "page", "prompt", "from_turn", "mask", "quality", "keep", "size", "n", "action"),
    *("partials", "to", "fit"),
    # Asked by a test of its own: with a new number a picture is made.
    "click",
}

BARE: Mapping[str, Mapping[str, Any]] = {
    "generate_image": {"prompt": "a mouse", **LOW},
    "edit_image": {"prompt": "a mouse", "images": [PICTURE], **LOW},
    "start_edit_session": {"prompt": "a mouse", "images": [PICTURE], **LOW},
    "continue_edit_session": {"prompt": "a mouse", "session_id": NOBODY.session, **LOW},
    "end_edit_session": {"session_id": NOBODY.session},
    "list_edit_sessions": {},
    "list_images": {},
    "show_image": {"image": PICTURE},
    "export_image": {"image": [PICTURE], "to": ["64x64"]},
    "make_batch": {"items": ["a mouse"]},
    "get_image_job": {},
    "cancel_image_job": {"job_id": NOBODY.job},
    "image_costs": {},
    "upload_link": {"name": "mouse.png", "size": 1000, "type": "image/png"},
    STUDIO: {"op": "search"},
}
"""A call of each tool that names nothing of anybody."""
BARE_OF_STUDIO: Mapping[str, Mapping[str, Any]] = {
    "open": {},
    "picture": {"picture": NOBODY.picture},
    "map": {"picture": NOBODY.picture, "against": NOBODY.picture},
    "original": {"picture": NOBODY.picture},
    "search": {},
    "price": {"action": "generate"},
    "edit": {"click": "{click}", "prompt": "a mouse", "picture": NOBODY.picture},
    "finish": {"click": "{click}", "picture": NOBODY.picture},
    "generate": {"click": "{click}", "prompt": "a mouse", "quality": "low"},
    "job": {"job": NOBODY.job},
    "cancel": {"job": NOBODY.job},
    "targets": {},
    "export": {"pictures": [NOBODY.picture], "to": ["64x64"]},
}
ALONE = {("make_batch", "retry"): {"items"}, ("edit", "session"): {"picture"}, ("price", "session"): set[str]()}
"""What is left out where an argument is given."""
MORE: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("make_batch", "common"): {"items": [{"prompt": "a mouse"}]},
    ("price", "picture"): {"action": "finish"},
    ("price", "session"): {"action": "edit"},
}
"""What has to be given with an argument."""


@dataclass(frozen=True)
class Question:
    """What Bob asks."""

    name: str
    """A name for several spellings of the same question, one of which has to be able to tell something."""
    ask: Callable[[Client, Known], Awaitable[str]]


def filled(value: Any, known: Known, click: str) -> Any:
    match value:
        case str() if "{" in value and not value.startswith("data:"):
            return value.format(**known.words, click=click)
        case list():
            return [filled(part, known, click) for part in cast("list[Any]", value)]
        case dict():
            return {name: filled(part, known, click) for name, part in cast("dict[str, Any]", value).items()}
        case _:
            return value


def calling(name: str, tool: str, arguments: Mapping[str, Any]) -> Question:
    async def ask(client: Client, known: Known) -> str:
        click = sha256(f"{name}{known}{arguments}".encode()).hexdigest()[:32]
        with anyio.fail_after(PATIENCE_S):
            result = await client.call_tool(tool, filled(dict(arguments), known, click))
        return f"{said(result)} {json.dumps(result.meta)}"

    return Question(name, ask)


def of_tool(
    tool: str, argument: str, bare: Mapping[str, Any], values: tuple[Any, ...], **more: Any
) -> Iterator[Question]:
    asked = str(more.get("op") or tool)
    left = {name: value for name, value in bare.items() if name not in ALONE.get((asked, argument), ())}
    for value in values:
        arguments = {**left, **MORE.get((asked, argument), {}), argument: value, **more}
        yield calling(f"{asked}({argument})", tool, arguments)


async def answered(asking: Awaitable[Any]) -> str:
    try:
        with anyio.fail_after(PATIENCE_S):
            return (await asking).model_dump_json()[:3000]
    except MCPError as error:
        return str(error)


def completing(name: str, ref: PromptReference | ResourceTemplateReference, argument: str) -> Iterator[Question]:
    for word in ("{picture}", "{session}", "{job}", ""):

        async def ask(client: Client, known: Known, word: str = word) -> str:
            typed = word.format(**known.words)[:-4]
            return await answered(client.complete(ref, {"name": argument, "value": typed}))

        yield Question(name, ask)


def reading(template: str) -> Iterator[Question]:
    for word in ("{picture}", "{session}", "{job}", "{tail}", "{key}"):

        async def ask(client: Client, known: Known, word: str = word) -> str:
            return await answered(client.read_resource(template.replace("{id}", word.format(**known.words))))

        yield Question(f"read {template}", ask)


async def questions(client: Client) -> list[Question]:
    """Everything that this server can be asked with an id, as it says itself."""
    found = list[Question]()
    tools = {tool.name: tool.input_schema["properties"] for tool in (await client.list_tools()).tools}
    assert set(tools) == set(BARE), "say in BARE how a new tool is called without naming anything"
    assert set(OPERATIONS) == set(BARE_OF_STUDIO), "say in BARE_OF_STUDIO how a new operation is called"
    for tool, properties in tools.items():
        found.append(calling(tool, tool, BARE[tool]))
        for argument in properties:
            assert (argument in NAMING) != (argument in PLAIN), (
                f"{tool}({argument}) is new: say in NAMING with what it names something, or in PLAIN that it names nothing"
            )
            values = NAMING.get(argument, ())
            if (tool, argument) == ("export_image", "image"):
                values = tuple([value] for value in values)
            found += of_tool(tool, argument, BARE[tool], values)
    for op, request in OPERATIONS.items():
        found.append(calling(op, STUDIO, {**BARE_OF_STUDIO[op], "op": op}))
        for argument, field in request.model_fields.items():
            assert (argument in OF_STUDIO) != (argument in PLAIN_OF_STUDIO), (op, argument)
            if field.annotation is not bool:
                found += of_tool(STUDIO, argument, BARE_OF_STUDIO[op], OF_STUDIO.get(argument, ()), op=op)
    for template in (await client.list_resource_templates()).resource_templates:
        (variable,) = re.findall(r"\{(\w+)\}", template.uri_template)
        reference = ResourceTemplateReference(uri=template.uri_template)
        found += [
            *reading(template.uri_template),
            *completing(f"complete {template.uri_template}", reference, variable),
        ]
    for prompt in (await client.list_prompts()).prompts:
        for argument in prompt.arguments or ():
            found += completing(f"complete {prompt.name}", PromptReference(name=prompt.name), argument.name)
            found += prompting(prompt.name, argument.name, [one.name for one in prompt.arguments or () if one.required])
    found.append(Question("list resources", lambda client, _: answered(client.list_resources())))
    for word in ("last", "1", "#2", "the last picture"):
        found.append(calling("last", "edit_image", {**BARE["edit_image"], "images": [word]}))
        found.append(calling("last in show_image", "show_image", {"image": word}))
    return found


def prompting(prompt: str, argument: str, required: list[str]) -> Iterator[Question]:
    for word in ("{picture}", "{session}"):

        async def ask(client: Client, known: Known, word: str = word) -> str:
            arguments = {**dict.fromkeys(required, "a mouse"), argument: word.format(**known.words)}
            return await answered(client.get_prompt(prompt, arguments))

        yield Question(f"prompt {prompt}", ask)


CAN_TELL_NOTHING = {"targets", "upload_link"}
"""Questions about nothing that a person has; the prompts and their completions are such ones too."""


async def tells(question: Question, client: Client, known: Known) -> bool:
    """Whether the answer tells anything of what Alice has: that an id is of something, for example."""
    mine = await question.ask(client, known)
    if SECRET in without(mine, known):
        return True
    if question.name in BARE or question.name in BARE_OF_STUDIO or question.name.startswith(("last", "list ")):
        return any(word in mine for word in known.words.values())
    return without(mine, known) != without(await question.ask(client, NOBODY), NOBODY)


def without(answer: str, known: Known) -> str:
    """The answer without the words that the question had, and what is another time each time."""
    for kind, word in known.words.items():
        answer = answer.replace(word, kind)
    answer = answer.replace(f"'{SECRET}'", "query").replace(f'"{SECRET}"', "query")
    return re.sub(r"\b[0-9a-f]{12,64}\b|\d{8}-\d{6}-[0-9a-f]{6}|\d+\.\d+", "RANDOM", answer)


def rows_of(server: Server, database: PostgresUrl, person: str) -> dict[str, list[Any]]:
    """All that the database has of a person, as its superuser sees it."""
    with closing(server.connect(database.parts.path[1:])) as connection:
        return {
            table: sorted(
                map(
                    str,
                    connection.execute(
                        sql.SQL("SELECT * FROM {} WHERE person = %s").format(sql.Identifier(table)), (person,)
                    ).fetchall(),
                )
            )
            for table in FENCED
        }


@promise(
    "Several people",
    "Every argument that can name something is asked with another person's ids, and tells and changes nothing",
)
async def test_nothing_of_another_person_is_told_or_changed(
    team_database: PostgresUrl, postgres_server: Server, tmp_path: Path
) -> None:
    async with server_of_two(team_database, tmp_path) as process:
        known = await at_work(process.alice, process.shared.store)
        before = rows_of(postgres_server, team_database, ALICE)
        told = {
            one.name: [without(await one.ask(process.bob.client, ids), ids)[:600] for ids in (known, NOBODY)]
            for one in await questions(process.bob.client)
            if await tells(one, process.bob.client, known)
        }
        Path("/tmp/w/told.json").write_text(json.dumps(told, indent=1))
        assert told == {}
        assert rows_of(postgres_server, team_database, ALICE) == before
        assert SECRET not in str(rows_of(postgres_server, team_database, BOB)).replace(f"'{SECRET}'", "")


async def test_without_the_fence_of_the_database_the_questions_tell_something(
    team_database: PostgresUrl, tmp_path: Path
) -> None:
    async with server_of_two(team_database, tmp_path) as process:
        known = await at_work(process.alice, process.shared.store)
        take_the_fence_away(team_database)
        asked = await questions(process.bob.client)
        told = {one.name for one in asked if await tells(one, process.bob.client, known)}
        assert sorted({one.name for one in asked} - told) == []


async def test_with_one_memory_for_all_the_questions_tell_something(team_database: PostgresUrl, tmp_path: Path) -> None:
    """As if people were not told apart when the server of one is looked for."""
    async with server_of_two(team_database, tmp_path) as process:
        known = await at_work(process.alice, process.shared.store)
        async with Client(process.alice.server) as bob:
            asked = await questions(bob)
            told = {one.name for one in asked if await tells(one, bob, known)}
        assert sorted({one.name for one in asked} - told) == []
