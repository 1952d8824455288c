"""The services of docs/hosting/compose.yaml, each run by its command line with the program of this system.

In place of the names of the computers there are ports of loopback. The database is that of the tests, in which the
file's own SQL makes the role and the database.
"""

import json
import re
import sys
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from fault_proxy import until
from postgres_server import PASSWORD, QUOTED, Server
from ruamel.yaml import YAML

from .haproxy import running_haproxy
from .process import free_port, is_listening, running

ROOT: Final = Path(__file__).parents[3]
HOSTING: Final = ROOT / "docs" / "hosting"
DOCKERFILE: Final = (ROOT / "Dockerfile").read_text(encoding="utf-8").partition("\nFROM program AS serve\n")[2]
REPLICAS: Final = ("images-1", "images-2")

VARIABLES: Final = {
    "OPENAI_API_KEY": "sk-proj-Kx81secretQv7-not-to-be-shown",
    "PUBLIC_HOST": "images.example.com",
    "STORE_HOST": "store.example.com",
    "SECRET": "0123456789abcdef" * 4,
    "DATABASE_PASSWORD": PASSWORD,
    "STORE_SECRET": "the secret of the store",
}
"""What the page has people write into `.env`."""


@dataclass(frozen=True)
class Composed:
    """All services, running."""

    public: int
    """The port of the balancer."""
    replicas: Mapping[str, int]
    """The ports of the replicas, by their names."""
    stacks: Mapping[str, ExitStack]
    """Closing one ends that replica."""


def services() -> dict[str, Any]:
    """The file, with its variables replaced."""
    text = (HOSTING / "compose.yaml").read_text(encoding="utf-8")
    filled = re.sub(r"\$\{([A-Z_]+):\?\}", lambda match: VARIABLES[match[1]], text)
    return cast("dict[str, Any]", YAML(typ="safe", pure=True).load(filled))  # pyright: ignore[reportUnknownMemberType]


def instruction(name: str) -> list[str]:
    """The command of an instruction of the image for `serve`."""
    (found,) = re.findall(rf"^{name} .*?(\[.+\])$", DOCKERFILE.partition("\nFROM ")[0], re.MULTILINE)
    command: list[str] = json.loads(found)
    return command


@contextmanager
def running_services(folder: Path, database: Server, tokens: Path, *, openai: str) -> Generator[Composed]:
    """Run them all; `openai` is the address of the backend."""
    file = services()
    ports = {name: free_port() for name in ("store", *REPLICAS)}
    for statement in filter(None, map(str.strip, file["configs"]["database"]["content"].split(";"))):
        database.run(statement)
    try:
        with ExitStack() as stack:
            _run_store(stack, folder, file["services"]["store"], ports["store"])
            config = (HOSTING / "haproxy.cfg").read_text(encoding="utf-8")
            behind = [ports[name] for name in (*REPLICAS, "store")]
            public = stack.enter_context(running_haproxy(config, behind))

            def local(value: str) -> str:
                """A value of the file with what is on this computer in place of what is elsewhere."""
                for there, here in (
                    (f":{PASSWORD}@postgres:5432", f":{QUOTED}@127.0.0.1:{database.port}"),
                    (f"https://{VARIABLES['STORE_HOST']}", f"http://127.0.0.1:{ports['store']}"),
                    (f"https://{VARIABLES['PUBLIC_HOST']}", f"http://127.0.0.1:{public}"),
                    ("/run/secrets/tokens", str(tokens)),
                ):
                    value = value.replace(there, here)
                return value

            stacks = dict[str, ExitStack]()
            for name in REPLICAS:
                environ = {key: local(value) for key, value in file["services"][name]["environment"].items()}
                home = {"HOME": str(folder / name), "XDG_DATA_HOME": str(folder / name), "OPENAI_BASE_URL": openai}
                command = [word.replace("0.0.0.0", "127.0.0.1") for word in instruction("CMD")]  # noqa: S104
                command = [sys.executable, "-m", "gpt_image_2_mcp", *command, "--port", str(ports[name])]
                stacks[name] = stack.enter_context(ExitStack())
                replica = running(command, port=ports[name], log=folder / f"{name}.log", env={**environ, **home})
                stacks[name].enter_context(replica)
            yield Composed(public, {name: ports[name] for name in REPLICAS}, stacks)
    finally:
        for thing in ("DATABASE IF EXISTS pictures WITH (FORCE)", "ROLE IF EXISTS pictures"):
            database.run(f"DROP {thing}")


def _run_store(stack: ExitStack, folder: Path, service: Mapping[str, Any], port: int) -> None:
    (bucket,) = [volume.partition(":")[2] for volume in service["volumes"]]
    (folder / bucket.strip("/")).mkdir(parents=True)
    places = {":9000": f"127.0.0.1:{port}", "/data": str(folder / "data")}
    words: list[str] = service["command"]
    command = [places.get(word, word) for word in words]
    environ = {"RCLONE_CONFIG": "/dev/null", "HOME": str(folder)}
    rclone = str(Path(sys.executable).with_name("rclone"))
    stack.enter_context(running([rclone, *command], port=port, log=folder / "store.log", env=environ))
    until(lambda: is_listening(port))
