"""Builds the answers of the tools that make pictures, and of those about jobs and sessions.

An answer has text first, then previews, and no structured content: several clients show no content at all beside it.
Nor does it link to the picture's resource, since frameworks take such a link for the address of an image that the model
can fetch. What a program reads is in `_meta`.
"""

import base64
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from mcp_types import CallToolResult, ContentBlock, ImageContent, TextContent

from ..catalogue.session import ORIGINALS, Session, tree, turn_name
from ..errors import JobAbandoned, shorten_line, shown
from ..images.preview import Preview, pointing_text
from ..jobs.job import Job
from ..jobs.report import MAX_TEXT, Report
from ..jobs.stop_text import stop_text
from ..library.viewer import AnswerSheet
from ..redaction.printable import quoted_line

META_KEY = "gpt-image-2/result"
"""The key of the machine-readable report in `_meta`."""
JOB_KEY = "gpt-image-2/job"
"""The key of a job's id and state in `_meta`, in an answer without a report."""
SESSIONS_KEY = "gpt-image-2/sessions"
"""The key of the rows of sessions in `_meta`."""
MAX_SESSION_ROWS = 50
"""Sessions in `_meta`."""
MAX_BRANCHES_SHOWN = 5
"""Branches of one session that a list of sessions names: the newest."""
PICTURE_URI = "gpt-image-2://pictures/{id}"
DRAFT_QUALITIES = {"low", "medium"}
"""The qualities of which a picture can be finished at a higher one."""
SESSION_URI = "gpt-image-2://sessions/{id}"


def report_result(report: Report, pictures: Sequence[Preview], sheet: AnswerSheet | None = None) -> CallToolResult:
    """The report as text, the sheet of several pictures, and the previews; without these, the sheet is a file only."""
    lines = [_pointing(report, pictures), *_choice_lines(report, sheet)]
    content: list[ContentBlock] = [TextContent(text=report.text(shown="\n".join(filter(None, lines))))]
    if sheet and pictures:
        # In front: some clients show only the first picture of an answer.
        content.append(ImageContent(data=base64.b64encode(sheet.data).decode(), mime_type="image/jpeg"))
    content += [ImageContent(data=picture.base64, mime_type=picture.mime_type) for picture in pictures]
    return CallToolResult(content=content, _meta={META_KEY: report.as_dict() | (sheet.as_dict() if sheet else {})})


def _choice_lines(report: Report, sheet: AnswerSheet | None) -> list[str]:
    """How a person picks one of several pictures, and how the picked one is finished."""
    if len(report.wanted) == 1:
        return []
    how = "Their numbers, in this order, name them in every tool."
    if report.applied.get("quality") in DRAFT_QUALITIES:
        how += ' To finish number 2 as it is: edit_image with images ["2"], like "2", quality "high".'
    return [sheet.text if sheet else "", how]


def _pointing(report: Report, pictures: Sequence[Preview]) -> str:
    """How a mask names what is seen in the previews; empty where it is not known."""
    if not pictures or not report.wanted[0].facts.width:
        return ""
    return f"The picture{' is' if len(pictures) == 1 else 's are'} {pointing_text(*pictures)}"


def pending_result(call: Job, *, waited_s: float) -> CallToolResult:
    """Tell that the job which a call started or joined goes on, and how to fetch its answer."""
    job = call.working_job
    joined = "This is the job of your earlier identical call; nothing is paid again. " if call.joined else ""
    text = joined + (
        f"The picture is not ready after {waited_s:g} s, and the work goes on. {job.progress_text()}. Call"
        f" get_image_job with job_id {job.id!r} to wait for it and get it; do not repeat the first call. It is saved in"
        " any case."
    )
    row = {"job_id": job.id, "state": job.state, "tool": job.tool}
    return CallToolResult(content=[TextContent(text=text)], _meta={JOB_KEY: row})


def stop_result(job: Job, *, was_stopped: bool) -> CallToolResult:
    """Tell whether a job was stopped, and if not, what happens to it."""
    text = stop_text(job, was_stopped=was_stopped)
    state = "stopped" if was_stopped else job.state
    return CallToolResult(content=[TextContent(text=text)], _meta={JOB_KEY: {"job_id": job.id, "state": state}})


def abandon_result(job: Job) -> CallToolResult:
    """Tell that a job which was sent is abandoned, and what becomes of it."""
    row = {"job_id": job.id, "state": job.state}
    return CallToolResult(content=[TextContent(text=str(JobAbandoned(job.id)))], _meta={JOB_KEY: row})


def jobs_result(jobs: Sequence[Job], batches: Sequence[str] = ()) -> CallToolResult:
    """List the recent jobs, as many as fit, after the lines about `batches`."""
    if not jobs and batches:
        return _text_result(_fit_lines(_batches_text(batches), batches))
    if not jobs:
        return _text_result("There are no jobs: nothing was asked for lately.")
    lines = [
        f"- {job.id}: {job.state}, {job.tool} {quoted_line(job.prompt)},"
        f" {job.created:%Y-%m-%d %H:%M:%S} UTC{_files_note(job)}"
        for job in jobs
    ]
    head = f"{len(jobs)} recent job{'s' if len(jobs) > 1 else ''}, running ones first, then newest first:"
    if batches:
        head = "\n".join([_batches_text(batches), *batches, head])
    return _text_result(_fit_lines(head, lines))


