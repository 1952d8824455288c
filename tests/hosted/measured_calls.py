"""Calls a server that is measured, in a process of its own, and prints its `/metrics`: see `test_telemetry`.

`python measured_calls.py FOLDER PORT`; OpenTelemetry's variables say where the rest goes.
"""

import asyncio
import sys
from pathlib import Path

import httpx2
from fault_proxy import Unmarked
from mcp import Client
from workbench import KEY, SMALL

from gpt_image_2_mcp.app import open_service
from gpt_image_2_mcp.sandbox import SandboxTransport, build_sandbox
from gpt_image_2_mcp.server.factory import build_server
from gpt_image_2_mcp.settings import Settings
from gpt_image_2_mcp.telemetry.export import exported


class Watched(Unmarked):
    """A backend that costs money, and keeps the names of the headers that it gets."""

    headers: set[str]

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.headers |= set(request.headers)
        return await super().handle_async_request(request)


async def main(folder: Path, port: int) -> None:
    backend = Watched(SandboxTransport(build_sandbox()))
    backend.headers = set()
    settings = Settings.read({"OPENAI_API_KEY": KEY, "GPT_IMAGE_2_BUDGET_PER_CALL_USD": "0.05"})
    with exported(version="1", metrics_port=port):
        service = open_service(settings, transport=backend, working_dir=folder, home=folder, data_dir=folder / "data")
        async with Client(build_server(lambda: service)) as client:
            for prompt, quality, size in (("a very private fox", "low", SMALL), ("a dear fox", "high", "2048x2048")):
                await client.call_tool("generate_image", {"prompt": prompt, "size": size, "quality": quality})
        async with httpx2.AsyncClient() as reader:
            sys.stdout.write((await reader.get(f"http://127.0.0.1:{port}/metrics")).text)
    sys.stdout.write(f"headers: {sorted(backend.headers)}\n")


asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
