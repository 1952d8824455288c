"""What every measurement needs: a temporary folder, the backend, pictures, and the subjects that are measured."""

import itertools
import json
import os
import sys
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal
from urllib.request import urlopen

from .figures import Figures
from .pictures import paint
from .wire import Wire

HERE = Path(__file__).parent
PYTHON = (sys.executable, "-P")
SQUARE, LARGE = "1024x1024", "3840x2160"
GROWING = (SQUARE, "1536x1024", "2048x2048", LARGE)
PROMPT = "A lighthouse on a cliff at dusk, long exposure"
BARE = (sys.executable, "-c", "pass")
LEAST_ROUNDS = 3
_takes = itertools.count()
FOREIGN = ("OPENAI_", "GPT_IMAGE_2_", "PYTHONDONTWRITEBYTECODE", "PYTHONSTARTUP", "MCP_")
"""Prefixes of variables that would make a run on one machine different from a run on another."""
NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A program that is measured: a server, or the SDK alone, which takes the same messages."""

    name: str
    command: Sequence[str]
    kind: Literal["ours", "sdk", "peer"]
    tool: str = "generate_image"
    arguments: Mapping[str, Any] = field(default_factory=lambda: {"prompt": f"{PROMPT}, take $take", "size": "$size"})
    """With `$size` and `$n` where these belong; without `$n`, `n` is added where several pictures are asked for.

    `$take` is another number in each call: a server may give the picture of an earlier identical call, whose answer was
    not read, instead of asking the API.
    """
    env: Mapping[str, str] = field(default_factory=dict[str, str])


OURS = Subject("gpt-image-2-mcp", (*PYTHON, "-m", "gpt_image_2_mcp"), "ours")
SDK = Subject("openai SDK alone", (*PYTHON, str(HERE / "sdk_alone.py")), "sdk")
SDK_DURABLE = replace(
    SDK, name="openai SDK, and a row, the file, its folder and the row synced", env={"BENCH_DURABLE": "1"}
)
"""The least that a call can take which keeps what the server promises of the disk."""
SDK_SERVED = replace(
    SDK_DURABLE, name="the same as a tool of the official MCP SDK", env={**SDK_DURABLE.env, "BENCH_MCP": "1"}
)
"""The least that an MCP server in Python can take."""


@dataclass(frozen=True, slots=True, eq=False)
class Caller:
    """A running subject that pictures can be asked of."""

    subject: Subject
    wire: Wire

    @property
    def pid(self) -> int:
        """The process that was started."""
        return self.wire.pid

    def ask(self, size: str, n: int = 1) -> float:
        """Ask for pictures; give the ms until the last byte of the answer."""
        began = time.perf_counter()
        return (self.wire.wait(self.send(size, n)).check().at - began) * 1000

    def ask_at_once(self, count: int, size: str) -> float:
        """Ask that many times at once; give the ms until the last answer."""
        began = time.perf_counter()
        numbers = [self.send(size, 1) for _ in range(count)]
        return (max(self.wire.wait(number).check().at for number in numbers) - began) * 1000

    def send(self, size: str, n: int = 1) -> int:
        """Ask for pictures without waiting; give the request's id."""
        text = json.dumps(dict(self.subject.arguments)).replace('"$n"', str(n))
        given = json.loads(text.replace("$size", size).replace("$take", str(next(_takes))))
        if n > 1 and "$n" not in map(str, self.subject.arguments.values()):
            given["n"] = n
        return self.wire.send("tools/call", {"name": self.subject.tool, "arguments": given})


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folder, the backend and the subjects of one run."""

    folder: Path
    port: int
    pictures: Mapping[str, bytes]
    peers: Sequence[Subject]
    quick: bool
    figures: Figures

    @property
    def servers(self) -> Sequence[Subject]:
        """Our server, and those that it is compared with."""
        return OURS, *self.peers

    @property
    def all(self) -> Sequence[Subject]:
        """All subjects; the SDK is the first, since the others are compared with it."""
        return SDK, *self.servers

    @contextmanager
    def open(self, subject: Subject, env: Mapping[str, str] = NOTHING, *, handshake: bool = True) -> Generator[Caller]:
        """Start a subject; unless `handshake` is false, perform the MCP handshake with it."""
        with Wire(
            subject.command,
            env=self._env(subject) | dict(subject.env) | dict(env),
            cwd=self.folder / "work",
        ) as wire:
            if handshake:
                wire.shake_hands()
            yield Caller(subject, wire)

    def last_arrival(self) -> float:
        """When the first byte of the latest request was at the backend, by the clock of `time.perf_counter`."""
        with urlopen(f"http://127.0.0.1:{self.port}/last-arrival") as answer:
            return json.load(answer)["at"]

    def environ(self, subject: Subject) -> dict[str, str]:
        """The environment of a subject: nothing of this machine's settings, and the folders of this run."""
        return self._env(subject) | dict(subject.env)

    def rounds(self, full: int, quick: int, *, seconds: float) -> Iterator[int]:
        """Count rounds, fewer where the machine is slow; what was saved is swept away after each."""
        until = time.monotonic() + (seconds / 4 if self.quick else seconds)
        for number in range(quick if self.quick else full):
            if number >= LEAST_ROUNDS and time.monotonic() > until:
                return
            yield number
            self.sweep()

    def sweep(self) -> None:
        """Delete saved pictures before the system begins to write them to the disk."""
        for file in self.folder.joinpath("output").rglob("*.png"):
            file.unlink(missing_ok=True)

    def _env(self, subject: Subject) -> dict[str, str]:
        env = {name: value for name, value in os.environ.items() if not name.upper().startswith(FOREIGN)}
        env = {name: value for name, value in env.items() if not name.lower().endswith("_proxy")}
        output = self.folder / "output"
        env |= {
            "OPENAI_API_KEY": "sk-bench",
            "OPENAI_BASE_URL": f"http://127.0.0.1:{self.port}/v1",
            "GPT_IMAGE_2_OUTPUT_DIR": str(output),
            "BENCH_OUTPUT": str(output),
            "OUTPUT_DIR": str(output),
        }
        if subject.kind != "peer":  # a peer's runner may have its packages at home
            home = str(self.folder / "home")
            env |= {"HOME": home, "XDG_DATA_HOME": home, "XDG_CACHE_HOME": home, "XDG_CONFIG_HOME": home}
        return env


@contextmanager
def open_workspace(
    folder: Path, *, quick: bool = False, peers: Sequence[Subject] = (), sizes: Sequence[str] = ()
) -> Generator[Workspace]:
    """Make the pictures, of these sizes or those of a whole run, and start the backend.

    The caller deletes the folder.
    """
    for name in ("work", "home", "output", "pictures"):
        folder.joinpath(name).mkdir()
    pictures = paint(sizes or ((SQUARE, LARGE) if quick else GROWING), folder / "pictures")
    backend = (*PYTHON, str(HERE / "backend.py"), str(folder / "pictures"))
    with Wire(backend, env=os.environ, cwd=folder / "work") as wire:
        port = json.loads(wire.wait(0).line)["result"]["port"]
        yield Workspace(folder, port, pictures, peers, quick, Figures())
