"""The container's commands work, run in an environment that has nothing else: there need not be a container engine."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE_S
from workbench import SMALL

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
UV = shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")


def instructions(stage: str, name: str) -> list[str]:
    return re.findall(rf"^{name} (.+)$", stage, re.MULTILINE)


def test_the_container_runs_as_a_user_of_its_own_on_a_root_that_may_be_read_only() -> None:
    _, _, last, *_ = DOCKERFILE.split("\nFROM ")
    assert instructions(last, "USER") == ["10001:10001"]
    assert instructions(last, "VOLUME") == ["/data"]
    environment = dict(line.split("=", 1) for line in instructions(last, "ENV"))
    assert all(environment[name].startswith("/data") for name in ("HOME", "GPT_IMAGE_2_OUTPUT_DIR"))
    assert "OPENAI_API_KEY" not in environment


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="the container is Linux's")
def test_the_commands_of_the_container_build_a_server_that_is_healthy(tmp_path: Path) -> None:
    source, installed, data = tmp_path / "src", tmp_path / "opt", tmp_path / "data"
    _, build, last, _, stdio = DOCKERFILE.split("\nFROM ")
    source.mkdir()
    data.mkdir()
    for line in instructions(build, "COPY"):
        *names, target = line.split()
        if not line.startswith("--from"):
            for name in names:
                copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
                copy(ROOT / name, source / (name if target == "./" else target))

    def here(command: str) -> str:
        return command.replace("/opt/gpt-image-2-mcp", str(installed)).replace("/data", str(data))

    for command in instructions(build, "RUN"):
        assert command.startswith("uv ")
        done = subprocess.run(  # noqa: S602 - as the container's build runs it
            here(command).replace("uv ", f"{UV} ", 1).replace("uv venv", f"uv venv --python {sys.executable}", 1),
            shell=True,
            cwd=source,
            env={**os.environ, "HOME": str(tmp_path), "UV_PYTHON_DOWNLOADS": "never"},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S * 3,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    environment = dict(line.split("=", 1) for line in instructions(last, "ENV"))
    bare = {name: here(value).replace("$PATH", "/usr/bin:/bin") for name, value in environment.items()}
    (health,) = re.findall(r"^HEALTHCHECK .*CMD (\[.+\])$", stdio, re.MULTILINE)
    (entry,) = instructions(last, "ENTRYPOINT")
    for command in (json.loads(health), [*json.loads(entry), "generate", "a fox", "--size", SMALL, "--sandbox"]):
        done = subprocess.run(
            command, executable=installed / "bin" / command[0], cwd=data, env=bare, capture_output=True, text=True,
            timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    assert list((data / "pictures" / "sandbox").glob("*.png"))
