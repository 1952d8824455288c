"""haproxy, from the system's packages, with a configuration of the test's."""

import os
import re
import subprocess
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ports import free_port

from .process import binary, running


@contextmanager
def running_haproxy(
    config: str,
    replicas: Sequence[int],
    *,
    port: int | None = None,
    certificates: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Generator[int]:
    """Run haproxy in front of servers on these ports of loopback; gives the port that it listens on.

    `config` is a whole configuration, as it stands in the documents: the port of its `bind` is exchanged, and the
    addresses of its `server` lines, from the first on; lines for which there is no replica are left out. It speaks TLS
    with the `certificates` of a folder, and without TLS if there is none.

    Raises:
        AssertionError: haproxy does not accept the configuration, or warns about it.

    """
    port, left = port or free_port(), list(replicas)
    lines = list[str]()
    for line in config.splitlines():
        if found := re.match(r"(\s*)bind\s+\S+(.*)", line):
            tls = re.sub(r"crt \S+", f"crt {certificates}/", found[2]) if certificates else ""
            lines.append(f"{found[1]}bind 127.0.0.1:{port}{tls}")
        elif found := re.match(r"(\s*server\s+\S+\s+)\S+(.*)", line):
            lines += [f"{found[1]}127.0.0.1:{left.pop(0)}{found[2]}"] if left else []
        else:
            lines.append(line)
    with tempfile.TemporaryDirectory(prefix="haproxy") as folder:
        path = Path(folder, "haproxy.cfg")
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        program = binary("haproxy")
        env = {**os.environ, **(environ or {})}
        checked = subprocess.run([program, "-c", "-f", path], capture_output=True, text=True, check=False, env=env)
        assert (checked.returncode, checked.stderr) == (0, ""), checked.stderr
        with running([program, "-db", "-f", path], port=port, log=Path(folder, "log"), env=env):
            yield port
