"""Whatever can name a thing of another person, in every tool, resource, prompt and completion, names nothing.

What there is to ask is read from the server itself. A new tool or argument fails this test until it is said here
whether it can name anything, and how. Each question is asked with the ids of Alice and with ids of nothing: Bob has to
be told the same, and nothing of Alice may change. Once more without the fence of the database, and once more with one
memory for both: then the questions have to tell something, since one that cannot would prove nothing.
"""

import base64
import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from mcp import Client, MCPError
from mcp_types import PromptReference, ResourceTemplateReference
from patience import PATIENCE_S
from postgres_server import Server
from promises import promise
from psycopg import sql
from workbench import SMALL, Bench, encoded, said

from gpt_image_2_mcp.database.people import FENCED
from gpt_image_2_mcp.database.url import PostgresUrl
from gpt_image_2_mcp.server.hosting import Hosting, hosted_prompts, hosted_tools
from gpt_image_2_mcp.server.sealed_answers import sealing
from gpt_image_2_mcp.server.upload_tool import UPLOAD_KEY
from gpt_image_2_mcp.studio.requests import OPERATIONS

from .people import ALICE, Replica, replica
from .test_people import take_the_fence_away
from .wrong_words import wrong_words

pytestmark = pytest.mark.anyio

LOW = {"size": SMALL, "quality": "low"}
SECRET = "aardvark"
"""A word of every prompt of Alice."""
STUDIO = "studio_app"
PICTURE = f"data:image/png;base64,{base64.b64encode(encoded(size=(1024, 1024))).decode()}"


def hosting_of(person: str) -> Hosting:
    """As `serve` has it."""
    state = sealing("0123456789abcdef" * 2, lambda _: person)
    return Hosting(state, anyio.CapacityLimiter(4), hosted_tools(), hosted_prompts())


@asynccontextmanager
async def server_of_two(database: PostgresUrl, folder: Path, /, **environ: Any) -> AsyncGenerator[Replica]:
    async with replica(database, folder, hosting_of, **environ) as process:
        yield process


@dataclass(frozen=True)
class Known:
    """What Bob has heard of Alice: ids, and nothing that they stand for."""

    picture: str = "image-20261122-120000-abcdef-1"
    session: str = "session-0123456789abcdef01234567"
    job: str = "job-0123456789ab"
    batch: str = "batch-0123456789ab"
    line: str = "batch-0123456789ab-1"
    upload: str = "0123456789abcdef" * 2
    key: str = f"pictures/{'0' * 32}/image-20261122-120000-abcdef-1-{'0' * 16}.png"
    folder: str = "0" * 32
    own: str = ""
    """A picture of Bob's own, where one is needed beside."""

    @property
    def words(self) -> Mapping[str, str]:
        """What may stand in an argument."""
        return {**asdict(self), "tail": self.picture.split("-")[3]}


NOBODY = Known()
"""Ids of nothing."""


Put = Callable[[str, Mapping[str, Any]], Awaitable[None]]
"""Sends a picture to the link of an upload, whose key in the store is given."""


async def at_work(alice: Bench, bob: Bench, put: Put, *, person: str = ALICE) -> tuple[Known, Known]:
    """Alice, who is `person`, makes one of everything, after Bob has made a picture: her ids, and ids of nothing."""
    made = await bob.made("generate_image", prompt="a mouse", **LOW)
    own: str = made.report["images"][0]["id"]
    made = await alice.made("generate_image", prompt=f"two {SECRET}s on a hill", n=2, **LOW)
    picture: str = made.report["images"][0]["id"]
    started = await alice.made("start_edit_session", images=[picture], prompt=f"the {SECRET} at night", **LOW)
    batch = await alice.call("make_batch", items=[{"prompt": f"an {SECRET} in the rain", **LOW}])
    assert not batch.is_error, said(batch)
    text = said(await alice.call("get_image_job"))
    job_id, batch_id = (next(word for word in text.split() if word.startswith(kind)) for kind in ("job-", "batch-"))
    given = await alice.call("upload_link", name="aardvark.png", size=len(encoded()), type="image/png")
    upload = (given.meta or {})[UPLOAD_KEY]["image"].removeprefix("upload:")
    folder = sha256(person.encode()).hexdigest()[:32]
    await put(f"uploads/{folder}/{upload}", (given.meta or {})[UPLOAD_KEY])
    link: str = made.report["images"][0]["url"]
    (key,) = re.findall(r"pictures/[^?]+", link)
    batch_id = batch_id.strip(":,.")
    await alice.call("list_images", contact_sheet=True)
    known = Known(picture, started.session_id, job_id.strip(":,."), batch_id, f"{batch_id}-1", upload, key, folder, own)
    # Of the same form: some arguments are read in another way where they begin with a digit.
    tail = known.words["tail"].translate(str.maketrans("0123456789abcdef", "1234567890bcdefa"))
    turned = {name: getattr(NOBODY, name).replace("-abcdef-", f"-{tail}-") for name in ("picture", "key")}
    return known, replace(NOBODY, own=own, **turned)


