"""docs/hosting.md with an identity provider: each official client logs a person in by itself, and gets to a picture.

The services are those of the Compose file, behind haproxy with TLS. The pages of the provider for login and consent are
filled in as a browser does it.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp_types import CallToolResult
from patience import PATIENCE_S
from ports import free_port
from workbench import META, SMALL, TOOLS, said

from .conftest import RunComposed
from .parts.composed import Composed
from .parts.identity_provider import NODE, IdentityProvider
from .parts.logged_in import PersonsClient, Where, python_client, typescript_client

INSPECTOR = Path(__file__).parents[1] / "official_clients" / "node_modules" / "@modelcontextprotocol" / "inspector"
FROM_NPM = pytest.mark.skipif(not INSPECTOR.exists(), reason="the clients are not installed: make install")
FOX = {"prompt": "a red fox", "size": SMALL, "quality": "low"}

pytestmark = [pytest.mark.anyio, pytest.mark.thorough, pytest.mark.skipif(sys.platform != "linux", reason="Linux's")]


@pytest.fixture(scope="module")
def composed(composed_with_login: RunComposed) -> Iterator[Composed]:
    with composed_with_login() as services:
        yield services


@pytest.mark.parametrize(
    ("client", "protocol"),
    [
        pytest.param(partial(python_client, era="auto"), "2026-07-28", id="Python"),
        pytest.param(partial(python_client, era="legacy"), "2025-11-25", id="Python, older protocol"),
        pytest.param(partial(typescript_client, client="1"), "2025-11-25", id="TypeScript 1", marks=FROM_NPM),
        pytest.param(partial(typescript_client, client="2"), "2025-11-25", id="TypeScript 2", marks=FROM_NPM),
        pytest.param(
            partial(typescript_client, client="2 auto"), "2026-07-28", id="TypeScript 2, newest", marks=FROM_NPM
        ),
    ],
)
async def test_a_person_logs_in_and_gets_a_picture(
    composed: Composed, identity_provider: IdentityProvider, client: Any, protocol: str
) -> None:
    """The client is told by the server where to log in, registers itself, and gets a token by PKCE."""
    where = Where(composed.url, identity_provider, composed.authority)
    opened: AbstractAsyncContextManager[PersonsClient] = client(where, "alice")
    async with opened as alice:
        assert alice.protocol == protocol
        assert alice.tools == [*TOOLS, "upload_link", "studio_app"]
        made = await alice.call("generate_image", **FOX)
        assert not made.is_error, said(made)
        (picture,) = (made.meta or {})[META]["images"]
        assert picture["url"].startswith(composed.store)
        fetched = httpx2.get(picture["url"], verify=composed.trust, timeout=PATIENCE_S)
        assert (fetched.status_code, len(fetched.content)) == (httpx2.codes.OK, picture["size_bytes"])


@FROM_NPM
@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_a_person_logs_in_by_the_inspector_and_gets_a_picture(
    composed: Composed, identity_provider: IdentityProvider, tmp_path: Path, era: str
) -> None:
    """Its command line prints where to log in, and waits for the browser to come back."""
    back_to = f"http://127.0.0.1:{free_port()}/oauth/callback"
    call = ("--method", "tools/call", "--tool-name", "generate_image", "--tool-args-json", json.dumps(FOX))
    options = (*call, "--protocol-era", era, "--callback-url", back_to)
    with inspector(composed, tmp_path, *options) as process:
        assert process.stderr is not None
        address = next(found[1] for line in process.stderr if (found := re.search(r"navigate to: (\S+)", line)))
        back = identity_provider.signed_in(address, "alice")
        assert str(back).startswith(back_to)
        assert httpx2.get(back, timeout=PATIENCE_S).is_success
        told, complained = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, complained
    result = CallToolResult.model_validate(json.loads(told)["result"])
    assert not result.is_error, said(result)
    assert "curl -o image-" in said(result)


def inspector(composed: Composed, home: Path, *options: str) -> "subprocess.Popen[str]":
    """The command line of the Inspector, at the server."""
    launcher = INSPECTOR / "clients" / "launcher" / "build" / "index.js"
    command = [str(NODE), str(launcher), "--cli", "--server-url", composed.url, "--format", "json", *options]
    own = {
        "HOME": str(home),
        "NODE_EXTRA_CA_CERTS": str(composed.authority),
        "MCP_INSPECTOR_SECRET_STORE": "memory",
        # A login is offered only where a browser can be opened: this one does nothing.
        "MCP_AUTO_OPEN_ENABLED": "true",
        "BROWSER": "true",
    }
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env={**os.environ, **own}, stdout=pipe, stderr=pipe, text=True)
