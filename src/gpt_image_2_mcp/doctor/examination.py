"""All checks, in the order in which they are told."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from .. import __version__
from ..credentials.api_key import FILE_VARIABLE, KEYRING_VARIABLE
from ..hosted_settings import HostedSettings
from ..install.launch import PACKAGE
from ..install.systems import System
from ..settings import Settings
from .backend import check_backend
from .chat import check_chat
from .configuration import check_settings
from .database import check_database
from .disk import check_disk
from .entries import check_entries, key_environment
from .finding import Finding
from .program import check_program

_OF_ONE_PERSON = {"uv", "inputs", "studio", "attachments", "folder"}
"""What is looked at where a person works with clients, and means nothing on a server for a team."""
_KEY_VARIABLES = ("OPENAI_API_KEY", FILE_VARIABLE, KEYRING_VARIABLE)


def examine(system: System, data_dir: Path, *, sandbox: bool = False, client: str | None = None) -> Iterator[Finding]:
    """Look at everything; `client` is the id of the one whose entry is looked at, otherwise all that are here.

    Without a key in this environment, the settings of the first client that has one are checked with it. The commands
    in what is found are those that this user can run.
    """
    program = PACKAGE if shutil.which(PACKAGE) else f"uvx {PACKAGE}@{__version__}"
    for finding in _examine(system, data_dir, sandbox=sandbox, client=client):
        yield replace(finding, way_out=finding.way_out.replace(f"`{PACKAGE} ", f"`{program} "))


def _examine(system: System, data_dir: Path, *, sandbox: bool, client: str | None) -> Iterator[Finding]:
    environ = system.environ
    is_hosted = any(environ.get(variable) for variable in HostedSettings.variables())
    key_from = "in this environment"
    if not (sandbox or is_hosted or any(environ.get(name) for name in _KEY_VARIABLES)):
        found = key_environment(system)
        if found is not None:
            key_from, environ = found[0], {**environ, **found[1]}
    settings = Settings.read(environ, sandbox=sandbox)

    def of_both() -> Iterator[Finding]:
        # An image of a server has neither uv nor a reason to be updated from within.
        yield from check_program(environ, ask_index=not (sandbox or is_hosted))
        yield from check_settings(settings, environ, key_from)
        yield from check_chat(settings, system)
        yield from check_backend(settings)
        yield from check_disk(settings, data_dir)
        yield from check_database(settings, data_dir)

    if not is_hosted:
        yield from of_both()
        yield from check_entries(system, client)
        return
    yield from (finding for finding in of_both() if finding.check not in _OF_ONE_PERSON)
    # Here, since it needs the extra `server`.
    from .hosted import check_hosted

    yield from check_hosted(settings, environ, data_dir)
