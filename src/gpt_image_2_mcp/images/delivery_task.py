"""What a child process does to deliver a picture in the size that was asked for; see `tasks`."""

from typing import Any

from .decode import open_plain
from .fitting import cover
from .written_formats import check_memory, write_picture


def deliver(
    data: bytes, *, size: list[int], kind: Any, quality: int | None, dpi: int | None, xmp: str
) -> tuple[dict[str, Any], bytes]:
    """A picture in another size and what was done to it, as `Fitted.as_dict` says."""
    image = open_plain(data)
    check_memory(image, (size[0], size[1]), kind)
    fitted = cover(image, (size[0], size[1]))
    written = write_picture(fitted.image, kind, quality=quality, dpi=dpi, xmp=xmp)
    return {**fitted.as_dict(), "note": written.note}, written.data
