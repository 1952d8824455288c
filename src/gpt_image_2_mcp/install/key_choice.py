"""How the key gets to the server that a client starts, and what a person is told about it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ..credentials.api_key import FILE_VARIABLE, is_key, read_key_file
from ..errors import NotConfigured, SetupError
from .clients import Client
from .entry import INPUT

VARIABLE: Final = "OPENAI_API_KEY"
NOT_YET: Final = (
    "nowhere: the entry is without a key. Run `install` in a terminal, which asks for it, or with --key-file FILE"
)


@dataclass(frozen=True, slots=True)
class KeyChoice:
    """What an entry has for the key. `where` says where the key stands; `secret` is the key itself, if it is known."""

    where: str
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    forwarded: tuple[str, ...] = ()
    secret: str | None = None


@dataclass(slots=True)
class KeySources:
    """Where the key may come from. `ask` asks the person, and gives "" if there is no one to ask."""

    environ: Mapping[str, str]
    ask: Callable[[str], str]
    copy_from_environ: bool = False
    file: Path | None = None
    _asked: str | None = None

    def check(self) -> None:
        """Check the file and the variable that were named.

        Raises:
            SetupError: the file holds no key or others can read it, or the variable is not set.

        """
        if self.file is not None:
            try:
                read_key_file(str(self.file))
            except NotConfigured as error:
                raise SetupError(str(error).replace(f"{FILE_VARIABLE} names", "--key-file names")) from None
        if self.copy_from_environ and not is_key(self.environ.get(VARIABLE, "")):
            raise SetupError(f"--key-from-env copies {VARIABLE}, which is not set here, or holds no key.")

    def choose(self, client: Client, old: Mapping[str, str], file: Path, *, shared: bool) -> KeyChoice:
        """Choose for one client: `old` is the environment of the entry that is there, `file` its file.

        In a `shared` file, such as a project's that others get with the repository, no key is written.

        Raises:
            SetupError: what was typed is no key.

        """
        if self.file is not None:
            return KeyChoice(f"in {self.file}, which the entry names", {FILE_VARIABLE: str(self.file)})
        if self.copy_from_environ and not shared:
            return _copied(self.environ[VARIABLE], file)
        if old.get(VARIABLE) or old.get(FILE_VARIABLE) or old.get("GPT_IMAGE_2_KEYRING"):
            return KeyChoice("where it was", secret=known_key(old))
        if client.asks_for_key:
            return KeyChoice("with VS Code, which asks for it once and keeps it", {VARIABLE: f"${{input:{INPUT}}}"})
        by_name = client.reference is not None or client.forwards_key
        if by_name and (shared or self.environ.get(VARIABLE)):
            return _by_name(client)
        if shared:
            return KeyChoice(f"nowhere: others get this file. Set {VARIABLE} where {client.name} is started")
        typed = self._typed(client, file)
        if typed:
            return _copied(typed, file)
        return _by_name(client) if by_name else KeyChoice(NOT_YET)

    def _typed(self, client: Client, file: Path) -> str:
        """What the person typed, once for all clients."""
        if self._asked is None:
            self._asked = self.ask(
                f"Your OpenAI API key (not shown; it will stand in {file} of {client.name}, and in those of the other"
                " clients that cannot get it otherwise; Enter for none)"
            ).strip()
        if self._asked and not is_key(self._asked):
            raise SetupError("This is no key: a key is printable ASCII without spaces and quotes. Nothing was written.")
        return self._asked


def known_key(environment: Mapping[str, str]) -> str | None:
    """The key in the environment of an entry; None if there is none, or a reference that its client replaces."""
    value = environment.get(VARIABLE)
    return value if value and not value.startswith(("$", "{")) else None


def _copied(key: str, file: Path) -> KeyChoice:
    return KeyChoice(f"in {file}, as it is", {VARIABLE: key}, secret=key)


def _by_name(client: Client) -> KeyChoice:
    where = f"in the variable {VARIABLE}, which must be set where {client.name} is started"
    if client.forwards_key:
        return KeyChoice(where, forwarded=(VARIABLE,))
    return KeyChoice(where, {VARIABLE: client.reference or ""})
