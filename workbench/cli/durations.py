"""Durations on the command line: ``90s``, ``10m``, ``24h``, ``3d``."""

from __future__ import annotations

import re
from datetime import timedelta

import click

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Duration(click.ParamType[timedelta]):
    """A number and its unit.

    >>> Duration().convert("90m", None, None)
    datetime.timedelta(seconds=5400)
    """

    name = "duration"

    def convert(
        self, value: str | timedelta, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Return the duration; click shows what it refuses."""
        if isinstance(value, timedelta):
            return value
        match = re.fullmatch(r"(\d{1,6})([smhd])", value.strip())
        if match is None:
            self.fail(f"{value!r} is no duration: write 90s, 10m, 24h or 3d", param, ctx)
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
