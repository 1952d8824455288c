"""`Link`: an address for a file, in the answers of a server that is not on the person's computer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Link:
    """An address for fetching or sending one file, until `ends` (UTC)."""

    url: str
    ends: datetime
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """What has to be sent with a file besides its type."""

    @property
    def until(self) -> str:
        """When it ends, for a person: the time, with the date where that is not within half a day."""
        is_soon = self.ends - datetime.now(UTC) < timedelta(hours=12)
        return f"{self.ends:%H:%M} UTC" if is_soon else f"{self.ends:%Y-%m-%d %H:%M} UTC"

    def fetch_text(self, name: str) -> str:
        """How the file is fetched, as a command for a shell; the address is in it."""
        return f'curl -o {name} "{self.url}"'

    def as_dict(self) -> dict[str, str]:
        """The address and its end for programs."""
        return {"url": self.url, "url_ends": self.ends.isoformat()}


def place_of(picture_id: str, path: Path, links: Mapping[str, Link] | None) -> dict[str, str]:
    """Where a picture is, for programs: its path, or on a server its link, if it has one."""
    if links is None:
        return {"file_path": str(path)}
    return links[picture_id].as_dict() if picture_id in links else {}
