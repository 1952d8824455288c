"""The lines between front and engine that are no messages, and what the front answers without an engine."""

import re

READY = b"#ready\n"
"""The engine works: from now on, a request may be sent to the API."""
IDLE = b"#idle\n"
"""The engine has had nothing to do for a while, and would end."""
READ = b"#read "
"""Before the JSON text of a request's id, from the front to the engine: the answer counts as read."""
STATE = b"#state "
"""Before a JSON text: what the next engine has to know of this chat."""

ANSWER = re.compile(rb'\{"jsonrpc":"2\.0","id":(-?\d+|"(?:[^"\\]|\\.)*"),"(?:result|error)":')
QUESTION = re.compile(rb'\{"jsonrpc":"2\.0","id":(-?\d+|"(?:[^"\\]|\\.)*"),"method":')
"""The beginnings of the engine's lines: an answer to the client, a request to it. pydantic writes the id second."""

ENDED = (
    "The engine of gpt-image-2-mcp, the process that makes the pictures, ended while this was under way. If a picture"
    " was being made, it may have been billed: look with get_image_job and list_images before you ask for it again. The"
    " next call starts a new engine."
)
NOT_STARTED = (
    "The engine of gpt-image-2-mcp, the process that makes the pictures, could not be started; nothing was sent. The"
    " program may have been removed or damaged since this server was started: restart the server in your client, whose"
    " log has the reason, or install the program again."
)
