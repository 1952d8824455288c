"""Builds the records of a job's pictures; `Recorder` adds their position in the session.

`find_lost_pictures` does so for a job whose process was killed after it had saved them.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..billing.budgets import NANO_USD, round_up_to_nano
from ..billing.tokens import Usage
from ..catalogue.picture_record import MAX_SHORT_TEXT, UNKNOWN_MODEL, Origin, Picture, PictureRecord, TokenCounts
from ..images import Facts, identify
from ..jobs.job import Job
from ..jobs.report import Report
from ..jobs.serialization import request_of
from ..parameters.fields import MAX_PROMPT
from ..parameters.models import PaidRequest
from ..parameters.options import Options
from ..paths.policy import WritePolicy
from ..paths.safe_open import is_file
from ..storage.local_folder import Kind, SavedImage, made_from, saved_files

if TYPE_CHECKING:
    from ..catalogue.job_table import JobRow


def records_of(
    report: Report,
    *,
    job: Job,
    kind: Kind,
    parents: tuple[Origin, ...],
    project: str | None,
) -> list[Picture]:
    """A record for each picture of a report. The cost and the usage of several pictures are divided among them.

    What was made of the API's pictures costs nothing, and has them among its parents. It comes behind all of them,
    since `last` is the newest.
    """
    paid = [image for image in report.images if image.made_from is None]
    derived = [image for image in report.images if image.made_from is not None]
    derived.sort(key=lambda image: image.role == "delivered")
    saved = {image.id: image for image in report.images}
    count, made = len(paid), datetime.now(UTC)
    nano = 0 if report.cost is None else int(round_up_to_nano(report.cost) / NANO_USD)
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
                model=report.model,
                prompt=report.prompt[:MAX_PROMPT],
                parameters=_parameters(job.request),
                applied={name: _bounded(value) for name, value in report.applied.items()}
                | ({"ground_prompt": _bounded(image.ground_prompt)} if image.ground_prompt else {})
                | ({"size": f"{image.facts.width}x{image.facts.height}"} if image.facts.width else {})
                | _damage(broken=image.broken),
                usage=_share(report.usage, index, count) if image.made_from is None else None,
                cost_usd=_cost(nano, index, count) if image.made_from is None and report.cost is not None else None,
                parents=(*parents, *_origins_here(image, saved)),
                made=made,
                client=_bounded(job.client),
                project=_bounded(project),
                job_id=job.id,
                request_id=_bounded(report.request_id),
                sandbox=report.sandbox,
            ),
        )
        for index, image in enumerate([*paid, *derived])
    ]


def _cost(nano: int, index: int, count: int) -> Decimal:
    """The part of one of `count` pictures in the cost of all."""
    return shares(nano, count)[index] * NANO_USD


def _origins_here(image: SavedImage, saved: Mapping[str, SavedImage]) -> list[Origin]:
    """The pictures that one was made from here, as parents of it."""
    sources = [saved[name] for name in (image.made_from, image.also_from) if name is not None and name in saved]
    role = "derived_from" if image.role == "delivered" else "model"
    return [
        Origin(role=role, source=str(each.path), sha256=each.sha256, path=str(each.path), id=each.id)
        for each in sources
    ]


def _parameters(request: PaidRequest) -> dict[str, Any]:
    given = request.model_dump(include=set(Options.model_fields) - {"filename_prefix", "user", "model"}) | {
        "n": request.count
    }
    return {name: value for name, value in given.items() if value is not None}


def _damage(*, broken: bool) -> dict[str, bool]:
    return {"broken": True} if broken else {}


def find_lost_pictures(row: "JobRow", policy: WritePolicy, *, sandbox: bool) -> list[Picture]:
    """The pictures that a lost job had saved in its folder, each with what is still known of it. Blocks.

    The model, the cost and the place in a session are not: only the request is in the job's row.

    Raises:
        OSError: the folder or a file in it cannot be read.
        BadRequest: the folder leads to another place now.
        KeyError, ValueError: a later version has written the row.

    """
    request = request_of(row)
    found: list[Picture] = []
    if policy.resolve_writable(row.folder) != row.folder or not row.folder.is_dir():
        return found
    for path in saved_files(row.folder, row.stem):
        if path.is_symlink() or not is_file(path):
            continue
        data = path.read_bytes()
        facts, broken = identify(data)
        record = found_record(
            path,
            data,
            facts,
            broken=broken,
            kind=cast("Kind", row.stem.partition("-")[0]),
            made=datetime.fromtimestamp(path.stat().st_mtime, UTC),
            sandbox=sandbox,
            request=request,
            job_id=row.id,
        )
        found.append(Picture(path=path, record=record))
    return _with_parents(found)


def _with_parents(found: Sequence[Picture]) -> list[Picture]:
    """The pictures of a lost job, of which those that were made of another one here have it as their parent."""
    by_id = {picture.id: picture for picture in found}
    related: list[Picture] = []
    for picture in found:
        made = made_from(picture.id)
        # What was delivered was made of the composite, if there is one.
        parent = next((by_id[name] for name in (made.of if made else ()) if name in by_id), None)
        if made is None or parent is None:
            related.append(picture)
            continue
        path = str(parent.path)
        origin = Origin(role=made.role, source=path, sha256=parent.record.sha256, path=path, id=parent.id)
        related.append(picture.model_copy(update={"record": picture.record.model_copy(update={"parents": (origin,)})}))
    return related


def found_record(
    path: Path,
    data: bytes,
    facts: Facts,
    *,
    broken: bool,
    kind: Kind,
    made: datetime,
    sandbox: bool,
    request: PaidRequest | None = None,
    job_id: str | None = None,
) -> PictureRecord:
    """The record of a picture of which little more than the file is known; its model is `UNKNOWN_MODEL`."""
    return PictureRecord(
        id=path.stem,
        kind=kind,
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        format=facts.format,
        width=facts.width,
        height=facts.height,
        model=UNKNOWN_MODEL,
        prompt=(request.prompt or "")[:MAX_PROMPT] if request else "",
        parameters=_parameters(request) if request else {},
        applied=_damage(broken=broken),
        made=made,
        job_id=job_id,
        sandbox=sandbox,
    )


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
