"""What an operation's result looks like in an MCP answer.

Text first, then pictures, and no structured content beside them: several clients drop the whole content where it is
there. What a program wants to read stands in `_meta`.
"""

import base64
from collections.abc import Sequence
from typing import Any

import anyio.to_thread
from mcp_types import CallToolResult, ContentBlock, ImageContent, TextContent

from ..errors import shown
from ..library import SavedImage
from ..report import MAX_TEXT, Report, shortened
from ..sessions import Session

META_KEY = "gpt-image-2/result"
"""Where the machine-readable report stands in an answer's `_meta`."""


async def shown_report(report: Report) -> CallToolResult:
    """The report as text, then every picture inline."""
    pictures = [await anyio.to_thread.run_sync(_inline, image) for image in report.images]
    content: list[ContentBlock] = [TextContent(text=report.text()), *pictures]
    return CallToolResult(content=content, _meta={META_KEY: report.as_dict()})


def ended(session_id: str, session: Session | None) -> CallToolResult:
    """Whether a session ended now, or had before."""
    if session is None:
        text = f"There is no active session {shown(session_id)}; it had ended or expired already. Nothing to do."
    else:
        turns = len(session.turns)
        text = f"Ended session {session.id} after {turns} turn{'s' if turns > 1 else ''}. Its pictures stay in"
        text += f" {session.folder}."
    return CallToolResult(content=[TextContent(text=text)])


def listed(sessions: Sequence[Session]) -> CallToolResult:
    """The active sessions, as many as fit."""
    if not sessions:
        return CallToolResult(
            content=[TextContent(text="There is no active edit session. start_edit_session begins one.")]
        )
    lines = [f"{len(sessions)} active edit session{'s' if len(sessions) > 1 else ''}, newest first:"]
    for session in sessions:
        lines.append(_line(session))
        if sum(map(len, lines)) + len(lines) > MAX_TEXT - 100:
            lines[-1] = f"… and {len(sessions) - len(lines) + 2} older ones."
            break
    rows = [_row(session) for session in sessions]
    return CallToolResult(content=[TextContent(text="\n".join(lines))], _meta={"gpt-image-2/sessions": rows})


def _line(session: Session) -> str:
    return (
        f"- {session.id}: {len(session.turns)} turn{'s' if len(session.turns) > 1 else ''},"
        f" created {session.created:%Y-%m-%d %H:%M:%S} UTC, updated {session.updated:%Y-%m-%d %H:%M:%S} UTC,"
        f' last prompt "{shortened(session.head.prompt)}", last file {session.head.path}'
    )


def _row(session: Session) -> dict[str, Any]:
    return {
        "session_id": session.id,
        "created": session.created.isoformat(),
        "updated": session.updated.isoformat(),
        "turns": len(session.turns),
        "last_prompt": shortened(session.head.prompt),
        "last_file": str(session.head.path),
    }


def _inline(image: SavedImage) -> ImageContent:
    data = base64.b64encode(image.path.read_bytes()).decode("ascii")
    return ImageContent(data=data, mime_type=image.mime_type)
