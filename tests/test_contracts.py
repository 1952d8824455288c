"""What `tools/list` and `initialize` promise: one contract file a tool, and rules that hold for all of them.

A change of a contract is a change for every client: `make snapshots` writes it, and the diff is to be read.
"""

import json
import subprocess
import sys
from typing import Any, get_args

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inline_snapshot import external_file
from valid_calls import REQUESTS, SCHEMAS, arguments_of, parsed
from workbench import TOOLS, Bench, Benches, dumped, plain_arguments, said

from gpt_image_2_mcp.errors import BadRequest
from gpt_image_2_mcp.parameters.models import PaidRequest
from gpt_image_2_mcp.studio.page import page_uri

pytestmark = pytest.mark.anyio

PAID = tuple(name for name, request in REQUESTS.items() if issubclass(request, get_args(PaidRequest)))
READS = ("list_edit_sessions", "list_images", "show_image", "get_image_job", "image_costs")
MAX_LIST_BYTES = 16_800
MAX_BYTES_WITH_STUDIO = 18_000
STUDIO = "studio_app"


async def listed(bench: Bench) -> dict[str, dict[str, Any]]:
    """The tools as they travel, by name, in the order of the list; without the hash in the address of the page."""
    tools = (await bench.client.list_tools()).tools
    return {tool.name: json.loads(json.dumps(dumped(tool)).replace(page_uri(), "ui://PAGE")) for tool in tools}


def size_of(tools: list[dict[str, Any]]) -> int:
    return len(json.dumps({"tools": tools}, ensure_ascii=False, separators=(",", ":")).encode())


@pytest.mark.parametrize("tool", [*TOOLS, STUDIO])
async def test_a_tool_is_as_its_contract_says(bench: Bench, tool: str) -> None:
    assert (await listed(bench))[tool] == external_file(f"contracts/{tool}.json")


async def test_the_tools_are_there_in_both_eras(each_era: Bench) -> None:
    assert tuple(await listed(each_era)) == (*TOOLS, STUDIO)


async def test_all_together_cost_a_model_little(bench: Bench) -> None:
    """The links to the studio's page, and its tool, are for hosts: most of them show a model neither."""
    tools = [dumped(tool) for tool in (await bench.client.list_tools()).tools]
    assert size_of(tools) <= MAX_BYTES_WITH_STUDIO
    models = [{name: value for name, value in tool.items() if name != "_meta"} for tool in tools]
    assert size_of([tool for tool in models if tool["name"] != STUDIO]) <= MAX_LIST_BYTES


async def test_every_schema_is_flat_and_names_what_is_required_first(bench: Bench) -> None:
    """Some clients refuse a top-level `anyOf` or a `$ref`, and google-genai fails on `additionalProperties`: false."""
    for name, tool in (await listed(bench)).items():
        schema = tool["inputSchema"]
        assert schema["type"] == "object", name
        assert "additionalProperties" not in schema, name
        assert not {"anyOf", "oneOf", "allOf", "$defs"} & set(schema), name
        assert '"$ref"' not in json.dumps(schema), name
        required = schema.get("required", [])
        assert list(schema["properties"])[: len(required)] == required, name
        jsonschema.Draft202012Validator.check_schema(schema)


async def test_every_parameter_is_of_one_plain_type(bench: Bench) -> None:
    for name, tool in (await listed(bench)).items():
        for parameter, schema in tool["inputSchema"]["properties"].items():
            assert schema["type"] in {"string", "integer", "boolean", "array"}, (name, parameter)
            assert not {"anyOf", "title"} & set(schema), (name, parameter)


async def test_every_parameter_is_described(bench: Bench) -> None:
    for name, tool in (await listed(bench)).items():
        for parameter, schema in tool["inputSchema"]["properties"].items():
            assert schema.get("description"), (name, parameter)


