"""A picture as text: one line in a list, or all details."""

from typing import Final

from ..billing.prices import dollars
from ..catalogue.picture_record import Origin, Picture
from ..catalogue.session import Session, tree
from ..images import LABEL, WITH_ARTICLE
from ..redaction.printable import REPLACEMENT, printable, printable_line, quoted_line

EXACT: Final = "exact"
"""What is said of an exact edit in a list."""


def summary_line(picture: Picture, *, with_path: bool = True) -> str:
    """Describe a picture in one line: id, time, size, cost, the beginning of its prompt, and its path."""
    record = picture.record
    parts = [
        record.id,
        f"{record.made.astimezone():%Y-%m-%d %H:%M}",
        record.size_text,
        *([EXACT] if record.is_exact else []),
        *([] if record.can_be_shown else [no_thumbnail_text(picture)]),
        cost_text(picture),
        *([f"turn {record.position.turn}"] if record.position else []),
    ]
    text = f"{', '.join(parts)}, {quoted_line(record.prompt)}"
    return f"{text}, {path_text(picture)}" if with_path else text


def path_text(picture: Picture) -> str:
    """The picture's path on one line, for a text that others may read as ours."""
    return printable(str(picture.path)).replace("\n", REPLACEMENT)


def cost_text(picture: Picture) -> str:
    """Return what a picture cost, in dollars or in words."""
    record = picture.record
    if record.sandbox:
        return "free (sandbox)"
    if record.cost_usd is None and (record.is_composite or record.is_derived):
        return "no cost of its own"
    return "cost unknown" if record.cost_usd is None else dollars(record.cost_usd)


def no_thumbnail_text(picture: Picture) -> str:
    """Return what stands in a list in place of a thumbnail."""
    record = picture.record
    if record.is_broken:
        return "damaged"
    return "file missing" if record.can_be_shown else f"not shown: {LABEL[record.format]}"


def not_shown_text(picture: Picture) -> str:
    """Return why a picture cannot be shown, and what to do instead, as a sentence."""
    record, path = picture.record, picture.path
    if record.is_broken:
        return f"{path.name} is damaged and cannot be shown. Another program may be able to read a part of it: {path}"
    what = WITH_ARTICLE[record.format]
    return f"{path.name} is {what}, which this server does not show. Open it with another program: {path}"


def details(picture: Picture, session: Session | None) -> str:
    """Return the full record, a field a line; for a turn of an edit session with the session's tree.

    A record may be a stranger's: no value of it begins a line.
    """
    record = picture.record
    parameters = ", ".join(f"{name} {value}" for name, value in record.parameters.items())
    came = ", ".join(f"{name} {value}" for name, value in record.applied.items() if value is not None)
    lines = [
        f"id: {record.id}",
        f"file: {path_text(picture)}",
        f"made: {record.made.astimezone():%Y-%m-%d %H:%M:%S %Z}" + (f" by {record.client}" if record.client else ""),
        f"picture: {record.size_text} {record.format.upper()}, {record.size_bytes:,} bytes"
        + (", an exact edit" if record.is_exact else ""),
        f"sha256: {record.sha256}",
        f"model: {record.model}; asked for: {parameters or 'nothing in particular'}; came: {came or 'not told'}",
        f"cost: {cost_text(picture).removeprefix('cost ')}{_tokens(picture)}",
    ]
    lines += [f"made from: {_origin(origin)}" for origin in record.parents]
    lines += [f"project: {record.project}"] if record.project else []
    lines += [f"job: {record.job_id}"] if record.job_id else []
    lines += [f"request: {record.request_id}"] if record.request_id else []
    if record.position is not None:
        lines.append(f"session: {record.position.session_id}, turn {record.position.turn}")
    lines = [printable_line(line) for line in lines]
    if record.position is not None and session:
        lines.append(tree(session))
    return "\n".join([*lines, _prompt(record.prompt)])


def _prompt(prompt: str) -> str:
    """The whole prompt: behind its name, or, if it has several lines, below that with a mark before each."""
    lines = printable(prompt).splitlines()
    return "\n".join(["prompt:", *(f"  | {line}" for line in lines)]) if len(lines) > 1 else f"prompt: {''.join(lines)}"


def _tokens(picture: Picture) -> str:
    usage = picture.record.usage
    return "" if usage is None else f"; tokens: {usage.input_tokens:,} in, {usage.output_tokens:,} out"


def _origin(origin: Origin) -> str:
    name = origin.id or origin.path or origin.source
    match origin.role:
        case "mask":
            return f"{name} (mask)"
        case "model":
            return f"{name} (the model's own picture)"
        case _:
            return name
