"""What the real program gives back to the operating system once its work is done."""

import base64
import io
import json
import platform
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import anyio.to_thread
import pytest
from fault_proxy import until
from PIL import Image
from stdio_bench import running
from workbench import KEY

pytestmark = pytest.mark.anyio

LARGE = "3840x2160"
LARGE_CALLS = 4
KEPT_KIB = 25 * 1024
"""What the program may hold more than before its first picture. 12 MiB are modules that a first request loads; what
passes through memory while a picture in 4K is made is 35 MiB, and 29 of these stay without `jobs.malloc`."""


@pytest.fixture
def backend() -> Generator[str]:
    """A backend that answers each request with a picture in 4K; gives its address."""
    file = io.BytesIO()
    Image.effect_noise((3840, 2160), 40).convert("RGB").save(file, "PNG", compress_level=1)
    body = json.dumps({"data": [{"b64_json": base64.b64encode(file.getvalue()).decode()}]}).encode()

    class Images(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name it has there
            """Write nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Images) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators are left alone")
async def test_the_memory_of_large_pictures_is_given_back(tmp_path: Path, backend: str) -> None:
    environ = {
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": backend,
        "GPT_IMAGE_2_OUTPUT_DIR": str(tmp_path / "pictures"),
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "HOME": str(tmp_path),
    }
    async with running(environ) as program:
        await program.greet()

        def held() -> int:
            """Resident memory in KiB."""
            status = Path(f"/proc/{program.process.pid}/status").read_text(encoding="ascii")
            return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))

        await program.answer(await program.call("list_images"))
        loaded = held()
        for _ in range(LARGE_CALLS):
            result = await program.answer(await program.call("generate_image", prompt="a red fox", size=LARGE))
            assert not result.get("isError"), result
        await anyio.to_thread.run_sync(until, lambda: held() < loaded + KEPT_KIB)