async def test_every_text_and_list_parameter_has_its_bounds(bench: Bench) -> None:
    for tool in (await listed(bench)).values():
        properties = tool["inputSchema"]["properties"]
        if "prompt" in properties:
            assert properties["prompt"]["maxLength"] == 32_000
        if "images" in properties:
            assert (properties["images"]["minItems"], properties["images"]["maxItems"]) in {(1, 16), (1, 15)}
        if "n" in properties:
            most = 1_000_000 if tool["name"] == "image_costs" else 10
            assert (properties["n"]["minimum"], properties["n"]["maximum"], properties["n"]["default"]) == (1, most, 1)


async def test_quality_lists_every_value_whatever_the_model(benches: Benches) -> None:
    """A model is judged at the call: what a client was told once stays true when the setting changes."""
    bench = await benches.open(GPT_IMAGE_2_MODEL="gpt-image-2")
    for name in PAID:
        quality = (await listed(bench))[name]["inputSchema"]["properties"]["quality"]
        assert quality["enum"] == ["auto", "low", "medium", "high", "xhigh", "max"]


async def test_the_annotations_are_true(bench: Bench) -> None:
    tools = await listed(bench)
    for name, tool in tools.items():
        assert tool["title"], name
        assert tool["description"], name
        # Where they are left out, the protocol says that a tool reaches the world and that repeating it does more.
        # `show_image` asks a model of the API where something is.
        assert tool["annotations"].get("openWorldHint", True) is (
            name in {*PAID, "make_batch", "show_image", STUDIO}
        ), name
        assert tool["annotations"]["readOnlyHint"] is (name in READS), name
    for name in PAID:
        # Each call makes new files and costs anew; none is ever replaced.
        assert tools[name]["annotations"]["destructiveHint"] is False, name
        assert not tools[name]["annotations"].get("idempotentHint", False), name
    assert tools["end_edit_session"]["annotations"]["idempotentHint"] is True


async def test_no_tool_that_makes_pictures_declares_an_output_schema(bench: Bench) -> None:
    """Several clients drop the pictures of an answer where structured content stands beside them."""
    for name, tool in (await listed(bench)).items():
        assert "outputSchema" not in tool, name


async def test_the_tools_may_change_in_both_eras(each_era: Bench) -> None:
    capabilities = each_era.client.server_capabilities
    assert capabilities.tools is not None
    assert capabilities.tools.list_changed is True


OTHER_SETTINGS: dict[str, dict[str, Any]] = {
    "no key": {"OPENAI_API_KEY": ""},
    "sandbox": {"sandbox": True},
    "another model": {"GPT_IMAGE_2_MODEL": "gpt-image-2.5-flare", "OPENAI_FORCE_RESPONSES_EDITS": "1"},
    "wrong values": {"GPT_IMAGE_2_SESSION_MAX": "many", "OPENAI_BASE_URL": "nowhere", "OPENAI_API_KEY": "a b"},
}


@pytest.mark.parametrize("legacy", [False, True], ids=["2026-07-28", "initialize"])
@pytest.mark.parametrize("changed", OTHER_SETTINGS.values(), ids=OTHER_SETTINGS)
async def test_what_the_server_says_of_itself_depends_on_no_setting(
    benches: Benches, changed: dict[str, Any], legacy: bool
) -> None:
    """A recording of these answers can then be served before anything heavy is loaded."""

    async def introduction(bench: Bench) -> str:
        client = bench.client
        tools = dumped(await client.list_tools())
        assert client.server_info is not None
        about = [dumped(client.server_info), dumped(client.server_capabilities), client.instructions]
        return json.dumps([about, client.protocol_version, tools])

    usual = await introduction(await benches.open(legacy=legacy))
    assert await introduction(await benches.open(legacy=legacy, **changed)) == usual


@pytest.mark.parametrize("tool", TOOLS)
async def test_an_unknown_argument_is_answered_with_the_names_that_exist(each_era: Bench, tool: str) -> None:
    properties = (await listed(each_era))[tool]["inputSchema"]["properties"]
    text = await each_era.refused(tool, colour="red")
    assert "There is no parameter `colour`" in text
    for parameter in properties:
        assert parameter in text
    assert not each_era.seen()


