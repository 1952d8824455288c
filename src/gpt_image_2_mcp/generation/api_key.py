"""Reads the API key before it is needed."""

from pathlib import Path
from typing import Final

from ..errors import NotConfigured
from ..settings import Settings
from ..storage.time_limit import LIMIT_S, run_in_time_async

_KEY_PLACE: Final = Path("the API key")
"""Stands for a folder in `run_in_time_async`: while one thread waits for the key, no other one is started."""


async def load_key(settings: Settings) -> None:
    """Read the API key from its file or the keyring, if that was not done yet.

    Raises:
        NotConfigured: it cannot be read, or not in time.

    """
    if settings.is_key_loaded:
        return
    try:
        await run_in_time_async(_KEY_PLACE, settings.load_key)
    except TimeoutError:
        raise NotConfigured(
            f"The API key was not read within {LIMIT_S:g} seconds, and nothing was sent. If the system asks for the"
            " password of your keyring, give it, and call again; or set OPENAI_API_KEY."
        ) from None
