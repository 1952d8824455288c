"""Where the test group's packages lie, of which the tests use the binaries and no Python."""

from importlib.util import find_spec
from pathlib import Path


def folder_of(package: str) -> Path:
    """The folder of an installed package, without importing it."""
    found = find_spec(package)
    assert found is not None, f"{package} is not installed: run `make install`"
    assert found.origin is not None
    return Path(found.origin).parent
