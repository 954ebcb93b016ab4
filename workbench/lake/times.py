"""Moments as people write them, read one way everywhere."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TypeAlias

from workbench.errors import UsageError, quoted

Moment: TypeAlias = datetime | date | str


def parse_moment(value: Moment, name: str = "as_of") -> datetime:
    """Return a moment in UTC.

    A time without a zone is UTC. A date means the end of that day: ``as of 8 August`` includes
    what happened on it.

    Raises
    ------
    UsageError
        Names the argument and the value.

    Examples
    --------
    >>> parse_moment("2024-08-08T12:00:00+02:00").isoformat()
    '2024-08-08T10:00:00+00:00'
    >>> parse_moment("2024-08-08").isoformat()
    '2024-08-08T23:59:59.999999+00:00'
    """
    if isinstance(value, str):
        value = _from_text(value.strip(), name)
    if isinstance(value, datetime):
        if str(value) == "NaT":  # pandas' missing time is a datetime, too
            raise UsageError(f"{name} is not a time: {quoted(value)}")
        plain = datetime(
            value.year, value.month, value.day, value.hour, value.minute, value.second,
            value.microsecond, value.tzinfo or UTC,
        )  # fmt: skip
        try:
            return plain.astimezone(UTC)
        except OverflowError as error:
            raise UsageError(
                f"{name} is outside of the calendar: {quoted(str(plain))}",
                hint="for example '2024-08-08T12:00:00Z'",
            ) from error
    if isinstance(value, date):
        return datetime.combine(value, time.max, UTC)
    raise UsageError(
        f"{name} must be a time, got {type(value).__name__} {quoted(value)}",
        hint="for example '2024-08-08' or '2024-08-08T12:00:00Z'",
    )


def _from_text(text: str, name: str) -> datetime | date:
    try:
        return date.fromisoformat(text) if len(text) == len("2024-08-08") else _time(text)
    except ValueError as error:
        raise UsageError(
            f"{name} is not a time: {quoted(text)}",
            hint="for example '2024-08-08' or '2024-08-08T12:00:00Z'",
        ) from error


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.removesuffix(" UTC"))


def show_moment(value: datetime) -> str:
    """Return a moment as people read it, in UTC.

    >>> show_moment(datetime(2024, 8, 8, 12, tzinfo=UTC))
    '2024-08-08 12:00:00 UTC'
    """
    shown = value.astimezone(UTC)
    fraction = f".{shown.microsecond:06d}".rstrip("0") if shown.microsecond else ""
    return f"{shown:%Y-%m-%d %H:%M:%S}{fraction} UTC"


def from_micros(value: int) -> datetime:
    """Return a moment given as microseconds since 1970, as Iceberg keeps it."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value)


def show_span(seconds: float | None) -> str:
    """Return a time span in one unit, short.

    Examples
    --------
    >>> show_span(5), show_span(150), show_span(7300), show_span(200_000), show_span(None)
    ('5 s', '2 min', '2 h', '2 d', '-')
    """
    if seconds is None:
        return "-"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if abs(seconds) >= size:
            return f"{int(seconds / size)} {unit}"
    return f"{int(seconds)} s"
