"""The report of a finished job: as values, as JSON for programs, and as a text for the user and the model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AliasChoices, Field

from ..billing.prices import dollars
from ..billing.tokens import Usage
from ..catalogue.picture_record import NO_MODEL, SessionPosition
from ..catalogue.session import position_lines
from ..errors import shorten, shorten_line
from ..images.preview import Preview
from ..parameters.fields import passes_of
from ..pixels.layout_text import layout_text
from ..pixels.matte_text import is_matte, matte_text
from ..pixels.proof_text import proof_text
from ..storage.link import Link, place_of
from ..storage.local_folder import Kind, SavedImage

MAX_TEXT = 7_900
"""Characters of an answer's text: clients cut or refuse long answers, and the model pays for each of them."""

MASK_MARK = " (mask)"
"""What stands behind the name of a mask among the inputs."""
MAX_INPUT_NAME = 200
"""Characters of what a picture was made from, in an answer's text."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was asked for, what was made, where the files are, and what it cost.

    The `jobs` table stores it as JSON, with the names of the fields as keys, so a renamed field keeps its older key.
    """

    kind: Kind
    model: str
    prompt: str
    requested: Mapping[str, Any]
    """`size`, `quality`, `n`, `format` and `background` as the call gave them, or their defaults."""
    applied: Mapping[str, Any]
    """The same of the pictures that were made; None where neither the API nor the file says it."""
    images: tuple[SavedImage, ...]
    """At least one. What the person asked for comes first, then the pictures that these were made from."""
    usage: Usage | None
    """The tokens of all API requests together; None if one of them came without."""
    cost: Decimal | None
    """Dollars, computed from `usage`; None if the usage or a price is not known."""
    request_id: str | None
    inputs: tuple[str, ...] = ()
    """What the pictures were made from: the id of a picture that was made here, otherwise its source."""
    warnings: tuple[str, ...] = ()
    """Sentences for the user and the model."""
    position: Annotated[
        SessionPosition | None,
        Field(validation_alias=AliasChoices("place", "position"), serialization_alias="place"),
    ] = None
    """The picture's turn in its session; None outside of one. Its key in the `jobs` table is `place`, an older name."""
    tree: str = ""
    """The session's turns, drawn as text."""
    final: Mapping[str, Any] | None = None
    """Of the final of a draft: the id of the `draft`, the `layouts` of the pictures by their ids (see `pixels.layout`),
    how many `drafts` there were, and where known the cost of all (`together_usd`) and of as many finals
    (`finals_usd`)."""
    sandbox: bool = False
    """Whether the sandbox answered: the cost is what OpenAI would have asked for, and nothing was paid."""
    previews: Mapping[str, Preview] = field(default_factory=dict[str, Preview], compare=False, repr=False)
    """By image id. Dropped after the first answer; `ImageService.previews` makes them again from the files."""
    links: Mapping[str, Link] | None = field(default=None, compare=False, repr=False)
    """On a server, the links to the pictures by their ids; one that cannot be fetched yet has none. Never stored."""

    @property
    def wanted(self) -> tuple[SavedImage, ...]:
        """The pictures that the person asked for, in order: all but those that others were made from."""
        return tuple(image for image in self.images if image.id not in self._used)

    @property
    def behind(self) -> tuple[SavedImage, ...]:
        """The pictures that others were made from: the API's own, and exact edits in their own size."""
        return tuple(image for image in self.images if image.id in self._used)

    @property
    def _used(self) -> set[str | None]:
        return {name for image in self.images for name in (image.made_from, image.also_from)}

    @property
    def passes(self) -> int:
        """How many pictures the API was asked for, for each that the person wanted."""
        return passes_of(self.requested.get("background"))

    def redacted(self, redact: Callable[[str], str]) -> "Report":
        """A copy without secrets in the texts that the user, the model or the backend wrote."""

        def clean(value: Any) -> Any:
            return redact(value) if isinstance(value, str) else value

        return replace(
            self,
            prompt=redact(self.prompt),
            applied={name: clean(value) for name, value in self.applied.items()},
            request_id=clean(self.request_id),
            inputs=tuple(map(redact, self.inputs)),
            warnings=tuple(map(redact, self.warnings)),
        )

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON for programs, which an answer carries in its `_meta`."""
        report: dict[str, Any] = {
            "model": self.model,
            "prompt": self.prompt,
            "requested": dict(self.requested),
            "applied": dict(self.applied),
            "images": [_image(image, self.links, has_roles=bool(self.behind)) for image in self.images],
            "inputs": list(self.inputs),
            "usage": self.usage.as_dict() if self.usage else None,
            "cost_usd_estimated": float(self.cost) if self.cost is not None else None,
            "request_id": self.request_id,
            "warnings": list(self.warnings),
            "sandbox": self.sandbox,
        }
        if self.final is not None:
            report["final"] = dict(self.final)
        if proof := next((image.proof for image in self.images if image.proof), None):
            report["proof"] = dict(proof)
        if self.position is not None:
            position = self.position
            report |= {"session_id": position.session_id, "turn": position.turn, "parent_turn": position.parent}
            report |= {"tree": self.tree} | ({"branch": True} if position.is_branch else {})
        return report

    def text(self, *, shown: str = "") -> str:
        """The report as a text: what was made, the files, the cost, the warnings; at most `MAX_TEXT` characters.

        `shown` is a line about the previews beside it.
        """
        lines = [self._headline()]
        layouts: Mapping[str, Any] = (self.final or {}).get("layouts", {})
        for image in self.wanted:
            lines.append(self._place(image))
            lines += [layout_text(layouts[image.id])] if layouts.get(image.id) else []
            lines += [image.change] if image.change else []
            lines += [_proof_text(image.proof)] if image.proof else []
        for image in self.behind:
            lines.append(f"{_BEHIND[image.role]}: {image.path if self.links is None else image.id}")
            lines += [_proof_text(image.proof)] if image.proof else []
        if self.links:
            until = min(self.links.values(), key=lambda link: link.ends).until
            lines.append(f"The link is valid until {until}; show_image with an id gives a new one, of each of these.")
        lines += [shown] if shown else []
        lines += [f"From: {shorten_line(name, MAX_INPUT_NAME)}" for name in self.inputs]
        lines += self._drawn_anew()
        lines += [self._cost_line()] if self.model != NO_MODEL else []
        lines += [self._drafts_line()] if self.final and "finals_usd" in self.final else []
        lines += [] if self.position is None else position_lines(self.position, self.tree)
        lines += [f"Note: {warning}" for warning in self.warnings]
        return shorten("\n".join(lines), MAX_TEXT)

    def _drawn_anew(self) -> list[str]:
        """What is told of a picture that was put together of several: people expect that their logo is pasted."""
        if sum(not name.endswith(MASK_MARK) for name in self.inputs) < 2:  # noqa: PLR2004 - pictures to put together
            return []
        which = "image 2 and later ones" if any(image.proof for image in self.images) else "these pictures"
        return [f"What was taken from {which} is drawn anew: a logo, a face or a text is never exactly the same."]

    def _place(self, image: SavedImage) -> str:
        """Where a picture is: its path, or on a server how it is fetched."""
        if self.links is None:
            return str(image.path)
        link = self.links.get(image.id)
        return link.fetch_text(image.path.name) if link else f"{image.id} (no link yet)"

    def _headline(self) -> str:
        if self.model == NO_MODEL:
            image = self.wanted[0]
            size = f"{image.facts.width}x{image.facts.height}, {image.facts.format.upper()}, {image.size_bytes:,} bytes"
            return f"Cut out: 1 picture, {size}. This was done here: nothing was sent, and it is free."
        verb = "Made" if self.kind == "image" else "Edited"
        count = len(self.wanted)
        first = self.wanted[0]
        size, kind = self.applied["size"], self.applied["format"]
        if first.made_from:
            # A composite has the original's size, and a format of its own.
            size, kind = f"{first.facts.width}x{first.facts.height}", first.facts.format
        facts = [str(size or "size unknown")]
        if self.applied["quality"]:
            facts.append(f"quality {self.applied['quality']}")
        facts.append(str(kind).upper())
        if self.applied["background"] == "transparent":
            facts.append("transparent background")
        together = " together" if count > 1 else ""
        facts.append(f"{sum(image.size_bytes for image in self.wanted):,} bytes{together}")
        maker = f"by the built-in sandbox in place of {self.model}" if self.sandbox else f"with {self.model}"
        return f"{verb}: {count} picture{'s' if count > 1 else ''} {maker}, {', '.join(facts)}."

    def _drafts_line(self) -> str:
        final = self.final or {}
        count = final["drafts"]
        together, finals = (Decimal(str(final[name])) for name in ("together_usd", "finals_usd"))
        quality = self.requested["quality"]
        has = "would have cost" if self.sandbox else "cost"
        return (
            f"The {count} drafts and this final together {has} about {dollars(together)}; {count} pictures at {quality}"
            f" would have cost about {dollars(finals)}."
        )

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


def _proof_text(proof: Mapping[str, Any]) -> str:
    return matte_text(proof) if is_matte(proof) else proof_text(proof)


_BEHIND: Mapping[str, str] = {
    "exact": "The exact edit in its own size",
    "transparent": "The transparent picture in its own size",
    "model": "The model's own picture",
    "delivered": "The picture in another size",
}
"""What the pictures are that others were made from, by their roles."""


def _image(image: SavedImage, links: Mapping[str, Link] | None, *, has_roles: bool) -> dict[str, Any]:
    damage = {"broken": True} if image.broken else {}
    role: dict[str, Any] = {"role": image.role} if has_roles else {}
    role |= {"made_from": image.made_from} if image.made_from else {}
    role |= {"also_from": image.also_from} if image.also_from else {}
    role |= {"proof": dict(image.proof)} if image.proof else {}
    role |= {"change": image.change} if image.change else {}
    role |= {"ground_prompt": image.ground_prompt} if image.ground_prompt else {}
    return {
        "id": image.id,
        **place_of(image.id, image.path, links),
        "filename": image.path.name,
        "mime_type": image.mime_type,
        "size_bytes": image.size_bytes,
        "width": image.facts.width or None,
        "height": image.facts.height or None,
        "sha256": image.sha256,
        **role,
        **damage,
    }
