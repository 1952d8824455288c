"""Where the database and the like are."""

import sys
from pathlib import Path

from .safe_open import exists


def data_folder(platform: str = sys.platform) -> Path:
    """The folder of the user in which the database and the like are, on a `platform` as `sys.platform` names it.

    On Windows it is not in `AppData`, unless an earlier version made it there: what a program from the Microsoft Store,
    such as Claude Desktop, and all that it starts create there is redirected into a folder of that program's own. Other
    clients would not see the pictures, what was spent, or that a picture is under way.
    """
    from platformdirs import user_data_path

    usual = user_data_path("gpt-image-2-mcp", appauthor=False)
    return Path.home() / ".gpt-image-2-mcp" if platform == "win32" and not exists(usual) else usual
