"""What the routes hand their results to. This package receives pictures; saving them is the sink's business."""

from typing import Protocol

from .results import ApiResult


class ImageSink(Protocol):
    """Takes what requests bring, in the thread of each request; `generation.image_saver.ImageSaver` is one."""

    def save_partial(self, data: bytes) -> None:
        """Take an unfinished picture; raises nothing."""
        ...

    def save_result(self, result: ApiResult) -> None:
        """Take an answer's pictures; blocks until they are saved.

        Raises:
            GptImageError: none of them could be had or saved.

        """
        ...
