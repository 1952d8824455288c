"""Makes the MCP server: `build_server` puts tools, prompts, resources and completions together."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
from mcp import MCPError
from mcp.server import CacheHint
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import (
    INVALID_PARAMS,
    CallToolResult,
    Completion,
    CompletionArgument,
    CompletionContext,
    GetPromptResult,
    InputRequiredResult,
    PromptReference,
    ResourceTemplateReference,
)

from .. import __version__
from ..errors import shown
from ..service.images import ImageService
from .answer_room import AnswerRoom
from .completions import complete
from .cursors import refuse_cursors
from .given_up_calls import GivenUpCalls
from .notifications import ChangeNotifier
from .prompts.templates import all_prompts
from .resources import PictureServer, expected_errors
from .sealed_answers import sealing
from .studio_tool import StudioExtension, studio_tool
from .tools import all_tools

if TYPE_CHECKING:
    from .hosting import Hosting

INSTRUCTIONS = """\
Makes and edits pictures with OpenAI's gpt-image-2 and saves them on this computer. Every call that makes a picture \
costs money and takes 10 seconds to 4 minutes.
- Tell the person each file's absolute path from the answer: many clients do not show them the picture.
- Pictures attached to the chat do not reach this server. `images` and `mask` take a path on this computer (relative: \
from the server's own folder), an http(s) URL, a data URL, or a picture made here: its id, `last` (the newest of this \
chat, also one made a moment ago), or its number on the last contact sheet or in the last answer with several.
- For several changes to one picture use start_edit_session and continue_edit_session, one change a turn; repeat \
what is to stay. from_turn goes back to an earlier turn and branches.
- list_images finds earlier pictures, of other chats too ("the blue one from this morning"); with contact_sheet the \
person can name a number, as_page writes an HTML page of all. show_image looks closely. `like` repeats an earlier \
call's words and settings: a NEW picture. To keep a picture's look, put it in `images`; to finish draft 2 as it is: \
edit_image with images ["2"], like "2", quality "high".
- Write prompts in labelled parts (scene, subject, details, constraints), quote exact text and add "no other \
text"; number the input pictures and give each a role: they are drawn anew, so a logo or a face is never exactly \
the same. Draft at quality low, finish at medium or high.
- A call that takes long answers with a job_id: fetch the picture with get_image_job, do not repeat the call.
- You can delete, move and rename nothing: the person does it with `gpt-image-2-mcp library delete ID` (to the trash) \
or `library move ID FOLDER`.
- An error says what to do; do not repeat a call that may have been billed without asking the person.
"""

ServiceOpener = Callable[[], AbstractAsyncContextManager[ImageService]]

HOUR_MS = 3_600_000


def build_server(open_service: ServiceOpener, hosting: "Hosting | None" = None) -> PictureServer:
    """Make a server for one client; it opens the service when the client connects and closes it when it leaves.

    With `hosting` it is one for the clients of one person, over HTTP without sessions.
    """

    @asynccontextmanager
    async def lifespan(_: MCPServer[ImageService]) -> AsyncGenerator[ImageService]:
        async with open_service() as service, anyio.create_task_group() as tasks:
            server.service = service
            tasks.start_soon(changes.follow, service.news.stream)
            tasks.start_soon(service.resume_batches)
            yield service
            tasks.cancel_scope.cancel()

    changes, calls = ChangeNotifier(), GivenUpCalls(can_be_named=hosting is None)
    room = AnswerRoom(hosting.making if hosting else None)
    # Each request of an older client has a connection of its own, which ends with it: nothing can be told there later.
    of_connection = [] if hosting else [changes.middleware]

    server = _Server(
        "gpt-image-2-mcp",
        title="gpt-image-2",
        instructions=hosting.instructions if hosting else INSTRUCTIONS,
        version=__version__,
        tools=[*(hosting.tools if hosting else all_tools()), studio_tool()],
        extensions=[StudioExtension()],
        lifespan=lifespan,
        log_level="WARNING",
        cache_hints={"tools/list": CacheHint(HOUR_MS, "public"), "prompts/list": CacheHint(HOUR_MS, "public")},
        middleware=[room.middleware, refuse_cursors, calls.middleware, *of_connection],
        subscriptions=changes.bus,
        request_state_security=hosting.request_state if hosting else sealing(None, lambda _: None),
    )
    server.calls, server.room, server.changes = calls, room, changes
    if not hosting:
        server.serve_subscriptions(changes)
    for prompt in hosting.prompts if hosting else all_prompts():
        server.add_prompt(prompt)

    @server.completion()
    async def completed(
        ref: PromptReference | ResourceTemplateReference, argument: CompletionArgument, _: CompletionContext | None
    ) -> Completion:
        with expected_errors(server.service):
            return await complete(ref, argument, server.service)

    return server


class _Server(PictureServer):
    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[ImageService, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Answer an unknown name with the names that there are; the SDK would repeat it, however long it is."""
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError:
            if name in [tool.name for tool in await self.list_tools()]:
                raise
            known = ", ".join(tool.name for tool in all_tools())
            raise ToolError(f"There is no tool {shown(name)}; there are: {known}.") from None

    async def get_prompt(
        self, name: str, arguments: dict[str, Any] | None = None, context: Context[ImageService, Any] | None = None
    ) -> GetPromptResult | InputRequiredResult:
        """Answer an unknown name with "invalid params"; the SDK would report an internal error of the server."""
        names = [prompt.name for prompt in await self.list_prompts()]
        if name not in names:
            raise MCPError(INVALID_PARAMS, f"There is no prompt {shown(name)}; there are: {', '.join(names)}.")
        return await super().get_prompt(name, arguments, context)
