"""Builds the answers about batches: how one stands, with a sheet of its newest pictures."""

import pybase64
from mcp_types import CallToolResult, ContentBlock, ImageContent, TextContent

from ..batches.batch import BatchStatus
from ..images.formats import MIME

BATCH_KEY = "gpt-image-2/batch"
"""The key of a batch's state in `_meta`."""


def batch_result(status: BatchStatus, sheet: bytes | None) -> CallToolResult:
    """How a batch stands as text, and the sheet if there is one."""
    content: list[ContentBlock] = [TextContent(text=status.text())]
    if sheet is not None:
        content.append(ImageContent(data=pybase64.b64encode_as_string(sheet), mime_type=MIME["jpeg"]))
    return CallToolResult(content=content, _meta={BATCH_KEY: status.as_dict()})


def batch_lines(statuses: list[BatchStatus]) -> list[str]:
    """A line about each batch, for the list of jobs."""
    return [
        f"- {status.row.id}: {'ended' if status.is_over else status.row.state}, make_batch, {status.counts},"
        f" {status.row.created:%Y-%m-%d %H:%M:%S} UTC"
        for status in statuses
    ]
