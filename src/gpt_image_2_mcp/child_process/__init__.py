"""Does one piece of work in a process of its own: what a stranger's file makes a library do ends with that process.

`run_in_child` starts a bare Python, which has no environment (so no key), none of this process's descriptors, and
limits on memory and time; it imports only the module of the function that it is to call. The process ends with its
work, and gives all memory back; it also ends when this one does.

    found = run_in_child("gpt_image_2_mcp.images.tasks:look", picture, memory=200 << 20, seconds=30)
    small = found.data

The function takes bytes and JSON values, and returns a dictionary of JSON values and bytes. Nothing is pickled, since
an answer may come from a process in which a decoder was taken over.

Starting it takes 65 ms of processor time with Pillow, and 10 ms without (measured 2026-11). It is started anew and not
forked, since a fork of a process with threads may stop at a lock that another thread held.
"""

from .run import MAX_DATA, ChildResult, run_in_child

__all__ = ["MAX_DATA", "ChildResult", "run_in_child"]
