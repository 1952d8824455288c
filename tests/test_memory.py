"""A server that has nothing to do holds little memory: a person has many, and each is idle most of the time."""

import gc
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE_S
from workbench import SMALL, Bench

from gpt_image_2_mcp.jobs import runner
from gpt_image_2_mcp.jobs.job import Job
from gpt_image_2_mcp.server import given_up_calls

PROGRAM = """
import re, sys
from pathlib import Path

import anyio

from gpt_image_2_mcp.app import open_service
from gpt_image_2_mcp.parameters.models import GenerateRequest
from gpt_image_2_mcp.sandbox import SandboxTransport, build_sandbox
from gpt_image_2_mcp.settings import Settings

MIB = 1024 * 1024

def resident_mib():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024

async def main(root):
    settings = Settings.read({"OPENAI_API_KEY": "sk-x", "GPT_IMAGE_2_OUTPUT_DIR": str(root)})
    transport = SandboxTransport(build_sandbox())
    async with open_service(settings, transport=transport, working_dir=root, home=root) as service:
        # Free memory below some that is in use, which the allocator keeps of its own accord.
        pieces = [bytes(4000) for _ in range(100 * MIB // 4000)]
        kept = pieces[::1000]
        del pieces
        held = resident_mib()
        await service.wait(service.start(GenerateRequest(prompt="a fox", size="1024x640", quality="low")))
        with anyio.fail_after(float(sys.argv[2])):
            while resident_mib() > held - 60:
                await anyio.sleep(0.05)
        del kept

anyio.run(main, Path(sys.argv[1]))
"""


@pytest.mark.thorough
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator can be told to")
def test_memory_that_is_free_is_given_back_once_no_job_is_under_way(tmp_path: Path) -> None:
    """The 100 MiB that were in use for a moment; a picture in 4K takes as much."""
    subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path, str(PATIENCE_S)],
        check=True,
        env={**os.environ, "HOME": str(tmp_path)},
    )


@pytest.mark.thorough
@pytest.mark.anyio
async def test_a_job_that_is_remembered_no_more_is_freed_without_the_garbage_collector(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The collector goes through everything rarely: hundreds of jobs once waited for it, ten kilobytes each."""
    monkeypatch.setattr(runner, "MAX_FINISHED", 1)
    monkeypatch.setattr(given_up_calls, "MAX_CALLS", 1)
    gc.collect()
    gc.disable()
    try:
        before = sum(isinstance(one, Job) for one in gc.get_objects())
        for number in range(5):
            await bench.made("generate_image", prompt=f"a fox, {number}", size=SMALL, quality="low")
        kept = sum(isinstance(one, Job) for one in gc.get_objects()) - before
    finally:
        gc.enable()
    assert kept <= 2
