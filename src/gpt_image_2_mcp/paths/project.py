"""Which project the server works for, and the default folder of its pictures."""

import os
from pathlib import Path


def default_folder(*, working_dir: Path, home: Path) -> Path:
    """`gpt-image-2/<project>/` in the user's Pictures folder; without the last part where there is no project."""
    from platformdirs import user_pictures_path

    return user_pictures_path() / "gpt-image-2" / (project_of(working_dir, home) or "")


def project_of(working_dir: Path, home: Path) -> str | None:
    """The name of the git root around `working_dir`, or of `working_dir` itself.

    None where that is the home or the root of the file system: desktop clients start servers there.
    """
    root = next((d for d in (working_dir, *working_dir.parents) if (d / ".git").exists()), working_dir)
    # It is in each record and may be a new folder's name.
    return None if root in (home, Path(root.anchor)) else os.fsencode(root.name).decode("utf-8", "replace")
