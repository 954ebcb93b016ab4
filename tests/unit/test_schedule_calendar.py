"""When a report is due: compared with a clock that is watched by the minute, and with systemd."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import UsageError
from workbench.schedule.calendar import Calendar, parse_calendar
from workbench.schedule.systemd import on_calendar

#: Half an hour, two hours, at midnight, a minute after it, backwards in winter, a day left out.
ZONES = (
    "UTC",
    "America/New_York",
    "Europe/Berlin",
    "Europe/Dublin",
    "Australia/Lord_Howe",
    "Antarctica/Troll",
    "America/Santiago",
    "America/St_Johns",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "Pacific/Apia",
)

SYSTEMD_CALENDAR = ("systemd-analyze", "calendar", "--iterations=750")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def by_the_minute(calendar: Calendar, start: datetime, end: datetime) -> list[datetime]:
    """Watch a wall clock: due is what it shows for the first time, or has just jumped over."""
    zone = ZoneInfo(calendar.zone)
    asked = set(calendar.times)
    seen, found = set(), []
    # Three days before the start: what is shown twice must have been seen the first time.
    minutes = [
        start - timedelta(days=3) + timedelta(minutes=n) for n in range(_minutes(start, end))
    ]
    walls = [each.astimezone(zone).replace(tzinfo=None) for each in minutes]
    for (_, last), (now, wall) in pairwise(zip(minutes, walls, strict=True)):
        passed = [
            last + timedelta(minutes=n + 1) for n in range((wall - last) // timedelta(minutes=1))
        ]
        for each in passed:
            if each in seen:
                continue
            seen.add(each)
            if each.time() in asked and each.weekday() in calendar.days:
                found.append(now)
    return sorted({each for each in found if start < each <= end})


def _minutes(start: datetime, end: datetime) -> int:
    return (end - start) // timedelta(minutes=1) + 3 * 24 * 60 + 1


def transitions(zone: str, year: int) -> list[date]:
    """The days of a year on which the clocks of a zone are moved."""
    noons = [datetime(year, 1, 1, tzinfo=UTC) + timedelta(days=n) for n in range(366)]
    offsets = [noon.astimezone(ZoneInfo(zone)).utcoffset() for noon in noons]
    return [noons[i + 1].date() for i in range(365) if offsets[i] != offsets[i + 1]]


@st.composite
def moments(draw: st.DrawFn) -> tuple[Calendar, datetime]:
    zone = draw(st.sampled_from(ZONES))
    year = draw(st.sampled_from([1995, 2011, 2019, 2026, 2031]))
    moved = transitions(zone, year)
    day = draw(st.sampled_from(moved)) if moved else date(year, 5, 5)
    # Where it gets difficult: the small hours.
    hour = st.one_of(st.integers(0, 4), st.integers(0, 23))
    times = draw(st.lists(st.builds(time, hour, st.integers(0, 59)), min_size=1, max_size=3))
    days = draw(st.sets(st.integers(0, 6), min_size=1))
    start = datetime.combine(day, time(), UTC) - timedelta(minutes=draw(st.integers(0, 4000)))
    return Calendar(tuple(sorted(days)), tuple(sorted(set(times))), zone), start


@settings(max_examples=60, deadline=None)
@given(moments())
def test_due_moments_are_those_of_a_clock_that_is_watched(example):
    calendar, start = example
    end = start + timedelta(days=4)
    watched = by_the_minute(calendar, start, end)
    assert calendar.due_between(start, end) == watched
    following = calendar.next_due(start)
    assert [following] == watched[:1] or following > end
    if watched:
        assert calendar.previous_due(end) == watched[-1]
    assert parse_calendar(calendar.text) == calendar


@pytest.mark.parametrize(
    ("text", "after", "due"),
    [
        # An hour earlier in UTC from the Monday after the change on.
        ("Mon-Fri 18:05 America/New_York", "2026-03-06T23:05", "2026-03-09T22:05"),
        # 02:30 does not exist: the first valid moment is 03:00 EDT.
        ("daily 02:30 America/New_York", "2026-03-07T08:00", "2026-03-08T07:00"),
        # 01:30 comes twice: the first, in EDT; then the next day's.
        ("daily 01:30 America/New_York", "2026-11-01T00:00", "2026-11-01T05:30"),
        ("daily 01:30 America/New_York", "2026-11-01T05:30", "2026-11-02T06:30"),
        # Half an hour on Lord Howe.
        ("daily 02:15 Australia/Lord_Howe", "2026-10-03T12:00", "2026-10-03T15:30"),
        # The clocks of Chile leave out midnight: Sunday begins at one.
        ("Sun 00:00 America/Santiago", "2026-09-05T12:00", "2026-09-06T04:00"),
        # Samoa had no 30 December 2011.
        ("Fri 12:00 Pacific/Apia", "2011-12-29T12:00", "2011-12-30T10:00"),
        ("Fri-Mon 07:00,18:05 UTC", "2026-11-19T00:00", "2026-11-20T07:00"),
    ],
)
def test_the_next_due_moment(text, after, due):
    assert parse_calendar(text).next_due(utc(after)) == utc(due)


def test_two_times_in_one_gap_are_due_once():
    calendar = parse_calendar("daily 02:10,02:50,03:00 America/New_York")
    day = calendar.due_between(utc("2026-03-08T00:00"), utc("2026-03-08T12:00"))
    assert day == [utc("2026-03-08T07:00")]


@pytest.mark.parametrize(
    ("written", "same"),
    [
        ("18:05", "daily 18:05 UTC"),
        ("monday-FRIDAY 8:05 Europe/Berlin", "Mon-Fri 08:05 Europe/Berlin"),
        ("Mon..Fri 18:05 07:00", "Mon-Fri 07:00,18:05 UTC"),
        ("weekdays,Sun 18:05", "Mon-Fri,Sun 18:05 UTC"),
        ("Sat-Mon 18:05", "Mon,Sat,Sun 18:05 UTC"),
        ("Mon, Wed 18:05", "Mon,Wed 18:05 UTC"),
    ],
)
def test_a_calendar_can_be_written_in_many_ways(written, same):
    assert parse_calendar(written).text == same


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no time.*for example"),
        ("Mon-Fri", "has no time"),
        ("Mon-Fri America/New_York", "has no time"),
        ("Mon-Fry 18:05", "'Fry' is no day: did you mean 'Fri'"),
        ("M-Fri 18:05", "'M' is no day"),
        ("Mon 25:00", "'25:00' is no time of day"),
        ("Mon 18:05pm", "is no time of day"),
        ("Mon 18:05 america/new_york", "did you mean 'America/New_York'"),
        ("Mon 18:05 EST", "'EST' is no IANA time zone of an area"),
        ("Mon 18:05 ../../etc/passwd", "is no IANA time zone"),
        ("Mon 18:05 right/UTC", "is no IANA time zone"),
    ],
)
def test_what_cannot_be_read_is_named(text, said):
    with pytest.raises(UsageError, match=said) as error:
        parse_calendar(text)
    assert "\n" not in str(error.value)


# ---------------------------------------------------------------- systemd


@pytest.mark.parametrize(
    "text",
    [
        "Mon-Fri 18:05 America/New_York",
        "daily 02:30 America/New_York",
        "Sun,Wed 02:15,22:00 Australia/Lord_Howe",
        "Sun 00:00 America/Santiago",
        "daily 01:30 Europe/Berlin",
    ],
)
def test_the_timer_rings_at_every_due_moment_of_two_years(text):
    """systemd skips a time the clock leaves out; the timer has a line for what comes instead."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    calendar, start = parse_calendar(text), utc("2026-01-01T00:00")
    rung: set[datetime] = set()
    for line in on_calendar(calendar, start):
        done = subprocess.run(
            [*SYSTEMD_CALENDAR, f"--base-time={start:%Y-%m-%d %H:%M:%S} UTC", line],
            check=True,
            capture_output=True,
            text=True,
            env={"TZ": "UTC", "LC_ALL": "C", "PATH": "/usr/bin:/bin"},
        )
        said = re.findall(r": \w{3} (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC", done.stdout)
        rung |= {utc(each) for each in said}
    due = calendar.due_between(start, utc("2028-01-01T00:00"))
    assert len(due) > 100 and set(due) <= rung
    # Most rings are due: at other times it finds nothing to do.
    assert calendar.next_due(start) == min(rung)
