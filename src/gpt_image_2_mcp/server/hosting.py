"""What differs where the server serves people at other computers over HTTP: `Hosting`, for `build_server`."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import cast

import anyio
from mcp.server.mcpserver.tools import Tool
from mcp.server.request_state import RequestStateSecurity

from ..paths.other_computer import described
from .prompts.prompt import Arguments, RequestPrompt
from .prompts.templates import all_prompts
from .tools import all_tools
from .upload_tool import upload_tool

HOSTED_INSTRUCTIONS = """\
Makes and edits pictures with OpenAI's gpt-image-2, on a server that the person shares with a team. Every call that \
makes a picture costs the team money and takes 10 seconds to 4 minutes.
- This server is not on the person's computer: it reads no path, and writes no file there. Give the person the link of \
each picture from the answer: many clients do not show it.
- Pictures attached to the chat do not reach this server. `images` and `mask` take an http(s) URL, a data URL, what \
was uploaded with upload_link, or a picture made here: its id, `last` (the newest of this person), or its number on \
the last contact sheet or in the last answer with several.
- For several changes to one picture use start_edit_session and continue_edit_session, one change a turn; repeat \
what is to stay. from_turn goes back to an earlier turn and branches.
- list_images finds the person's earlier pictures, of other chats too ("the blue one from this morning"); with \
contact_sheet the person can name a number. show_image looks closely. `like` repeats an earlier call's words and \
settings: a NEW picture. To keep a picture's look, put it in `images`; to finish draft 2 as it is: edit_image with \
images ["2"], like "2", quality "high".
- Write prompts in labelled parts (scene, subject, details, constraints), quote exact text and add "no other \
text"; number the input pictures and give each a role. Draft at quality low, finish at medium or high.
- A call that takes long answers with a job_id: fetch the picture with get_image_job, do not repeat the call.
- An error says what to do; do not repeat a call that may have been billed without asking the person.
"""

_OF_THIS_COMPUTER = {"output_dir", "file", "as_page", "project", "replace"}
"""Parameters that mean a file or a folder of the computer that the server runs on."""


@dataclass(frozen=True, slots=True)
class Hosting:
    """How the server of one person differs from one on stdio."""

    request_state: RequestStateSecurity
    """Seals what a client carries from a question to the answer."""
    making: anyio.CapacityLimiter
    """Bounds the answers with pictures that are made at once for all people of this process."""
    tools: Sequence[Tool]
    prompts: Sequence[RequestPrompt]
    instructions: str = HOSTED_INSTRUCTIONS


@cache
def hosted_tools() -> tuple[Tool, ...]:
    """The tools without the parameters that mean a file or a folder of this computer, and `upload_link`.

    The parameters are refused as well: clients send what is not listed.
    """
    return (*(_without_paths(tool) for tool in all_tools()), upload_tool())


def _without_paths(tool: Tool) -> Tool:
    properties = {
        name: {**field, "description": described(field.get("description", ""))}
        for name, field in tool.parameters["properties"].items()
        if name not in _OF_THIS_COMPUTER
    }
    return tool.model_copy(
        update={
            "description": described(tool.description or ""),
            "parameters": {**tool.parameters, "properties": properties},
        }
    )


def hosted_prompts() -> list[RequestPrompt]:
    """The prompts as they are said to people at other computers."""
    return [_said_elsewhere(prompt) for prompt in all_prompts()]


def _said_elsewhere(prompt: RequestPrompt) -> RequestPrompt:
    def compose(arguments: Arguments) -> str:
        return described(cast("str", prompt.fn(arguments)))

    arguments = [
        argument.model_copy(update={"description": described(argument.description or "")})
        for argument in prompt.arguments or ()
    ]
    return prompt.model_copy(update={"fn": compose, "arguments": arguments})
