"""The plot: a panel a section in two columns, a bar a figure, its spread as a thin line, its goal as a mark."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from .event_loop import SAMPLED
from .figures import Figures, Row
from .table import number

COLUMN, MARGIN = 1080, 28
LABEL, VALUE = 440, 235
LINE, TITLE = 25, 44
FONT, BOLD = 16, 19

INK, PALE, GRID = "#1c2430", "#6b7686", "#e6e9ee"
OURS, BESIDE, OTHER = "#1f7a8c", "#9aa5b1", "#c98a2b"
GOOD, BAD = "#2e8b57", "#c0392b"

Panel = tuple[str, Sequence[Row]]


def draw(title: str, figures: Figures) -> Image.Image:
    """Draw every figure of a run."""
    columns = _columns(_panels(figures))
    height = MARGIN * 2 + TITLE + max(sum(map(_height, column)) for column in columns)
    image = Image.new("RGB", (COLUMN * len(columns), height), "white")
    pen = ImageDraw.Draw(image)
    pen.text((MARGIN, MARGIN), title, INK, ImageFont.load_default(BOLD))
    for index, column in enumerate(columns):
        top = MARGIN + TITLE
        for panel in column:
            pen.text((COLUMN * index + MARGIN, top + 14), panel[0], INK, ImageFont.load_default(BOLD))
            _rows(pen, COLUMN * index, top + TITLE, panel[1])
            top += _height(panel)
    return image


def _height(panel: Panel) -> int:
    return TITLE + LINE * len(panel[1]) + MARGIN // 2


def _columns(panels: Sequence[Panel]) -> list[list[Panel]]:
    """Two columns in reading order, the first one as soon full as half of everything is in it."""
    half, first = sum(map(_height, panels)) / 2, list[Panel]()
    for panel in panels:
        if sum(map(_height, first)) >= half:
            break
        first.append(panel)
    rest = list(panels[len(first) :])
    return [first, rest] if rest else [first]


def _panels(figures: Figures) -> list[Panel]:
    """A panel for each unit of each section."""
    drawn = [row for row in figures.rows if row.samples and not row.section.startswith(SAMPLED)]
    keys = dict.fromkeys((row.section, row.unit) for row in drawn)
    return [
        (f"{section}; {unit}", [row for row in drawn if (row.section, row.unit) == (section, unit)])
        for section, unit in keys
    ]


def _rows(pen: ImageDraw.ImageDraw, edge: int, top: int, rows: Sequence[Row]) -> None:
    font = ImageFont.load_default(FONT)
    left, right = edge + MARGIN + LABEL, edge + COLUMN - MARGIN - VALUE
    # Against the longest median and not the longest sample: one hiccup would make every bar short.
    longest = max(max(row.median for row in rows) * 1.15, 0.001)

    def x(value: float) -> int:
        return left + round(min(max(value / longest, 0), 1) * (right - left))

    bottom = top + LINE * len(rows)
    for part in range(5):
        at = left + (right - left) * part // 4
        pen.line((at, top, at, bottom - 4), GRID)
    for row in rows:
        middle = top + LINE // 2 - 2
        pen.text((left - 12, middle), _fitting(row.name, font), INK, font, anchor="rm")
        pen.rectangle((left, top + 3, x(row.median), top + LINE - 8), _colour(row))
        pen.line((x(min(row.samples)), middle, x(max(row.samples)), middle), INK, 1)
        aim = _aim(row)
        if aim is not None and aim <= longest:
            pen.line((x(aim), top, x(aim), top + LINE - 5), GOOD if row.met else BAD, 3)
        words = f"{number(row.median)} {row.unit}" + (f"   {row.ratio:.2f}x" if row.ratio is not None else "")
        pen.text((right + 12, middle), words, INK, font, anchor="lm")
        if row.goal is not None:
            sign = (">=" if row.met else "<") if row.goal.is_least else ("<=" if row.met else ">")
            verdict = f"{sign} {row.goal.bound:g}{'x' if row.goal.of == 'ratio' else ''}"
            pen.text((edge + COLUMN - MARGIN, middle), verdict, GOOD if row.met else BAD, font, anchor="rm")
        top += LINE


def _aim(row: Row) -> float | None:
    """Where the goal stands on the row's own scale."""
    if row.goal is None:
        return None
    if row.goal.of == "value" or not row.ratio:
        return row.goal.bound
    return row.goal.bound * row.median / row.ratio


def _colour(row: Row) -> str:
    if row.name.startswith(("gpt-image-2-mcp", "longest", "worst ping, during")) or "in the answer" in row.name:
        return OURS
    return BESIDE if row.name.startswith(("openai SDK", "python", "worst")) else OTHER


def _fitting(name: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> str:
    """A label cut where it would leave its column."""
    cut = name
    while font.getlength(cut) > LABEL - 24:
        cut = cut.removesuffix("..")[:-1] + ".."
    return cut
