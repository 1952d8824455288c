"""Turns pydantic's validation errors into sentences for the model or user who wrote the value: rule, value, way out.

The rule is read from the JSON schema that the client was shown, so that message and schema cannot disagree.
"""

from collections.abc import Collection, Mapping
from typing import Any, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ..errors import MAX_VALUE_SHOWN, shown
from .normalize import similar_name

Schema = Mapping[str, Any]

NO_PARAMETER = "There is no parameter"
MAX_SENTENCES = 10
"""Broken rules that one message lists."""


def explain(error: ValidationError, model: type[BaseModel], *, only: Collection[str] | None = None) -> str:
    """A line for each rule of `model` that the arguments break, at most `MAX_SENTENCES` of them.

    With `only`, a line for each rule about one of these parameters alone; empty if they break none.
    """
    properties = cast("dict[str, Schema]", model.model_json_schema(by_alias=True).get("properties", {}))
    findings = [found for found in error.errors() if only is None or (found["loc"] and found["loc"][0] in only)]
    sentences = list(dict.fromkeys(_explain_one(finding, properties) for finding in findings[:MAX_SENTENCES]))
    unknown = [number for number, sentence in enumerate(sentences) if sentence.startswith(NO_PARAMETER)]
    without_hint = [number for number in unknown if not sentences[number].endswith("?")]
    if without_hint:
        known = f" The parameters are: {', '.join(properties)}." if properties else " There are no parameters here."
        sentences[without_hint[-1]] += known
    if len(findings) > MAX_SENTENCES:
        sentences.append(f"… and {len(findings) - MAX_SENTENCES} more.")
    return "\n".join(sentences)


def describe_rule(schema: Schema) -> str:
    """Describe in words what a value of this schema may be, such as "a whole number from 1 to 10"."""
    if "anyOf" in schema:
        parts = [part for part in cast("list[Schema]", schema["anyOf"]) if part.get("type") != "null"]
        # A `Decimal` may be written as a number or as a string; the message mentions the number only.
        numbers = [part for part in parts if part.get("type") in ("integer", "number")]
        return " or ".join(describe_rule(part) for part in numbers or parts)
    if "enum" in schema:
        return "one of " + ", ".join(str(choice) for choice in cast("list[object]", schema["enum"]))
    match schema.get("type"):
        case "integer":
            return "a whole number" + _describe_range(schema, "minimum", "maximum")
        case "number":
            return "a number" + _describe_range(schema, "minimum", "maximum")
        case "boolean":
            return "1 or 0"
        case "array":
            return (
                f"a list of {_describe_count(schema, 'minItems', 'maxItems')} texts ({schema.get('description', '')})"
            )
        case _ if "pattern" in schema:
            return f"a text {schema.get('description', '')}"
        case _:
            count = _describe_count(schema, "minLength", "maxLength")
            return f"a text of {count} character{'' if count.endswith(' 1') else 's'}" if count else "a text"


def _explain_one(finding: ErrorDetails, properties: Mapping[str, Schema]) -> str:
    where = finding["loc"]
    if not where or finding["type"] == "value_error":
        return f"{finding.get('ctx', {}).get('error', finding['msg'])}."
    name = str(where[0])
    if finding["type"] == "extra_forbidden":
        meant = similar_name(name, properties)
        hint = f": did you mean `{meant}`?" if meant else "."
        return f"{NO_PARAMETER} `{shown(name)[1:-1] if len(name) <= MAX_VALUE_SHOWN else shown(name)}`{hint}"
    schema = properties.get(name, {})
    if finding["type"] == "missing":
        return f"`{name}` is missing ({schema.get('description') or describe_rule(schema)})."
    if len(where) > 1 and isinstance(where[1], int) and "items" in schema:
        return (
            f"Item {where[1] + 1} of `{name}` must be {describe_rule(schema['items'])}; got {_describe_value(finding)}."
        )
    return f"`{name}` must be {describe_rule(schema)}; got {_describe_value(finding)}."


def _describe_value(finding: ErrorDetails) -> str:
    value = finding["input"]
    match finding["type"]:
        case "string_too_long":
            return f"{len(cast('str', value)):,} characters"
        case "too_long" | "too_short":
            return f"{len(cast('list[object]', value))} of them"
        case _:
            return shown(value)


def _describe_range(schema: Schema, least: str, most: str) -> str:
    low, high = schema.get(least), schema.get(most)
    if low is not None and high is not None:
        return f" from {_format_number(low)} to {_format_number(high)}"
    return f" of {_format_number(low)} or more" if low is not None else ""


def _format_number(number: float) -> str:
    return f"{int(number):,}" if number == int(number) else f"{number:,}"


def _describe_count(schema: Schema, least: str, most: str) -> str:
    low, high = schema.get(least, 0), schema.get(most)
    if high is None:
        return f"at least {low:,}" if low else ""
    return f"{low:,} to {high:,}" if low else f"at most {high:,}"
