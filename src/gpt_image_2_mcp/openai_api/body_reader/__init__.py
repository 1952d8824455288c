"""Reads the body of an images answer without making a text of its base64.

How it works: what stands between `"b64_json":"` and the next quote is decoded out of the body's bytes, and only the
rest is parsed as JSON, with a short name in the picture's place. JSON escapes the quotes inside its texts, so nothing
else looks like that. A text that is not plain base64 (escapes, a data URL, a line end) stays in the JSON, and the
general parser sees to it.

What it buys: 17 % of the processor time and 17 % of the memory of a call at 3840x2160 (docs/performance.md; `python -m
bench --only pieces` measures it). To turn it off, let `read_body` return `Body(content)`: the general parser then makes
a text of each picture and decodes that. `bench/server_without.py body_reader` is a server without it.
"""

from .reader import Body, ImageBytes, read_body

__all__ = ["Body", "ImageBytes", "read_body"]
