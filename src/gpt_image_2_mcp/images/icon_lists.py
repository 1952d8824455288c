"""The icons that platforms ask for: which sizes, what the files are called, and the lists that name them."""

import json
from collections.abc import Iterator
from typing import Final, NamedTuple

ICO_EDGES: Final = (16, 24, 32, 48, 64, 128, 256)
FAVICON_PNGS: Final = {"apple-touch-icon.png": 180, "icon-192.png": 192, "icon-512.png": 512}
ANDROID: Final = {
    "android/mipmap-mdpi/ic_launcher.png": 48,
    "android/mipmap-hdpi/ic_launcher.png": 72,
    "android/mipmap-xhdpi/ic_launcher.png": 96,
    "android/mipmap-xxhdpi/ic_launcher.png": 144,
    "android/mipmap-xxxhdpi/ic_launcher.png": 192,
    "android/play-store-512.png": 512,
}
_APPLE: Final = (
    ("iphone", (20, 29, 40, 60), (2, 3)),
    ("ipad", (20, 29, 40, 76), (1, 2)),
    ("ipad", (83.5,), (2,)),
    ("ios-marketing", (1024,), (1,)),
    ("mac", (16, 32, 128, 256, 512), (1, 2)),
)
_APPLE_FOLDER: Final = "AppIcon.appiconset"


class Icon(NamedTuple):
    """One file of a set: its path below the output folder, its edge in pixels, and whether it must be opaque."""

    path: str
    edge: int
    is_opaque: bool = False


def icons_of(icon_set: str) -> list[Icon]:
    """The PNG, ICO and ICNS files of a set, the largest edges of each."""
    if icon_set == "favicon":
        # Apple's devices show transparency as black.
        pngs = [Icon(path, edge, is_opaque=path.startswith("apple")) for path, edge in FAVICON_PNGS.items()]
        return [Icon("favicon.ico", max(ICO_EDGES)), *pngs]
    edges = sorted({edge for _, edge, _ in _apple_entries()}, reverse=True)
    return [
        # Apple's stores refuse an icon with transparency.
        *(Icon(f"{_APPLE_FOLDER}/icon-{edge}.png", edge, is_opaque=True) for edge in edges),
        *(Icon(path, edge) for path, edge in ANDROID.items()),
        Icon("AppIcon.icns", 1024),
        Icon("AppIcon.ico", max(ICO_EDGES)),
    ]


def lists_of(icon_set: str) -> dict[str, bytes]:
    """The files of a set that name its icons, by path."""
    if icon_set == "favicon":
        icons = [
            {"src": path, "sizes": f"{edge}x{edge}", "type": "image/png"}
            for path, edge in FAVICON_PNGS.items()
            if path.startswith("icon-")
        ]
        return {"site.webmanifest": _json({"icons": icons})}
    images = [
        {"idiom": idiom, "size": f"{size:g}x{size:g}", "scale": f"{scale}x", "filename": f"icon-{edge}.png"}
        for idiom, edge, (size, scale) in _apple_entries()
    ]
    return {f"{_APPLE_FOLDER}/Contents.json": _json({"images": images, "info": {"version": 1, "author": "xcode"}})}


def _apple_entries() -> Iterator[tuple[str, int, tuple[float, int]]]:
    for idiom, sizes, scales in _APPLE:
        for size in sizes:
            for scale in scales:
                yield idiom, round(size * scale), (size, scale)


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()
