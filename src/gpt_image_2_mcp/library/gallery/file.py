"""Writes the gallery to a file: which paths are allowed, and that only an older gallery is replaced."""

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, count
from pathlib import Path
from typing import Final

from ...catalogue.picture_record import Picture
from ...errors import BadRequest, CannotSave, shown
from ...paths.policy import WritePolicy
from ...paths.prefix import safe_prefix
from ...paths.safe_open import exists, open_regular
from ...storage.atomic_write import write_file
from ...storage.open_folder import open_resolved
from ..given import Given, given_of
from ..progress import CountCallback
from ..thumbnails import thumbnail

_BEGINNING: Final = re.compile(
    rb"""<!doctype html>\s*<html lang="en">\s*<head>\s*<meta charset="utf-8">\s*"""
    rb"""<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src """
)
"""How a gallery begins, and no page of another program does: few allow a style and a script by their hash alone."""


def resolve_gallery_path(named: Path, *, policy: WritePolicy) -> Path:
    """Return the real path of a gallery to be written; `named` is the path that the user gave. Blocks.

    Raises:
        BadRequest: it may not be written, its name does not end in .html, or another file has this name.

    """
    path = policy.resolve_writable(named.parent) / named.name
    if path.suffix.lower() not in {".html", ".htm"}:
        raise BadRequest(f"A gallery is an HTML page: give a file whose name ends in .html; got {shown(str(named))}.")
    if exists(path) and not _is_gallery(path):
        raise BadRequest(f"{path} is another file, and only an older page is replaced: choose another name.")
    return path


def free_gallery_path(folder: Path, words: Iterable[str | None], *, policy: WritePolicy) -> Path:
    """Return the real path of a gallery in a folder, named by some words; no other file is there. Blocks.

    Raises:
        BadRequest: the folder may not be written.

    """
    stem = safe_prefix(" ".join(["gallery", *filter(None, words)]))
    real = policy.resolve_writable(folder)
    names = chain([stem], (f"{stem}-{number}" for number in count(2)))
    return next(path for path in (real / f"{name}.html" for name in names) if not exists(path) or _is_gallery(path))


def draw_gallery(
    path: Path,
    pictures: Sequence[Picture],
    *,
    policy: WritePolicy,
    read: Callable[[Picture], bytes],
    cache: Path | None,
    on_progress: CountCallback | None,
) -> int:
    """Write a gallery with the thumbnails of its pictures, telling how many are drawn. Blocks; raises CannotSave.

    Gives the number of the pictures that it shows.

    For `read` and `cache` see `thumbnails.thumbnail`.
    """
    given = given_of(pictures)
    done, total = count(1), len(given.pictures)

    def draw(picture: Picture) -> bytes | None:
        if on_progress:
            on_progress(next(done), total)
        return thumbnail(picture, read=read, cache=cache)

    write_gallery(path, given, policy=policy, thumbnail=draw)
    return total


def write_gallery(
    path: Path, given: Given, *, policy: WritePolicy, thumbnail: Callable[[Picture], bytes | None]
) -> None:
    """Write a gallery to a path that `resolve_gallery_path` returned; for `thumbnail` see `gallery_html`. Blocks.

    Raises:
        CannotSave: the file cannot be written.

    """
    from .renderer import gallery_html

    try:
        html = gallery_html(given, thumbnail=thumbnail, beside=path.parent)
        with open_resolved(path.parent, policy) as folder:
            write_file((piece.encode() for piece in html), [path], folder=folder, replace=True)
    except OSError as error:
        raise CannotSave(
            f"The gallery {path} cannot be written ({error.strerror}). Make room, or choose another folder."
        ) from None


def _is_gallery(path: Path) -> bool:
    """Whether a file is an older gallery, by its first bytes."""
    try:
        with open_regular(path) as file:
            start = file.read(400)
    except OSError:
        return False
    return _BEGINNING.match(start) is not None
