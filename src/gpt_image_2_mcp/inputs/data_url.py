"""`read_data_url`: the bytes of a picture that an argument holds itself, as a `data:` URL."""

import base64
import binascii
import re
from urllib.parse import unquote_to_bytes

from ..errors import UnreadableSource
from ..images.formats import HEAD, taken_format
from ..images.other_formats import why_not_taken
from ..images.validate import MAX_BYTES

_DATA_URL = re.compile(r"data:(?P<kind>[^,]{0,200}),", re.IGNORECASE | re.DOTALL)


def read_data_url(url: str, *, any_format: bool) -> bytes:
    """Decode a data URL, in base64 or percent-encoded; the media type is ignored, since the bytes show the format.

    `any_format` takes what is no picture, too.

    Raises:
        UnreadableSource: it is damaged, larger than a picture may be, or no picture.

    """
    found = _DATA_URL.match(url)
    if found is None:
        raise UnreadableSource("The data URL has no comma: it should begin like data:image/png;base64,…")
    # Checked before decoding: base64 has 4 characters for 3 bytes, percent-encoding up to 3 for 1.
    encoded_in_base64 = found["kind"].rstrip().lower().endswith(";base64")
    size = len(url) - found.end()
    if size > (3 if not encoded_in_base64 else 1) * (MAX_BYTES * 4 // 3 + 4):
        raise UnreadableSource(f"The data URL holds over {MAX_BYTES:,} bytes, which is the most: shrink it first.")
    data = unquote_to_bytes(url[found.end() :])
    if encoded_in_base64:
        plain = data.translate(bytes.maketrans(b"-_", b"+/"), delete=b" \t\r\n")
        try:
            data = base64.b64decode(plain + b"=" * (-len(plain) % 4), validate=True)
        except (binascii.Error, ValueError):
            raise UnreadableSource(
                "The base64 of the data URL is cut short or damaged: give the whole of it, or the path of a file."
            ) from None
    if len(data) > MAX_BYTES:
        raise UnreadableSource(f"The data URL holds over {MAX_BYTES:,} bytes, which is the most: shrink it first.")
    if not any_format and taken_format(data[:HEAD]) is None:
        raise UnreadableSource(f"The data URL {why_not_taken(data[:HEAD])}")
    return data
