"""Static bearer tokens, for a small team and for machines: `GPT_IMAGE_2_TOKENS_FILE` has a name and a hash a line."""

import hashlib
import hmac
import logging
import os
import re
from pathlib import Path
from typing import Final

from ..credentials.private_file import read_private_file
from ..errors import NotConfigured
from .person import CannotCheck, Person

logger = logging.getLogger(__name__)

VARIABLE: Final = "GPT_IMAGE_2_TOKENS_FILE"
MAX_FILE_BYTES: Final = 1_000_000
_LINE: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9._@+-]{0,99})\s+([0-9A-Fa-f]{64})")


class StaticTokens:
    """The people of the file, which is read again when it has changed."""

    def __init__(self, name: str) -> None:
        """Read the file; raises NotConfigured if it cannot be used."""
        self._name = name
        self._path = Path(name).expanduser()
        self._state = self._stat()
        self._hashes: list[tuple[bytes, str]] | None = read_tokens_file(name)

    @property
    def names(self) -> set[str]:
        """The people that the file names."""
        return {name for _, name in self._hashes or ()}

    def person(self, token: str) -> Person | None:
        """Whose token it is; None if it is not of this file. Blocks, for a look at the file.

        Raises:
            CannotCheck: the file was changed, and cannot be used as it is now.

        """
        self._refresh()
        if self._hashes is None:
            raise CannotCheck(f"{VARIABLE} cannot be used")
        digest = hashlib.sha256(token.encode()).digest()
        # All are compared, each in constant time: how long it takes says nothing about them.
        found = [name for known, name in self._hashes if hmac.compare_digest(known, digest)]
        return Person(f"token|{found[0]}") if found else None

    def _refresh(self) -> None:
        state = self._stat()
        if state == self._state:
            return
        self._state = state
        try:
            self._hashes = read_tokens_file(self._name)
            logger.warning("%s was read again: %d tokens", VARIABLE, len(self._hashes))
        except NotConfigured as error:
            # Who was removed from it must not get in, so nobody does until it is corrected.
            self._hashes = None
            logger.error("No static token is accepted: %s", error)  # noqa: TRY400 - the sentence says all

    def _stat(self) -> tuple[int, ...] | None:
        try:
            status = os.stat(self._path)  # noqa: PTH116 - half the time of pathlib's, at each request
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_mode


def read_tokens_file(name: str) -> list[tuple[bytes, str]]:
    """The hash and the name of each line; a name may have several, so that a token can be replaced.

    Raises:
        NotConfigured: the file cannot be read, other users can read or write it, or a line is no token's.

    """
    content = read_private_file(
        name, VARIABLE, most=MAX_FILE_BYTES, otherwise="give the people new tokens if others may have written into it"
    )
    if len(content) > MAX_FILE_BYTES:
        raise NotConfigured(f"{VARIABLE} names a file of more than {MAX_FILE_BYTES:,} bytes.")
    found: list[tuple[bytes, str]] = []
    for number, line in enumerate(content.decode("utf-8-sig", "replace").splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _LINE.fullmatch(text)
        if match is None:
            # Not repeated: it may be the token itself.
            raise NotConfigured(
                f"{VARIABLE}: line {number} must be NAME SHA256-OF-THE-TOKEN: a name of letters, digits and ._@+-, and"
                " 64 hexadecimal digits, which `printf %s TOKEN | sha256sum` gives."
            )
        found.append((bytes.fromhex(match[2]), match[1]))
    if not found:
        raise NotConfigured(f"{VARIABLE} names a file without a token: write NAME SHA256-OF-THE-TOKEN into it.")
    if len({digest for digest, _ in found}) < len(found):
        raise NotConfigured(f"{VARIABLE} has the same token twice: give each person one of their own.")
    return found
