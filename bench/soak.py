"""Ten thousand calls in one process: what grows, and by how much. `make soak`.

Four calls at a time, most of them for a new picture, some for an edit of the last one, and some for a list. The backend
is that of the benchmark, whose answers are billed, so that the ledger grows as well. Linux only.
"""

import itertools
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .processes import cpu_time, descriptors, rss, threads
from .wire import Wire
from .workspace import OURS, Workspace, open_workspace

CALLS = int(os.environ.get("GPT_IMAGE_2_SOAK_CALLS", "10000"))
AT_ONCE = 4
SIZE = "1024x640"
"""Of the pictures: the smallest that the model makes."""
WARM = 20
"""Calls before the first sample: each kind of them, so that everything is loaded."""
SAMPLES = 10
SETTLE_S = 2.0
"""Without a call before each sample, so that memory which is only free is given back."""
EMPTIED = 200
"""Calls after which the pictures' files are emptied, so that a run needs no gigabytes, and the folder still fills."""
LIMIT_S = 60 + CALLS
"""Seconds after which a run ends by itself, in case it hangs."""

GROWTH_MIB = 10.0
GROWTH_THREADS = 4
"""The pool's, which are made when several are needed at once."""
GROWTH_DESCRIPTORS = 4


@dataclass(frozen=True, slots=True)
class Sample:
    """What the server holds after so many calls."""

    calls: int
    memory_mib: float
    threads: int
    descriptors: int
    database_mib: float
    cpu_s: float

    @classmethod
    def take(cls, calls: int, wire: Wire, folder: Path) -> "Sample":
        """Take a sample while no call is under way."""
        time.sleep(SETTLE_S)
        database = sum(file.stat().st_size for file in folder.rglob("gpt-image-2.db*"))
        pid = wire.pid
        return cls(calls, rss(pid), threads(pid), descriptors(pid), database / 2**20, cpu_time(pid) / 1000)

    def row(self, before: "Sample | None") -> str:
        """A row of the table; the processor time is that of a call since the sample before."""
        each = (self.cpu_s - before.cpu_s) * 1000 / (self.calls - before.calls) if before else 0.0
        return (
            f"{self.calls:>7}{self.memory_mib:>12.1f}{self.threads:>9}{self.descriptors:>13}"
            f"{self.database_mib:>15.1f}{each:>13.1f}\n"
        )


def main() -> int:
    """Make the calls, print the table, and say whether the server has grown; the exit code."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
        signal.signal(number, _stop)
    signal.alarm(LIMIT_S)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="gpt-image-2-soak-", ignore_cleanup_errors=True) as folder,
            open_workspace(Path(folder), sizes=[SIZE]) as workspace,
        ):
            samples = _soak(workspace)
    except KeyboardInterrupt:
        sys.stderr.write("stopped; nothing is left running\n")
        return 1
    return _verdict(samples[0], samples[-1])


def _soak(workspace: Workspace) -> list[Sample]:
    """Make all calls, and print a row for each sample."""
    sys.stdout.write("  calls  memory, MiB  threads  descriptors  database, MiB  CPU, ms a call\n")
    steps = [WARM, *(WARM + (CALLS - WARM) * step // SAMPLES for step in range(1, SAMPLES + 1))]
    samples: list[Sample] = []
    calls = _calls()
    # In one process, which is the one that is measured.
    with workspace.open(OURS, {"GPT_IMAGE_2_ENGINE": "off"}) as caller:
        done = 0
        for step in steps:
            while done < step:
                count = min(AT_ONCE, step - done)
                sent = [caller.wire.send("tools/call", next(calls)) for _ in range(count)]
                for number in sent:
                    caller.wire.wait(number).check()
                done += count
                if done // EMPTIED != (done - count) // EMPTIED:
                    _empty(workspace.folder / "output")
            sample = Sample.take(done, caller.wire, workspace.folder)
            sys.stdout.write(sample.row(samples[-1] if samples else None))
            sys.stdout.flush()
            samples.append(sample)
    return samples


def _calls() -> Iterator[dict[str, object]]:
    """The arguments of one call after another."""
    for number in itertools.count(1):
        match number % 10:
            case 5:
                yield {"name": "list_images", "arguments": {"query": "lighthouse"}}
            case 8:
                yield {"name": "edit_image", "arguments": {"prompt": f"fog {number}", "images": ["last"], "size": SIZE}}
            case _:
                yield {"name": "generate_image", "arguments": {"prompt": f"a lighthouse, {number}", "size": SIZE}}


def _empty(output: Path) -> None:
    """Empty all pictures but the last ones, of which the next edit may start."""
    pictures = sorted(output.rglob("*.png"), key=lambda file: file.stat().st_mtime)
    for file in pictures[:-AT_ONCE]:
        os.truncate(file, 0)


def _verdict(first: Sample, last: Sample) -> int:
    """Compare the last sample with the first, and print what is too much; 1 if anything is."""
    bad = 0
    for name, before, after, limit in (
        ("memory, MiB", first.memory_mib, last.memory_mib, GROWTH_MIB),
        ("threads", first.threads, last.threads, GROWTH_THREADS),
        ("descriptors", first.descriptors, last.descriptors, GROWTH_DESCRIPTORS),
    ):
        is_bad = after - before >= limit
        bad |= is_bad
        word = "TOO MUCH" if is_bad else "fine"
        sys.stdout.write(
            f"{name}: {before:.0f} to {after:.0f}, {after - before:+.1f} of less than {limit:.0f}: {word}\n"
        )
    return bad


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
