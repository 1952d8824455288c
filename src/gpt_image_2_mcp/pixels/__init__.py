"""Puts what a model changed back into the picture that it was asked to change, and proves that nothing else changed.

A model draws the whole picture anew: it moves, scales and tints what was to stay. `task.exact_edit` aligns its picture
with the original (`align`), matches the colours (`colour`), finds what changed (`change_map`), takes that much and no
more (`composite`), and counts in the finished file what differs (`proof`).

All of it uses numpy and OpenCV, which the extra `gpt-image-2-mcp[pixels]` brings. Only child processes import them:
they would double the memory of the server. So this file imports nothing, and the server calls `task` by name.
"""
