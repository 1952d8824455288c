"""Serves from the first byte: `handshake` answers the opening, and the server proper is loaded when it is needed."""


def serve(*, sandbox: bool) -> None:
    """Serve MCP on stdin and stdout until the client is gone."""
    from .handshake import answer_handshake
    from .pipes import take_over_stdio

    pipes = take_over_stdio()
    replay = answer_handshake(pipes)
    if replay is None:
        return
    import gc

    # The garbage collector would walk through everything that is imported, again and again, while it is imported and
    # during the first call, and none of it is garbage: it is off during the imports, and leaves out what they made.
    # docs/performance.md says what that saves; without these three lines everything works the same.
    gc.disable()
    from .session import run

    gc.freeze()
    gc.enable()
    run(pipes, replay, sandbox=sandbox)