def _batches_text(batches: Sequence[str]) -> str:
    return f"{len(batches)} recent batch{'es' if len(batches) > 1 else ''}, newest first:"


def end_session_result(session_id: str, session: Session | None) -> CallToolResult:
    """Tell that a session was ended, or (None) that there was no active one."""
    if session is None:
        text = (
            f"There is no active session {shown(session_id)}: it was ended, expired or never was, so there is nothing"
            " to end. list_edit_sessions shows the active ones."
        )
    else:
        turns = len(session.turns)
        text = f"Ended session {session.id} after {turns} turn{'s' if turns > 1 else ''}. Its pictures stay. It was"
        text += f" {_standing(session)}."
    return CallToolResult(content=[TextContent(text=text)])


def set_back_result(session: Session) -> CallToolResult:
    """Tell from where a session goes on, with its tree."""
    start = turn_name(session.next_parent)
    text = f"Session {session.id} is set back to {start}, for nothing: no picture was made, and no turn is lost. The"
    text += f" next turn is number {session.turns[-1].number + 1}.\n{tree(session)}"
    return CallToolResult(content=[TextContent(text=text)], _meta={SESSIONS_KEY: [_session_row(session)]})


def sessions_result(sessions: Sequence[Session], total: int) -> CallToolResult:
    """List the active sessions, as many as fit; `total` is how many there are."""
    if not sessions:
        return _text_result("There is no active edit session. start_edit_session begins one.")
    lines = [
        f"- {session.id}: {len(session.turns)} turn{'s' if len(session.turns) > 1 else ''},"
        f" created {session.created:%Y-%m-%d %H:%M:%S} UTC, updated {session.updated:%Y-%m-%d %H:%M:%S} UTC,"
        f" {_standing(session)}{_branches_note(session)}"
        for session in sessions
    ]
    count = f"{total} active edit session{'s' if total > 1 else ''}, newest first:"
    rows = [_session_row(session) for session in sessions[:MAX_SESSION_ROWS]]
    return CallToolResult(content=[TextContent(text=_fit_lines(count, lines, total))], _meta={SESSIONS_KEY: rows})


def session_uri(session_id: str) -> str:
    """The URI of a session's resource."""
    return SESSION_URI.replace("{id}", session_id)


def picture_uri(picture_id: str) -> str:
    """The URI of a picture's resource; letters beyond ASCII in the id are percent-encoded."""
    return PICTURE_URI.replace("{id}", quote(picture_id))


def _text_result(text: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=text)])


def _fit_lines(headline: str, lines: Sequence[str], total: int | None = None) -> str:
    """The headline and as many lines as fit into `MAX_TEXT`, then how many of `total` (default: all lines) are left."""
    text = headline
    total = len(lines) if total is None else total
    for index, line in enumerate(lines):
        if len(text) + len(line) > MAX_TEXT - 40:
            return f"{text}\n… and {total - index} older"
        text += f"\n{line}"
    return text if total <= len(lines) else f"{text}\n… and {total - len(lines)} older"


def _files_note(job: Job) -> str:
    if not isinstance(job.outcome, Report):
        return ""
    first, *others = job.outcome.wanted
    return f", {first.path}" + (f" and {len(others)} more" if others else "")


def _standing(session: Session) -> str:
    """The turn that the next one is made from, with its prompt and file."""
    if session.next_parent == ORIGINALS:
        return "set back to the originals"
    exact = " (exact)" if session.head.picture.record.is_exact else ""
    return f"at turn {session.head.number} {quoted_line(session.head.prompt)}, {session.head.given.path}{exact}"


def _branches_note(session: Session) -> str:
    """The ends of a session's branches, and the turn that the next one is made from if that is not the last one."""
    start = f"the next turn starts from {turn_name(session.next_parent)}"
    if len(session.branches) == 1:
        return "" if session.next_parent == session.branches[0].number else f"; {start}"
    ends = [f"{turn.number} {quoted_line(turn.prompt)}" for turn in session.branches[-MAX_BRANCHES_SHOWN:]]
    more = len(session.branches) - len(ends)
    text = f"; {len(session.branches)} branches end at turns " + (f"… ({more} earlier), " if more else "")
    text += f"{', '.join(ends)}; {start}"
    return f"{text}; use from_turn to start from another"


def _session_row(session: Session) -> dict[str, Any]:
    return {
        "session_id": session.id,
        "created": session.created.isoformat(),
        "updated": session.updated.isoformat(),
        "turns": len(session.turns),
        "head": session.next_parent,
        "branches": [turn.number for turn in session.branches[-MAX_SESSION_ROWS:]],
        "last_prompt": shorten_line(session.head.prompt),
        "last_file": str(session.head.given.path),
    }
