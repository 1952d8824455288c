"""The command `serve`: one server for a team, over HTTP."""

import click


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0: any free port.")
@click.option("--sandbox", is_flag=True, help="The built-in sandbox instead of OpenAI: no key, no cost.")
@click.pass_context
def serve(ctx: click.Context, host: str, port: int, sandbox: bool) -> None:
    """Serve a team over HTTP, at /mcp; docs/hosting.md says how.

    On a loopback address, without tokens, it serves one person. On any other it needs to know who asks:
    GPT_IMAGE_2_OAUTH_ISSUER or GPT_IMAGE_2_TOKENS_FILE, GPT_IMAGE_2_PUBLIC_URL, and PostgreSQL. Needs the extra
    `server`.
    """
    from ..hosting.serve import serve as run

    run(host=host, port=port, sandbox=sandbox or ctx.obj)
