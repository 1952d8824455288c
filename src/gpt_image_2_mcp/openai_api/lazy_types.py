"""Has the SDK load only those of its types that are used: it would load all 400 modules of them at its import.

The SDK loads what sends its requests when it is used, but `openai.types` at once. That package and those in it consist
of nothing but the names of what is in their modules. `defer_types` lets each be imported without that list, and reads
the list when a name of it is asked for. What this saves of a first call is in docs/performance.md.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

TYPES = "openai.types"


def defer_types() -> None:
    """From now on, let the SDK's types be loaded when they are used. Does nothing if they are loaded already."""
    if PathFinder in sys.meta_path and _TypesFinder not in sys.meta_path:
        # Directly before the finder that does the work: what guards the imports stays before both.
        sys.meta_path.insert(sys.meta_path.index(PathFinder), _TypesFinder)


class _TypesFinder:
    """Finds the packages of the SDK's types, and has them loaded by `_TypesLoader`."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != TYPES and not name.startswith(f"{TYPES}."):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None or spec.submodule_search_locations is None:
            return None
        spec.loader = _TypesLoader(spec.loader)
        return spec


class _TypesLoader(Loader):
    """Loads a package at the first use of a name that is not one of its modules."""

    def __init__(self, whole: Loader) -> None:
        self.whole = whole

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _TypesPackage(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


class _TypesPackage(ModuleType):
    """A package whose list of names is read when it is needed."""

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__"):
            full = f"{self.__name__}.{name}"
            if PathFinder.find_spec(full, self.__path__):
                return import_module(full)
            # Two threads may do this at once: it only gives names to what is loaded once.
            self.__dict__["__loader__"].whole.exec_module(self)
            if name in self.__dict__:
                return self.__dict__[name]
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
