"""What a child process does to export a picture to one target: one file, or the files of an icon set."""

import io
from typing import TYPE_CHECKING, Any, cast

from .attention import look_at
from .decode import open_plain
from .export_sizes import Edges, box_of, edges_of
from .fitting import Fitted, cover, pad, stretch
from .icon_lists import ICO_EDGES, icons_of, lists_of
from .normalize import on_plain_ground
from .thumbnail import EDGE
from .written_formats import Written, WrittenFormat, check_memory, write_picture

if TYPE_CHECKING:
    from PIL import Image

Answer = tuple[dict[str, Any], bytes]


def export(data: bytes, *, target: dict[str, Any], kind: str, fit: str, xmp: str) -> Answer:
    """Make the files of a target, which `Target.as_dict` gives; their bytes stand one after another, in order.

    Each of `files` has its path (empty where there is one file), size in pixels and bytes, what was done (`how`), and
    the bytes of a small PNG of it that stand behind it.
    """
    image = open_plain(data)
    for step in target["steps"]:
        image = _stepped(image, step)
    edges = edges_of(image.size, target, fit=fit)
    check_memory(image, edges, cast("WrittenFormat", kind))
    parts: list[tuple[dict[str, Any], bytes]] = []
    if target["icon_set"]:
        parts = list(_icons(image, edges, target["icon_set"], fit))
    else:
        fitted = _fitted(image, edges, fit)
        del image
        written = write_picture(
            fitted.image, cast("WrittenFormat", kind), limit=target["limit"], dpi=target["dpi"], xmp=xmp
        )
        if kind == "ico":
            written = Written(_ico(fitted.image), written.note)
        parts = [_part("", fitted.image, written.data, {**fitted.as_dict(), "note": written.note, "kind": kind})]
    return {"files": [facts for facts, _ in parts]}, b"".join(content for _, content in parts)


def _part(path: str, image: "Image.Image", data: bytes, facts: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    small = image.copy() if max(image.size) <= EDGE else image.reduce(max(image.size) // EDGE)
    small.thumbnail((EDGE, EDGE))
    thumbnail = io.BytesIO()
    small.save(thumbnail, "PNG")
    head = {"path": path, "width": image.width, "height": image.height, "bytes": len(data)}
    return {**head, "thumbnail": len(thumbnail.getvalue()), **facts}, data + thumbnail.getvalue()


def _fitted(image: "Image.Image", edges: tuple[int, int], fit: str) -> Fitted:
    if fit == "pad":
        return pad(image, edges)
    if fit == "stretch":
        return stretch(image, edges)
    at = (0.5, 0.5)
    scale = max(edges[0] / image.width, edges[1] / image.height)
    part = edges[0] / scale, edges[1] / scale
    if fit == "smart" and (part[0] < 0.98 * image.width or part[1] < 0.98 * image.height):
        at = look_at(image, part)
    return cover(image, edges, at)


def _stepped(image: "Image.Image", step: list[Any]) -> "Image.Image":
    from PIL import Image as Pillow

    match step:
        case ["crop", *_]:
            return image.crop(box_of(step, image.size))
        case ["rotate", degrees]:
            # Pillow turns to the left.
            turns = {90: Pillow.Transpose.ROTATE_270, 180: Pillow.Transpose.ROTATE_180, 270: Pillow.Transpose.ROTATE_90}
            return image.transpose(turns[degrees % 360])
        case _:
            is_down = step[1] == "vertical"
            return image.transpose(Pillow.Transpose.FLIP_TOP_BOTTOM if is_down else Pillow.Transpose.FLIP_LEFT_RIGHT)


def _icons(image: "Image.Image", edges: Edges, icon_set: str, fit: str) -> "list[tuple[dict[str, Any], bytes]]":
    fitted = _fitted(image, edges, fit)
    opaque, note = fitted.image, ""
    if opaque.mode == "RGBA":
        opaque, ground = on_plain_ground(fitted.image)
        note = f"transparency on {ground}"
    parts: list[tuple[dict[str, Any], bytes]] = []
    for icon in icons_of(icon_set):
        whole = opaque if icon.is_opaque else fitted.image
        small = _scaled(whole, icon.edge)
        kind = icon.path.rpartition(".")[2]
        data = _ico(small) if kind == "ico" else write_picture(small, cast("WrittenFormat", kind)).data
        # One sentence for the whole set: that most of it is scaled down is no news.
        facts = {**fitted.as_dict(), "scale": max(fitted.scale, 1), "kind": kind}
        parts.append(_part(icon.path, small, data, {**facts, "note": note if icon.is_opaque else ""}))
    for path, data in lists_of(icon_set).items():
        facts = {"path": path, "width": None, "height": None, "bytes": len(data), "thumbnail": 0, "kind": "json"}
        parts.append(({**facts, "scale": 1, "cut": 0, "source": list(image.size), "note": ""}, data))
    return parts


def _scaled(image: "Image.Image", edge: int) -> "Image.Image":
    from PIL import Image as Pillow

    return image if image.width == edge else image.resize((edge, edge), Pillow.Resampling.LANCZOS)


def _ico(image: "Image.Image") -> bytes:
    """All sizes up to the picture's own in one file."""
    into = io.BytesIO()
    edge = min(max(image.size), max(ICO_EDGES))
    image.convert("RGBA").save(into, "ICO", sizes=[(size, size) for size in ICO_EDGES if size <= edge] or [image.size])
    return into.getvalue()
