"""Reads a file that holds a secret, and refuses one that other users can read."""

import os
import stat
from pathlib import Path
from typing import Final

from ..errors import NotConfigured, shown
from ..paths.safe_open import open_regular

SECRETS_OF_CONTAINERS: Final = ("/run/secrets/", "/var/run/secrets/")
"""Where containers get secrets, readable by all that runs in the container; nothing else does."""


def read_private_file(name: str, variable: str, *, most: int, otherwise: str) -> bytes:
    """The content of the file that a variable names, at most `most` + 1 bytes; a path from `~/` on is one in the home.

    `otherwise` says what to do where others may have read it, after "and".

    Raises:
        NotConfigured: the file cannot be read, or other users can read or write it.

    """
    path = Path(name).expanduser()
    what = f"{variable} names {shown(str(path))}"
    try:
        with open_regular(path.resolve()) as file:
            status = os.fstat(file.fileno())
            content = file.read(most + 1)
    except OSError as error:
        raise NotConfigured(f"{what}, which cannot be read ({error.strerror}). Correct the path or the file.") from None
    # As ssh does with private keys: who reads a file of another owner is the other's business, such as the system's.
    closed_to = 0o077 if os.name != "nt" and status.st_uid == os.geteuid() else 0o002
    is_open = os.name != "nt" and status.st_mode & closed_to
    if is_open and not str(path).startswith(SECRETS_OF_CONTAINERS):
        raise NotConfigured(
            f"{what}, which other users can read (its mode is {stat.S_IMODE(status.st_mode):04o}), so it is not used."
            f" Run `chmod 600 {path}`, and {otherwise}."
        )
    return content
