"""Where the API key comes from if it is not in the environment: a file, or the keyring of the system.

It is read when the first picture is made, and never at the start: a keyring may ask the user to unlock it, and a file
may be on a network drive that is gone.
"""

import re
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Final

from ..errors import NotConfigured, shown
from .private_file import read_private_file

FILE_VARIABLE: Final = "OPENAI_API_KEY_FILE"
KEYRING_VARIABLE: Final = "GPT_IMAGE_2_KEYRING"

SERVICE: Final = "gpt-image-2-mcp"
"""The name under which the key is kept in the keyring."""
ENTRY: Final = "OPENAI_API_KEY"
"""The user name of the entry in the keyring."""

MAX_FILE_BYTES: Final = 10_000


def is_key(text: str) -> bool:
    """Whether a text can be a key.

    Python's HTTP stack quotes a header that it cannot encode in its error message, so others are refused beforehand.
    """
    return re.fullmatch(r"[!#-&(-~]+", text) is not None


class KeySource:
    """The key that stands in a file or in the keyring; read once, and again after a failure."""

    def __init__(self, read: Callable[[], str]) -> None:
        """Take the function that reads the key: `read_key_file` or `read_keyring`."""
        self._read = read
        self._lock = Lock()
        self.loaded: str | None = None
        """The key, once it was read."""

    def load(self) -> str:
        """The key. Blocks; raises NotConfigured if there is none."""
        with self._lock:
            if self.loaded is None:
                self.loaded = self._read()
            return self.loaded


def read_key_file(name: str) -> str:
    """The key in a file; a path that begins with `~/` is one in the home.

    Raises:
        NotConfigured: the file cannot be read, is readable by other users, or holds no key.

    """
    content = read_private_file(
        name, FILE_VARIABLE, most=MAX_FILE_BYTES, otherwise="make a new key if others may have seen it"
    )
    key = content.decode("ascii", "replace").strip()
    if len(content) > MAX_FILE_BYTES or not is_key(key):
        raise NotConfigured(
            f"{FILE_VARIABLE} names {shown(str(Path(name).expanduser()))}, which must hold the key and nothing else:"
            " printable ASCII without spaces and quotes. What it holds is not shown here."
        )
    return key


def read_keyring() -> str:
    """The key in the keyring of the system.

    Raises:
        NotConfigured: there is no keyring, or no key in it.

    """
    store = f"uvx keyring set {SERVICE} {ENTRY}"
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        raise NotConfigured(
            f"{KEYRING_VARIABLE} is set, and this installation cannot use keyrings: install gpt-image-2-mcp[keyring],"
            " or set OPENAI_API_KEY."
        ) from None
    try:
        key = keyring.get_password(SERVICE, ENTRY)
    except (KeyringError, OSError, RuntimeError) as error:
        raise NotConfigured(
            f"{KEYRING_VARIABLE} is set, and the keyring cannot be read ({type(error).__name__}). Unlock it, or use"
            f" {FILE_VARIABLE}."
        ) from None
    if key is None or not is_key(key.strip()):
        raise NotConfigured(f"The keyring holds no key of this program. Store it in a terminal: `{store}`.")
    return key.strip()
