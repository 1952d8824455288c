"""Writes the gallery to a file: which paths are allowed, and that only an older gallery is replaced."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from ...catalogue.picture_record import Picture
from ...errors import BadRequest, CannotSave, shown
from ...inputs import Sources
from ...paths.policy import WritePolicy
from ...paths.safe_open import exists, is_regular, open_no_follow
from ...storage.atomic_write import write_file
from ...storage.open_folder import open_resolved


def resolve_gallery_path(file: str, *, sources: Sources, policy: WritePolicy) -> Path:
    """Return the real path of a gallery to be written; `file` is the path that the user gave. Blocks.

    Raises:
        BadRequest: it may not be written, its name does not end in .html, or another file has this name.

    """
    named = sources.expand(file)
    path = policy.resolve_writable(named.parent) / named.name
    if path.suffix.lower() not in {".html", ".htm"}:
        raise BadRequest(f"A gallery is an HTML page: give a file whose name ends in .html; got {shown(file)}.")
    if exists(path) and not _is_gallery(path):
        raise BadRequest(f"{path} is another file, and only an older page is replaced: choose another name.")
    return path


def write_gallery(
    path: Path, pictures: Sequence[Picture], *, policy: WritePolicy, thumbnail: Callable[[Picture], bytes | None]
) -> None:
    """Write a gallery to a path that `resolve_gallery_path` returned; for `thumbnail` see `gallery_html`. Blocks.

    Raises:
        CannotSave: the file cannot be written.

    """
    from .renderer import gallery_html

    try:
        html = gallery_html(pictures, thumbnail=thumbnail, beside=path.parent)
        with open_resolved(path.parent, policy) as folder:
            write_file((piece.encode() for piece in html), [path], folder=folder, replace=True)
    except OSError as error:
        raise CannotSave(
            f"The gallery {path} cannot be written ({error.strerror}). Make room, or choose another folder."
        ) from None


def _is_gallery(path: Path) -> bool:
    """Whether a file is an older gallery, by its first bytes."""
    try:
        with os.fdopen(open_no_follow(path, os.O_RDONLY), "rb") as file:
            start = file.read(400) if is_regular(file) else b""
    except OSError:
        return False
    return start.startswith(b"<!doctype html>") and b"Content-Security-Policy" in start
