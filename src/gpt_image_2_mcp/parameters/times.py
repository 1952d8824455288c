"""Parses times as people write them: dates, date-times, `today`, `yesterday`, and spans such as `2h` or `3d ago`."""

import re
from datetime import date, datetime, time, timedelta

from ..errors import BadRequest, shown

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_DAYS_AGO = {"today": timedelta(0), "yesterday": timedelta(days=1)}


def parse_time(text: str, *, end: bool = False, now: datetime) -> datetime:
    """Parse a point in time; a text without a time zone is taken to be in that of `now`.

    A date stands for the start of its day, and with `end` for the start of the next one.

    Raises:
        BadRequest: the text is no such time.

    """
    try:
        return _parse(text.strip(), end=end, now=now)
    except (ValueError, OverflowError):
        raise BadRequest(
            f"{shown(text)} is no time: give a date such as 2026-11-22, a date and time such as 2026-11-22T14:30,"
            " today, yesterday, or how long ago, such as 2h, 3d or 1w."
        ) from None


def _parse(text: str, *, end: bool, now: datetime) -> datetime:
    word = text.lower()
    if span := re.fullmatch(r"([0-9]{1,4})([hdw])(?: ago)?", word):
        return now - int(span[1]) * _UNITS[span[2]]
    if word in _DAYS_AGO:
        day = now.date() - _DAYS_AGO[word]
    elif "t" in word or ":" in word:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)
    else:
        day = date.fromisoformat(text)
    return datetime.combine(day + timedelta(days=1) if end else day, time.min, now.tzinfo)
