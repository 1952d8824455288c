"""Where programs keep their settings on each system."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class System:
    """The system of a user: `platform` as `sys.platform` says it, the home, and the environment variables."""

    platform: str
    home: Path
    environ: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def here(cls) -> Self:
        """The one that this process runs on."""
        return cls(sys.platform, Path.home(), os.environ)

    def folder(self, variable: str, default: str) -> Path:
        """The folder that a variable names, or a folder of the home."""
        named = self.environ.get(variable, "")
        return Path(named) if named else self.home / default

    @property
    def app_data(self) -> Path:
        """Where most programs with windows keep their settings."""
        if self.platform == "darwin":
            return self.home / "Library" / "Application Support"
        if self.platform == "win32":
            return self.folder("APPDATA", "AppData/Roaming")
        return self.folder("XDG_CONFIG_HOME", ".config")
