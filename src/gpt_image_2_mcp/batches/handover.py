"""What one replica of a server passes to another so that it can make a line: pictures that came as data, too."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .lines import LINE_REQUESTS, Line

if TYPE_CHECKING:
    from ..catalogue.batch_table import LineRow


def handover_of(line: Line, stored: Mapping[str, Any]) -> dict[str, Any] | None:
    """The whole request of a line, until its batch has ended; None if what is `stored` of it is all."""
    whole = line.request.model_dump(mode="json", exclude_defaults=True)
    return None if whole == stored else {"request": whole}


def line_of(row: "LineRow") -> Line:
    """The line that this process makes in place of another one."""
    request = (row.sent or {}).get("request", row.request)
    return Line(row.number, row.name, LINE_REQUESTS[row.tool].model_validate(request))
