"""One picture of the gallery: its thumbnail, its prompt, and all that is known of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from urllib.parse import quote

from ...billing.pricing import dollars
from ...catalogue.models import Origin, Picture
from ...images import MIME, sniff
from ...images.formats import LABEL, SNIFFED
from .markup import escaped, local, shortened

MAX_ALT = 160
"""Characters of a prompt that stand for the picture where it cannot be seen."""
MAX_PROMPT = 240
"""Characters of a prompt on a card; a longer one stands whole among the details."""
MAX_WORD = 120
"""Characters of a parameter's value."""
KINDS = {"image": "Generated", "edit": "Edit", "session": "Session"}


@dataclass(frozen=True, slots=True)
class Cards:
    """What all cards of a page share."""

    thumbnail: Callable[[Picture], bytes | None]
    beside: Path | None
    zone: tzinfo | None
    ids: frozenset[str]
    """The pictures on this page, to link to."""

    def card(self, picture: Picture) -> str:
        """A list item."""
        record = picture.record
        tags = [KINDS[record.kind]]
        if record.position:
            tags = [f"Turn {record.position.turn}", *(["late"] if record.position.is_branch else [])]
        if record.sandbox:
            tags.append("sandbox")
        made = local(record.made, self.zone)
        cost = dollars(record.cost_usd) if record.cost_usd is not None else "cost unknown"
        facts = [f"{record.width}×{record.height}", cost, f'<time datetime="{made.isoformat()}">{made:%H:%M}</time>']
        return (
            f'<li class="card" id="{escaped(picture.id)}">{self._shot(picture)}<div class="text">'
            f'<p class="tags">{"".join(f"<span>{tag}</span>" for tag in tags)}</p>'
            f'<p class="prompt" dir="auto">{escaped(shortened(record.prompt, MAX_PROMPT)) or "(no prompt)"}</p>'
            f'<p class="facts">{" · ".join(facts)}</p>{self._details(picture)}</div></li>\n'
        )

    def _shot(self, picture: Picture) -> str:
        import pybase64

        small = self.thumbnail(picture)
        kind = sniff(small[:SNIFFED]) if small else None
        if small is None or kind is None:
            return '<div class="shot missing"><span>File missing</span></div>'
        alt = escaped(shortened(picture.record.prompt, MAX_ALT)) or "Picture without a prompt"
        data = pybase64.b64encode_as_string(small)
        image = f'<img src="data:{MIME[kind]};base64,{data}" alt="{alt}" loading="lazy" decoding="async">'
        link = self._link(picture.path)
        return f'<a class="shot" href="{link}">{image}</a>' if link else f'<div class="shot">{image}</div>'

    def _link(self, path: Path) -> str | None:
        """The file's address, escaped; nothing but a file's can come out."""
        try:
            if self.beside and path.is_relative_to(self.beside) and ".." not in path.parts:
                return escaped(f"./{quote(path.relative_to(self.beside).as_posix())}")
            return escaped(path.as_uri())
        except ValueError:
            # A relative path, or a name that is no text.
            return None

    def _details(self, picture: Picture) -> str:
        rows = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in self._known(picture) if value)
        prompt = picture.record.prompt
        whole = f'<p class="whole" dir="auto">{escaped(prompt)}</p>' if shortened(prompt, MAX_PROMPT) != prompt else ""
        return f"<details><summary>Details</summary>{whole}<dl>{rows}</dl></details>"

    def _known(self, picture: Picture) -> Iterator[tuple[str, str]]:
        record = picture.record
        yield "Made", f"{local(record.made, self.zone):%Y-%m-%d %H:%M:%S %z}"
        yield "Model", escaped(record.model)
        for name in ("quality", "background"):
            yield (
                name.capitalize(),
                escaped(str(record.applied.get(name) or record.parameters.get(name) or "")[:MAX_WORD]),
            )
        yield "File", f"{LABEL[record.format]}, {record.size_bytes:,} bytes"
        yield "Client", escaped(record.client or "")
        yield "Project", escaped(record.project or "")
        if record.usage:
            yield "Tokens", f"{record.usage.input_tokens:,} in, {record.usage.output_tokens:,} out"
        yield "Made from", "<br>".join(map(self._origin, record.parents))
        yield "Path", f"<code>{escaped(str(picture.path))}</code>"
        yield "Id", f"<code>{escaped(picture.id)}</code>"
        yield "Request", f"<code>{escaped(record.request_id)}</code>" if record.request_id else ""

    def _origin(self, origin: Origin) -> str:
        what = "mask: " if origin.role == "mask" else ""
        if origin.id in self.ids:
            return f'{what}<a href="#{escaped(origin.id or "")}">{escaped(origin.id or "")}</a>'
        return f"{what}<code>{escaped(origin.path or origin.source)}</code>"
