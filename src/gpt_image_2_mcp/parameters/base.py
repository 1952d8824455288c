"""`Request`, the base of all requests, and the order of their parameters."""

from collections.abc import Iterable
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

PARAMETER_ORDER = (
    "items",
    "file",
    "common",
    "when",
    "retry",
    "session_id",
    "from_turn",
    "prompt",
    "like",
    "images",
    "mask",
    "keep",
    "extend",
    "size",
    "quality",
    "model",
    "n",
    "background",
    "output_format",
    "output_compression",
    "moderation",
    "image",
    "to",
    "fit",
    "output_dir",
    "filename_prefix",
    "user",
)
"""The order of parameters in a tool's schema, whichever base class a field comes from."""


def _order_properties(schema: dict[str, Any]) -> None:
    properties = schema.get("properties", {})
    schema["properties"] = {name: properties[name] for name in (*PARAMETER_ORDER, *properties) if name in properties}


class Request(BaseModel):
    """The base of all requests: immutable, and an argument that it does not know is an error."""

    # Each model is built at its first use: one call needs one of them.
    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra=_order_properties, defer_build=True)

    _notes: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about arguments that were ignored, for the answer."""
        return self._notes

    def with_notes(self, notes: Iterable[str]) -> Self:
        """The same request, with these notes added."""
        self._notes = (*self._notes, *notes)
        return self
