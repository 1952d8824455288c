"""What a server says to people at other computers: no way by a path, and no setting without whose business it is."""

import ast
import inspect
from pathlib import Path
from typing import Any

import pytest
from mcp import MCPError
from mcp_types import CallToolResult
from promises import promise
from workbench import SMALL, said

import gpt_image_2_mcp
from gpt_image_2_mcp.database.url import PostgresUrl
from gpt_image_2_mcp.paths import other_computer
from gpt_image_2_mcp.paths.other_computer import IN_ANSWERS, IN_DESCRIPTIONS
from gpt_image_2_mcp.sandbox import Fault

from .people import Replica
from .test_isolation import server_of_two
from .wrong_words import SETTING, wrong_words

pytestmark = pytest.mark.anyio

LOW = {"size": SMALL, "quality": "low"}
OWN = {"prompt": "a fox", "images": ["last"], **LOW}
Asked = tuple[str, dict[str, Any]]

UNMADE: list[Asked] = [
    ("list_images", {}),
    ("show_image", {"image": "last"}),
    ("image_costs", {}),
    ("list_edit_sessions", {}),
    ("get_image_job", {}),
]
IN_A_BATCH: Asked = ("make_batch", {"items": [{"prompt": "a fox", "images": ["photo.png"], **LOW}]})
NOT_READ: list[Asked] = [
    *(
        ("edit_image", {"prompt": "a fox", "images": [image], **LOW})
        for image in (
            "photo.png",
            "/etc/hostname",
            "https://no-such-host.invalid/a.png",
            "https://10.0.0.1/a.png",
            "http://localhost/a.png",
            "https://example.com:8443/a.png",
            "ftp://example.com/a.png",
            "attachment://a.png",
            "data:image/png;base64,AAA$",
            "data:image/png,nothing",
            "upload:nothing",
            "image-20261122-120000-abcdef-1",
            "gpt-image-2://pictures/nothing",
            "99",
        )
    ),
    ("edit_image", {**OWN, "mask": "/etc/mask.png"}),
    ("edit_image", {**OWN, "mask": "https://10.0.0.1/a.png"}),
    ("generate_image", {"prompt": "a fox", "output_dir": "here"}),
    ("generate_image", {"like": "nothing", **LOW}),
    ("start_edit_session", {"prompt": "a fox", "images": ["http://127.0.0.1/a.png"], **LOW}),
    ("continue_edit_session", {"prompt": "a fox", "session_id": "session-0123456789abcdef01234567", **LOW}),
    ("show_image", {"image": "https://example.com/a.png"}),
    ("show_image", {"image": "nothing"}),
    ("export_image", {"image": ["https://example.com/a.png"], "to": ["512x512"]}),
    ("export_image", {"image": ["last"], "to": ["512x512 jpeg out/fox.jpg"]}),
    ("export_image", {"image": ["last"], "to": ["nothing"]}),
    ("make_batch", {"file": "list.csv"}),
    IN_A_BATCH,
    ("make_batch", {"items": [{"prompt": "a fox", "output_dir": "here", **LOW}]}),
    ("make_batch", {"retry": "batch-0123456789ab"}),
    ("get_image_job", {"job_id": "job-0123456789ab"}),
    ("list_images", {"as_page": True}),
    ("studio_app", {"op": "picture", "picture": "nothing"}),
]


async def told(process: Replica, tool: str, arguments: dict[str, Any]) -> CallToolResult:
    return await process.alice.client.call_tool(tool, arguments)


@promise("Several people", "No answer or description of a server names a way by a path, which people there cannot take")
async def test_no_refusal_names_a_way_by_a_path(team_database: PostgresUrl, tmp_path: Path) -> None:
    async with server_of_two(team_database, tmp_path) as process:
        # Before anything was made, and after it.
        texts = [said(await told(process, *asked)) for asked in UNMADE]
        await process.alice.made("generate_image", prompt="a fox", **LOW)
        answers = [await told(process, *asked) for asked in NOT_READ]
        texts += map(said, [*answers, await told(process, "list_images", {"query": "nothing"})])
    assert [(words, text) for text in texts if (words := wrong_words(text))] == []
    # A batch tells it of its line.
    assert [asked for asked, answer in zip(NOT_READ, answers, strict=True) if not answer.is_error] == [IN_A_BATCH]


