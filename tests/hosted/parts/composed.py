"""The services of docs/hosting/compose.yaml, each run by its command line with the program of this system.

`.env` and `server.env` are written by the commands of docs/hosting.md. haproxy has a certificate of an authority that
only the clients of the test trust. In place of the names of the computers there are ports of loopback, of which
`127.0.0.1` is the server's name and `localhost` the store's. The database is that of the tests, in which the file's own
SQL makes the role and the database.
"""

import json
import os
import re
import signal
import ssl
import sys
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import httpx2
from certificate import authority
from fault_proxy import until
from ports import free_port
from postgres_server import Server
from ruamel.yaml import YAML

from .haproxy import running_haproxy
from .process import is_listening, running
from .shell_steps import step, typed, variables

ROOT: Final = Path(__file__).parents[3]
HOSTING: Final = ROOT / "docs" / "hosting"
DOCKERFILE: Final = (ROOT / "Dockerfile").read_text(encoding="utf-8").partition("\nFROM program AS serve\n")[2]
REPLICAS: Final = ("images-1", "images-2")
WITH_COMPOSE: Final = "## Run it with Compose"
KEY: Final = "sk-proj-Kx81secretQv7-not-to-be-shown"


@dataclass(frozen=True)
class Composed:
    """All services, running."""

    address: str
    """That of the balancer, by the name of the server."""
    store: str
    """The same by the name of the store."""
    folder: Path
    authority: Path
    """What makes a program trust the certificate."""
    replicas: Mapping[str, int]
    """The ports of the replicas, by their names."""
    environ: Mapping[str, str]
    """The environment of a replica, but for its own folder."""
    tokens: Mapping[str, str]
    """The token of each person, where they have one of the server's file."""

    @property
    def url(self) -> str:
        """What clients are given."""
        return f"{self.address}/mcp"

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.authority)

    def home(self, name: str) -> Path:
        """The folder of a replica."""
        return self.folder / name

    def kill(self, name: str) -> None:
        """End a replica at once."""
        port = self.replicas[name]
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            if process.read_bytes().endswith(f"--port\0{port}\0".encode()):
                os.kill(int(process.parent.name), signal.SIGKILL)
        # What reaches it before is sent, and so not repeated.
        until(lambda: not is_listening(port))


def services(filled_in: Mapping[str, str]) -> dict[str, Any]:
    """The file, with its variables replaced."""
    text = (HOSTING / "compose.yaml").read_text(encoding="utf-8")
    filled = re.sub(r"\$\{([A-Z_]+):\?\}", lambda match: filled_in[match[1]], text)
    return cast("dict[str, Any]", YAML(typ="safe", pure=True).load(filled))  # pyright: ignore[reportUnknownMemberType]


def instruction(name: str) -> list[str]:
    """The command of an instruction of the image for `serve`."""
    (found,) = re.findall(rf"^{name} .*?(\[.+\])$", DOCKERFILE.partition("\nFROM ")[0], re.MULTILINE)
    command: list[str] = json.loads(found)
    return command


def with_tokens(folder: Path, *people: str) -> dict[str, str]:
    """Write `server.env` and the file of tokens as the page says; gives the token of each person."""
    typed(step(WITH_COMPOSE, "GPT_IMAGE_2_TOKENS_FILE="), folder)
    return {person: typed(step(WITH_COMPOSE, "person=", person=person), folder) for person in people}


def with_issuer(folder: Path, issuer: str) -> None:
    """Write `server.env` for an identity provider as the page says."""
    typed(step(WITH_COMPOSE, "OAUTH_ISSUER=", GPT_IMAGE_2_OAUTH_ISSUER=issuer), folder)


@contextmanager
def running_services(
    folder: Path, database: Server, *, openai: str, tokens: Mapping[str, str] | None = None, **settings: str
) -> Generator[Composed]:
    """Run them all in a folder with `server.env`, to which the `settings` are added; `openai` is the backend."""
    public = free_port()
    ports = {name: free_port() for name in ("store", *REPLICAS)}
    names = {"PUBLIC_HOST": f"127.0.0.1:{public}", "STORE_HOST": f"localhost:{public}"}
    typed(step(WITH_COMPOSE, "PUBLIC_HOST=", OPENAI_API_KEY=KEY, **names), folder)
    filled_in = variables(folder / ".env")
    file = services(filled_in)
    trusted, certificates = authority(folder, "127.0.0.1", "localhost")
    for statement in filter(None, map(str.strip, file["configs"]["database"]["content"].split(";"))):
        database.run(statement)
    try:
        with ExitStack() as stack:
            _run_store(stack, folder, file["services"]["store"], ports["store"])
            config = (HOSTING / "haproxy.cfg").read_text(encoding="utf-8")
            behind = [ports[name] for name in (*REPLICAS, "store")]
            knows: dict[str, str] = file["services"]["balancer"]["environment"]
            stack.enter_context(running_haproxy(config, behind, port=public, certificates=certificates, environ=knows))
            given: dict[str, str] = file["services"][REPLICAS[0]]["environment"]
            in_file = variables(folder / file["services"][REPLICAS[0]]["env_file"])
            environ = {**in_file, **given, **settings, "OPENAI_BASE_URL": openai, "SSL_CERT_FILE": str(trusted)}
            places = {"postgres:5432": f"127.0.0.1:{database.port}", "/people/": f"{folder}/people/"}
            for there, here in places.items():
                environ = {name: value.replace(there, here) for name, value in environ.items()}
            for name in REPLICAS:
                command = [word.replace("0.0.0.0", "127.0.0.1") for word in instruction("CMD")]  # noqa: S104
                command = [sys.executable, "-m", "gpt_image_2_mcp", *command, "--port", str(ports[name])]
                own = {"HOME": str(folder / name), "XDG_DATA_HOME": str(folder / name)}
                log = folder / f"{name}.log"
                stack.enter_context(running(command, port=ports[name], log=log, env={**environ, **own}))
            replicas = {name: ports[name] for name in REPLICAS}
            address, store = (f"https://{name}" for name in names.values())
            composed = Composed(address, store, folder, trusted, replicas, environ, tokens or {})
            # The balancer asks each second whether they are ready.
            until(lambda: httpx2.get(f"{address}/readyz", verify=composed.trust).is_success)
            yield composed
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
