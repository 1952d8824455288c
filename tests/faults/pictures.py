"""Small pictures, each with bytes of its own, so that a file on the disk says which answer it came with."""

import hashlib
import io

from PIL import Image

CELLS = 8
SIDE = 64


def picture(label: str, kind: str = "PNG") -> bytes:
    """Draw a chequerboard of colours that `label` decides, as a file of Pillow's format `kind`."""
    colours = hashlib.shake_256(label.encode()).digest(CELLS * CELLS * 3)
    image = Image.new("RGB", (SIDE, SIDE))
    edge = SIDE // CELLS
    for cell in range(CELLS * CELLS):
        x, y = cell % CELLS * edge, cell // CELLS * edge
        red, green, blue = colours[cell * 3 : cell * 3 + 3]
        image.paste((red, green, blue), (x, y, x + edge, y + edge))
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def vector(label: str) -> bytes:
    """Draw an SVG."""
    colour = hashlib.sha256(label.encode()).hexdigest()[:6]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{SIDE}" height="{SIDE}"><title>{label}</title>'
        f'<rect width="{SIDE}" height="{SIDE}" fill="#{colour}"/></svg>'
    ).encode()
