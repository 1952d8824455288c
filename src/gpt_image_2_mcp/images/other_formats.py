"""Names files that are not taken as input pictures, and says how a picture can be made of them."""

import re

from .formats import HEAD, TAKEN, WITH_ARTICLE, name_format

_EXPORT = "open it in a program that reads it, and export a PNG"
_DEVELOP = (
    "export a JPEG from the camera's or a RAW program; most such files hold one, which `exiftool -b -JpgFromRaw` takes"
    " out"
)
_OTHERS: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"8BPS", "a Photoshop file", "export a PNG with File > Export"),
    (0, b"\0\0\1\0", "an icon (ICO)", "`magick icon.ico icon.png` writes its pictures as PNGs"),
    (0, b"\0\0\2\0", "a cursor (CUR)", _EXPORT),
    (0, b"icns", "an icon (ICNS)", "`sips -s format png icon.icns --out icon.png` on macOS, or export a PNG"),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 picture", "`magick in.jp2 out.png`, or export a PNG"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 picture", "`magick in.j2k out.png`, or export a PNG"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL picture", "`djxl in.jxl out.png`, or export a PNG"),
    (0, b"\xff\x0a", "a JPEG XL picture", "`djxl in.jxl out.png`, or export a PNG"),
    (0, b"%PDF", "a PDF", "`pdftoppm -png -r 150 -f 1 -l 1 in.pdf page` makes a PNG of page 1"),
    (0, b"%!PS", "a PostScript file", "`gs -sDEVICE=png16m -r150 -o out.png in.eps`, or export a PNG"),
    (0, b"FUJIFILMCCD-RAW", "a RAW photograph", _DEVELOP),
    (0, b"IIRO", "a RAW photograph", _DEVELOP),
    (0, b"IIRS", "a RAW photograph", _DEVELOP),
    (0, b"IIU\0", "a RAW photograph", _DEVELOP),
    (8, b"CR\2\0", "a RAW photograph", _DEVELOP),
    (4, b"ftypcrx", "a RAW photograph", _DEVELOP),
    (0, b"qoif", "a QOI picture", _EXPORT),
    (0, b"DDS ", "a DDS texture", _EXPORT),
    (0, b"\x76\x2f\x31\x01", "an OpenEXR picture", _EXPORT),
    (0, b"gimp xcf", "a GIMP file", "export a PNG with File > Export As"),
    (0, b"\x8bJNG", "a JNG picture", _EXPORT),
    (0, b"\x8aMNG", "an MNG animation", "export one of its frames as a PNG"),
    (0, b"SIMPLE  =", "a FITS picture", _EXPORT),
    (0, b"AT&TFORM", "a DjVu document", "`ddjvu -format=tiff -page=1 in.djvu out.tiff`"),
    (0, b"PK\3\4", "a ZIP archive", "unpack it, and give one of its pictures"),
    (0, b"version https://git-lfs", "a pointer of Git LFS", "run `git lfs pull` to get the picture itself"),
    (4, b"ftyp", "a video", "save one of its frames: `ffmpeg -i in.mp4 -frames:v 1 out.png`"),
)
_DRAW = "open it in a browser and take a screenshot, or `rsvg-convert -w 1024 in.svg -o out.png`"
_TEXTS: tuple[tuple[bytes, str, str], ...] = (
    (b"<svg", "an SVG drawing", _DRAW),
    (b"<!doctype html", "an HTML page", "give the address of the picture itself"),
    (b"<html", "an HTML page", "give the address of the picture itself"),
)
_PNM = re.compile(rb"P[1-7][\s#]")


def recognise(head: bytes) -> str | None:
    """The name, with its article, of a file that is often taken for a picture ("a PDF"); None if unknown."""
    found = _recognise(head)
    return found[0] if found else None


def why_not_taken(head: bytes) -> str:
    """Why a file is no input, and the way out, to stand behind its name. `head` is as in `taken_format`."""
    if not head:
        return f"is empty: give a {TAKEN.replace(' and ', ' or ')} file."
    what, way_out = _recognise(head) or ("no picture", "give the file of a picture, or convert this one")
    return f"is {what}, and only {TAKEN} are taken (by their bytes, not by their name): {way_out}."


def _recognise(head: bytes) -> tuple[str, str] | None:
    for offset, magic, name, way_out in _OTHERS:
        if head.startswith(magic, offset):
            return name, way_out
    if head.startswith(b"\x1f\x8b"):
        return "a compressed file (gzip)", "unpack it first"
    if _PNM.match(head):
        return "a PNM picture", "`magick in.pnm out.png`, or export a PNG"
    if found := name_format(head):
        return WITH_ARTICLE[found], _DRAW if found == "svg" else _EXPORT
    text = _as_text(head)
    start = text[:HEAD].lstrip().lower()
    return next(((name, way) for magic, name, way in _TEXTS if start.startswith(b"<") and magic in start), None)


def _as_text(head: bytes) -> bytes:
    """The beginning of a text in UTF-8, also if it is in UTF-16."""
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if head.startswith(mark):
            return head[2:].decode(encoding, "replace").encode()
    return head.removeprefix(b"\xef\xbb\xbf")