async def at_work_here(process: Replica, bob: Bench) -> tuple[Known, Known]:
    """The same in memory."""

    async def put(key: str, _: Mapping[str, Any]) -> None:
        assert process.shared.store
        process.shared.store.put(key, encoded())

    return await at_work(process.alice, bob, put)


# What names something, and what does not. The test below fails where an argument is in neither.

PICTURES = ("{picture}", "gpt-image-2://pictures/{picture}", "{tail}")
EVERY_SPELLING = (
    *PICTURES,
    "gpt-image-2://pictures/{tail}",
    "{picture}.png",
    "{key}",
    "people/{folder}/pictures/{picture}.png",
    "gpt-image-2://sessions/{session}",
)
UPLOAD = "upload:{upload}"
JOBS = ("{job}", "{batch}", "{line}")


def as_json(**values: Any) -> str:
    """A template of a JSON object whose texts are templates."""
    return re.sub(r"^{|}$", lambda found: found[0] * 2, json.dumps(values))


NAMING: Mapping[str, tuple[Any, ...]] = {
    "images": (*([name] for name in PICTURES), [UPLOAD]),
    "image": (*EVERY_SPELLING, ["{picture}"], ["{tail}"], UPLOAD, [UPLOAD]),
    "like": EVERY_SPELLING,
    "mask": (*PICTURES, UPLOAD),
    "against": (*([name] for name in PICTURES), [UPLOAD]),
    "session_id": ("{session}",),
    "job_id": JOBS,
    "retry": ("{batch}",),
    "items": (
        [as_json(prompt="a mouse", images=["{picture}"], **LOW)],
        [as_json(like="{picture}", **LOW)],
        [as_json(prompt="a mouse", images=["{own}"], mask="{picture}", **LOW)],
    ),
    "common": (as_json(images=["{picture}"]), as_json(like="{picture}")),
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
    "edit_image": {"prompt": "a mouse", "images": ["{own}"], **LOW},
    "start_edit_session": {"prompt": "a mouse", "images": ["{own}"], **LOW},
    "continue_edit_session": {"prompt": "a mouse", "session_id": "{session}", **LOW},
    "end_edit_session": {"session_id": NOBODY.session},
    "list_edit_sessions": {},
    "list_images": {},
    "show_image": {"image": "{own}"},
    "export_image": {"image": ["{own}"], "to": ["64x64"]},
    "make_batch": {"items": [{"prompt": "a mouse", **LOW}]},
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
    "map": {"picture": "{own}", "against": "{own}"},
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
    ("make_batch", "common"): {"items": [{"prompt": "a mouse", **LOW}]},
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
        name = f"{asked}({argument})"
        yield calling(f"{name} of an upload" if UPLOAD in str(value) else name, tool, arguments)


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
    # The lists first: what is asked later makes more pictures, where it is not refused.
    found = [calling(LAST, "show_image", {"image": word}) for word in ("last", "1", "#2", "the last picture")]
    found += [calling(tool, tool, BARE[tool]) for tool in LISTS]
    found += [calling(f"{STUDIO}({op})", STUDIO, {**BARE_OF_STUDIO[op], "op": op}) for op in LISTS_OF_STUDIO]
    found.append(Question(LISTED, lambda client, _: answered(client.list_resources())))
    tools = {tool.name: tool.input_schema["properties"] for tool in (await client.list_tools()).tools}
    assert set(tools) == set(BARE), "say in BARE how a new tool is called without naming anything"
    for tool, properties in tools.items():
        found += of_properties(tool, tool, properties, BARE[tool], NAMING, PLAIN)
    assert set(OPERATIONS) == set(BARE_OF_STUDIO), "say in BARE_OF_STUDIO how a new operation is called"
    for op, request in OPERATIONS.items():
        found += of_properties(op, STUDIO, request.model_fields, BARE_OF_STUDIO[op], OF_STUDIO, PLAIN_OF_STUDIO)
    for template in (await client.list_resource_templates()).resource_templates:
        (variable,) = re.findall(r"\{(\w+)\}", template.uri_template)
        reference = ResourceTemplateReference(uri=template.uri_template)
        found += [
            *reading(template.uri_template),
            *completing(f"complete {template.uri_template}", reference, variable),
        ]
    for prompt in (await client.list_prompts()).prompts:
        for argument in prompt.arguments or ():
            required = [one.name for one in prompt.arguments or () if one.required]
            found += prompting(prompt.name, argument.name, required)
    return found


def of_properties(
    asked: str,
    tool: str,
    arguments: Collection[str],
    bare: Mapping[str, Any],
    naming: Mapping[str, tuple[Any, ...]],
    plain: Collection[str],
) -> Iterator[Question]:
    """The questions with each argument of a tool, or of an operation of the studio's page."""
    more = {} if asked == tool else {"op": asked}
    for argument in arguments:
        assert (argument in naming) != (argument in plain), (
            f"{asked}({argument}) is new: say with what it names something, or that it names nothing"
        )
        is_mark = (asked, argument) == ("price", "mask")
        yield from of_tool(tool, argument, bare, () if is_mark else naming.get(argument, ()), **more)


LISTS = ("list_edit_sessions", "list_images", "get_image_job")
LISTS_OF_STUDIO = ("search", "open")
"""What is asked without naming anything."""
LAST, LISTED = "show_image(last)", "list resources"
UNNAMED = {*LISTS, *(f"{STUDIO}({op})" for op in LISTS_OF_STUDIO), LAST, LISTED}


def prompting(prompt: str, argument: str, required: list[str]) -> Iterator[Question]:
    for word in ("{picture}", "{session}"):

        async def ask(client: Client, known: Known, word: str = word) -> str:
            arguments = {**dict.fromkeys(required, "a mouse"), argument: word.format(**known.words)}
            return await answered(client.get_prompt(prompt, arguments))

        yield Question(f"prompt {prompt}", ask)


async def tells(question: Question, client: Client, known: Known, nobody: Known) -> bool:
    """Whether the answer tells anything of what Alice has: that an id is of something, for example."""
    mine = await question.ask(client, known)
    assert (wrong := wrong_words(mine)) == [], (wrong, mine)
    if SECRET in without(mine, known):
        return True
    if question.name in UNNAMED:
        return any(word in mine for name, word in known.words.items() if name != "own")
    of_nothing = await question.ask(client, nobody)
    assert (wrong := wrong_words(of_nothing)) == [], (wrong, of_nothing)
    # What is repeated of a long argument says nothing more than the argument.
    shortened = re.compile("'[^']*\N{HORIZONTAL ELLIPSIS}'")
    return shortened.sub("", without(mine, known)) != shortened.sub("", without(of_nothing, nobody))


async def what_is_told(client: Client, known: Known, nobody: Known) -> dict[str, list[str]]:
    """The questions that tell something, with both answers."""
    return {
        one.name: [without(await one.ask(client, ids), ids)[:600] for ids in (known, nobody)]
        for one in await questions(client)
        if await tells(one, client, known, nobody)
    }


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


@pytest.mark.thorough
@promise(
    "Several people",
    "Every argument that can name something is asked with another person's ids, and tells and changes nothing",
)
async def test_nothing_of_another_person_is_told_or_changed(
    team_database: PostgresUrl, postgres_server: Server, tmp_path: Path
) -> None:
    async with server_of_two(team_database, tmp_path) as process:
        known, nobody = await at_work_here(process, process.bob)
        before, paid = rows_of(postgres_server, team_database, ALICE), process.knobs.paid
        assert await what_is_told(process.bob.client, known, nobody) == {}
        assert rows_of(postgres_server, team_database, ALICE) == before
        assert process.knobs.paid == paid


def is_about_an_upload_alone(question: Question) -> bool:
    """Whether a question names an upload, and no session besides."""
    return question.name.endswith("upload") and not question.name.startswith("continue_edit_session")


def is_never_told(question: Question) -> bool:
    """Whether a question is about nothing that a person has, whoever asks."""
    return question.name.startswith("prompt ") or question.name == "list_images(project)"


@pytest.mark.thorough
async def test_without_the_fence_of_the_database_the_questions_tell_something(
    team_database: PostgresUrl, tmp_path: Path
) -> None:
    async with server_of_two(team_database, tmp_path) as process:
        bob = process.bob.client
        known, nobody = await at_work_here(process, process.bob)
        take_the_fence_away(team_database)
        asked = await questions(bob)
        told = {one.name for one in asked if await tells(one, bob, known, nobody)}
        silent = {one.name for one in asked if not is_never_told(one)} - told
        # What is no row, or not one alone: uploads, what `last` means, and words, which have a mark of the person too.
        assert silent == {LAST, "list_images(query)", *(one.name for one in asked if is_about_an_upload_alone(one))}


@pytest.mark.thorough
async def test_with_one_memory_for_all_the_questions_tell_something(team_database: PostgresUrl, tmp_path: Path) -> None:
    """As if people were not told apart when the server of one is looked for."""
    async with server_of_two(team_database, tmp_path) as process:
        bob = process.alice.client
        known, nobody = await at_work_here(process, process.alice)
        asked = await questions(bob)
        told = {one.name for one in asked if await tells(one, bob, known, nobody)}
        assert sorted({one.name for one in asked if not is_never_told(one)} - told) == []
