"""A child process: the server without one piece of the machinery for speed, so that its worth can be measured.

`server_without.py PIECE` replaces the piece by what is done without it, and then runs the server; the PIECE `nothing`
leaves everything in place. `pieces` compares them; to use such a server with a client, name this command instead of
`gpt-image-2-mcp`.
"""

import gc
import sys
from collections.abc import Callable, Mapping


def _keep_everything() -> None:
    """Leave the server as it is."""


def _without_png_decoder() -> None:
    """Let Pillow alone decode PNGs."""
    from gpt_image_2_mcp.images import png_decoder

    def decode_png(*_: object) -> None:
        return None

    def is_whole_png(*_: object) -> bool:
        return False

    _replace(png_decoder, decode_png=decode_png, is_whole_png=is_whole_png)


def _without_body_reader() -> None:
    """Parse the whole body as JSON, and decode the texts in it."""
    from gpt_image_2_mcp.openai_api import body_reader

    def read_body(content: bytes | bytearray) -> body_reader.Body:
        return body_reader.Body(bytes(content))

    _replace(body_reader, read_body=read_body)


def _without_malloc() -> None:
    """Leave glibc's allocator as it is."""
    from gpt_image_2_mcp import malloc

    _replace(malloc, use_one_arena=_keep_everything, trim=_keep_everything)


def _without_gc_freeze() -> None:
    """Let the garbage collector run while modules are imported, and walk through them later."""
    _replace(gc, disable=_keep_everything, freeze=_keep_everything)


PIECES: Mapping[str, Callable[[], None]] = {
    "nothing": _keep_everything,
    "png_decoder": _without_png_decoder,
    "body_reader": _without_body_reader,
    "malloc": _without_malloc,
    "gc.freeze": _without_gc_freeze,
}


def _replace(module: object, **functions: Callable[..., object]) -> None:
    """Replace functions of a module that no other module has imported yet."""
    for name, function in functions.items():
        assert hasattr(module, name), name
        setattr(module, name, function)


def main() -> None:
    """Remove the piece, then run the server."""
    PIECES[sys.argv.pop(1)]()
    from gpt_image_2_mcp.cli.main import main as serve

    serve()


if __name__ == "__main__":
    main()