async def test_what_the_assistant_is_told_names_no_way_by_a_path(team_database: PostgresUrl, tmp_path: Path) -> None:
    async with server_of_two(team_database, tmp_path) as process:
        client = process.alice.client
        texts = [client.instructions or ""]
        for tool in (await client.list_tools()).tools:
            texts += [tool.description or "", str(tool.input_schema)]
        for prompt in (await client.list_prompts()).prompts:
            required = {one.name: "a fox" for one in prompt.arguments or ()}
            texts += [prompt.description or "", *(one.description or "" for one in prompt.arguments or ())]
            for given in (required, {one.name: "a fox" for one in prompt.arguments or () if one.required}):
                try:
                    texts.append((await client.get_prompt(prompt.name, given)).model_dump_json())
                except MCPError as error:
                    texts.append(str(error))
        for template in (await client.list_resource_templates()).resource_templates:
            texts.append(template.description or "")
        said_so = "it reads no path, and writes no file there"
        assert [words for text in texts if (words := wrong_words(text.replace(said_so, "")))] == []


@pytest.mark.parametrize(
    ("environ", "tool", "arguments"),
    [
        ({"GPT_IMAGE_2_BUDGET_PER_CALL_USD": "0.0001"}, "generate_image", {"prompt": "a fox", **LOW}),
        ({"GPT_IMAGE_2_BUDGET_PER_DAY_USD": "0.0001"}, "generate_image", {"prompt": "a fox", **LOW}),
        ({"GPT_IMAGE_2_BUDGET_PER_DAY_USD": "0.0001"}, "image_costs", {}),
        ({"GPT_IMAGE_2_BUDGET_PER_CALL_USD": "0.0001"}, "image_costs", {}),
        ({"GPT_IMAGE_2_CONFIRM_OVER_USD": "0.0001"}, "generate_image", {"prompt": "a fox", **LOW}),
        ({"GPT_IMAGE_2_CONFIRM_OVER_USD": "0.0001"}, "make_batch", {"items": [{"prompt": "a fox", **LOW}]}),
        ({}, "image_costs", {}),
    ],
)
async def test_what_the_operator_has_set_is_told_without_its_name(
    team_database: PostgresUrl, tmp_path: Path, environ: dict[str, str], tool: str, arguments: dict[str, Any]
) -> None:
    async with server_of_two(team_database, tmp_path, **environ) as process:
        text = said(await told(process, tool, arguments))
        assert "$" in text or "budget" in text
        assert not SETTING.search(text), text


@pytest.mark.parametrize(
    "fault",
    [Fault(error="invalid_api_key"), Fault(error="model_not_found"), Fault("html", status=404)],
    ids=["key", "model", "page"],
)
async def test_what_the_operator_alone_can_mend_is_said_to_be_the_operators(
    team_database: PostgresUrl, tmp_path: Path, fault: Fault
) -> None:
    async with server_of_two(team_database, tmp_path) as process:
        process.knobs.faults = [fault]
        text = said(await told(process, "generate_image", {"prompt": "a fox", **LOW}))
        assert SETTING.search(text), text
        assert wrong_words(text) == [], text
        assert "the client's configuration" not in text


def test_what_is_replaced_is_still_said() -> None:
    """Otherwise somebody has changed a sentence, and people at other computers are told of paths again."""
    texts = list[str]()
    package = Path(inspect.getfile(gpt_image_2_mcp)).parent
    for file in package.rglob("*.py"):
        if file == Path(inspect.getfile(other_computer)):
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
                texts.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(" ".join(node.value.split()))
                texts.append(node.value)
    assert [words for words in (*IN_ANSWERS, *IN_DESCRIPTIONS) if not any(words in text for text in texts)] == []
