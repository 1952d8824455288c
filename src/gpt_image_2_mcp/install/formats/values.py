"""Values of documents whose shape is not known."""

from typing import Any, cast


def mapping(value: object) -> dict[str, Any] | None:
    """The value if it is a mapping, otherwise None."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def strings(value: object) -> list[str]:
    """The elements of a list as texts; none if the value is no list."""
    return [str(part) for part in cast("list[object]", value)] if isinstance(value, list) else []
