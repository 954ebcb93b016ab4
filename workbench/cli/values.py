"""``NAME=VALUE`` on a command line: values that are bound to a query, never pasted into it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from workbench.errors import UsageError, did_you_mean, quoted

_WHOLE = re.compile(r"[+-]?\d{1,18}")
_DECIMAL = re.compile(r"[+-]?\d{1,18}\.\d{1,18}")


def parse_values(texts: Iterable[str]) -> dict[str, Any]:
    """Return the values by name: whole numbers and decimals as such, everything else as text.

    Raises
    ------
    UsageError
        For a text that has no name or no ``=``, and a name given twice.

    Examples
    --------
    >>> parse_values(["symbol=AAPL", "n=5", "least=0.10"])
    {'symbol': 'AAPL', 'n': 5, 'least': Decimal('0.10')}
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip().removeprefix("$")
        if not equals or not name.isidentifier():
            raise UsageError(f"{quoted(text)} is no value", hint="write NAME=VALUE")
        if name in found:
            raise UsageError(f"${name} is given twice")
        found[name] = _value(value)
    return found


def _value(text: str) -> Any:
    if _WHOLE.fullmatch(text):
        return int(text)
    return Decimal(text) if _DECIMAL.fullmatch(text) else text


def bound(values: Mapping[str, Any], wanted: Iterable[str]) -> dict[str, Any] | None:
    """Return those values that one statement waits for; None where it waits for none.

    Raises
    ------
    UsageError
        Names the first that is missing.
    """
    names = list(wanted)
    for name in names:
        if name not in values:
            give = f"give {name}=VALUE, outside of the shell with -p"
            hint = did_you_mean(name, list(values)) if values else give
            raise UsageError(f"no value for ${name}", hint=hint)
    return {name: values[name] for name in names} or None


def check_used(values: Mapping[str, Any], used: Iterable[str]) -> None:
    """Refuse a value that no statement waits for: a slip, which would change nothing.

    Raises
    ------
    UsageError
        Names the first.
    """
    known = list(used)
    for name in values:
        if name not in known:
            hint = did_you_mean(name, known) if known else "the query has no $name"
            raise UsageError(f"${name} is not in the query", hint=hint)
