"""`FolderStore`: a folder as the store, for one replica, or for several on one machine or one network share.

Files are written whole, synced, and never over another one. The server itself answers the links (`hosting.links`),
which are signed.
"""

import errno
import math
import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Final
from urllib.parse import urlencode

from ..errors import BadRequest
from ..paths.safe_open import open_regular
from ..storage.atomic_write import write_file
from ..storage.link import Link
from ..storage.open_folder import OpenFolder, open_folder
from .keys import is_key
from .signatures import Signer
from .store import NoSuchObject, StoreUnusable, TooLarge, TooMuch

PIECE: Final = 1 << 20
DAY_BYTES: Final = 4 << 30
"""Bytes of a person's uploads, and of what was shown to them, that are on the disk at once: both are free, and deleted
after a day."""


class FolderStore:
    """The files of all people below one folder."""

    def __init__(self, folder: Path, *, secret: bytes, base_url: str) -> None:
        """Store in `folder`, which is made; links begin with `base_url` and are signed with `secret`."""
        self.folder = folder
        self._base_url = base_url.rstrip("/")
        self.signer = Signer(secret)

    def put(self, key: str, data: bytes) -> None:
        """Store bytes under a key; raises TooMuch where a person fills the disk with what costs nothing."""
        kind, _, rest = key.partition("/")
        if kind != "pictures" and self._bytes_of(kind, rest.partition("/")[0]) + len(data) > DAY_BYTES:
            raise TooMuch(f"There are {DAY_BYTES >> 30} GiB of this person in {kind}, which are deleted after a day.")
        try:
            with self._open_folder(key, make=True) as folder:
                path = folder.path / key.rpartition("/")[2]
                try:
                    write_file([data], [path], folder=folder, mode=0o600)
                except FileExistsError:
                    with folder.read(path.name, most=len(data)) as there:
                        if there.read() != data:
                            raise
        except (OSError, BadRequest) as error:
            raise _unusable(error) from error

    def get(self, key: str, into: IO[bytes], *, most: int) -> None:
        """Write what is stored under a key into a file."""
        try:
            with self.open(key, most=most) as file:
                while piece := file.read(PIECE):
                    into.write(piece)
        except FileNotFoundError:
            raise NoSuchObject(f"The picture store has no {key}.") from None
        except OSError as error:
            if error.errno == errno.EFBIG:
                raise TooLarge(f"The file {key} of the picture store has over {most:,} bytes.") from None
            raise _unusable(error) from error

    def open(self, key: str, *, most: int | None = None) -> IO[bytes]:
        """Open the file under a key; raises OSError. No link is followed."""
        try:
            with self._open_folder(key) as folder:
                return open_regular(folder.path / key.rpartition("/")[2], most=most)
        except BadRequest:
            raise FileNotFoundError(key) from None

    def delete(self, key: str) -> None:
        """Delete what is stored under a key."""
        try:
            with self._open_folder(key) as folder:
                folder.unlink(key.rpartition("/")[2])
        except FileNotFoundError:
            return
        except (OSError, BadRequest) as error:
            raise _unusable(error) from error

    def older(self, prefix: str, than: datetime, *, or_larger: float = math.inf) -> Iterator[str]:
        """The keys of the files below a prefix that were written before a time, or have more bytes."""
        kind, _, person = prefix.strip("/").partition("/")
        top = self.folder / kind
        people = [top / person] if person else sorted(top.iterdir()) if top.is_dir() else []
        for folder in people:
            if folder.is_symlink() or not folder.is_dir():
                continue
            for path in sorted(folder.iterdir()):
                key = f"{kind}/{folder.name}/{path.name}"
                try:
                    found = path.lstat()
                except FileNotFoundError:
                    continue
                is_over = found.st_mtime < than.timestamp() or found.st_size > or_larger
                if stat.S_ISREG(found.st_mode) and is_key(key) and is_over:
                    yield key

    def link(self, key: str, seconds: int) -> Link:
        """A signed link to this server."""
        ends = _ends(seconds)
        query = {"ends": int(ends.timestamp()), "sign": self.signer.sign("GET", key, int(ends.timestamp()))}
        return Link(f"{self._base_url}/{key}?{urlencode(query)}", ends)

    def upload_link(self, key: str, seconds: int, *, size: int, media_type: str) -> Link:
        """A signed link to this server, for a file of this size and type."""
        ends = _ends(seconds)
        fixed = {"size": size, "type": media_type, "ends": int(ends.timestamp())}
        query = {**fixed, "sign": self.signer.sign("PUT", key, *fixed.values())}
        return Link(f"{self._base_url}/{key}?{urlencode(query)}", ends)

    def _bytes_of(self, kind: str, person: str) -> int:
        """Bytes of all files of a kind that are a person's."""
        try:
            with os.scandir(self.folder / kind / person) as entries:
                return sum(entry.stat(follow_symlinks=False).st_size for entry in entries)
        except OSError:
            return 0  # There is none, or one went just now: the disk itself is the bound then.

    def _open_folder(self, key: str, *, make: bool = False) -> OpenFolder:
        """Open the folder of a key; raises OSError, and BadRequest where a link stands in its place."""
        if not is_key(key):
            raise FileNotFoundError(key)
        kind, person, _ = key.split("/")
        if make:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = 0o700 if make else None
        with open_folder(self.folder) as top, top.subfolder(kind, mode) as people:
            folder = people.subfolder(person, mode)
            if make:
                # The names of folders that were made just now have to be on the disk too.
                people.sync()
                top.sync()
            return folder


def _ends(seconds: int) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)


def _unusable(error: Exception) -> StoreUnusable:
    why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
    return StoreUnusable(f"The folder of the picture store cannot be used: {why}.")
