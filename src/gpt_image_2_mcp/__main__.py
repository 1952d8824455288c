"""`python -m gpt_image_2_mcp` is the console script."""

from .cli.main import main

main()
