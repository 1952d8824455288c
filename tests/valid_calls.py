"""Calls of every tool that its schema takes, drawn at random."""

from typing import Any, cast

from hypothesis import strategies as st

from gpt_image_2_mcp.parameters.models import parse
from gpt_image_2_mcp.server.tool import RequestTool
from gpt_image_2_mcp.server.tools import all_tools

REQUESTS = {tool.name: tool.request for tool in all_tools() if isinstance(tool, RequestTool)}
SCHEMAS: dict[str, dict[str, Any]] = {tool.name: tool.parameters for tool in all_tools()}
SIZES = ("auto", "1024x1024", "2048x1152", "1024 X 640", "3840x2160")
WORDS: dict[str, st.SearchStrategy[str]] = {
    # What a schema cannot say, and a description does.
    "size": st.sampled_from(SIZES),
    "model": st.sampled_from(["gpt-image-2", "gpt-image-2.5-flare", "my deployment"]),
    "since": st.sampled_from(["2026-11-22", "2026-11-22T14:30", "yesterday", "2h ago"]),
    "until": st.sampled_from(["2026-11-23", "today", "0d ago"]),
    "extend": st.sampled_from(["left 512, top 128", "right 25%"]),
    "region": st.sampled_from(["0,0,64,64", "10, 20, 300, 400"]),
}


def inside(name: str, schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a parameter's schema takes, its bounds among them."""
    match schema:
        case {"enum": values}:
            return st.sampled_from(values)
        case {"type": "string"} if name in WORDS:
            return WORDS[name]
        case {"type": "string"}:
            # A text that is left blank counts as left out.
            least, most = schema.get("minLength", 1), schema.get("maxLength", 5000)
            some = st.text(st.characters(exclude_categories=["Cs"]), min_size=least, max_size=min(most, 30))
            # A prompt needs a visible character, which a schema cannot say, and "null" counts as left out.
            return some.map(lambda text: f"x{text}"[:most]) | st.sampled_from(["x" * least, "x" * most])
        case {"type": "integer"}:
            least, most = schema["minimum"], schema.get("maximum", 10**6)
            return st.integers(least, most) | st.sampled_from([least, most])
        case {"type": "boolean"}:
            return st.booleans()
        case {"type": "array"}:
            one = inside(name, schema["items"])
            return st.lists(one, min_size=schema["minItems"], max_size=schema["maxItems"])
        case _:
            raise AssertionError(f"{name} is of a kind that this test does not know: {schema}")


@st.composite
def arguments_of(draw: st.DrawFn, tool: str) -> dict[str, Any]:
    """Arguments that a tool's schema takes, and that agree with each other as the descriptions say."""
    schema = SCHEMAS[tool]
    required = cast("list[str]", schema.get("required", []))
    values = {name: inside(name, each) for name, each in schema["properties"].items()}
    arguments: dict[str, Any] = draw(
        st.fixed_dictionaries(
            {name: values[name] for name in required},
            optional={name: value for name, value in values.items() if name not in required},
        )
    )
    if not {"prompt", "like"} & set(arguments) and {"prompt", "like"} <= set(values):
        arguments["prompt"] = draw(values["prompt"])
    if tool == "continue_edit_session" and (
        "from_turn" not in arguments or {"images", "mask", "extend"} & set(arguments)
    ):
        arguments.setdefault("prompt", draw(values["prompt"]))
    if tool == "make_batch":
        source = draw(st.sampled_from(["items", "file", "retry"]))
        left_out = {"items", "file", "retry"} - {source}
        left_out |= {"common", "output_dir"} if source == "retry" else set[str]()
        arguments = {name: value for name, value in arguments.items() if name not in left_out}
        arguments.setdefault(source, draw(values[source]))
    if arguments.get("mask"):
        arguments.pop("extend", None)
    if arguments.get("output_format", "png") == "png":
        arguments.pop("output_compression", None)
    if not arguments.get("filename_prefix", "").strip():
        arguments.pop("filename_prefix", None)
    if "transparent" in arguments.get("background", "") and arguments.get("output_format") == "jpeg":
        del arguments["background"]
    if arguments.get("background") == "transparent-fine" and tool != "image_costs":
        arguments.pop("n", None)
    return arguments


def parsed(tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """What a tool goes on with: the values of its request, the ones that are left out apart."""
    values = parse(REQUESTS[tool], arguments).model_dump(mode="json")
    # A prompt that is taken from another picture is empty here, and so is what the items of a batch do not share.
    nothing = (("prompt", ""), ("common", ""))
    return {name: value for name, value in values.items() if value is not None and (name, value) not in nothing}
