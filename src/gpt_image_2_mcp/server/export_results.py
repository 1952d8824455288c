"""Builds the answer of `export_image`."""

import base64
from typing import Any

from mcp_types import CallToolResult, ContentBlock, ImageContent, TextContent

from ..library.export_text import export_text
from ..library.exporter import ExportOutcome
from .results import META_KEY


def export_result(outcome: ExportOutcome) -> CallToolResult:
    """The table, the sheet, and the files for programs."""
    content: list[ContentBlock] = [TextContent(text=export_text(outcome))]
    if outcome.sheet is not None:
        content.append(ImageContent(data=base64.b64encode(outcome.sheet).decode(), mime_type="image/jpeg"))
    files = [file.as_dict(is_linked=outcome.is_linked) for file in outcome.files]
    report: dict[str, Any] = {"files": files, "warnings": list(outcome.failures)}
    if outcome.archive:
        report["archive"] = outcome.archive.as_dict()
    return CallToolResult(content=content, _meta={META_KEY: report})
