"""Loads the `openai` SDK: only what is used of it, and in one thread at a time.

The SDK loads the resources of its client when they are used (`images`, `responses`, `files`), but at its own import two
packages of types whose lists name 350 modules, of which a picture needs none. `load_resources` puts both packages there
without reading their lists. A list is read when a name of it is asked for, as the resources for batches do.

Several threads that load modules of the types as they come to them can end each other's imports with an error. So all
that a request uses of the SDK is loaded by `load_resources`, in one thread at a time, before the request is sent. What
this saves of a first call is in docs/performance.md.
"""

import sys
from functools import partial
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from threading import Lock
from types import ModuleType
from typing import Final, Literal

Resource = Literal["images", "responses.responses", "files", "batches"]
"""A module of the SDK's resources."""

SDK: Final = "openai"
LISTS: Final = (("types",), ("types", "responses"))
"""The packages, inside that of the SDK, whose lists are long."""

_loading: Final = Lock()


def load_resources(*names: Resource) -> None:
    """Load resources of the SDK's client, with all that their requests and answers need. Blocks the first time."""
    with _loading:
        if SDK not in sys.modules:
            for path in LISTS:
                _put_without_list(path)
        for name in names:
            import_module(f"{SDK}.resources.{name}")


def _put_without_list(path: tuple[str, ...]) -> None:
    """Put a package there as if it was imported; where the SDK has no such package, it is left to the SDK."""
    spec, name = find_spec(SDK), SDK
    for part in path:
        if spec is None:
            return
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, spec.submodule_search_locations)
    if spec is None or spec.loader is None or spec.submodule_search_locations is None:
        return
    package = module_from_spec(spec)
    vars(package)["__getattr__"] = partial(_missing, package)
    sys.modules[name] = package
    if outer := sys.modules.get(name.rpartition(".")[0]):
        setattr(outer, path[-1], package)


def _missing(package: ModuleType, name: str) -> object:
    """What a package is asked for and does not have yet: one of its modules, or a name of its list."""
    full = f"{package.__name__}.{name}"
    if not name.startswith("__") and package.__spec__ and package.__spec__.loader:
        if PathFinder.find_spec(full, package.__path__):
            return import_module(full)
        package.__spec__.loader.exec_module(package)
        if name in vars(package):
            return vars(package)[name]
    raise AttributeError(f"module {package.__name__!r} has no attribute {name!r}")
