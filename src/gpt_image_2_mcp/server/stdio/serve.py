"""Serving from the first byte: `front` answers the opening, and the server proper is loaded when it is needed."""

GC_THRESHOLD = 10_000
"""New objects between two looks for garbage: at Python's 700, looking takes up to a twentieth of a call's time."""


def serve(*, sandbox: bool) -> None:
    """Serve MCP on stdin and stdout until the client is gone."""
    from .handshake import answer_handshake
    from .pipes import take_over_stdio

    pipes = take_over_stdio()
    replay = answer_handshake(pipes)
    if replay is None:
        return
    import gc

    # Nothing that is imported is garbage: looking for some takes a tenth of the time.
    gc.disable()
    from .session import run

    gc.enable()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    run(pipes, replay, sandbox=sandbox)
