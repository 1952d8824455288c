"""Runs the program with a wait that is shorter than users have: python hurried.py PYTHON -m gpt_image_2_mcp ARGUMENT...

An answer counts as read after `READ_S`, and only then an engine can end for want of work.
"""

import sys

READ_S = 0.2


def main() -> None:
    """Become the program, in this process."""
    # The folder of the tests is not where the program looks for modules.
    del sys.path[0], sys.argv[:3]
    from gpt_image_2_mcp.server.stdio import pipes

    setattr(pipes, "READ_WITHIN_S", READ_S)  # noqa: B010 - it is a constant
    from gpt_image_2_mcp.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
