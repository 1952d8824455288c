"""Official clients of a server over HTTP, by which a person logs in at the identity provider: in Python and TypeScript.

All of it is the client's own: that it is told by the server where to log in, finds the issuer's metadata, registers
itself, and gets its token by PKCE. The tests only fill in the pages that a browser would show.
"""

import json
import os
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import anyio
import anyio.to_thread
import httpx2
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp import Client, MCPError
from mcp.client.auth import OAuthClientProvider, TokenStorage
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from mcp_types import CallToolResult, ReadResourceResult
from patience import PATIENCE_S
from pydantic import AnyUrl

from ..served import Era
from .identity_provider import NODE, REDIRECT, IdentityProvider

OVER_HTTP: Final = Path(__file__).parents[2] / "official_clients" / "over_http.mjs"
T = TypeVar("T")


class CallFailed(Exception):
    """The call has no answer: what the client says about it."""


class PersonsClient(Protocol):
    """What a person's client can do."""

    protocol: str
    tools: list[str]

    async def call(self, tool: str, **arguments: Any) -> CallToolResult:
        """Call a tool; raises CallFailed if the client gets no answer."""
        ...

    async def read(self, uri: str) -> ReadResourceResult:
        """Read a resource; raises CallFailed if there is none."""
        ...


@dataclass
class Where:
    """The server, and who logs people in."""

    url: str
    provider: IdentityProvider
    authority: Path | None = None
    """What makes the client trust the server's certificate."""

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.authority)


class _InMemory(TokenStorage):
    def __init__(self) -> None:
        self._tokens: OAuthToken | None = None
        self._client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self._tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self._tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self._client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self._client = client_info


class InPython:
    """The client of the Python SDK."""

    def __init__(self, client: Client, tools: list[str]) -> None:
        self._client = client
        self.protocol = str(client.protocol_version)
        self.tools = tools

    async def call(self, tool: str, **arguments: Any) -> CallToolResult:
        return await self._answer(lambda: self._client.call_tool(tool, arguments))

    async def read(self, uri: str) -> ReadResourceResult:
        return await self._answer(lambda: self._client.read_resource(uri))

    @staticmethod
    async def _answer(ask: Callable[[], Awaitable[T]]) -> T:
        try:
            return await ask()
        except MCPError as error:
            raise CallFailed(str(error)) from error


@asynccontextmanager
async def python_client(where: Where, person: str, *, era: Era = "auto") -> AsyncGenerator[InPython]:
    """Log a person in with the Python client."""
    led_to = dict[str, httpx2.URL]()

    async def open_browser(address: str) -> None:
        led_to["back"] = await anyio.to_thread.run_sync(where.provider.signed_in, address, person)

    async def come_back() -> AuthorizationCodeResult:
        given = led_to["back"].params
        return AuthorizationCodeResult(code=given["code"], state=given.get("state"), iss=given.get("iss"))

    metadata = OAuthClientMetadata(
        client_name="official Python client",
        redirect_uris=[AnyUrl(REDIRECT)],
        token_endpoint_auth_method="none",
    )
    login = OAuthClientProvider(where.url, metadata, _InMemory(), open_browser, come_back)
    async with (
        httpx2.AsyncClient(auth=login, timeout=PATIENCE_S, verify=where.trust) as http,
        Client(streamable_http_client(where.url, http_client=http), mode=era) as client,
    ):
        listed = await client.list_tools()
        yield InPython(client, [one.name for one in listed.tools])


class InTypeScript:
    """A client of one of the TypeScript SDKs, in a process of its own."""

    def __init__(self, process: anyio.abc.Process) -> None:
        assert process.stdout is not None
        self._process = process
        self._said = BufferedByteReceiveStream(process.stdout)
        self._answers = dict[int, dict[str, Any]]()
        self._heard = anyio.Event()
        self._asked = 0
        self.protocol = ""
        self.tools = list[str]()

    async def log_in(self, where: Where, person: str) -> None:
        said = await self._line()
        if "authorize" in said:
            back = await anyio.to_thread.run_sync(where.provider.signed_in, said["authorize"], person)
            await self._tell(str(back))
            said = await self._line()
        self.protocol, self.tools = said["protocol"], said["tools"]

    async def listen(self) -> None:
        """Take the answers as they come."""
        while True:
            said = await self._line()
            self._answers[said["id"]] = said
            heard, self._heard = self._heard, anyio.Event()
            heard.set()

    async def call(self, tool: str, **arguments: Any) -> CallToolResult:
        return CallToolResult.model_validate(await self._answer({"tool": tool, "arguments": arguments}))

    async def read(self, uri: str) -> ReadResourceResult:
        return ReadResourceResult.model_validate(await self._answer({"read": uri}))

    async def _answer(self, request: Mapping[str, Any]) -> Any:
        self._asked += 1
        number = self._asked
        await self._tell(json.dumps({"id": number, **request}))
        with anyio.fail_after(PATIENCE_S):
            while number not in self._answers:
                await self._heard.wait()
        said = self._answers.pop(number)
        if "failed" in said:
            raise CallFailed(said["failed"])
        return said["result"]

    async def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        await self._process.stdin.send(f"{line}\n".encode())

    async def _line(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(await self._said.receive_until(b"\n", 64_000_000))
        return said


@asynccontextmanager
async def typescript_client(
    where: Where, person: str, *, client: str = "2 auto", within_s: float = PATIENCE_S
) -> AsyncGenerator[InTypeScript]:
    """Log a person in with a TypeScript client: "1", "2", or "2 auto" with the newest protocol.

    `within_s` is how long the client waits for the answer to a call.
    """
    env = {**os.environ, "NODE_EXTRA_CA_CERTS": str(where.authority or ""), "CALL_WITHIN_S": str(within_s)}
    command = [str(NODE), str(OVER_HTTP), client, where.url]
    async with await anyio.open_process(command, env=env, stderr=None) as process:
        try:
            async with anyio.create_task_group() as tasks:
                one = InTypeScript(process)
                with anyio.fail_after(PATIENCE_S):
                    await one.log_in(where, person)
                tasks.start_soon(one.listen)
                yield one
                tasks.cancel_scope.cancel()
        finally:
            process.terminate()
