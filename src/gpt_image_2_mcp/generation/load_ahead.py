"""Loads what the end of a job needs while the API makes its picture.

Otherwise it is loaded when the picture is there, from a disk on which the program may have been replaced or removed in
the meantime (`uv cache prune`, an upgrade): the picture would be saved, and not recorded.
"""

import logging
import threading
from contextlib import suppress
from functools import cache
from importlib import import_module
from pkgutil import walk_packages
from typing import Final

logger = logging.getLogger(__name__)

AFTER_S: Final = 0.5
"""How long after the first request, so that its own connection is not held up."""

PACKAGES: Final = ("billing", "catalogue", "generation", "images", "jobs", "persistence", "storage")
"""The packages of this program of which every module is loaded."""
LIBRARIES: Final = (
    "PIL.ExifTags",
    "PIL.ImageCms",
    "PIL.JpegImagePlugin",
    "PIL.PngImagePlugin",
    "PIL.WebPImagePlugin",
    "genai_prices",
    "pybase64",
)
"""What these modules import in functions."""


@cache
def load_ahead() -> None:
    """Load it soon, in a thread; once in a process."""
    timer = threading.Timer(AFTER_S, _load)
    timer.daemon = True
    # Where the system gives no thread for it, each module is loaded when it is needed.
    with suppress(RuntimeError):
        timer.start()


def _load() -> None:
    try:
        _load_all()
    except ImportError as error:
        # A job that needs it says so, too.
        logger.warning("not all that the end of a job needs can be loaded: %s", error)
        return
    logger.info("what the end of a job needs is loaded")


def _load_all() -> None:
    own = __name__.split(".", 1)[0]
    for package in PACKAGES:
        path = import_module(f"{own}.{package}").__path__
        for found in walk_packages(path, f"{own}.{package}."):
            import_module(found.name)
    for name in LIBRARIES:
        import_module(name)
