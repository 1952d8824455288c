"""What an operation tells of its result: facts for a program, and a text for a person and a model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AliasChoices, Field

from ..billing.pricing import dollars
from ..billing.tokens import Usage
from ..catalogue.models import SessionPosition
from ..catalogue.session import position_lines
from ..images.preview import Preview
from ..storage.local_folder import Kind, SavedImage

MAX_TEXT = 7_900
"""Characters of a text: clients cut or refuse long answers, and a model pays for every one."""
MAX_PROMPT_IN_LIST = 120
"""Characters of a prompt where it stands in a list."""


@dataclass(frozen=True, slots=True)
class Report:
    """A finished operation: what was asked for, what came back, where it lies, what it cost."""

    kind: Kind
    model: str
    prompt: str
    requested: Mapping[str, Any]
    applied: Mapping[str, Any]
    images: tuple[SavedImage, ...]
    usage: Usage | None
    cost: Decimal | None
    request_id: str | None
    warnings: tuple[str, ...] = ()
    position: Annotated[
        SessionPosition | None,
        Field(validation_alias=AliasChoices("place", "position"), serialization_alias="place"),
    ] = None
    """The picture's turn in its session; None outside of one. The `jobs` table has it under its older name, `place`."""
    tree: str = ""
    """The session's turns, as text."""
    sandbox: bool = False
    previews: Mapping[str, Preview] = field(default_factory=dict[str, Preview], compare=False, repr=False)
    """By image id; gone once they were shown, and made again from the file when asked for."""

    def redacted(self, redact: Callable[[str], str]) -> "Report":
        """The same with secrets taken out of every text that the user, the model or the backend wrote."""

        def clean(value: Any) -> Any:
            return redact(value) if isinstance(value, str) else value

        return replace(
            self,
            prompt=redact(self.prompt),
            applied={name: clean(value) for name, value in self.applied.items()},
            request_id=clean(self.request_id),
            warnings=tuple(map(redact, self.warnings)),
        )

    def as_dict(self) -> dict[str, Any]:
        """The machine-readable report."""
        report: dict[str, Any] = {
            "model": self.model,
            "prompt": self.prompt,
            "requested": dict(self.requested),
            "applied": dict(self.applied),
            "images": [_image(image) for image in self.images],
            "usage": self.usage.as_dict() if self.usage else None,
            "cost_usd_estimated": float(self.cost) if self.cost is not None else None,
            "request_id": self.request_id,
            "warnings": list(self.warnings),
            "sandbox": self.sandbox,
        }
        if self.position is not None:
            position = self.position
            report |= {"session_id": position.session_id, "turn": position.turn, "parent_turn": position.parent}
            report |= {"tree": self.tree} | ({"branch": True} if position.is_branch else {})
        return report

    def text(self) -> str:
        """What was made, where it lies and what it cost, in at most `MAX_TEXT` characters."""
        lines = [self._headline(), *(str(image.path) for image in self.images), self._cost_line()]
        lines += [] if self.position is None else position_lines(self.position, self.tree)
        lines += [f"Note: {warning}" for warning in self.warnings]
        return clipped("\n".join(lines))

    def _headline(self) -> str:
        verb = "Made" if self.kind == "image" else "Edited"
        count = len(self.images)
        facts = [str(self.applied["size"] or "size unknown")]
        if self.applied["quality"]:
            facts.append(f"quality {self.applied['quality']}")
        facts.append(str(self.applied["format"]).upper())
        if self.applied["background"] == "transparent":
            facts.append("transparent background")
        maker = f"by the built-in sandbox in place of {self.model}" if self.sandbox else f"with {self.model}"
        return f"{verb}: {count} picture{'s' if count > 1 else ''} {maker}, {', '.join(facts)}."

    def _cost_line(self) -> str:
        if self.usage is None:
            tokens = "The API named no usage"
        else:
            tokens = f"Tokens: {self.usage.input_tokens:,} in, {self.usage.output_tokens:,} out"
        if self.cost is None:
            price = "cost unknown"
        elif self.sandbox:
            price = f"free, {self.model} would have cost about {dollars(self.cost)}"
        else:
            price = f"cost about {dollars(self.cost)}"
        return f"{tokens}; {price}."


def clipped(text: str) -> str:
    """A text of at most `MAX_TEXT` characters."""
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def shortened(prompt: str) -> str:
    """A prompt on one line, at a length for lists."""
    line = " ".join(prompt.split())
    return line if len(line) <= MAX_PROMPT_IN_LIST else line[: MAX_PROMPT_IN_LIST - 1] + "…"


def _image(image: SavedImage) -> dict[str, Any]:
    return {
        "id": image.id,
        "file_path": str(image.path),
        "filename": image.path.name,
        "mime_type": image.mime_type,
        "size_bytes": image.size_bytes,
        "width": image.facts.width,
        "height": image.facts.height,
        "sha256": image.sha256,
    }
