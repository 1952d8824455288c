"""What is found out about a picture while it arrives and is written: its hash, and a preview of it.

A second thread does it, so that neither the bytes that still come nor the disk have to wait; it ends with the operation
that it works for. Nothing that goes wrong here comes between a picture that was paid for and its saving.
"""

import hashlib
import logging
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import Facts
from .preview import Preview, decoder_for, preview, share_of

if TYPE_CHECKING:
    from .png_stream import PngDecoder

logger = logging.getLogger(__name__)

MAX_AHEAD = 2
"""Pictures of one operation that are decoded while they arrive; each holds megabytes of pixels until it is saved."""


@dataclass(frozen=True, slots=True)
class PreviewResult:
    """What was found out."""

    sha256: str
    preview: Preview | None


class PreviewWorkers:
    """The looks at the pictures of one operation."""

    def __init__(self, n: int, *, previews: bool) -> None:
        """Look at `n` pictures; `previews` asks for one of each, which share an answer."""
        self._share = share_of(n) if previews else None
        self._beside = ThreadPoolExecutor(1, "looks")
        self._ahead: list[PngDecoder] = []

    def new(self) -> "PreviewWorker":
        """Begin to look at a picture that arrives, or is there."""
        return PreviewWorker(self._beside, self._share, self._decoder)

    def _decoder(self) -> "PngDecoder | None":
        self._ahead = [other for other in self._ahead if not other.given_up]
        if self._share is None or len(self._ahead) >= MAX_AHEAD:
            return None
        self._ahead.append(decoder_for(self._share, strips=self._beside))
        return self._ahead[-1]


class PreviewWorker:
    """A look at one picture: fed while it arrives, or not; begun once it is there; ended when it is saved."""

    def __init__(self, beside: Executor, share: int | None, decoder: "Callable[[], PngDecoder | None]") -> None:
        """Work in the one thread of `beside`; without a `share` of the answer no preview is made.

        `decoder` makes what decodes a picture on its way, where there is room for it.
        """
        self._beside = beside
        self._share = share
        self._make_decoder = decoder
        self._decoder: PngDecoder | None = None
        self._sha256 = hashlib.sha256()
        self._is_fed = False
        self._is_broken = False
        self._seeing: Future[PreviewResult] | None = None

    def feed(self, part: bytes) -> None:
        """Take the next part of the file: from the first to the last, or none of it."""
        if self._is_broken:
            return
        try:
            if not self._is_fed:
                self._is_fed, self._decoder = True, self._make_decoder()
            if self._decoder is not None:
                self._decoder.feed(part)
            self._beside.submit(self._sha256.update, part)
        except Exception as error:  # noqa: BLE001 - no thread or no memory is left, say: the picture is paid for
            self._give_up(error)

    def start(self, data: bytes, what: Facts) -> None:
        """Have a picture seen that is all there."""
        try:
            self._seeing = self._beside.submit(self._see, data, what)
        except Exception as error:  # noqa: BLE001 - the same
            self._give_up(error)

    def result(self, data: bytes) -> PreviewResult:
        """What was found out; of a look that went wrong the hash alone."""
        # A failure holds the look, by where it came from: so the look is not to hold the failure.
        seeing, self._seeing = self._seeing, None
        failure = seeing.exception() if seeing else None
        if failure:
            self._give_up(failure)
        if seeing and not self._is_broken:
            return seeing.result()
        return PreviewResult(hashlib.sha256(data).hexdigest(), None)

    def _give_up(self, error: BaseException) -> None:
        logger.error("a picture is not looked at", exc_info=error)
        self._is_broken = True

    def _see(self, data: bytes, what: Facts) -> PreviewResult:
        if not self._is_fed:
            self._sha256.update(data)
        shown = None if self._share is None else preview(data, what, share=self._share, decoder=self._decoder)
        return PreviewResult(self._sha256.hexdigest(), shown)
