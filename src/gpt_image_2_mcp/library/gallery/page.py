"""The page around the pictures: its head, its totals, its days and sessions."""

import base64
import hashlib
from collections.abc import Sequence
from datetime import date, tzinfo
from decimal import Decimal
from functools import cache
from pathlib import Path

from ...billing.pricing import dollars
from ...catalogue.models import Picture
from .markup import escaped, local
from .trees import Line

MAX_INDENT = 4
"""How far the branches of branches are moved in."""
DAY_ENDS = "</section>\n"


def head(title: str) -> str:
    """Up to the body; the policy names the one style and the one script by their hashes."""
    style, script = _part("page.css"), _part("page.js")
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}';"
        " base-uri 'none'; form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="color-scheme" content="light dark">\n'
        f"<title>{escaped(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
    )


def header(title: str, pictures: Sequence[Picture], *, zone: tzinfo | None) -> str:
    """The title, the totals, and the search, which appears where its script runs."""
    paid = [picture.record for picture in pictures if not picture.record.sandbox]
    known = [record.cost_usd for record in paid if record.cost_usd is not None]
    notes: list[str] = []
    if len(known) < len(paid):
        notes.append(f"of {_count(len(paid) - len(known), 'picture')} nobody knows the cost")
    if len(paid) < len(pictures):
        notes.append(f"{_count(len(pictures) - len(paid), 'picture')} of the sandbox cost nothing")
    sessions = {picture.record.position.session_id for picture in pictures if picture.record.position}
    totals = [
        (f"{len(pictures):,}", "picture" if len(pictures) == 1 else "pictures"),
        (dollars(sum(known, Decimal(0))) if known or not paid else "unknown", "spent on them"),
        (f"{len(sessions):,}", "edit session" if len(sessions) == 1 else "edit sessions"),
    ]
    if pictures:
        totals.append((_day(local(min(picture.made for picture in pictures), zone).date()), "the first of them"))
    tiles = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for value, name in totals)
    note = f'<p class="note">{"; ".join(notes).capitalize()}.</p>' if notes else ""
    return (
        f'<header>\n<h1 dir="auto">{escaped(title)}</h1>\n<dl class="totals">{tiles}</dl>\n{note}'
        '<div class="search" role="search" hidden><input type="search" id="search" aria-label="Search the pictures"'
        ' placeholder="Search prompts, models, dates…" autocomplete="off">'
        '<output for="search" aria-live="polite"></output></div>\n</header>\n<main>\n'
    )


def day_begins(when: date) -> str:
    """A section with its heading."""
    return f'<section class="day">\n<h2><time datetime="{when.isoformat()}">{_day(when)}</time></h2>\n'


def session_begins(session_id: str, pictures: Sequence[Picture]) -> str:
    """A section within a day."""
    records = [picture.record for picture in pictures if not picture.record.sandbox]
    known = [record.cost_usd for record in records if record.cost_usd is not None]
    cost = f" · {dollars(sum(known, Decimal(0)))}" if known else ""
    return (
        f'<section class="session">\n<h3>Edit session <span>{_count(len(pictures), "turn")}{cost}'
        f" · <code>{escaped(session_id)}</code></span></h3>\n"
    )


def line_begins(line: Line) -> str:
    """A line of a session's tree; what it branches off is said, and linked to."""
    said = ""
    if line.parent and line.parent.record.position:
        link = f'<a href="#{escaped(line.parent.id)}">turn {line.parent.record.position.turn}</a>'
        said = f'<p class="branch indent-{min(line.depth, MAX_INDENT)}">Branch from {link}</p>\n'
    return f'{said}<ol class="line indent-{min(line.depth, MAX_INDENT)}">\n'


def foot(*, empty: bool) -> str:
    """The end of the page."""
    said = '<p class="empty">No pictures yet.</p>\n' if empty else '<p class="empty" hidden>No picture matches.</p>\n'
    return f"{said}</main>\n<script>{_part('page.js')}</script>\n</body>\n</html>\n"


def _day(when: date) -> str:
    return f"{when.day} {when:%B} {when.year}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


@cache
def _part(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
