"""`Sources` reads what an argument names: a path, or a `file:`, `http(s):` or `data:` URL, becomes an `InputImage`.

Nothing else in the package opens what an argument names. The argument comes from a model, which may have it from a web
page, so it is treated as a possible attack: the rules are in `paths.denylist`, `local_file`, `url_policy` and
`download`, and are applied before the bytes are looked at.
"""

import hashlib
import os
import re
import ssl
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread

from ..errors import BadRequest, UnreadableSource, shown
from ..images.formats import EXTENSION
from ..images.validate import MAX_BYTES, Prepare, validate
from ..paths.other_computer import file_refusal, list_refusal
from ..paths.policy import expand_path
from ..paths.read_policy import PrivateFile, ReadPolicy
from ..paths.safe_open import exists
from ..storage.time_limit import run_in_time, run_in_time_async
from .data_url import read_data_url
from .download import DEADLINE, fetch
from .held_bytes import ByteBudget, Holding
from .input_image import InputImage
from .list_file import read_list
from .local_file import NoSuchFile, PathRefused, check_readable, read_picture
from .similar_names import near_names, same_names, unquoted
from .url_policy import display_url

if TYPE_CHECKING:
    from ..picture_store.keeper import PictureKeeper
    from .public_connect import Resolver

_BASE64 = re.compile(r"(?:iVBORw0KGgo|/9j/|UklGR)[A-Za-z0-9+/_=\s-]{50,}")
"""Long enough not to be the path `/9j/…`, and without the dot of a file's name."""
_SCHEME = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]+):(?P<slashes>//)?", re.IGNORECASE)
# Schemes that are written without slashes and have a meaning in a chat or a browser: never taken for a file's name.
_CHAT_SCHEMES = frozenset({"attachment", "blob", "cid", "content", "javascript", "sandbox"})
_MAX_NAME = 60


class Sources:
    """Reads input pictures under the rules of one user's settings."""

    def __init__(
        self,
        *,
        working_dir: Path,
        home: Path,
        allowed_dirs: tuple[Path, ...] | None = None,
        output_dirs: Callable[[], Sequence[Path]] = tuple,
        allowed_url_hosts: frozenset[str] = frozenset(),
        deadline: float = DEADLINE,
        resolve: "Resolver | None" = None,
        tls: ssl.SSLContext | None = None,
        budget: ByteBudget | None = None,
        hosted: bool = False,
    ) -> None:
        """Create the reader. If it is `hosted`, the person is at another computer, and no argument names a file.

        With `allowed_dirs`, files are read in these folders and in `output_dirs` only. `allowed_url_hosts` (`host` or
        `host:port`) need not be public. `deadline` (seconds), `resolve` and `tls` are passed to `download.fetch`.
        """
        self._working_dir = working_dir
        self._home = home
        self._policy = ReadPolicy(working_dir, home, allowed_dirs, output_dirs)
        self._allowed_by_person: set[Path] = set()
        """The real paths of the private files that the person has allowed, for as long as this process lives."""
        self._allowed_url_hosts = allowed_url_hosts
        self._deadline = deadline
        self._resolve = resolve
        self._tls = tls
        self._budget = budget or ByteBudget()
        self._hosted = hosted
        self.store: PictureKeeper | None = None
        """Where a server's pictures and uploads are besides its disk; None where there is nothing else."""

    async def image(self, reference: str, *, prepare: Prepare = validate, is_known: bool = False) -> InputImage:
        """Read a picture from an absolute path, one relative to the working directory, `~/…`, a URL, or base64.

        Where there is no such file, one whose name is written a little differently is taken.

        `prepare` checks its bytes, and makes of them what is sent. Of a file that `is_known`, the caller knows the hash
        and takes no other bytes: only its exact name is taken, also where the person would be asked about other files.

        Raises:
            BadRequest: the argument is no valid path and no URL of a known scheme.
            NoSuchFile: there is no such file, and no other that could be meant.
            UnreadableSource: it may not or cannot be read, or is no picture that can be sent.
            TooMuchAtOnce: the pictures of other calls take up the memory that there is for them.
        """
        reference = reference.strip()
        if _BASE64.fullmatch(reference):
            # It begins as a PNG, JPEG or WebP in base64: a data URL without its beginning.
            reference = f"data:;base64,{reference}"
        held = Holding(self._budget)
        data, source, path, note = await self._read(reference, held.grow, is_known=is_known)
        check = partial(prepare, data, name=_short_name(reference, path))
        valid = await anyio.to_thread.run_sync(check)
        held.settle(len(valid.data))
        digest = hashlib.sha256(valid.data).hexdigest()
        return InputImage(
            data=valid.data,
            format=valid.facts.format,
            width=valid.facts.width,
            height=valid.facts.height,
            sha256=digest,
            file_sha256=digest if valid.data is data else hashlib.sha256(data).hexdigest(),
            name=f"image-{digest[:8]}.{EXTENSION[valid.facts.format]}",
            source=source,
            path=path,
            change=valid.change,
            note=note,
            marked=valid.marked,
            held=held,
        )

    def read_local(self, path: Path) -> bytes:
        """Read the bytes of a picture file, under the same rules as any other path. Blocks: call it in a thread.

        Raises UnreadableSource: it may not or cannot be read, or is no picture.
        """
        if self._hosted:
            raise PathRefused(file_refusal(str(path)))
        return self._read_in_time(path, any_format=False)

    def read_list(self, reference: str, *, most: int) -> bytes:
        """Read a file that lists what is to be made; see `list_file.read_list`. Blocks: call it in a thread."""
        if self._hosted:
            raise BadRequest(list_refusal(reference))
        return read_list(reference, policy=self._policy, most=most)

    def read_saved(self, path: Path) -> bytes:
        """Read a file that was saved here, whatever its format; raises as `read_local` does. Blocks.

        The caller compares the bytes with the hash that was kept of them.
        """
        return self._read_in_time(path, any_format=True)

    def _read_in_time(self, path: Path, *, any_format: bool) -> bytes:
        try:
            read = partial(self._read_file, path, str(path), any_format=any_format, is_known=any_format)
            return run_in_time(path.parent, read)[0]
        except (TimeoutError, UnreadableSource) as error:
            if any_format and self.store is not None:
                return self.store.bring_back(path)
            if isinstance(error, UnreadableSource):
                raise
            raise UnreadableSource(f"{shown(str(path))} cannot be read: {error.strerror}.") from None

    async def fetch_picture(
        self,
        url: str,
        *,
        also_allowed: str | None = None,
        reached_at: str | None = None,
        hold: Callable[[int], None] | None = None,
        arrived: bytearray | None = None,
    ) -> bytes:
        """Read the bytes of a picture from an `http(s)` or data URL; only their start is checked.

        With `arrived`, whatever comes is taken, and is in there as far as it came if the download fails.
        For a URL from an answer of the API, `also_allowed` is the API's `host:port`, which need not be public where it
        has the address that the answer was `reached_at`; any if that is None. `hold` is told the bytes that come next.

        Raises UnreadableSource as `download.fetch` does.
        """
        if url[:5].lower() == "data:":
            if hold:
                # Base64 has four characters for three bytes.
                hold(min(len(url) * 3 // 4, MAX_BYTES))
            return await anyio.to_thread.run_sync(partial(read_data_url, url, any_format=arrived is not None))
        also = {also_allowed} if also_allowed and not reached_at else set[str]()
        return await fetch(
            url,
            allowed=self._allowed_url_hosts | also,
            deadline=self._deadline,
            resolve=self._resolve,
            tls=self._tls,
            hold=hold,
            pinned={also_allowed: reached_at} if also_allowed and reached_at else {},
            arrived=arrived,
        )

    async def _read(
        self, reference: str, hold: Callable[[int], None], *, is_known: bool
    ) -> tuple[bytes, str, Path | None, str | None]:
        """The bytes that an argument names, the `source` for the record, the real path of a file, and a note."""
        found = _SCHEME.match(reference)
        scheme = found["scheme"].lower() if found else ""
        if scheme == "data":
            data = await self.fetch_picture(reference, hold=hold)
            return data, f"a data URL ({len(data):,} bytes)", None, None
        if scheme == "upload" and self.store is not None:
            data = await anyio.to_thread.run_sync(self.store.read_upload, reference.partition(":")[2])
            hold(len(data))
            return data, reference, None, None
        if scheme in {"http", "https"}:
            return await self.fetch_picture(reference, hold=hold), display_url(reference)[1:-1], None, None
        if found and scheme != "file" and (found["slashes"] or scheme in _CHAT_SCHEMES):
            why = "was not sent to" if scheme in _CHAT_SCHEMES else "means nothing to"
            raise BadRequest(f"{shown(reference)} {why} this server: give a file's path, an http(s) URL or a data URL.")
        if self._hosted and not is_known:
            raise PathRefused(file_refusal(reference))
        path = expand_path(reference, working_dir=self._working_dir, home=self._home)
        try:
            read = partial(self._read_named, path, reference, is_known=is_known, hold=hold)
            data, real, note = await run_in_time_async(path.parent, read)
        except (TimeoutError, UnreadableSource) as error:
            if is_known and self.store is not None:
                data = await anyio.to_thread.run_sync(self.store.bring_back, path)
                hold(len(data))
                return data, reference, path, None
            if isinstance(error, UnreadableSource):
                raise
            raise UnreadableSource(f"{shown(reference)} cannot be read: {error.strerror}.") from None
        return data, reference, real, note

    def _read_named(
        self, path: Path, reference: str, *, is_known: bool, hold: Callable[[int], None]
    ) -> tuple[bytes, Path, str | None]:
        """Read a file; where there is none, the one in the same folder whose name is only written differently."""
        read = partial(self._read_file, hold=hold)
        path = path if is_known else self._without_quotes(path, reference)
        try:
            return (*read(path, reference, is_known=is_known), None)
        except NoSuchFile as error:
            if is_known:
                raise
            missing = error
        if not self.is_readable(path.parent):
            raise missing
        match [name for name in same_names(path) if self.is_readable(name)]:
            case [one]:
                note = f"There is no file {shown(path.name)}; {shown(one.name)} in that folder was taken instead."
                return (*read(one, str(one)), note)
            case [_, _, *_] as several:
                names = ", ".join(shown(name.name) for name in several[:10])
                raise UnreadableSource(
                    f"{missing} Several files there have nearly this name: {names}. Name one exactly."
                )
            case _:
                near = near_names(path, is_readable=self.is_readable)
                hint = f" In that folder there is {', '.join(map(shown, near))}." if near else ""
                raise NoSuchFile(f"{missing}{hint}") from None

    def _read_file(
        self,
        path: Path,
        reference: str,
        *,
        any_format: bool = False,
        is_known: bool = False,
        hold: Callable[[int], None] | None = None,
    ) -> tuple[bytes, Path]:
        return read_picture(
            path,
            reference=reference,
            policy=self._policy,
            is_allowed=(lambda _: True) if is_known else self._allowed_by_person.__contains__,
            any_format=any_format,
            hold=hold,
        )

    async def find_private(self, reference: str) -> PrivateFile | None:
        """The file that an argument names, if it is read only with the person's yes, which was not given yet."""
        found = _SCHEME.match(reference.strip())
        scheme = found["scheme"].lower() if found else ""
        if self._hosted or (found and scheme != "file" and (found["slashes"] or scheme in {"data", *_CHAT_SCHEMES})):
            return None
        try:
            path = self.expand(reference.strip())
            private = await run_in_time_async(path.parent, partial(self._find_private, path, reference.strip()))
        except (BadRequest, TimeoutError):
            # Reading it says why.
            return None
        return None if private is None or private.path in self._allowed_by_person else private

    def _without_quotes(self, path: Path, reference: str) -> Path:
        """The path of an argument, or what it is without its quotes if there is nothing of that very name. Blocks."""
        plain = unquoted(reference)
        return path if plain in {"", reference} or exists(path) else self.expand(plain)

    def _find_private(self, path: Path, reference: str) -> PrivateFile | None:
        named = self._without_quotes(path, reference)
        try:
            real = check_readable(named, reference=reference, policy=self._policy, is_allowed=lambda _: True)
        except UnreadableSource:
            return None  # No question is asked about what is never read.
        return self._policy.find_private(real)

    def allow(self, path: Path) -> None:
        """Note that the person allows the private file of a real path to be read."""
        self._allowed_by_person.add(path)

    def expand(self, reference: str) -> Path:
        """The absolute path that an argument names; raises BadRequest if it names none."""
        return expand_path(reference, working_dir=self._working_dir, home=self._home)

    def readable_folder(self, reference: str) -> Path:
        """The real path of a folder whose files may be read. Blocks.

        Raises:
            BadRequest: the argument is no valid path, or there is no such folder.
            UnreadableSource: it may not be read.
        """
        real = check_readable(self.expand(reference), reference=reference, policy=self._policy)
        if not os.path.isdir(real):  # noqa: PTH112 - pathlib's fails where a folder is closed or a name too long
            raise BadRequest(f"There is no folder {shown(reference)}: give the path of a folder of pictures.")
        return real

    def is_readable(self, path: Path) -> bool:
        """Whether the file or folder at a path may be read. Blocks."""
        try:
            check_readable(path, reference=str(path), policy=self._policy)
        except (BadRequest, UnreadableSource):
            return False
        return True


def _short_name(reference: str, path: Path | None) -> str:
    """A short name of a picture for the start of a sentence; unprintable characters become "?"."""
    if path:
        return "".join(character if character.isprintable() else "?" for character in path.name)[:_MAX_NAME]
    return (
        "The picture of the data URL" if reference[:5].lower() == "data:" else f"The picture {display_url(reference)}"
    )
