"""A batch as answers tell of it: how many of its lines are there, what is with the others, and how long it takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from ..billing.prices import dollars
from ..errors import shorten, shorten_line
from ..jobs.job import BATCH_PREFIX
from ..jobs.report import MAX_TEXT
from ..openai_api.picture_pace import finish_text
from ..pixels.layout_text import layout_text
from ..storage.link import place_of
from .parts import deletion_text

if TYPE_CHECKING:
    from ..catalogue.batch_table import BatchRow, LineEnd, LineRow
    from ..catalogue.picture_record import Picture
    from ..storage.link import Link

MAX_FAILURES_TOLD: Final = 10
"""Reasons that an answer tells, and lines that it names for each."""
MAX_REASON: Final = 300
"""Characters of such a reason."""
MAX_FINALS: Final = 10
"""Finals of drafts of which an answer tells how close they are."""
NEWEST: Final = 20
"""Pictures on the sheet of a batch."""


def line_id(batch_id: str, number: int) -> str:
    """The id of a line as a job, and its `custom_id` at OpenAI."""
    return f"{batch_id}-{number}"


def is_batch_id(job_id: str) -> bool:
    """Whether an id is that of a batch, and not of a job or a line."""
    return job_id.startswith(BATCH_PREFIX) and job_id.count("-") == 1


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """How a batch stands at a moment."""

    row: "BatchRow"
    lines: "Sequence[LineRow]"
    ends: "Mapping[int, LineEnd]"
    pictures: "Sequence[Picture]"
    """The newest, at most `NEWEST`, the newest last."""
    usd: Decimal | None = None
    """Dollars: what the lines cost, and the estimates of those that are not over; None where it is not known."""
    minutes: float | None = None
    """Minutes until it is done, as far as that can be known."""
    is_left: bool = False
    """Whether the process that made it now is gone."""
    lost: frozenset[int] = frozenset()
    """The lines that were sent by a process that is gone: they may be billed."""
    trouble: str = ""
    """Why this process could not look at it just now."""
    joined: bool = False
    """Whether an identical call was made before, and this is its batch."""
    links: "Mapping[str, Link] | None" = None
    """On a server, the links to the newest pictures by their ids, in place of paths."""

    @property
    def done(self) -> int:
        """How many lines have their pictures."""
        return sum(end.state == "done" for end in self.ends.values())

    @property
    def refused(self) -> list[int]:
        """The numbers of the lines that moderation refused."""
        return sorted(number for number, end in self.ends.items() if end.outcome.get("refused"))

    @property
    def failed(self) -> list[int]:
        """The numbers of the other lines that failed."""
        return sorted(number for number, end in self.ends.items() if end.state == "failed" and not is_refused(end))

    @property
    def left(self) -> int:
        """How many lines are not over."""
        return self.row.total - len(self.ends)

    @property
    def is_over(self) -> bool:
        """Whether no line can end any more."""
        return self.row.state == "ended" or self.is_left

    @property
    def retryable(self) -> list[int]:
        """The numbers of the lines that may be sent again: not those of moderation, nor those that may be billed."""
        if not self.is_over:
            return []
        ends = self.ends
        unsent = [line.number for line in self.lines if line.number not in ends and line.number not in self.lost]
        return sorted([*unsent, *(n for n in self.failed if not ends[n].outcome.get("billed"))])

    @property
    def is_submitted(self) -> bool:
        """Whether it is with OpenAI, so that waiting for it takes hours."""
        return self.row.is_cheap and self.row.state == "open"

    @property
    def numbered(self) -> "Mapping[int, Picture]":
        """The newest pictures by their numbers: those of their lines, unless a line has made several."""
        lines = [int((picture.record.job_id or "").rpartition("-")[2]) for picture in self.pictures]
        ordered = [picture for _, picture in sorted(zip(lines, self.pictures, strict=True), key=lambda pair: pair[0])]
        numbers = sorted(lines) if len(set(lines)) == len(lines) else range(1, len(lines) + 1)
        return dict(zip(numbers, ordered, strict=True))

    @property
    def paths(self) -> list[str]:
        """The numbered files of the newest pictures; on a server, their ids."""
        return [
            f"{number}. {picture.path if self.links is None else picture.id}"
            for number, picture in self.numbered.items()
        ]

    @property
    def headline(self) -> str:
        """How many lines are done, and how it goes on."""
        return f"{self.counts}; {self._stand}"

    @property
    def counts(self) -> str:
        """How many lines are done, and what is with the others."""
        told = [f"{self.done} of {self.row.total} done"]
        told += [f"{len(self.refused)} refused by moderation"] if self.refused else []
        told += [f"{len(self.failed)} failed"] if self.failed else []
        told += [f"{len(self.lost)} may be billed without an answer"] if self.lost else []
        return ", ".join(told)

    def text(self) -> str:
        """All of it in words, at most `MAX_TEXT` characters."""
        return shorten("\n".join([*self.lines_about_it(), *self._what_to_call()]), MAX_TEXT)

    def _what_to_call(self) -> list[str]:
        if self.retryable:
            return [f"{len(self.retryable)} can be sent again: make_batch with retry {self.row.id!r}."]
        if self.is_over:
            return []
        return [f"Call get_image_job with job_id {self.row.id!r} {self._when}; do not repeat the first call."]

    def lines_about_it(self) -> list[str]:
        """How it stands, what it costs, what failed, and the newest pictures."""
        row = self.row
        joined = "This is what your earlier identical call began; nothing is paid again. " if self.joined else ""
        lines = [f"{joined}Batch {row.id}: {self.headline}."]
        if self.usd:
            share = " (half price)" if row.is_cheap else ""
            so_far = "It cost" if self.is_over else "It costs, with what is not done yet,"
            lines.append(f"{so_far} about {dollars(self.usd)}{share}.")
        lines += [f"Note: {note}" for note in (row.details or {}).get("notes", [])]
        lines += [f"It cannot be looked at just now, and is again later: {self.trouble}"] if self.trouble else []
        lines += [told] if (told := deletion_text(row.parts or ())) and not self.is_over else []
        lines += self._failures()
        lines += self._finals()
        lines += self.paths
        lines += ["show_image with an id gives a link to its file."] if self.links is not None and self.pictures else []
        return lines

    @property
    def _stand(self) -> str:
        row = self.row
        if self.is_left:
            return "the process that made it was ended, and the others were not sent"
        if row.state == "ended":
            return "cancelled" if row.is_cancelled else "ended"
        if row.is_cancelled:
            return "being cancelled; what is finished comes, and is billed"
        if row.state == "preparing":
            return "its pictures are read and uploaded; nothing is submitted yet"
        if self.minutes is not None:
            return f"{finish_text(self.minutes)} to go"
        if row.parts and all(part.get("ended_s") for part in row.parts):
            return "OpenAI is done with it, and its results are to be fetched"
        return "with OpenAI, which answers within 24 hours and often much sooner"

    @property
    def _when(self) -> str:
        if self.row.is_cheap:
            return "later, when the person asks or in ten minutes or more"
        return "to wait for it"

    def _failures(self) -> list[str]:
        names = {line.number: line.name for line in self.lines}
        by_reason: dict[str, list[str]] = {}
        for number in (*self.refused, *self.failed):
            reason = shorten_line(str(self.ends[number].outcome.get("error", "It is not known why.")), MAX_REASON)
            name = f"{number} ({names[number]})" if names.get(number) else str(number)
            by_reason.setdefault(reason, []).append(name)
        told = list(by_reason.items())[:MAX_FAILURES_TOLD]
        more = len(self.refused) + len(self.failed) - sum(len(lines) for _, lines in told)
        return [f"{_lines_text(lines)}: {reason}" for reason, lines in told] + (
            [f"… and {more} more."] if more > 0 else []
        )

    def _finals(self) -> list[str]:
        """How far the finals of drafts kept the draft's layout, of the newest lines."""
        told: list[str] = []
        for line in self.lines:
            end = self.ends.get(line.number)
            layouts = () if end is None else _layouts(end.outcome)
            name = f"{line.number} ({line.name})" if line.name else str(line.number)
            told += [f"Line {name}: {layout_text(figures)}" for figures in layouts]
        more = len(told) - MAX_FINALS
        return told if more <= 0 else [*told[-MAX_FINALS:], f"… and {more} finals before these."]

    def as_dict(self) -> dict[str, Any]:
        """The same for programs."""
        row = self.row
        state = "ended" if self.is_over else row.state
        return {
            "job_id": row.id,
            "state": state,
            "when": "cheap" if row.is_cheap else "now",
            "total": row.total,
            "done": self.done,
            "refused": self.refused,
            "failed": self.failed,
            "retryable": self.retryable,
            "cost_usd_estimated": None if self.usd is None else float(self.usd),
            "newest": [
                {"number": number, "id": picture.id, **place_of(picture.id, picture.path, self.links)}
                for number, picture in self.numbered.items()
            ],
        }


