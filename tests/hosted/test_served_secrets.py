"""What is secret stands in nothing that a server for a team writes or tells, also where it logs all that it can."""

import re
import secrets
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from patience import PATIENCE_S
from ports import free_port
from promises import promise
from workbench import KEY, META, SMALL, encoded, said

from gpt_image_2_mcp.database.url import PostgresUrl
from gpt_image_2_mcp.server.upload_tool import UPLOAD_KEY

from .conftest import ALICE, BOB
from .parts.collector import running_collector
from .parts.identity_provider import SERVICE, IdentityProvider
from .parts.s3 import S3, new_prefix
from .served import SECRET, served, write_tokens

pytestmark = [pytest.mark.anyio, pytest.mark.thorough]

PROMPT = "an aardvark at home"


@pytest.mark.parametrize("kind", ["folder", "s3"])
@promise("Secrets", "No token, link, prompt or password is in the log, metrics, traces or audit of a server for a team")
async def test_nothing_secret_is_logged_measured_or_told(
    kind: str, team_database: PostgresUrl, sandbox_url: str, s3: S3, identity_provider: IdentityProvider, tmp_path: Path
) -> None:
    port, wrong = free_port(), secrets.token_urlsafe(32)
    jwt = identity_provider.sign({"aud": "https://other.example.com"})
    with running_collector() as collector:
        env = {
            **s3.environ,
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": sandbox_url,
            "GPT_IMAGE_2_MCP_DEBUG": "1",
            "GPT_IMAGE_2_DATABASE_URL": team_database.text,
            "GPT_IMAGE_2_SECRET": SECRET,
            "GPT_IMAGE_2_PUBLIC_URL": "https://images.example.com/mcp",
            "GPT_IMAGE_2_TOKENS_FILE": str(write_tokens(tmp_path, {"alice": ALICE, "bob": BOB})),
            "GPT_IMAGE_2_OAUTH_ISSUER": identity_provider.issuer,
            "GPT_IMAGE_2_OAUTH_INTROSPECTION_URL": identity_provider.introspection,
            "GPT_IMAGE_2_OAUTH_CLIENT_ID": SERVICE[0],
            "GPT_IMAGE_2_OAUTH_CLIENT_SECRET": SERVICE[1],
            "GPT_IMAGE_2_METRICS_PORT": str(port),
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
            **({"GPT_IMAGE_2_STORE_URL": s3.url(new_prefix())} if kind == "s3" else {}),
        }
        told = list[str]()
        with served(tmp_path, env=env) as server:

            def here(url: str) -> str:
                return url.replace("https://images.example.com", server.address)

            async with server.client(ALICE) as client:
                made = await client.call_tool("generate_image", {"prompt": PROMPT, "size": SMALL, "quality": "low"})
                assert not made.is_error, said(made)
                link: str = (made.meta or {})[META]["images"][0]["url"]
                assert httpx2.get(here(link)).status_code == 200
                sized = {"name": "x.png", "size": len(encoded()), "type": "image/png"}
                upload: dict[str, Any] = ((await client.call_tool("upload_link", sized)).meta or {})[UPLOAD_KEY]
                assert httpx2.put(here(upload["url"]), content=encoded()).is_success
                for image in (upload["image"], "https://10.0.0.1/x.png?secret=hunter2", "no-such-picture"):
                    arguments = {"prompt": PROMPT, "images": [image], "size": SMALL, "quality": "low"}
                    told.append(said(await client.call_tool("edit_image", arguments)))
                told.append(said(await client.call_tool("image_costs", {})))
            for token in (wrong, jwt, f"{ALICE}x", "Bearer"):
                told.append(server.post(token).text)
            for body in (b"{", b"[" * 9000, b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":7}'):
                told.append(server.post(ALICE, body=body).text)
            told += [httpx2.get(here(link) + "x").text, httpx2.put(here(upload["url"]) + "x", content=b"1").text]
            told += [httpx2.get(f"{server.address}{path}").text for path in ("/healthz", "/readyz", "/", "/mcp", "/x")]
            told.append(httpx2.get(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S).text)
        told.append("".join(server.said))
        told.append(b"".join(collector.bodies).decode("utf-8", "replace"))
        with closing(psycopg.connect(team_database.text)) as connection:
            connection.execute("SELECT set_config('gpt_image_2.person', '*', false)")
            told.append(str(connection.execute("SELECT * FROM audit").fetchall()))
    everything = "\n".join(told)
    signatures = [*re.findall(r"(?:sign|X-Amz-Signature)=([\w-]{20,})", link + upload["url"])]
    assert len(signatures) == 2
    hidden = [ALICE, BOB, wrong, jwt, jwt.split(".")[1], SECRET, SERVICE[1], KEY, *signatures, "hunter2"]
    hidden += [password for password in (team_database.parts.password,) if password]
    hidden += [s3.environ["AWS_SECRET_ACCESS_KEY"]]
    assert [word for word in hidden if word in everything] == []
    # The words of a person are told to nobody but that person.
    assert [part[:2000] for part in told if "aardvark" in part] == []
    assert "Traceback" not in everything
