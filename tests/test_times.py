"""Times as people say them, in `since` and `until`."""

import subprocess
import sys
from contextlib import suppress
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image_2_mcp.errors import BadRequest
from gpt_image_2_mcp.parameters.times import parse_time

ZONE = timezone(timedelta(hours=1))
NOW = datetime(2026, 11, 28, 15, 30, tzinfo=ZONE)
"""A Saturday."""

SAID = {
    "2026-11-22": ("2026-11-22 00:00", "2026-11-23 00:00"),
    "2026-11-22T14:30": ("2026-11-22 14:30", "2026-11-22 14:30"),
    "2026-11-22 14:30": ("2026-11-22 14:30", "2026-11-22 14:30"),
    "today": ("2026-11-28 00:00", "2026-11-29 00:00"),
    "2h": ("2026-11-28 13:30", "2026-11-28 13:30"),
    "3d ago": ("2026-11-25 15:30", "2026-11-25 15:30"),
    "1w": ("2026-11-21 15:30", "2026-11-21 15:30"),
    "3 days ago": ("2026-11-25 00:00", "2026-11-26 00:00"),
    "the last 3 days": ("2026-11-25 00:00", "2026-11-26 00:00"),
    "a few days ago": ("2026-11-25 00:00", "2026-11-26 00:00"),
    "1 week": ("2026-11-21 00:00", "2026-11-22 00:00"),
    "two weeks ago": ("2026-11-14 00:00", "2026-11-15 00:00"),
    "90min": ("2026-11-28 14:00", "2026-11-28 14:00"),
    "half an hour ago": ("2026-11-28 15:00", "2026-11-28 15:00"),
    "an hour ago": ("2026-11-28 14:30", "2026-11-28 14:30"),
    "last week": ("2026-11-16 00:00", "2026-11-23 00:00"),
    "this week": ("2026-11-23 00:00", "2026-11-30 00:00"),
    "last month": ("2026-10-01 00:00", "2026-11-01 00:00"),
    "Nov 2026": ("2026-11-01 00:00", "2026-12-01 00:00"),
    "Q3 2026": ("2026-07-01 00:00", "2026-10-01 00:00"),
    "2025": ("2025-01-01 00:00", "2026-01-01 00:00"),
    "this morning": ("2026-11-28 00:00", "2026-11-28 12:00"),
    "Yesterday 9:00": ("2026-11-27 09:00", "2026-11-27 09:00"),
    "yesterday at 9am": ("2026-11-27 09:00", "2026-11-27 09:00"),
    "yesterday evening": ("2026-11-27 17:00", "2026-11-28 06:00"),
    "last night": ("2026-11-27 17:00", "2026-11-28 06:00"),
    "noon": ("2026-11-28 12:00", "2026-11-28 12:00"),
    "since Monday": ("2026-11-23 00:00", "2026-11-24 00:00"),
    "earlier today": ("2026-11-28 00:00", "2026-11-29 00:00"),
    "22.11.2026": ("2026-11-22 00:00", "2026-11-23 00:00"),
    "9.11.2026": ("2026-11-09 00:00", "2026-11-10 00:00"),
    "November 3": ("2026-11-03 00:00", "2026-11-04 00:00"),
    "vor 3 Tagen": ("2026-11-25 00:00", "2026-11-26 00:00"),
    "letzte Woche": ("2026-11-16 00:00", "2026-11-23 00:00"),
    "hier": ("2026-11-27 00:00", "2026-11-28 00:00"),
    "вчера": ("2026-11-27 00:00", "2026-11-28 00:00"),
    "昨日": ("2026-11-27 00:00", "2026-11-28 00:00"),
}
UNCLEAR = ["fox", "the blue one", "5", "11/12/2026", "in 3 days", "tomorrow", "", "2026-13-45", "9" * 60]


@pytest.mark.parametrize("said", SAID)
def test_a_time_is_read_as_it_is_said(said: str) -> None:
    first, last = (datetime.fromisoformat(text).replace(tzinfo=ZONE) for text in SAID[said])
    assert parse_time(said, now=NOW) == first
    assert parse_time(said, end=True, now=NOW) == last


@pytest.mark.parametrize("said", UNCLEAR)
def test_what_is_no_time_or_an_unclear_one_is_refused_with_the_forms_that_are_read(said: str) -> None:
    with pytest.raises(BadRequest, match="cannot be read as a time: give a date such as 2026-11-22"):
        parse_time(said, now=NOW)


@given(text=st.text(max_size=60), end=st.booleans())
def test_every_text_is_a_time_or_a_bad_request(text: str, end: bool) -> None:
    with suppress(BadRequest):
        assert parse_time(text, end=end, now=NOW).tzinfo is not None


def test_the_short_forms_load_no_library() -> None:
    program = """
import sys
from contextlib import suppress
from datetime import datetime
from gpt_image_2_mcp.parameters.times import parse_time
for text in ("2026-11-22", "2026-11-22T14:30", "yesterday", "2h", "3d ago"):
    parse_time(text, now=datetime.now().astimezone())
print("dateparser" in sys.modules)
"""
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "False"