def given(pictures: "Sequence[Picture]") -> "list[Picture]":
    """Those that the person is given: all but those that others among them were made from here."""
    parents = [parent for picture in pictures for parent in picture.record.parents]
    used = {parent.id for parent in parents if parent.role in {"model", "derived_from"}}
    return [picture for picture in pictures if picture.id not in used]


def _layouts(outcome: "Mapping[str, Any]") -> list[Mapping[str, Any]]:
    """What is known of how the pictures of a line kept the layout of their draft; see `pixels.layout`."""
    report: Mapping[str, Any] = outcome.get("report") or {}
    final: Mapping[str, Any] = report.get("final") or {}
    layouts: Mapping[str, Mapping[str, Any]] = final.get("layouts") or {}
    return list(layouts.values())


def _lines_text(lines: Sequence[str]) -> str:
    """The lines that failed for one reason."""
    if len(lines) == 1:
        return f"Line {lines[0]}"
    more = len(lines) - MAX_FAILURES_TOLD
    told = ", ".join(lines[:MAX_FAILURES_TOLD])
    return f"Lines {told} and {more} more" if more > 0 else f"Lines {told}"


def is_refused(end: "LineEnd") -> bool:
    """Whether moderation refused a line."""
    return bool(end.outcome.get("refused"))
