"""Decodes files in every way that the server does, and tells what that took: `decoding.py THREADS FILE…`."""

import json
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

from gpt_image_2_mcp.errors import UnreadableSource
from gpt_image_2_mcp.images import facts, identify, validate
from gpt_image_2_mcp.images.preview import make_preview
from gpt_image_2_mcp.images.region import Box, cut_region
from gpt_image_2_mcp.images.thumbnail import make_thumbnail
from gpt_image_2_mcp.malloc import use_one_arena


def status_mib(field: str) -> float:
    """A field of this process's status, in MiB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 1024


def children() -> set[str]:
    """The numbers of this process's children."""
    found = set[str]()
    for path in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            found.update(path.read_text(encoding="ascii").split())
    return found


class Beside(Thread):
    """Looks again and again at how much this process holds while it has a child."""

    def __init__(self) -> None:
        """Start looking."""
        super().__init__(daemon=True)
        self.most = 0.0
        self._ended = Event()
        self.start()

    def run(self) -> None:
        """Look until `stop`."""
        while not self._ended.wait(0.01):
            child, held = children(), status_mib("VmRSS")
            # A child that has ended meanwhile was not beside what is decoded here now.
            if child & children():
                self.most = max(self.most, held)

    def stop(self) -> float:
        """Stop looking, and give the most MiB."""
        self._ended.set()
        self.join()
        return self.most


def decode(data: bytes) -> None:
    """Check, show, shrink and cut a file; what is refused is refused with an error that is meant to be."""
    identify(data)
    with suppress(UnreadableSource):
        validate(data)
    make_thumbnail(data)
    with suppress(ValueError):
        what = facts(data)
        with suppress(ValueError):
            make_preview(data, what, share=20_000)
        with suppress(UnreadableSource):
            cut_region(data, what, Box(1, 1, what.width - 1, what.height - 1), share=500_000)


def main() -> None:
    """Decode, and write the growth of this process, its largest child, both at once, and the seconds of a processor."""
    use_one_arena()
    files = [Path(name).read_bytes() for name in sys.argv[2:]]
    before, began, beside = status_mib("VmHWM"), time.process_time(), Beside()
    with ThreadPoolExecutor(int(sys.argv[1])) as pool:
        list(pool.map(decode, files))
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    here, child = status_mib("VmHWM") - before, children.ru_maxrss / 1024
    took = {
        "here": here,
        "child": child,
        "together": max(here, child + max(beside.stop() - before, 0) if child else 0),
        "cpu": time.process_time() - began + children.ru_utime + children.ru_stime,
    }
    sys.stdout.write(json.dumps(took))


if __name__ == "__main__":
    main()
