"""The interface through which the routes pass on what they receive, so that this folder knows nothing of saving."""

from pathlib import Path
from typing import Protocol

from .api_result import ApiResult


class ImageSink(Protocol):
    """Receives pictures, in the thread of each request. `generation.image_saver.ImageSaver` implements it."""

    def save_partial(self, data: bytes) -> None:
        """Receive an unfinished picture; raises nothing."""
        ...

    def keep_raw(self, content: bytes) -> Path | None:
        """Receive an answer without a picture, or what is left of one where pictures are missing. Blocks.

        Gives the file that it is kept in; raises nothing. None if no folder takes it.
        """
        ...

    def save_result(self, result: ApiResult) -> None:
        """Receive the pictures of an answer; blocks until they are saved.

        Raises:
            GptImageError: not one of them could be fetched or saved.

        """
        ...
