"""Named figures and checks: the values a report stands for, and how they were held up."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from workbench.lake.table_text import for_people

Value = int | float | Decimal | str | None


@dataclass(frozen=True)
class Figure:
    """One named number of a report."""

    name: str
    value: Value
    unit: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as report.json keeps it: decimals as exact text."""
        return {**asdict(self), "value": plain(self.value)}


@dataclass(frozen=True)
class Check:
    """A number computed a second way, and whether both agree.

    Parameters
    ----------
    name
        What was checked.
    value, other
        The number of the report, and the one of the second path.
    tolerance
        ``exact``, ``rel`` or ``abs``.
    limit
        The largest difference that passes; None for ``exact``.
    source
        What the second path is.
    """

    name: str
    value: Value
    other: Value
    unit: str = ""
    tolerance: str = "exact"
    limit: float | None = None
    source: str = ""

    @property
    def passed(self) -> bool:
        """Whether the two agree within the tolerance; never with a NaN."""
        if self.tolerance == "exact":
            return bool(self.value == self.other)
        if not _is_number(self.value) or not _is_number(self.other):
            return self.value is None and self.other is None
        a, b = Decimal(str(self.value)), Decimal(str(self.other))
        if not (a.is_finite() and b.is_finite()):
            return False
        limit = Decimal(str(self.limit))
        return abs(a - b) <= (limit if self.tolerance == "abs" else limit * max(abs(a), abs(b)))

    def as_json(self) -> dict[str, Any]:
        """Return it as report.json keeps it."""
        told = {**asdict(self), "value": plain(self.value), "other": plain(self.other)}
        return {**told, "passed": self.passed}

    def in_words(self) -> str:
        """Return the check as one line of text; one that has failed with all its digits.

        >>> Check("volume", Decimal("4.50"), Decimal("4.5"), "shares").in_words()
        'passed: volume 4.5 shares = 4.5 (exact)'
        >>> Check("cost", Decimal("1234.56789"), Decimal("1234.56789")).in_words()
        'passed: cost 1,234.5679 = 1,234.5679 (exact)'
        """
        verdict, sign = ("passed", "=") if self.passed else ("FAILED", "is not")
        unit = f" {self.unit}" if self.unit else ""
        tolerance = self.tolerance if self.limit is None else f"{self.tolerance} {self.limit:g}"
        detail = f"{tolerance}; {self.source}" if self.source else tolerance
        value, other = map(in_short if self.passed else show, (self.value, self.other))
        return f"{verdict}: {self.name} {value}{unit} {sign} {other} ({detail})"


def tolerance_of(
    rel: float | None, abs_: float | None, exact: bool | None
) -> tuple[str, float | None]:
    """Return the one tolerance that was asked for; exact when none was.

    Raises
    ------
    ValueError
        Where more than one was, or a limit that is none.
    """
    asked = [("rel", rel), ("abs", abs_)]
    given = [(kind, limit) for kind, limit in asked if limit is not None]
    if len(given) + bool(exact) > 1 or (exact is False and not given):
        raise ValueError("give one of rel, abs_ and exact")
    if not given:
        return "exact", None
    kind, limit = given[0]
    if not (math.isfinite(limit) and limit >= 0):
        raise ValueError(f"{kind} must be a number of at least 0, got {limit!r}")
    return kind, limit


def plain(value: Any) -> Any:
    """Return a value as JSON can carry it without loss.

    >>> plain(Decimal("1.10")), plain(float("nan"))
    ('1.1', 'nan')
    """
    if isinstance(value, Decimal):
        return show_decimal(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value


def show(value: Value, digits: int | None = None) -> str:
    """Return a value as people read it; rounded half-up where digits are given.

    >>> show(Decimal("12345.675"), 2), show(None), show(1234)
    ('12,345.68', '-', '1,234')
    """
    if value is None:
        return "-"
    if isinstance(value, bool) or not _is_number(value):
        return str(value)
    number = Decimal(str(value))
    if not number.is_finite():
        return str(value)
    if digits is None:
        return f"{Decimal(show_decimal(number)):,f}"
    return f"{_rounded(number, digits):,f}"


def in_short(value: Value) -> str:
    """Return a value as people read it, with no more digits than they want to.

    >>> in_short(Decimal("12345.6754")), in_short(1.23456789), in_short(1234)
    ('12,345.68', '1.2346', '1,234')
    """
    number = isinstance(value, float) and math.isfinite(value)
    return show(for_people(Decimal(str(value)) if number else value))


def show_decimal(number: Decimal) -> str:
    """Return a decimal without trailing zeros and without an exponent."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _rounded(number: Decimal, digits: int) -> Decimal:
    result = number.quantize(Decimal(1).scaleb(-digits), context=Context(60, ROUND_HALF_UP))
    return result or abs(result)  # no minus zero


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)
