"""One call of the official Python client, as one_call.mjs makes it with those for TypeScript.

python one_call.py TOOL ARGUMENTS COMMAND..., with ARGUMENTS in JSON. A line on stdin closes the client,
which waits `CLOSE_WITHIN_S` of the environment before it kills, in place of its own two seconds.
"""

import json
import os
import sys

import anyio
from mcp import StdioServerParameters
from mcp.client import Client, stdio

if hurry := os.environ.get("CLOSE_WITHIN_S"):
    for wait in ("PROCESS_TERMINATION_TIMEOUT", "FORCE_KILL_TIMEOUT"):
        assert getattr(stdio, wait) == 2.0
        setattr(stdio, wait, float(hurry))


async def main() -> None:
    tool, arguments, command, *rest = sys.argv[1:]
    server = StdioServerParameters(command=command, args=rest, env=dict(os.environ))
    async with anyio.create_task_group() as tasks, Client(server) as client:
        listed = await client.list_tools()
        say(f"tools: {' '.join(one.name for one in listed.tools)}")

        async def call() -> None:
            result = await client.call_tool(tool, json.loads(arguments))
            say(f"answer: {result.model_dump_json()}")

        tasks.start_soon(call)
        say("called")
        await anyio.to_thread.run_sync(sys.stdin.readline)
        tasks.cancel_scope.cancel()
    say("closed")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


anyio.run(main)
