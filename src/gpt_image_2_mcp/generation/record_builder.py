"""Builds the records of a job's pictures; `Recorder` adds their position in the session."""

from datetime import UTC, datetime
from typing import Any

from ..billing.budgets import NANO_USD, round_up_to_nano
from ..billing.tokens import Usage
from ..catalogue.picture_record import MAX_SHORT_TEXT, Origin, Picture, PictureRecord, TokenCounts
from ..jobs.job import Job
from ..jobs.report import Report
from ..parameters.fields import MAX_PROMPT
from ..parameters.models import Options
from ..storage.local_folder import Kind, SavedImage


def records_of(
    report: Report,
    *,
    job: Job,
    kind: Kind,
    parents: tuple[Origin, ...],
    model: str,
    project: str | None,
) -> list[Picture]:
    """A record for each picture of a report. The cost and the usage of several pictures are divided among them."""
    count, made = len(report.images), datetime.now(UTC)
    nano = 0 if report.cost is None else int(round_up_to_nano(report.cost) / NANO_USD)
    parameters = job.request.model_dump(include=set(Options.model_fields) - {"filename_prefix", "user"}) | {
        "n": job.request.count
    }
    return [
        Picture(
            path=image.path,
            record=PictureRecord(
                id=image.id,
                kind=kind,
                sha256=image.sha256,
                size_bytes=image.size_bytes,
                format=image.facts.format,
                width=image.facts.width,
                height=image.facts.height,
                model=model,
                prompt=report.prompt[:MAX_PROMPT],
                parameters={name: value for name, value in parameters.items() if value is not None},
                applied={name: _bounded(value) for name, value in report.applied.items()} | _damage(image),
                usage=_share(report.usage, index, count),
                cost_usd=None if report.cost is None else shares(nano, count)[index] * NANO_USD,
                parents=parents,
                made=made,
                client=_bounded(job.client),
                project=_bounded(project),
                job_id=job.id,
                request_id=_bounded(report.request_id),
                sandbox=report.sandbox,
            ),
        )
        for index, image in enumerate(report.images)
    ]


def _damage(image: SavedImage) -> dict[str, bool]:
    return {"broken": True} if image.broken else {}


def shares(whole: int, count: int) -> list[int]:
    """Divide a whole number into `count` parts that add up to it and differ by at most 1, the larger ones first."""
    return [whole // count + (index < whole % count) for index in range(count)]


def _share(usage: Usage | None, index: int, count: int) -> TokenCounts | None:
    """The part of one of `count` pictures in the usage of all."""
    if usage is None:
        return None
    parts = [shares(tokens, count)[index] for tokens in (usage.input_tokens, usage.image_tokens, usage.output_tokens)]
    return TokenCounts(input_tokens=parts[0], image_tokens=parts[1], output_tokens=parts[2])


def _bounded(value: Any) -> Any:
    """A text from the client or the API for a record: cut to `MAX_SHORT_TEXT` characters, and encodable as UTF-8."""
    if not isinstance(value, str):
        return value
    return value.encode("utf-8", "replace").decode()[:MAX_SHORT_TEXT]
