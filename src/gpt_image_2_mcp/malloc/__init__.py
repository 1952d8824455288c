"""Gives memory back to the operating system once no job is under way. Linux with glibc only.

How it works: by default, glibc gives each thread a heap of its own (an arena), whose free end it keeps for the next
allocation. `use_one_arena` has all threads share one heap, where they rarely wait for each other, since Python runs one
of them at a time. `trim` then makes the allocator return what is free in it.

What it buys: after ten pictures at 3840x2160 the process holds 113 MiB instead of 167 (docs/performance.md; `python -m
bench --only pieces` measures it). A user has many servers, and each of them is idle most of the time. It costs a tenth
of a call's processor time, since the memory has to be had anew. To turn it off, delete the calls of both, in
`jobs.idle` and `images`; nothing else depends on them. `bench/server_without.py malloc` is a server without it.
"""

from .glibc import trim, use_one_arena

__all__ = ["trim", "use_one_arena"]
