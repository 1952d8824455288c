"""`ExportedFile`: a file that `export_image` has written."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..storage.link import Link


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """A file that was written, or was there already with the same bytes."""

    target: str
    path: Path
    width: int | None
    height: int | None
    size_bytes: int
    mime_type: str
    how: str
    """What was cut off, scaled, lowered or replaced, in words."""
    link: Link | None = None
    """On a server, where it is fetched."""
    shape: str = ""
    """Where much is cut off: the `size` with which a new picture has all of it."""

    def as_dict(self, *, is_linked: bool = False) -> dict[str, Any]:
        """The file as JSON for programs; on a server, with its link in place of its path."""
        link = self.link.as_dict() if self.link else {}
        return {
            "target": self.target,
            **({"filename": self.path.name, **link} if is_linked else {"file_path": str(self.path)}),
            "width": self.width,
            "height": self.height,
            "size_bytes": self.size_bytes,
            "mime_type": self.mime_type,
            "how": self.how,
        }
