"""What the converters of agent frameworks make of the tools: as much as the tools say. `make converters` records it."""

import json
from pathlib import Path
from typing import Any, cast

import pytest
from listed_tools import today

RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "converters" / "recorded.json").read_text("utf-8"))
CONVERTED: dict[str, Any] = RECORDED["converted"]
D = "description"


def without_words(value: Any) -> Any:
    """A part of the tools without its descriptions, which every converter passes on as they are."""
    match value:
        case dict():
            fields = cast("dict[str, Any]", value)
            return {key: without_words(part) for key, part in fields.items() if not isinstance(part, str) or key != D}
        case list():
            return [without_words(part) for part in cast("list[Any]", value)]
        case _:
            return value


def test_what_is_recorded_belongs_to_the_tools_of_today() -> None:
    assert without_words(RECORDED["tools"]) == without_words(today()), "run make converters"


@pytest.mark.parametrize("converter", CONVERTED)
def test_a_converter_loses_no_meaning(converter: str) -> None:
    for tool in RECORDED["tools"]:
        name, schema = tool["name"], tool["inputSchema"]
        converted = CONVERTED[converter]["tools"][name]
        assert converted[D] == tool[D], name
        properties = converted["parameters"].get("properties", {})
        assert list(properties) == list(schema["properties"]), name
        required = set(converted["parameters"].get("required", []))
        is_strict = converter.endswith("strict")
        assert required == (set(properties) if is_strict else set(schema.get("required", []))), name
        for parameter, rules in schema["properties"].items():
            found = properties[parameter]
            # Limits that a form of schema has no place for are written into the description.
            assert found[D].startswith(rules[D]), (name, parameter)
            assert found["type"].lower() == rules["type"], (name, parameter)
            assert found.get("enum") == rules.get("enum"), (name, parameter)
            if rules["type"] == "array":
                assert found["items"]["type"].lower() == rules["items"]["type"], (name, parameter)
