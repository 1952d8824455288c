"""nginx, from the system's packages, with a configuration of the test's."""

import re
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ports import free_port

from .process import binary, running

WHOLE = """\
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
{config}
}}
"""


@contextmanager
def running_nginx(config: str, replicas: Sequence[int]) -> Generator[int]:
    """Run nginx in front of servers on these ports of loopback; gives the port that it listens on.

    `config` is what stands within `http` (a file of `conf.d`), as in the documents: the port of its `listen` is
    exchanged, its certificate left out, and the addresses of its `upstream` are exchanged, from the first on; lines for
    which there is no replica are left out.
    """
    port, left = free_port(), list(replicas)
    lines = list[str]()
    for line in config.splitlines():
        if re.match(r"\s*listen\s", line):
            lines.append(f"  listen 127.0.0.1:{port};")
        elif found := re.match(r"(\s*server\s+)[\w.-]+:\d+(.*;)", line):
            lines += [f"{found[1]}127.0.0.1:{left.pop(0)}{found[2]}"] if left else []
        elif not re.match(r"\s*ssl_certificate", line):
            lines.append(line)
    with tempfile.TemporaryDirectory(prefix="nginx") as folder:
        path = Path(folder, "nginx.conf")
        path.write_text(WHOLE.format(folder=folder, config="\n".join(lines)), encoding="utf-8")
        Path(folder).chmod(0o755)
        with running([binary("nginx"), "-p", folder, "-c", path], port=port, log=Path(folder, "log")):
            yield port