async def test_an_unknown_tool_is_an_error_that_names_it(bench: Bench) -> None:
    result = await bench.call("make_coffee")
    assert result.is_error
    assert "make_coffee" in said(result)


VALIDATORS: dict[str, Any] = {name: jsonschema.Draft202012Validator(schema) for name, schema in SCHEMAS.items()}
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def outside(schema: dict[str, Any]) -> list[Any]:
    """Values just beyond what a parameter's schema takes."""
    match schema:
        case {"enum": values}:
            return [values[0] + "x", "", 0, [values[0]]]
        case {"type": "string"}:
            long = ["x" * (schema["maxLength"] + 1)] if "maxLength" in schema else []
            return [*long, *([""] if schema.get("minLength") else []), 7, ["x"], {"x": "x"}]
        case {"type": "integer"}:
            bounds = [schema["minimum"] - 1, *([schema["maximum"] + 1] if "maximum" in schema else [])]
            return [*bounds, schema["minimum"] + 0.5, "many", [schema["minimum"]]]
        case {"type": "boolean"}:
            return ["perhaps", 2, [True]]
        case {"type": "array"}:
            items = [[value] for value in outside(schema["items"])]
            return [["x"] * (schema["maxItems"] + 1), ["x"] * (schema["minItems"] - 1), *items, 7]
        case _:
            raise AssertionError(f"a kind that this test does not know: {schema}")


@pytest.mark.parametrize("tool", TOOLS)
@settings(max_examples=40)
@given(data=st.data())
def test_what_the_schema_takes_is_let_through(tool: str, data: st.DataObject) -> None:
    arguments = data.draw(arguments_of(tool))
    VALIDATORS[tool].validate(arguments)
    values = parsed(tool, arguments)
    assert set(arguments) <= set(values)
    VALIDATORS[tool].validate(values)


@pytest.mark.parametrize(("tool", "name"), [(tool, name) for tool in TOOLS for name in SCHEMAS[tool]["properties"]])
def test_what_is_beyond_the_schema_is_refused(tool: str, name: str) -> None:
    """A value that is forgiven (a number as text, a single path, capitals) is in the schema once it is read."""
    schema = SCHEMAS[tool]
    others = plain_arguments(tool)
    parsed(tool, others)
    refused = 0
    for value in outside(schema["properties"][name]):
        with pytest.raises(jsonschema.ValidationError):
            VALIDATORS[tool].validate(others | {name: value})
        try:
            values = parsed(tool, others | {name: value})
        except BadRequest:
            refused += 1
        else:
            VALIDATORS[tool].validate(values)
    # A number or a list of one may name a picture.
    assert refused >= (1 if name in {"mask", "image", "like"} else 2)


@pytest.mark.parametrize("tool", TOOLS)
@settings(max_examples=40)
@given(data=st.data())
def test_odd_arguments_are_refused_or_keep_to_the_schema_once_they_are_read(tool: str, data: st.DataObject) -> None:
    names = st.sampled_from([*SCHEMAS[tool]["properties"], "other"])
    arguments = data.draw(arguments_of(tool)) | {data.draw(names): data.draw(ODD)}
    try:
        values = parsed(tool, arguments)
    except BadRequest:
        return
    VALIDATORS[tool].validate(values)


PROBE = """
import sys
before = set(sys.modules)
import gpt_image_2_mcp.cli.main
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(new - set(sys.stdlib_module_names)))
"""


def test_the_console_script_imports_the_standard_library_alone_until_it_knows_its_command() -> None:
    """Clients wait for the first answer of a new process; what is imported before it counts against the start."""
    loaded = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == ["gpt_image_2_mcp"]


HEAVY = """
import sys
import gpt_image_2_mcp.server.stdio.session
print(*sorted({"openai", "sqlalchemy", "PIL", "jinja2", "rich", "alembic"} & set(sys.modules)))
"""


def test_the_server_is_loaded_without_what_only_some_calls_need() -> None:
    """Each of these takes up to most of a second and 13 MiB, which the first `list_images` would wait for."""
    loaded = subprocess.run([sys.executable, "-c", HEAVY], capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == []
