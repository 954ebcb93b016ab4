"""When a report is due: days and times on the wall clock of one time zone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from functools import cached_property
from zoneinfo import ZoneInfo, available_timezones

from workbench.errors import UsageError, did_you_mean

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WORDS = {"daily": range(7), "weekdays": range(5), "weekends": range(5, 7)}
EXAMPLE = "for example 'Mon-Fri 18:05 America/New_York' or 'daily 07:30,18:05 UTC'"
#: A week has every due time once; a day more on both sides for zones that left out a whole day.
_REACH = timedelta(days=9)
#: Rules for daylight saving repeat within a year; two years meet each of them on other weekdays.
_RULES = timedelta(days=2 * 366)


@dataclass(frozen=True)
class Calendar:
    """Days of the week and times of the day in one time zone.

    A time that the clock leaves out in spring is due at the first moment after the gap, one that
    it shows twice in autumn is due the first time, once.

    Attributes
    ----------
    days
        0 is Monday.
    times
        In order, to the minute.
    zone
        An IANA name.

    Examples
    --------
    >>> calendar = parse_calendar("Mon-Fri 18:05 America/New_York")
    >>> calendar.next_due(datetime(2026, 3, 6, 23, 5, tzinfo=UTC)).isoformat()
    '2026-03-09T22:05:00+00:00'
    >>> calendar.text
    'Mon-Fri 18:05 America/New_York'
    """

    days: tuple[int, ...]
    times: tuple[time, ...]
    zone: str

    @cached_property
    def tz(self) -> ZoneInfo:
        """The zone's rules."""
        return ZoneInfo(self.zone)

    @property
    def text(self) -> str:
        """The calendar as `parse_calendar` reads it."""
        times = ",".join(f"{each:%H:%M}" for each in self.times)
        return f"{days_text(self.days)} {times} {self.zone}"

    def next_due(self, after: datetime) -> datetime:
        """Return the first due moment after `after`, in UTC."""
        return min(due for due in self._near(after, after + _REACH) if due > after)

    def previous_due(self, at: datetime) -> datetime:
        """Return the last due moment up to `at`, itself included, in UTC."""
        return max(due for due in self._near(at - _REACH, at) if due <= at)

    def due_between(self, after: datetime, until: datetime) -> list[datetime]:
        """Return the due moments after `after`, up to `until`, in UTC and in order."""
        return sorted({due for due in self._near(after, until) if after < due <= until})

    def wakes(self, now: datetime, tz: ZoneInfo | None) -> dict[time, tuple[int, ...]]:
        """Return at which times on which weekdays a clock of `tz` (None: this machine's) must ring.

        A timer knows weekly times only: it has to ring at each time a due moment falls on, the
        summer's and the winter's, and the one after a gap. `scheduled_run` sees what is due.
        """
        found: dict[time, set[int]] = {}
        for due in self.due_between(now, now + _RULES):
            local = due.astimezone(tz)
            found.setdefault(local.time().replace(tzinfo=None), set()).add(local.weekday())
        return {at: tuple(sorted(days)) for at, days in sorted(found.items())}

    def _near(self, start: datetime, end: datetime) -> Iterator[datetime]:
        day = start.astimezone(self.tz).date() - timedelta(days=2)
        last = end.astimezone(self.tz).date() + timedelta(days=2)
        while day <= last:
            if day.weekday() in self.days:
                yield from (self._moment(day, at) for at in self.times)
            day += timedelta(days=1)

    def _moment(self, day: date, at: time) -> datetime:
        """The moment a wall clock shows this for the first time, or skips it."""
        local = datetime.combine(day, at)
        earlier = local.replace(tzinfo=self.tz, fold=0).astimezone(UTC)
        if earlier.astimezone(self.tz).replace(tzinfo=None) == local:
            return earlier
        # In a gap fold=0 counts with the offset before it, fold=1 with the one after: the first
        # moment after the gap lies between the two.
        before, after = local.replace(tzinfo=self.tz, fold=1).astimezone(UTC), earlier
        offset = after.astimezone(self.tz).utcoffset()
        while after - before > timedelta(seconds=1):
            middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
            if middle.astimezone(self.tz).utcoffset() == offset:
                after = middle
            else:
                before = middle
        return after


def parse_calendar(text: str) -> Calendar:
    """Read a calendar: ``[DAYS] TIME[,TIME] [ZONE]``.

    Days are names, lists and ranges (``Mon-Fri``, ``Mon,Thu``, ``Fri-Mon``), ``daily`` (the
    default), ``weekdays`` or ``weekends``. The zone is UTC when left out.

    Raises
    ------
    UsageError
        Names the part that cannot be read.
    """
    words = text.split()
    zone = "UTC"
    if words and not re.match(r"\d", words[-1]):
        zone = _zone(words.pop(), text)
    split = next((i for i, word in enumerate(words) if re.match(r"\d", word)), len(words))
    days = _days(",".join(words[:split])) if split else tuple(range(7))
    times = [_time(each) for word in words[split:] for each in word.split(",") if each]
    if not times:
        raise UsageError(f"the calendar {text!r} has no time", hint=EXAMPLE)
    return Calendar(days, tuple(sorted(set(times))), zone)


def _zone(name: str, text: str) -> str:
    if name == "UTC":
        return name
    # EST and the like are zones, too, of a fixed offset that nobody means in summer.
    known = {zone for zone in available_timezones() if "/" in zone}
    if name in known:
        return name
    if name.partition(",")[0].partition("-")[0].capitalize()[:3] in DAYS or name in _WORDS:
        raise UsageError(f"the calendar {text!r} has no time", hint=EXAMPLE)
    folded = {zone.lower(): zone for zone in known}
    near = get_close_matches(name.lower().replace(" ", "_"), list(folded), n=1)
    hint = f"did you mean {folded[near[0]]!r}?" if near else "for example 'America/New_York'"
    raise UsageError(f"{name!r} is no IANA time zone of an area", hint=hint)


def _days(text: str) -> tuple[int, ...]:
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        if part.lower() in _WORDS:
            found |= set(_WORDS[part.lower()])
            continue
        first, _, last = part.replace("..", "-").partition("-")
        start, end = _day(first), _day(last or first)
        # Fri-Mon goes over the weekend.
        found |= {day % 7 for day in range(start, end + (1 if start <= end else 8))}
    return tuple(sorted(found))


def _day(name: str) -> int:
    full = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    for number, day in enumerate(full):
        if len(name) >= 3 and day.startswith(name.lower()):
            return number
    raise UsageError(f"{name!r} is no day", hint=did_you_mean(name, [*DAYS, *_WORDS]))


def _time(text: str) -> time:
    match = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", text)
    if match is None:
        raise UsageError(f"{text!r} is no time of day", hint="write 24 hours, for example 18:05")
    return time(int(match[1]), int(match[2]))


def days_text(days: tuple[int, ...], span: str = "-") -> str:
    """Return days as people write them; `span` stands between the first and the last of a range.

    Examples
    --------
    >>> days_text((0, 1, 2, 3, 4)), days_text((0, 2, 5, 6)), days_text(tuple(range(7)))
    ('Mon-Fri', 'Mon,Wed,Sat,Sun', 'daily')
    """
    if len(days) == 7:
        return "daily"
    ranges: list[list[int]] = []
    for day in days:
        if ranges and ranges[-1][-1] == day - 1:
            ranges[-1].append(day)
        else:
            ranges.append([day])
    return ",".join(
        f"{DAYS[each[0]]}{span}{DAYS[each[-1]]}"
        if len(each) > 2
        else ",".join(DAYS[day] for day in each)
        for each in ranges
    )
