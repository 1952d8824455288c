"""The parts of the `mcp` SDK that have no documented way in; no other module uses one of them.

Everything else in the package imports what the SDK's documentation shows. `tests/test_sdk.py` holds both: it finds
private names of the SDK elsewhere in the source, and fails with every version of `mcp` that this module was not tried
with. After an upgrade, read the docstrings here, run the tests, and add the version to `TRIED` in that test.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.server import ServerRequestContext, extension
from mcp.server.lowlevel import helper_types
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.prompts import base
from mcp.shared.message import SessionMessage
from mcp_types import Result
from pydantic import BaseModel

if TYPE_CHECKING:
    from starlette.types import ASGIApp

ParamsT = TypeVar("ParamsT", bound=BaseModel)

BEGIN_ANSWER_S: Final = 1.0
"""After so many seconds an answer over HTTP begins, whose picture is still made, and shows again that it comes."""

ReadResourceContents: TypeAlias = helper_types.ReadResourceContents
"""What `MCPServer.read_resource` returns.

An override of that public method has to return it, and the SDK defines it in a module of its implementation only. When
it moves, import it from its new place. It needs `content` and `mime_type`.
"""

Extension: TypeAlias = extension.Extension
"""The base of what `MCPServer(extensions=…)` takes.

The parameter is documented, and its class has no module that lists it. When it moves, import it from its new place. It
needs `identifier`.
"""

PromptArgument: TypeAlias = base.PromptArgument
"""One element of `Prompt.arguments`.

`Prompt` itself is exported, this class is not. When it moves, import it from its new place. It needs `name`,
`description` and `required`.
"""


async def serve_streams(
    server: MCPServer[Any],
    inbound: MemoryObjectReceiveStream[SessionMessage | Exception],
    outbound: MemoryObjectSendStream[SessionMessage],
) -> None:
    """Serve one client on streams of our own, until `inbound` ends.

    `MCPServer` serves its own transports only (`run_stdio_async` and the like). Its `_lowlevel_server`, a
    `mcp.server.lowlevel.Server`, has the documented `run`, which takes any pair of streams. When the attribute goes,
    look at what `MCPServer.run_stdio_async` does with the streams of `stdio_server`: this function does the same.
    """
    lowlevel = server._lowlevel_server  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    await lowlevel.run(inbound, outbound, lowlevel.create_initialization_options())


@asynccontextmanager
async def open_http(server: MCPServer[Any], *, max_body: int) -> "AsyncGenerator[ASGIApp]":
    """An ASGI app that answers each request to `server` by itself, in both eras of the protocol.

    The server's lifespan is entered with the block. `max_body` is the most bytes of a request. Host, Origin and token
    are the caller's to check.

    `MCPServer.streamable_http_app` gives a whole application with one server for all people. The class of which it
    makes its endpoint is shown in the SDK's documentation, and takes the `mcp.server.lowlevel.Server` that `MCPServer`
    keeps in `_lowlevel_server`. When the attribute goes, look at what `streamable_http_app` passes on.

    In the newest era the SDK begins an answer after `_SSE_PING_INTERVAL`, which is 15 s, if nothing is told before. Its
    own client, where a person has logged in, sends no other request until then: three pictures that are asked for at
    once would be begun one after another. When the name goes, look for the pings of `streamable_http_manager`.
    """
    from mcp.server import _streamable_http_modern as modern
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

    modern._SSE_PING_INTERVAL = BEGIN_ANSWER_S  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    lowlevel = server._lowlevel_server  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    manager = StreamableHTTPSessionManager(
        lowlevel, stateless=True, session_idle_timeout=None, max_request_body_size=max_body
    )
    async with manager.run():
        yield manager.handle_request


def add_request_handler(
    server: MCPServer[Any],
    method: str,
    params: type[ParamsT],
    handler: Callable[[ServerRequestContext[Any, Any], ParamsT], Awaitable[Result]],
) -> None:
    """Let `server` answer a method of the protocol for which `MCPServer` has no decorator.

    An `Extension` may only bind methods that are not in the protocol; the SDK's own docstring (`MethodBinding`) sends
    everything else to `Server.add_request_handler`, which `MCPServer` keeps in `_lowlevel_server`. When the attribute
    goes, look for a way to subscribe in `MCPServer` first: `resources/subscribe` and `resources/unsubscribe` are the
    only methods that need this.
    """
    lowlevel = server._lowlevel_server  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    lowlevel.add_request_handler(method, params, handler)
