"""Builds the answer of `export_image`."""

import base64

from mcp_types import CallToolResult, ContentBlock, ImageContent, TextContent

from ..library.export_text import export_text
from ..library.exporter import ExportOutcome
from .results import META_KEY


def export_result(outcome: ExportOutcome) -> CallToolResult:
    """The table, the sheet, and the files for programs."""
    content: list[ContentBlock] = [TextContent(text=export_text(outcome))]
    if outcome.sheet is not None:
        content.append(ImageContent(data=base64.b64encode(outcome.sheet).decode(), mime_type="image/jpeg"))
    report = {"files": [file.as_dict() for file in outcome.files], "warnings": list(outcome.failures)}
    return CallToolResult(content=content, _meta={META_KEY: report})
